"""The matrix in MLflow: a run for each row and commit, and what an earlier commit came to."""

import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiment.regression.matrix import State
from experiment.regression.reports import remarks
from experiment.regression.runner import Progress
from experiment.tracking.store import RUNNING, connect, experiment_id, make_run

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

_ROW, _CODE, _STATE = "regression.row", "regression.code", "regression.state"
_ENDED = {State.PASSED: "FINISHED", State.FAILED: "FAILED"}


class History:
    """
    An MLflow experiment for each kind of matrix.

    :param uri: of the store
    :param kind: of the matrix
    :param code: what tells this state of the code from others
    :raises UserError: if the store does not answer
    """

    def __init__(self, uri: str, kind: str, code: str) -> None:
        self._client = connect(uri)
        self._experiment = experiment_id(self._client, f"regression-{kind}", None)
        self._code = code

    def before(self) -> dict[str, str]:
        """Tell of each row what it came to with the latest other code."""
        found: dict[str, str] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                f"tags.`{_CODE}` != '{self._code}'",
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            for run in page:
                tags = run.data.tags
                found.setdefault(tags[_ROW], f"{tags[_STATE]} ({tags[_CODE]})")
            token = page.token
            if not token:
                return found

    def record(self, progress: Sequence[Progress]) -> None:
        """
        Write a run for each decided row, once for each code.

        :param progress: of all rows
        """
        runs = self._runs()
        for one in progress:
            run = runs.get(one.row.name)
            if not one.is_decided or (run is not None and run.info.status != RUNNING):
                continue
            run_id = self._made(one) if run is None else run.info.run_id
            if run is None or not run.data.metrics:
                self._client.log_batch(run_id, _metrics_of(one))  # all or, after a kill, none
            self._client.set_terminated(run_id, _ENDED[one.state])

    def _made(self, one: Progress) -> str:
        tags = {_ROW: one.row.name, _CODE: self._code, _STATE: one.state.value}
        if remarks(one):
            tags["regression.remarks"] = "; ".join(remarks(one))[:4000]
        return make_run(self._client, self._experiment, one.row.name, tags)

    def _runs(self) -> "dict[str, Run]":
        """Find the rows that were recorded with this code, and those that a kill left half."""
        query = f"tags.`{_CODE}` = '{self._code}'"
        page = self._client.search_runs([self._experiment], query, max_results=5000)
        return {run.data.tags[_ROW]: run for run in page}


def _metrics_of(one: Progress) -> "list[Metric]":
    from mlflow.entities import Metric

    verdicts = list(one.verdicts.values())
    means = {}
    for name in sorted({name for verdict in verdicts for name in verdict.metrics}):
        means[name] = statistics.fmean(v.metrics[name] for v in verdicts if name in v.metrics)
    means["passed_share"] = sum(verdict.passed for verdict in verdicts) / len(verdicts)
    now = int(1000 * time.time())
    return [Metric(name, value, now, 0) for name, value in means.items()]
