"""Whoever lost a trial to another host writes nothing more."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution

from experiment.evaluation import episodes
from experiment.evaluation.evaluation import evaluate
from experiment.run import epochs
from experiment.run_folder.metric_history import MetricHistory
from experiment.run_folder.owner import OWNER, owned
from experiment.tracking.store import connect
from hydra_plugins.early_stop_tpe_sweeper import _monitor
from hydra_plugins.early_stop_tpe_sweeper._founding import found, join
from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._monitor import StudyMonitor
from hydra_plugins.early_stop_tpe_sweeper._monitor_settings import MonitorSettings
from hydra_plugins.early_stop_tpe_sweeper._records import WORKER
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.errors import UserError
from interface.result import Status
from interface.run_monitor import RunLostError
from tests.running import TINY_HER, train
from util.process_identity import identity

SPACE = {"x": FloatDistribution(0.0, 1.0)}
SETTINGS = MonitorSettings(4, 1.5, 0.25, None, 0.5, 3, 4, None, True, None)
RUN = [
    *(text for text in TINY_HER if not text.startswith(("tracking=", "n_epochs="))),
    *("n_epochs=4", "early_stop_threshold=1.1", "log_interval=1"),
    "run_monitor._target_=hydra_plugins.early_stop_tpe_sweeper._monitor.StudyMonitor",
]


def sweeper(journal: Path, host: str) -> Ledger:
    """A sweeper of another host, which is silent at once."""
    sampler = optuna.samplers.RandomSampler(0)
    storage = open_storage(str(journal))
    ledger = Ledger(storage, "s", SPACE, ["maximize"], sampler, f"{host}:1:1.0", 0.0)
    if ledger.is_founder:
        found(ledger.screening, SPACE, 1, "")
        join(ledger.screening, SPACE, SETTINGS, "")
    return ledger


def monitored(journal: Path, trial_id: int) -> list[str]:
    arguments = {"storage": journal, "study_name": "s", "trial_id": trial_id}
    arguments |= {"is_fresh": "false", "patience_seconds": 0}
    return [f"+run_monitor.{key}={value}" for key, value in arguments.items()]


def contents(folder: Path) -> dict[str, str]:
    """All that a run wrote, but how much of it was sent: what was written before may be sent."""
    files = [
        one for one in folder.rglob("*") if one.is_file() and "tracking.offset" not in one.name
    ]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("moment", ["evaluation", "best", "last", "training", "error", "result"])
@pytest.mark.faults(1)
def test_a_run_that_comes_back_leaves_what_another_host_wrote(
    moment: str, tmp_path: Path, store: list[str], monkeypatch: pytest.MonkeyPatch
):
    journal, run_dir = tmp_path / "study.journal", tmp_path / "run"
    silent = sweeper(journal, "a")
    trial = silent.ask_screening(1)
    assert trial is not None
    then: dict[str, str] = {}

    def another_host_finishes() -> None:
        other = sweeper(journal, "b")
        assert other.requeue_orphans() == [0]
        assert other.ask_screening(1) is not None
        run_id = (run_dir / "mlflow_run_id").read_text().strip()
        client.set_terminated(run_id, "FINISHED")
        then.update(contents(run_dir))

    at_the_second(moment, another_host_finishes, monkeypatch)
    monkeypatch.setattr(_monitor, "_SECONDS_TRUSTED", 0.0)
    client = connect(store[1].partition("=")[2])
    result = train(
        run_dir,
        *(*RUN, *store, *monitored(journal, trial._trial_id)),
        "tracking.system_metrics_interval_seconds=0",
    )
    assert then, "nobody took the trial over"
    assert result.status is Status.INTERRUPTED
    assert contents(run_dir) == then
    run_id = (run_dir / "mlflow_run_id").read_text().strip()
    assert client.get_run(run_id).info.status == "FINISHED"


def at_the_second(moment: str, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Act once, in the second epoch, at some moment before something is written."""
    n_evaluations, acted = [0], [False]

    def once(when: bool) -> None:
        if when and n_evaluations[0] >= 2 and not acted[0]:
            acted[0] = True
            act()

    def evaluating(*arguments, **named):
        episodes = evaluate(*arguments, **named)
        n_evaluations[0] += 1
        once(moment == "evaluation")
        if moment == "error" and n_evaluations[0] == 2:
            once(True)
            raise RuntimeError("the simulator broke")
        return episodes

    def after(target, name: str, wanted: str) -> None:
        call = getattr(target, name)

        def calling(*arguments, **named):
            result = call(*arguments, **named)
            once(moment == wanted)
            return result

        monkeypatch.setattr(target, name, calling)

    monkeypatch.setattr(episodes, "evaluate", evaluating)
    after(MetricHistory, "write_csv", "best")
    after(epochs.EpochEnd, "_judge", "last")
    after(epochs.EpochEnd, "__call__", "training")
    if moment == "result":

        def scores(*_: object) -> tuple[float]:
            once(True)
            return (0.0,)

        monkeypatch.setattr("experiment.run.run.scores", scores)


@pytest.mark.parametrize("what", ["worker", "state"])
def test_a_trial_that_runs_elsewhere_is_lost(what: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(_monitor, "_SECONDS_TRUSTED", 0.0)
    ledger = sweeper(tmp_path / "study.journal", "a")
    trial = ledger.ask_screening(1)
    assert trial is not None
    monitor = StudyMonitor(str(tmp_path / "study.journal"), "s", trial._trial_id, False, 0.0)
    monitor.check_ours()
    if what == "worker":  # our own sweeper queued it again and gave it to another process
        trial.set_user_attr(WORKER, "a:2:2.0")
    else:
        trial.study.tell(trial, 1.0)
    with pytest.raises(RunLostError):
        monitor.check_ours()


def test_an_answer_is_trusted_for_a_second(tmp_path: Path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    ledger = sweeper(tmp_path / "study.journal", "a")
    trial = ledger.ask_screening(1)
    assert trial is not None
    monitor = StudyMonitor(str(tmp_path / "study.journal"), "s", trial._trial_id, False, 0.0)
    monitor.check_ours()
    ledger.requeue(trial)
    now[0] += 0.9
    monitor.check_ours()
    now[0] += 0.2
    with pytest.raises(RunLostError):
        monitor.check_ours()


_HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a+")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_host_takes_over_a_folder_that_a_suspended_run_still_holds(tmp_path: Path):
    """Hosts may share a file system and its locks; the study says whose the trial is."""
    command = [sys.executable, "-c", _HOLD, str(tmp_path / OWNER)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="is running"), owned(tmp_path):
            pass
        with owned(tmp_path, by_study=True):
            assert (tmp_path / OWNER).read_text(encoding="utf-8").strip() == identity()
        other.stdin.close()
