"""The environment ids that can be made; imported late, since Gymnasium-Robotics takes 0.2 s."""

import contextlib
import functools
import importlib
import importlib.util
import io
import re

import gymnasium

from interface.resolvers import REPOSITORY

# mujoco-py is dead; ids that need it are registered, but cannot be made.
_DEAD_ENTRY_POINT = "MujocoPy"
# module -> package; without them, all other environments still train
_SIMULATORS = {"gymnasium_robotics": "gymnasium-robotics", "mujoco": "mujoco"}


@functools.cache
def register_robotics() -> None:
    """Fill Gymnasium's registry with the ids of Gymnasium-Robotics, where that is installed."""
    if missing_simulators():
        return
    # The import prints a notice about three Adroit environments, in every process.
    with contextlib.redirect_stderr(io.StringIO()):
        import gymnasium_robotics

    gymnasium.register_envs(gymnasium_robotics)


def missing_simulators() -> str:
    """
    Tell what to install for environments that need MuJoCo.

    :return: a part of an error's sentence; empty if all is there
    """
    absent = [name for module, name in _SIMULATORS.items() if not importlib.util.find_spec(module)]
    if not absent:
        return ""
    lines = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line.partition("==")[0] in absent]
    return f"what needs MuJoCo is not installed: pip install {' '.join(pinned)}"


def environment_ids(packages: tuple[str, ...] = ()) -> list[str]:
    """
    List the registered ids, without those that need mujoco-py.

    :param packages: to import first, since they register environments of their own
    """
    register_robotics()
    for package in packages:
        importlib.import_module(package)
    return sorted(
        name
        for name, spec in gymnasium.registry.items()
        if _DEAD_ENTRY_POINT not in str(spec.entry_point)
    )


def newest_versions(names: list[str]) -> list[str]:
    """
    Keep the newest version of each environment.

    :param names: ids such as ``Ant-v4``
    :return: sorted; ids without a version are kept
    """
    newest: dict[str, tuple[int, str]] = {}
    for name in names:
        match = re.fullmatch(r"(.*)-v(\d+)", name)
        stem, version = (match[1], int(match[2])) if match else (name, 0)
        newest[stem] = max(newest.get(stem, (0, name)), (version, name))
    return sorted(name for _, name in newest.values())
