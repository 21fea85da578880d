"""A run's folder belongs to one process and one configuration."""

import os
import signal
from datetime import datetime
from pathlib import Path

import pytest

from experiment.run_folder.owner import owned
from experiment.run_folder.run_directory import load_config
from interface.errors import UserError
from interface.resolvers import changed_overrides
from tests.faults.forks import ForkedCommand
from tests.running import TINY_HER, train

RUN = [*TINY_HER, "n_threads=1", "overlap=false"]


def test_runs_of_one_moment_have_folders_of_their_own(tmp_path: Path):
    """Also where their configurations differ in what no name shows."""
    data = tmp_path / "data"
    forks = []
    for number, extra in enumerate(["update=eager", "update=eager", "hydra.job.name=train"]):
        (tmp_path / str(number)).mkdir()
        forks.append(
            ForkedCommand(
                "experiment/train.py",
                *RUN,
                extra,
                f"data_dir={data}",
                folder=tmp_path / str(number),
                before=stop_the_clock,
            )
        )
    assert [fork.wait() for fork in forks] == [0, 0, 0]
    folders = [path.parent for path in data.rglob("config.yaml")]
    assert len(folders) == 3
    assert sum(load_config(folder)["update"] == "eager" for folder in folders) == 2
    assert all((folder / "result.json").exists() for folder in folders)


def stop_the_clock() -> None:
    """Let every run start in the same second; in this fork only."""
    from hydra.core import utils

    class Now(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 1)

    vars(utils)["datetime"] = Now


def test_a_name_that_is_cut_still_tells_runs_apart():
    long = [f"algorithm.learners.sac.some_long_name_{n}={n}" for n in range(10)]
    names = {changed_overrides([*long, f"zzz={end}"]) for end in "ab"}
    assert len(names) == 2
    assert all(len(name) <= 121 for name in names)


@pytest.mark.faults(1)
def test_a_running_run_is_not_restored(tmp_path: Path):
    run_dir = tmp_path / "run"
    arguments = [*RUN, "n_epochs=1000", f"hydra.run.dir={run_dir}"]
    first = ForkedCommand("experiment/train.py", *arguments, folder=tmp_path)
    first.wait_for("epoch 1/1000")
    (tmp_path / "2").mkdir()
    restore = [f"restore={run_dir}", "n_epochs=3"]
    second = ForkedCommand("experiment/train.py", *restore, folder=tmp_path / "2").completed()
    assert second.returncode == 2
    assert f"is running: on {os.uname().nodename} with pid {first.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    first.kill(signal.SIGKILL)
    first.wait()
    third = ForkedCommand("experiment/train.py", "restore=" + str(run_dir), folder=tmp_path / "2")
    third.wait_for("going on at step")
    third.kill(signal.SIGTERM)
    assert third.wait() == 130


def test_the_own_process_may_own_a_folder_again(tmp_path: Path):
    for _ in range(2):
        with owned(tmp_path):
            assert (tmp_path / "owner").read_text(encoding="utf-8").count(":") >= 2


def test_one_folder_never_holds_two_configurations(tmp_path: Path):
    train(tmp_path, *RUN)
    before = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    for _ in range(2):
        with pytest.raises(UserError, match="another configuration"):
            train(tmp_path, *RUN, "algorithm.learners.sac.gamma=0.5")
        (tmp_path / "last.zip").unlink(missing_ok=True)  # as a search does
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == before
    train(tmp_path, *RUN)
