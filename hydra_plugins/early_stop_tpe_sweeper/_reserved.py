"""Keys that a search needs itself: they are the same for all its runs, or it gives each its own."""

import re
from collections.abc import Iterable

from omegaconf import DictConfig

from interface.errors import UserError

# which keys, and why; those above the others decide
_REASONS = (
    (r"seed", "the search gives each run its seed, and verifies what is good on fresh ones"),
    (r"test_goals", "the search gives runs on fresh seeds goals of their own"),
    (r"(n_epochs|eval_after_n_steps)", "a score counts the steps of all runs against one budget"),
    (r"early_stop_\w+", "all runs must have the same target"),
    (r"hyperopt_\w+", "it says what the search optimises"),
    (r"(n_test_rollouts|evaluator(\..*)?)", "scores must be measured in the same way"),
    (r"env(\.id)?", "scores on different environments do not compare"),
    (r"(data_dir|n_parallel_runs|restore|imports|debug|search_space|run_monitor(\..*)?"
     r"|hydra[./].*)", "the search needs it"),
)  # fmt: skip
_ALWAYS = ("seed", "n_parallel_runs", "hydra")  # also in tasks that report nothing to a search


def check_searchable(keys: Iterable[str], config: DictConfig) -> None:
    """
    Refuse to search what a search needs itself.

    :param keys: with ranges, without Hydra's prefixes
    :param config: that the trials start from
    :raises UserError: naming the key, the reason and the right way
    """
    reports = "run_monitor" in config
    for key in keys:
        if not reports and not key.startswith(_ALWAYS):
            continue
        reason = next((why for which, why in _REASONS if re.fullmatch(which, key)), None)
        if reason is not None:
            raise UserError(f"{key} cannot be searched, because {reason}; {_right_way(key)}")


def _right_way(key: str) -> str:
    if key == "seed":
        return (
            "to run one configuration on several seeds: python experiment/launch.py "
            "'sets=[{env:FetchReach-v4,algorithm:her}]' n_seeds=3, or hydra/sweeper=basic"
        )
    return (
        f"give it one value, or run each of its values once: hydra/sweeper=basic, or "
        f"python experiment/launch.py 'sweep=[{{{key}:[...]}}]'"
    )
