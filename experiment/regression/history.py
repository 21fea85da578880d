"""The matrix in MLflow: a run for each row and commit, and what an earlier commit came to."""

import statistics
from collections.abc import Sequence

from experiment.regression.matrix import State
from experiment.regression.reports import remarks
from experiment.regression.runner import Progress
from experiment.tracking.store import connect, experiment_id, make_run

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
        known = self._recorded()
        for one in progress:
            if not one.is_decided or one.row.name in known:
                continue
            tags = {_ROW: one.row.name, _CODE: self._code, _STATE: one.state.value}
            if remarks(one):
                tags["regression.remarks"] = "; ".join(remarks(one))[:4000]
            run_id = make_run(self._client, self._experiment, one.row.name, tags)
            verdicts = list(one.verdicts.values())
            for name in sorted({name for verdict in verdicts for name in verdict.metrics}):
                values = [v.metrics[name] for v in verdicts if name in v.metrics]
                self._client.log_metric(run_id, name, statistics.fmean(values))
            passed = sum(verdict.passed for verdict in verdicts)
            self._client.log_metric(run_id, "passed_share", passed / len(verdicts))
            self._client.set_terminated(run_id, _ENDED[one.state])

    def _recorded(self) -> set[str]:
        query = f"tags.`{_CODE}` = '{self._code}'"
        page = self._client.search_runs([self._experiment], query, max_results=5000)
        return {run.data.tags[_ROW] for run in page}
