"""How a sweeper makes a study, or joins one that another sweeper made."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from hydra_plugins.early_stop_tpe_sweeper._monitor_settings import MonitorSettings
from hydra_plugins.early_stop_tpe_sweeper._records import (
    COMMIT,
    FOUNDER,
    ORIGIN,
    SEED,
    SETTINGS,
    SPACE,
)
from interface.errors import UserError
from util.process_identity import is_dead

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 0.5


def made(storage: BaseStorage, name: str, directions: Sequence[str]) -> bool:
    """
    Make a study; of several sweepers that try at once, one does.

    :param storage: of the study
    :param name: of the study
    :param directions: one per objective
    :return: False if it was there
    """
    try:
        optuna.create_study(
            study_name=name,
            storage=storage,
            directions=list(directions),  # type: ignore[arg-type]
        )
    except DuplicatedStudyError:
        return False
    return True


def enqueue(study: optuna.Study, params: Mapping[str, Any], origin: str) -> None:
    """
    Queue a configuration, unless it is queued or was tried already.

    :param study: of screened configurations
    :param params: values of searched keys; the sampler chooses the others
    :param origin: where it comes from
    """
    study.enqueue_trial(dict(params), {ORIGIN: origin}, skip_if_exists=True)


def found(
    study: optuna.Study,
    space: Mapping[str, BaseDistribution],
    seed: int,
    commit: str,
    known: Sequence[tuple[Mapping[str, Any], str]] = (),
) -> None:
    """
    Complete a study that was just made, for all who join it.

    :param study: of screened configurations
    :param space: what is searched
    :param seed: of the screening runs
    :param commit: of the code on this host
    :param known: configurations to try first, and where they come from
    """
    for params, origin in known:
        enqueue(study, params, origin)
    study.set_user_attr(SEED, seed)
    study.set_user_attr(COMMIT, commit)
    study.set_user_attr(SPACE, _as_json(space))  # the last one: it says that the study is complete


def is_founded(study: optuna.Study, timeout_seconds: float) -> bool:
    """
    Wait for the sweeper that made a study to complete it.

    :param study: of screened configurations
    :param timeout_seconds: how long at most
    :return: False if that sweeper died before
    """
    deadline = time.monotonic() + timeout_seconds
    while SPACE not in (attributes := study.user_attrs):
        founder = attributes.get(FOUNDER)
        if time.monotonic() >= deadline or (founder is not None and is_dead(founder)):
            return False
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return True


def join(
    study: optuna.Study,
    space: Mapping[str, BaseDistribution],
    settings: MonitorSettings,
    commit: str,
) -> int:
    """
    Join a complete study, and tell the runs what they go by.

    :param study: of screened configurations
    :param space: what is searched
    :param settings: of the monitors of the runs
    :param commit: of the code on this host
    :return: seed of the screening runs, which stays what it was at first
    :raises UserError: if the study searches another space
    """
    ours, attributes = _as_json(space), study.user_attrs
    theirs = attributes[SPACE]
    if theirs != ours:
        different = sorted(key for key in ours | theirs if ours.get(key) != theirs.get(key))
        raise UserError(
            f"the study {study.study_name!r} searches another space (different: "
            f"{', '.join(different)}); give this one a name of its own with "
            f"hydra.sweeper.study_name"
        )
    if attributes.get(COMMIT, "") != commit:
        log.warning(
            "the study %s was begun by commit %s of the code, this host has %s; each trial names "
            "its own, but all are compared with each other",
            study.study_name,
            attributes.get(COMMIT, "")[:10] or "unknown",
            commit[:10] or "unknown",
        )
    if attributes.get(SETTINGS) != settings.to_json():
        study.set_user_attr(SETTINGS, settings.to_json())
    return int(attributes[SEED])


def _as_json(space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    return {key: json.loads(distribution_to_json(one)) for key, one in space.items()}
