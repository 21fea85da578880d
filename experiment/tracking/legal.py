"""Names, lengths and numbers as MLflow takes them; what has to change is told."""

import functools
import logging
import math
import posixpath
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from experiment.tracking.journal import Record

if TYPE_CHECKING:
    from mlflow.entities import Metric, Param, RunTag

log = logging.getLogger(__name__)

_LONGEST_PARAM = 6000
_LONGEST_TAG = 8000
_REFUSED = re.compile(r"[^\w.\- /]")


def legal_name(name: str) -> str:
    """
    Spell a name so that MLflow takes it: ``dist<0.1`` becomes ``dist-x3c-0.1``.

    :param name: of a param, a metric or a tag
    :return: the name with ``-x<code>-`` for each character that MLflow refuses there
    """
    refused = re.compile(r"[^\w\- ]") if _names_another_path(name) else _REFUSED
    return refused.sub(lambda match: f"-x{ord(match[0]):x}-", name)


def _names_another_path(name: str) -> bool:
    """MLflow refuses names that, read as paths, are those of others, such as ``a//b``."""
    return posixpath.normpath(name) != name or name.startswith(("/", ".."))


def legal_params(values: Mapping[str, str]) -> "list[Param]":
    """
    Make MLflow's params.

    :param values: by name
    """
    from mlflow.entities import Param

    return [Param(*pair) for pair in _pairs(values, _LONGEST_PARAM)]


def legal_tags(values: Mapping[str, str]) -> "list[RunTag]":
    """
    Make MLflow's tags.

    :param values: by name
    """
    from mlflow.entities import RunTag

    return [RunTag(*pair) for pair in _pairs(values, _LONGEST_TAG)]


def legal_metrics(record: Record) -> "tuple[list[Metric], dict[str, str]]":
    """
    Make MLflow's metrics; infinity, which it would give back as 1.8e308, becomes not a number.

    :param record: of the journal
    :return: the metrics, and a tag for each that is infinite
    """
    from mlflow.entities import Metric

    metrics, tags = [], {}
    for key, value in record["values"].items():
        if math.isinf(value):
            tags[f"infinite.{key}"] = f"{value} at step {record['step']}"
        shown = math.nan if math.isinf(value) else value
        metrics.append(Metric(legal_name(key), shown, record["time"], record["step"]))
    return metrics, tags


def _pairs(values: Mapping[str, str], longest: int) -> list[tuple[str, str]]:
    return [(legal_name(key), _cut(key, str(value), longest)) for key, value in values.items()]


def _cut(key: str, value: str, longest: int) -> str:
    if len(value) <= longest:
        return value
    _tell_of_cut(key, len(value))
    return value[: longest - 3] + "..."


@functools.cache
def _tell_of_cut(key: str, n_characters: int) -> None:
    """Say it once, not whenever a batch is tried again."""
    log.warning(
        "%s has %d characters; MLflow gets the first of them, the run's journal has all",
        key,
        n_characters,
    )
