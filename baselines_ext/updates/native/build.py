"""
Build the C++ gradient steps once per version of torch and source, and load them.

``python -m baselines_ext.updates.native.build`` builds them ahead of the first run.
"""

import functools
import hashlib
import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch as th
from filelock import FileLock
from torch import nn
from torch.utils import cpp_extension

from baselines_ext.networks.plain import NotPlainError
from baselines_ext.updates.adam import LeanAdam

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("update.cpp")
HEADERS = sorted(Path(__file__).parent.glob("*.h"))
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "subgoal"


class Ops:
    """The C++ gradient steps; ``native_ops`` makes the only one."""

    def __init__(self, library: Path) -> None:
        th.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        self.sac_step = th.ops.subgoal.sac_step.default
        self.td3_step = th.ops.subgoal.td3_step.default
        self.ppo_epoch = th.ops.subgoal.ppo_epoch.default
        self.gae = th.ops.subgoal.gae.default
        self.unroll = th.ops.subgoal.unroll.default

    @staticmethod
    def plain_adam(update: Any, name: str) -> LeanAdam:
        """
        Get the optimiser of plain networks.

        :param update: of an algorithm
        :param name: ``actor`` or ``critic``
        :raises NotPlainError: if networks or optimiser are anything else
        """
        if update.not_plain:
            raise NotPlainError(update.not_plain)
        optimizer = getattr(update, f"{name}_optimizer")
        if not isinstance(optimizer, LeanAdam):
            raise NotPlainError(f"the optimiser of its {name} is not plain Adam")
        return optimizer

    @staticmethod
    def is_relu(activation: type[nn.Module]) -> bool:
        """
        Tell the two supported activations apart.

        :param activation: between the layers
        :raises NotPlainError: if it is neither ReLU nor Tanh
        """
        if activation not in (nn.ReLU, nn.Tanh):
            raise NotPlainError(f"native updates know ReLU and Tanh, not {activation.__name__}")
        return activation is nn.ReLU


@functools.cache
def native_ops() -> Ops | None:
    """
    Build the C++ gradient steps if need be, and load them.

    :return: None where there is no compiler or it fails; training goes on without
    """
    try:
        return Ops(_built_library())
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        details = getattr(error, "stderr", None) or str(error)
        log.info("no native updates here: %s", details.strip().splitlines()[-1])
        return None


def _built_library() -> Path:
    source = b"".join(path.read_bytes() for path in (SOURCE, *HEADERS))
    digest = hashlib.sha256(source + th.__version__.encode()).hexdigest()[:16]
    library = CACHE / f"update-{digest}.so"
    if library.exists():
        return library
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        raise RuntimeError("there is no C++ compiler")
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{library}.lock"):
        if not library.exists():
            log.info("building native updates, once (about 15 s): %s", library)
            _compile(compiler, library)
    return library


def _compile(compiler: str, library: Path) -> None:
    temporary = library.with_suffix(f".{os.getpid()}.tmp")
    includes = [f"-isystem{path}" for path in cpp_extension.include_paths()]
    folders = cpp_extension.library_paths()
    links = [f"-L{path}" for path in folders] + [f"-Wl,-rpath,{path}" for path in folders]
    command = [compiler, "-std=c++20", "-O3", "-fPIC", "-shared", str(SOURCE), "-o", str(temporary)]
    subprocess.run(
        [*command, *includes, *links, "-lc10", "-ltorch_cpu", "-ltorch"],
        check=True,
        capture_output=True,
        text=True,
    )
    temporary.replace(library)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    native_ops()
