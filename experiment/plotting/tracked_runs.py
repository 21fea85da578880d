"""Read runs from an MLflow store."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiment.plotting.run_data import RunData, Series
from experiment.tracking.store import connect_existing
from interface.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PAGE = 1000


def read_store(
    uri: str,
    run_ids: Sequence[str],
    envs: Sequence[str],
    n_latest: int | None,
    metrics: Sequence[str],
) -> tuple[list[RunData], list[str]]:
    """
    Read runs, the newest first.

    :param uri: of the store
    :param run_ids: only these; empty: all
    :param envs: only these environments; empty: all
    :param n_latest: how many at most; None: all
    :param metrics: keys to read
    :return: the runs with metrics, and one line for each that was left out
    :raises UserError: if the store cannot be read or a run is not in it
    """
    client = connect_existing(uri)
    found = [_get(client, run_id) for run_id in run_ids] or _search(client, envs, n_latest)
    if not found:
        of = f" of {', '.join(envs)}" if envs else ""
        raise UserError(f"there is no run{of} in {uri} yet")
    runs, notes = [], []
    for run in found:
        if any(key in run.data.metrics for key in metrics):
            runs.append(_read(client, run, metrics))
        else:
            notes.append(f"left out run {run.info.run_id}: it has none of {', '.join(metrics)}")
    return runs, notes


def _get(client: "MlflowClient", run_id: str) -> "Run":
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise UserError(f"the MLflow store has no run {run_id}") from error
    if run.info.lifecycle_stage == "deleted":
        raise UserError(
            f"the run {run_id} was deleted in MLflow; `mlflow runs restore --run-id {run_id}` "
            f"brings it back"
        )
    return run


def _search(client: "MlflowClient", envs: Sequence[str], n_latest: int | None) -> list["Run"]:
    experiments = [found.experiment_id for found in client.search_experiments()]
    names = ", ".join(f"'{env}'" for env in envs)
    found: list[Any] = []
    token = None
    while n_latest is None or len(found) < n_latest:
        page = client.search_runs(
            experiments,
            filter_string=f"params.`env.id` IN ({names})" if envs else "",
            max_results=_PAGE if n_latest is None else n_latest,
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        found += page
        token = page.token
        if token is None:
            break
    return found[:n_latest]


def _read(client: "MlflowClient", run: "Run", metrics: Sequence[str]) -> RunData:
    series = {
        key: _series(client.get_metric_history(run.info.run_id, key), run.info.start_time)
        for key in metrics
        if key in run.data.metrics
    }
    status, known = run.data.tags.get("status"), frozenset(run.data.metrics)
    return RunData(run.info.run_id, run.data.params, status, series, known)


def _series(history: Sequence[Any], start_time: int) -> Series:
    """Keep the last value of each step: MLflow keeps all."""
    by_step = {metric.step: metric for metric in sorted(history, key=lambda m: m.timestamp)}
    kept = [by_step[step] for step in sorted(by_step) if np.isfinite(by_step[step].value)]
    return Series(
        np.array([metric.step for metric in kept], dtype=float),
        np.array([(metric.timestamp - start_time) / 60_000 for metric in kept]),
        np.array([metric.value for metric in kept]),
    )
