"""Checkpoints are whole or old, say what they are, and runs go on from them."""

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from experiment.run_folder.checkpoint import read_meta
from experiment.run_folder.metric_history import read_csv
from experiment.run_folder.run_directory import find_run, load_config, restore_arguments
from interface.errors import UserError
from interface.result import Status
from tests.running import TINY, TINY_HER, train

HAC = ["algorithm=hac", "algorithm.time_scales=[-1,5]", "algorithm.learners.sac.learning_starts=50"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("data") / "PointReach-v0" / "her" / "run"
    train(run_dir, *TINY_HER)
    return run_dir


def test_what_a_run_leaves(finished: Path):
    left = {path.name for path in finished.iterdir()}
    assert left >= {
        "config.yaml",
        "evaluations.csv",
        "progress.csv",
        "last.zip",
        "best_model.zip",
        "result.json",
        "provenance.json",
    }
    assert read_meta(finished / "last.zip").step == 300
    result = json.loads((finished / "result.json").read_text(encoding="utf-8"))
    assert (result["status"], result["n_steps"]) == ("finished", 300)


def test_a_restored_run_goes_on(tmp_path: Path):
    train(tmp_path, *TINY_HER)
    before = read_csv(tmp_path / "evaluations.csv").epochs
    result = train(tmp_path, *TINY_HER, "n_epochs=4", f"restore={tmp_path}")
    after = read_csv(tmp_path / "evaluations.csv").epochs
    assert after[:2] == before
    assert [epoch.step for epoch in after] == [150, 300, 450, 600]
    assert (result.status, result.n_epochs, result.n_steps) == (Status.FINISHED, 4, 600)
    with (tmp_path / "progress.csv").open(encoding="utf-8") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == sorted(steps)
    assert {150, 300, 450, 600} <= set(steps)


@pytest.mark.parametrize(
    "changes",
    [
        ["overlap=true", "n_threads=1", "algorithm.learners.sac.normalize_inputs=true"],
        [
            "overlap=false",
            "n_threads=1",
            "algorithm.layer_classes=[td3]",
            "algorithm.n_candidates=3",
        ],
        ["env.n_envs=2", "overlap=false", "n_threads=1"],
        ["env=FetchReach-v4", "overlap=true", "n_threads=1", "update=eager"],
        [*HAC, "overlap=false", "n_threads=1"],
        [*HAC, "overlap=true", "n_threads=1", "env.n_envs=2", "algorithm.layer_classes=[td3,sac]"],
    ],
    ids=["sac overlapped", "td3", "two envs", "Fetch", "hac", "hac, two envs, overlapped"],
)
def test_a_restored_run_is_the_uninterrupted_one(changes: list[str], tmp_path: Path):
    """Bit by bit, in mid-episode too: metrics, weights, optimiser, hindsight goals and noise."""
    overrides = only_once([*TINY, *changes, "eval_after_n_steps=133"])
    train(tmp_path / "whole", *overrides, "n_epochs=4")
    train(tmp_path / "parts", *overrides)
    train(tmp_path / "parts", *overrides, "n_epochs=4", f"restore={tmp_path}/parts")
    whole, parts = (
        [
            {key: value for key, value in epoch.values.items() if "time/" not in key}
            for epoch in read_csv(tmp_path / name / "evaluations.csv").epochs
        ]
        for name in ("whole", "parts")
    )
    assert parts == whole
    results = [
        json.loads((tmp_path / name / "result.json").read_text(encoding="utf-8"))
        for name in ("whole", "parts")
    ]
    assert results[0]["weights_sha256"] == results[1]["weights_sha256"]


def only_once(overrides: list[str]) -> list[str]:
    """Keep the last override of each key; Hydra refuses two of one group."""
    return list({text.partition("=")[0]: text for text in overrides}.values())


def test_an_environment_that_does_not_come_back_starts_a_new_episode(
    tmp_path: Path, monkeypatch, caplog
):
    from envs.point_reach import PointReach

    overrides = [*TINY_HER, "overlap=false", "env.max_episode_steps=17"]
    train(tmp_path, *overrides)
    monkeypatch.setattr(PointReach, "_sample_position", lambda self: np.random.rand(2))
    result = train(tmp_path, *overrides, "n_epochs=3", f"restore={tmp_path}")
    assert "did not come back to where it was" in caplog.text
    assert result.n_steps == 450


def test_a_restored_run_that_was_done_ends_at_once(finished: Path):
    result = train(finished, *TINY_HER, f"restore={finished}")
    assert (result.status, result.n_steps) == (Status.FINISHED, 300)


def test_the_best_model_is_the_best(tmp_path: Path):
    train(tmp_path, *TINY_HER, "n_epochs=5")
    ranks = {
        epoch.step: (epoch.values["eval/success_rate"], epoch.values["eval/return"])
        for epoch in read_csv(tmp_path / "evaluations.csv").epochs
    }
    best_step = read_meta(tmp_path / "best_model.zip").step
    assert ranks[best_step] == max(ranks.values())
    assert min(step for step, rank in ranks.items() if rank == ranks[best_step]) == best_step


@pytest.mark.faults(1)
def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch):
    from experiment.run_folder import checkpoint

    train(tmp_path, *TINY_HER)
    before = (tmp_path / "last.zip").read_bytes()

    def full_disk(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_write_pickle", full_disk)
    with pytest.raises(OSError, match="No space left"):
        train(tmp_path, *TINY_HER, "n_epochs=3", f"restore={tmp_path}")
    assert (tmp_path / "last.zip").read_bytes() == before
    assert not list(tmp_path.glob(".*.tmp"))


def damaged(path: Path, how: str) -> None:
    if how == "cut short":
        path.write_bytes(path.read_bytes()[:1000])
    elif how == "foreign":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data", "{}")
    elif how == "gone":
        path.unlink()
    elif how == "broken inside":
        content = bytearray(path.read_bytes())
        content[len(content) // 3 : len(content) // 3 + 2000] = bytes(2000)
        path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut short", "is damaged"),
        ("foreign", "was not written by Subgoal"),
        ("gone", "there is no checkpoint"),
        ("broken inside", "is damaged"),
    ],
)
@pytest.mark.faults(1)
def test_bad_checkpoints_are_told(how: str, message: str, tmp_path: Path):
    train(tmp_path, *TINY_HER)
    damaged(tmp_path / "last.zip", how)
    with pytest.raises(UserError, match=message):
        train(tmp_path, *TINY_HER, "n_epochs=3", f"restore={tmp_path}")


def test_a_checkpoint_for_other_spaces_is_told(finished: Path):
    with pytest.raises(UserError, match=r"does not fit this environment.*spaces do not match"):
        train(finished, *TINY_HER, "env=FetchReach-v4", f"restore={finished}")


def test_the_best_model_alone_cannot_go_on(tmp_path: Path):
    train(tmp_path, *TINY_HER)
    (tmp_path / "best_model.zip").replace(tmp_path / "last.zip")
    with pytest.raises(UserError, match="not what is needed to go on training"):
        train(tmp_path, *TINY_HER, "n_epochs=3", f"restore={tmp_path}")


def test_runs_are_found(finished: Path):
    data_dir = finished.parents[2]
    (finished / "mlflow_run_id").write_text("0" * 32 + "\n", encoding="utf-8")
    for reference in (str(finished), "latest", "0" * 32):
        assert find_run(reference, data_dir) == finished
    for reference in ("nowhere", "1" * 32, str(data_dir)):
        with pytest.raises(UserError):
            find_run(reference, data_dir)


def test_going_on_with_somebody_elses_run_says_so_once(finished: Path, tmp_path: Path, capsys):
    own, elsewhere = f"data_dir={finished.parents[2]}", f"data_dir={tmp_path}"
    restore = f"restore={finished}"
    config = finished / "config.yaml"
    content = config.read_text(encoding="utf-8")
    config.write_text(content.replace("trust: false", "trust: true"), encoding="utf-8")
    restore_arguments(str(finished), [restore, own])
    assert capsys.readouterr().out == ""
    restore_arguments(str(finished), [restore, elsewhere])
    assert capsys.readouterr().out.count("run code of whoever wrote them") == 1
    restore_arguments(str(finished), [restore, elsewhere, "trust=true"])
    assert capsys.readouterr().out == ""


def test_a_run_does_not_keep_that_it_was_trusted(tmp_path: Path):
    train(tmp_path, *TINY_HER, "n_epochs=1", "trust=true")
    assert load_config(tmp_path).trust is False


def test_restore_keeps_the_runs_config(finished: Path):
    data_dir = f"data_dir={finished.parents[2]}"
    arguments = restore_arguments("latest", ["restore=latest", "n_epochs=9", data_dir])
    assert "n_epochs=9" in arguments
    assert arguments[arguments.index("--config-dir") + 1] == str(finished)
    seen_from = "render.camera.distance=2"
    assert seen_from in restore_arguments("latest", ["restore=latest", seen_from, data_dir])
    for change in ("env=FetchReach-v4", "algorithm.learners.sac.gamma=0.5", "seed=2"):
        with pytest.raises(UserError, match="cannot be changed"):
            restore_arguments("latest", ["restore=latest", change, data_dir])
    with pytest.raises(UserError, match="--multirun"):
        restore_arguments("latest", ["restore=latest", "--multirun", data_dir])


def test_the_config_of_a_run_is_resolved(finished: Path):
    text = (finished / "config.yaml").read_text(encoding="utf-8")
    assert "${" not in text.replace(
        "${repository:}", ""
    )  # a clone that it is moved to is another one
    assert load_config(finished).seed == 1
