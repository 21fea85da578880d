"""Ask SLURM, before anything is written, whether it would take our jobs."""

import logging
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from hydra_plugins.subgoal_launchers._queue import last_line, slurm_executor
from interface.errors import UserError, unknown_name

log = logging.getLogger(__name__)

# What SLURM says of jobs that could not start now, and perhaps never: the node may be drained.
_NOT_NOW = "node configuration is not available"


def check_slurm(params: Mapping[str, Any]) -> None:
    """
    Refuse what SLURM would refuse.

    :param params: as hydra-submitit-launcher names them
    :raises UserError: naming what is wrong and what would be right
    """
    if shutil.which("sbatch") is None:
        raise UserError(
            "hydra/launcher=slurm: there is no SLURM on this host (no sbatch on the PATH); start "
            "on a login node of the cluster, or take hydra/launcher=slurm_local"
        )
    _check_partition(params.get("partition"))
    executor = slurm_executor({**params, "submitit_folder": "."})
    script = executor._make_submission_file_text("true", "check")
    answer = subprocess.run(
        ["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False
    )
    reason = last_line(answer.stderr)
    if answer.returncode != 0 and _NOT_NOW in answer.stderr:
        log.warning("SLURM has no free node for such jobs now, or none at all: %s", reason)
    elif answer.returncode != 0:
        raise UserError(f"SLURM refuses such jobs ({reason}); change hydra.launcher.*")


def _check_partition(partition: str | None) -> None:
    answer = subprocess.run(
        ["sinfo", "--noheader", "--format=%R"], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        raise UserError(f"SLURM does not answer: {last_line(answer.stderr)}")
    known = answer.stdout.split()
    for name in (partition or "").split(","):
        if name and name not in known:
            raise unknown_name("partition", name, known)
