"""Jobs of SLURM in an image, with programs that stand in for SLURM and Apptainer."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from hydra_plugins.subgoal_launchers._container import in_container
from hydra_plugins.subgoal_launchers.subgoal_launchers import SlurmLauncher
from interface.errors import UserError
from interface.resolvers import REPOSITORY

# sbatch runs the job at once, as task 0 of 1; srun starts it; apptainer starts the host's Python.
PROGRAMS = {
    "sinfo": "echo cpu",
    "squeue": "",
    "scancel": "",
    "sbatch": """
[ "$1" = --test-only ] && exit 0
export SLURM_JOB_ID=7 SLURM_NTASKS=1 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0
export SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=here
sh "$1" >"{folder}/job.out" 2>&1 &
echo Submitted batch job 7""",
    "srun": 'while [ "$1" != apptainer ]; do shift; done; exec "$@"',
    "apptainer": """
printf '%s\\n' "$@" >"{folder}/apptainer.arguments"
shift  # exec
while [ "${{1#--}}" != "$1" ]; do shift; done
export IN_IMAGE="$1"; shift; shift  # python
exec "{python}" "$@" """,
}


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for an image, and the programs on the path."""
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text("#!/bin/sh\n" + text.format(folder=tmp_path, python=sys.executable))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    for name in ("PYTHONPATH", "SUBMITIT_PREEMPT_SIGNAL"):  # set by the launcher, put back after
        monkeypatch.setenv(name, os.environ.get(name, ""))
    (tmp_path / "an image.sif").write_text("")
    return tmp_path / "an image.sif"


def launcher(folder: Path, container: str) -> SlurmLauncher:
    made = SlurmLauncher(
        jobs_per_instance=1,
        idle_seconds=1,
        container=container,
        container_setup=[f"echo loaded >'{folder}/module'"],
        submitit_folder=f"{folder}/sweep/.submitit/%j",
        setup=[f"touch '{folder}/set_paths'"],
        partition="cpu",
    )
    config = OmegaConf.create({"hydra": {"sweep": {"dir": f"{folder}/sweep"}}})
    context: Any = None
    task: Any = None
    made.setup(hydra_context=context, task_function=task, config=config)
    return made


def test_a_job_runs_in_the_image(image: Path, monkeypatch: pytest.MonkeyPatch):
    folder = image.parent
    monkeypatch.chdir(folder)
    queue = launcher(folder, image.name)._queue
    assert queue.result(queue.submit(lambda: os.environ["IN_IMAGE"])) == str(image)
    given = (folder / "apptainer.arguments").read_text().splitlines()
    binds = [f"--bind={REPOSITORY}", f"--bind={folder}/sweep"]
    assert given[:6] == ["exec", "--nv", *binds, str(image), "python"]
    assert (folder / "module").exists()
    assert not (folder / "set_paths").exists()  # it would install what the image has


def test_an_image_that_is_not_there_is_told_before_anything_is_written(image: Path):
    missing = str(image.parent / "no.sif")
    with pytest.raises(UserError, match=r"container=.*no\.sif: there is no such file; conf/cont"):
        launcher(image.parent, missing)
    assert not (image.parent / "sweep").exists()


def test_an_address_is_left_to_apptainer():
    params = in_container("docker://lab/subgoal:1", [], [])
    assert params["python"].endswith(" docker://lab/subgoal:1 python")
