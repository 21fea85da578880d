"""What a run says at its start, and while it goes on."""

import logging
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiment.run.progress import RunProgress
from experiment.run.report import _tuning
from interface.run_context import RunContext
from tests.running import CONF


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.seconds)
    return now


def test_a_log_gets_a_line_a_minute(clock: SimpleNamespace, caplog):
    caplog.set_level(logging.INFO)
    learner: Any = SimpleNamespace(num_timesteps=0)
    shown = RunProgress(learner, total_steps=10_000, n_epochs=5)
    for step in range(1, 1501):
        clock.seconds = step / 10
        shown.on_step(step)
    assert caplog.messages == [
        "step 600 of 10000  10 steps/s  at most 0:15:40 left",
        "step 1200 of 10000  10 steps/s  at most 0:14:40 left",
    ]


def test_a_run_that_hardly_moves_is_told_too(clock: SimpleNamespace, caplog):
    caplog.set_level(logging.INFO)
    learner: Any = SimpleNamespace(num_timesteps=3)
    shown = RunProgress(learner, total_steps=10**12, n_epochs=1)
    clock.seconds = 1e5
    shown.on_step(3)
    assert "at most 11574 days" in caplog.messages[0]


def test_a_terminal_gets_a_bar_and_no_lines(clock: SimpleNamespace, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    learner: Any = SimpleNamespace(num_timesteps=0)
    shown = RunProgress(learner, total_steps=100, n_epochs=1)
    clock.seconds = 61
    shown.on_step(50)
    assert caplog.messages == []
    assert shown._bar.tasks[0].completed == 50


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        ("FetchReach-v4-her", "tuned: preset FetchReach-v4-her"),
        ("own/file.yaml", "tuned: preset own/file.yaml"),
        ("PointReach-v0-sac", "untuned: there is no preset PointReach-v0-sac"),
        ("none", "untuned: no preset"),
        ("Own-v0-her", "tuned: preset Own-v0-her"),
    ],
)
def test_a_run_says_whether_it_is_tuned(preset: str, said: str, tmp_path: Path):
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset" / "Own-v0-her.yaml").touch()  # in the conf/ of a package that is imported
    folders = (CONF, tmp_path)
    assert _tuning(RunContext(tmp_path, None, (), {"preset": preset}, folders)) == said
