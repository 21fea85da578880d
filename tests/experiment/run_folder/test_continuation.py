"""A run that was stopped at any moment goes on as if it had not been."""

import functools
import json
import os
import signal
from pathlib import Path

import pytest
from stable_baselines3.common.logger import Logger

from experiment.run import epochs
from experiment.run_folder.checkpoint import read_meta
from experiment.run_folder.metric_history import read_csv
from experiment.run_folder.pending_metrics import pending, put_back
from interface.result import Status
from tests.faults.forks import ForkedCommand
from tests.faults.twins import compare, facts
from tests.running import TINY_HER, train

RUN = [*TINY_HER, "n_threads=1", "overlap=false"]
SIX = [*[text for text in RUN if text != "n_epochs=2"], "n_epochs=6", "eval_after_n_steps=60"]
SIX = list({text.partition("=")[0]: text for text in SIX}.values())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("whole")
    train(run_dir, *SIX, "checkpoint_every_n_epochs=3")
    return run_dir


def die_while_saving(name: str, epoch: int) -> None:
    """Kill this process when it has begun to write a checkpoint."""
    save = vars(epochs)["save_checkpoint"]

    def save_or_die(path: Path, model, at: int, *, resumable: bool) -> None:
        if (path.name, at) == (name, epoch):
            path.with_name(f".{name}.{os.getpid()}.0.tmp").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        save(path, model, at, resumable=resumable)

    vars(epochs)["save_checkpoint"] = save_or_die


@pytest.mark.parametrize(
    ("name", "epoch"), [("last.zip", 1), ("last.zip", 3), ("last.zip", 6), ("best_model.zip", 1)]
)
@pytest.mark.faults(1)
def test_killed_while_saving(name: str, epoch: int, whole: Path, tmp_path: Path):
    """Evaluations and checkpoint are one fact."""
    run_dir = tmp_path / "run"
    fork = ForkedCommand(
        "experiment/train.py",
        *SIX,
        "checkpoint_every_n_epochs=3",
        f"hydra.run.dir={run_dir}",
        folder=tmp_path,
        before=functools.partial(die_while_saving, name, epoch),
    )
    assert fork.wait() == -signal.SIGKILL, fork.stdout + fork.stderr
    assert len(read_csv(run_dir / "evaluations.csv").epochs) == epoch
    again = ForkedCommand("experiment/train.py", f"restore={run_dir}", folder=tmp_path)
    assert again.wait() == 0, again.stderr
    assert not compare(facts(whole), facts(run_dir))
    assert not list(run_dir.glob(".*.tmp"))


def test_the_former_end_is_gone_while_a_run_goes_on(tmp_path: Path, monkeypatch):
    train(tmp_path, *RUN)
    seen = []
    log = epochs.EpochEnd._log

    def look(self, *arguments) -> None:
        seen.append((tmp_path / "result.json").exists())
        log(self, *arguments)

    monkeypatch.setattr(epochs.EpochEnd, "_log", look)
    train(tmp_path, *RUN, "n_epochs=3", f"restore={tmp_path}")
    assert seen == [False]
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["n_steps"] == 450


def test_a_target_that_was_reached_before_a_kill_stays_reached(tmp_path: Path):
    reach = ["early_stop_threshold=0.0", "early_stop_last_n=1", "n_epochs=3"]
    first = train(tmp_path, *RUN, *reach)
    (tmp_path / "result.json").unlink()  # as if killed before it was written
    again = train(tmp_path, *RUN, *reach, f"restore={tmp_path}")
    assert (first.status, first.n_steps) == (again.status, again.n_steps) == (Status.SUCCESS, 150)
    assert first.scores == again.scores


@pytest.mark.parametrize("step", [0, 3, 150, 155, 300])
@pytest.mark.faults(1)
def test_stopped_by_a_signal_at_any_step(step: int, tmp_path: Path, monkeypatch):
    """In warm-up, before the first evaluation, within one, and within the last one."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(whole, *RUN)

    def stopping(wrapped):
        def wrapper(self) -> None:
            if self.model.num_timesteps == step:
                self._interrupts.received = "SIGTERM"
            wrapped(self)

        return wrapper

    with monkeypatch.context() as patched:
        for name in ("_on_rollout_start", "_on_training_end"):
            wrapped = getattr(epochs.EpochCallback, name)
            patched.setattr(epochs.EpochCallback, name, stopping(wrapped))
        first = train(parts, *RUN)
    assert first.status is Status.INTERRUPTED
    assert read_meta(parts / "last.zip").step == step
    assert len(read_csv(parts / "evaluations.csv").epochs if step > 150 else []) == step // 151
    train(parts, *RUN, f"restore={parts}")
    assert not compare(facts(whole), facts(parts))


def test_gradient_steps_of_the_last_environment_step_are_not_lost(tmp_path: Path):
    """Killed after the last checkpoint, which an overlapped run makes with them still to do."""
    overlapped = [text for text in RUN if text != "overlap=false"]
    train(tmp_path, *overlapped, "overlap=true")
    before = facts(tmp_path)
    (tmp_path / "result.json").unlink()  # as if killed before it was written
    train(tmp_path, *overlapped, "overlap=true", f"restore={tmp_path}")
    assert not compare(before, facts(tmp_path))


def test_means_go_on_over_what_was_recorded_before():
    loggers = [Logger(None, []) for _ in range(3)]
    whole, before, after = loggers
    for logger in (whole, before):
        logger.record_mean("a", 1.0)
        logger.record_mean("a", 4.0, "tensorboard")
        logger.record("text", "no number")
    put_back(after, pending(before))
    for logger in (whole, after):
        logger.record_mean("a", 1.0)
    assert after.name_to_value["a"] == whole.name_to_value["a"] == 2.0
    assert pending(after) == pending(whole)
    put_back(after, json.loads(json.dumps(pending(before))))
    assert pending(after) == pending(before)
