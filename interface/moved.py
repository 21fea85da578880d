"""Where a module of ours is now that a package or config of a user's names by its old path."""

import re
import traceback

from interface.resolvers import REPOSITORY

_RENAMED = {
    "acting": "numpy_actor",
    "action_noise": "noise",
    "capabilities": "needs",
    "layers": "layer",
    "learner": "abilities",
    "network_inputs": "inputs",
    "networks": "plain",
    "persistence": "composite",
    "relabelling": "transitions",
    "replay_buffer": "buffer",
    "replay_store": "store",
    "reward_function": "reward",
    "rollout_metrics": "hac",
    "run_owner": "owner",
    "scaling": "goal_space",
    "subgoal_testing": "transitions",
    "sweep_record": "search_record",
    "time_scales": "layer",
    "trial": "run",
    "trial_monitor": "run_monitor",
}
_NAMES = re.compile(r"\b(?:baselines_ext|experiment|interface)(?:\.\w+)+")


def where_it_went(error: Exception) -> str:
    """
    Say where a module that could not be imported is now.

    :param error: of an import
    :return: to append to a message; empty if nothing of ours moved from there
    """
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.line or "" for frame in frames if not frame.filename.startswith("<frozen")]
    for name in _NAMES.findall(" ".join([str(error), *lines[-1:]])):
        parts = name.split(".")
        for end in range(len(parts), 1, -1):
            now = _place_of(parts[:end])
            if now is not None:
                return f"; {'.'.join(parts[:end])} is now {now}"
    return ""


def _place_of(parts: list[str]) -> str | None:
    """Find the one module that bears the name of a module that is gone."""
    if REPOSITORY.joinpath(*parts).with_suffix(".py").exists():
        return None
    stem = _RENAMED.get(parts[-1], parts[-1])
    found = list((REPOSITORY / parts[0]).rglob(f"{stem}.py"))
    if len(found) != 1:
        return None
    return ".".join(found[0].relative_to(REPOSITORY).with_suffix("").parts)
