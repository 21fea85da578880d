"""A study's journal with torn and damaged lines: what was finished stays usable."""

import os
from pathlib import Path

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution

from experiment.plotting.search import load_study
from hydra_plugins.early_stop_tpe_sweeper._journal import MendedJournal
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.errors import UserError

SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 1.0)}


def study(path: Path) -> optuna.Study:
    return optuna.create_study(study_name="s", storage=open_storage(str(path)), load_if_exists=True)


def run(path: Path, n_trials: int) -> list[float | None]:
    one = study(path)
    for _ in range(n_trials):
        trial = one.ask(SPACE)
        one.tell(trial, float(trial.number))
    return values(path)


def values(path: Path) -> list[float | None]:
    return [trial.value for trial in study(path).trials]


@pytest.mark.parametrize("torn", [b'{"op_code":4,"wor', b"\x00" * 50, b"{", b'{"op_code":1}'])
@pytest.mark.faults(4)
def test_a_torn_last_line_costs_nothing(torn: bytes, tmp_path: Path, caplog):
    path = tmp_path / "study.journal"
    assert run(path, 3) == [0.0, 1.0, 2.0]
    with path.open("ab") as file:
        file.write(torn)
    assert values(path) == [0.0, 1.0, 2.0]
    assert run(path, 2) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert f"cut off an unfinished line of {len(torn)} bytes" in caplog.text
    assert run(path, 1) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    # any program that reads such journals can read it
    plain = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    assert len(optuna.load_study(study_name="s", storage=plain).trials) == 6


@pytest.mark.parametrize("damaged", [b'{"op_code":4,"wor{"op_code":5}\n', b"\xff\xfe\n", b"3\n"])
@pytest.mark.faults(3)
def test_a_damaged_line_is_skipped_aloud(damaged: bytes, tmp_path: Path, caplog):
    path = tmp_path / "study.journal"
    before = study(path)
    run(path, 2)
    with path.open("ab") as file:
        file.write(damaged)
    assert run(path, 2) == [0.0, 1.0, 2.0, 3.0]
    assert [trial.value for trial in before.trials] == [0.0, 1.0, 2.0, 3.0]  # was open all along
    assert f"skipped a damaged line of {len(damaged)} bytes" in caplog.text
    assert str(path) in caplog.text


def test_torn_while_the_study_was_founded(tmp_path: Path):
    path = tmp_path / "study.journal"
    study(path)
    content = path.read_bytes()
    for end in range(0, len(content), 17):
        path.write_bytes(content[:end])
        assert run(path, 1) == [0.0]


@pytest.mark.faults(1)
def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "study.journal"
    run(path, 2)
    size, write = path.stat().st_size, os.write
    room = [10]

    def full(descriptor: int, content: bytes) -> int:
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        room[0] -= (n := min(room[0], len(content)))
        return write(descriptor, content[:n])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        MendedJournal(str(path)).append_logs([{"op_code": 0, "study_name": "other"}])
    assert caught.value.filename == str(path)
    assert path.stat().st_size == size
    assert not list(tmp_path.glob("*.lock*"))
    monkeypatch.undo()
    assert run(path, 1) == [0.0, 1.0, 2.0]


def test_a_reader_sees_only_what_is_new(tmp_path: Path):
    path = tmp_path / "study.journal"
    writer, reader = MendedJournal(str(path)), MendedJournal(str(path))
    for number in range(3):
        writer.append_logs([{"op_code": number}])
        assert [one["op_code"] for one in reader.read_logs(number)] == [number]
    assert [one["op_code"] for one in MendedJournal(str(path)).read_logs(1)] == [1, 2]


def test_a_picture_of_a_damaged_journal_is_refused_in_one_sentence(tmp_path: Path):
    path = tmp_path / "study.journal"
    run(path, 1)
    with path.open("ab") as file:
        file.write(b"{torn\n")
    run(path, 1)
    with pytest.raises(UserError, match="has a damaged line"):
        load_study(str(path), None)
