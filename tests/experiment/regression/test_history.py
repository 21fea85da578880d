"""The matrix in MLflow: a row is recorded once and whole, wherever a kill came between."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from experiment.regression.history import History
from experiment.regression.matrix import Verdict
from experiment.regression.runner import Progress
from tests.experiment.regression.test_regression_runner import make_row


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("at", ["log_batch", "set_terminated", None])
def test_what_a_kill_left_half_is_completed(
    at: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    row = make_row(tmp_path, "", n_seeds=2)
    verdicts = {
        seed: Verdict(passed=True, message="", metrics={"value": float(seed)}) for seed in (1, 2)
    }
    progress = [Progress(row, verdicts)]

    def die(*_: object, **__: object) -> None:
        raise Killed

    if at is not None:
        with monkeypatch.context() as patched:
            patched.setattr(MlflowClient, at, die)
            with pytest.raises(Killed):
                History(uri, "performance", "abc").record(progress)
    for _ in range(2):
        History(uri, "performance", "abc").record(progress)
    client = MlflowClient(uri)
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"value": 1.5, "passed_share": 1.0}
    points = client.get_metric_history(run.info.run_id, "value")
    assert len(points) == 1
    assert History(uri, "performance", "later").before() == {row.name: "passed (abc)"}
