"""What a picture needs to know of a run."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from interface.errors import unknown_name

SHORT_NAMES = {"algorithm": "algorithm_name", "env": "env.id"}


@dataclass(frozen=True)
class Series:
    """
    One metric of one run.

    :param steps: environment steps, ascending (n,)
    :param minutes: of wall-clock time since the start (n,); NaN where not known
    :param values: (n,), finite
    """

    steps: np.ndarray
    minutes: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class RunData:
    """
    A run, read from its folder or from MLflow.

    :param name: folder or run id, for messages
    :param params: the leaves of its config
    :param status: how it ended, see ``interface.result``; None: not yet, or killed
    :param series: by metric key; those that were asked for and exist
    :param metrics: keys of all that it has
    """

    name: str
    params: Mapping[str, str]
    status: str | None
    series: Mapping[str, Series]
    metrics: frozenset[str] = frozenset()

    @property
    def env(self) -> str:
        """Gymnasium id."""
        return self.params.get("env.id", "unknown")

    @property
    def algorithm(self) -> str:
        """Name of the algorithm's config."""
        return self.params.get("algorithm_name", "unknown")


def full_key(name: str, params: Mapping[str, str]) -> str | None:
    """
    Find the parameter of a run that a short name means.

    :param name: ``algorithm``, ``env``, a full key, or the end of one such as ``gamma``
    :param params: of the run
    :return: the key; None if the run has no such parameter
    :raises UserError: if several parameters end so
    """
    key = SHORT_NAMES.get(name, name)
    if key in params:
        return key
    ending = [known for known in params if known.endswith(f".{key}")]
    chosen = _of_selected_learner(ending, params)
    if len(chosen) > 1:
        raise unknown_name("parameter: several end in", name, chosen)
    return chosen[0] if chosen else None


def _of_selected_learner(keys: list[str], params: Mapping[str, str]) -> list[str]:
    """Prefer the learners in use: HER's config holds the parameters of all that it could use."""
    if len(keys) < 2:
        return keys
    selected = params.get("algorithm.layer_classes", "")
    used = [key for key in keys if key.split(".")[-2] in selected]
    return used or keys
