"""Jobs of SLURM whose Python is an image's."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from interface.errors import UserError


def in_container(image: str, setup: Sequence[str], folders: Iterable[Path]) -> dict[str, Any]:
    """
    Make the parameters of a job that runs in an image, by ``apptainer exec``.

    The packages are the image's, the code is the clone's; so both must be of one minor version of
    Python, which reads what the sweep has pickled.

    :param image: a file, or an address such as ``docker://...``
    :param setup: commands of the job before it starts Python
    :param folders: that the job reads and writes, beside those of the user and the present one
    :return: as hydra-submitit-launcher names them
    :raises UserError: if there is no such file
    """
    if "://" not in image:
        if not Path(image).exists():
            raise UserError(
                f"hydra.launcher.container={image}: there is no such file; "
                f"conf/container/README.md says how to build one"
            )
        image = str(Path(image).resolve())
    binds = [f"--bind={folder.resolve()}" for folder in folders]
    # --nv: the host's GPU and its driver; where there is none, only a warning
    command = ["apptainer", "exec", "--nv", *binds, image, "python"]
    return {"python": shlex.join(command), "setup": list(setup)}
