"""Runs in a notebook."""

import ast
import json
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3 as sb3
from hydra.core.global_hydra import GlobalHydra

from experiment.notebook import load_run
from interface.errors import UserError
from interface.resolvers import REPOSITORY
from tests.running import TINY, train

NOTEBOOK = REPOSITORY / "experiment" / "notebook" / "a_run.ipynb"


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "a run"
    train(folder, *TINY, "algorithm=hac", "n_epochs=1")
    return folder


def code_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run_cell(text: str, names: dict[str, Any]) -> Any:
    """Run a cell; return the value of its last line, as a notebook shows it."""
    tree = ast.parse(text)
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        tree.body[-1] = ast.Assign([ast.Name("_", ast.Store())], last.value)
    exec(compile(ast.fix_missing_locations(tree), "cell", "exec"), names)
    return names.get("_")


def test_the_example_runs(run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names: dict[str, Any] = {}
    shown = [run_cell(cell.replace('"latest"', repr(str(run_dir))), names) for cell in code_cells()]
    assert shown[0]._repr_png_().startswith(b"\x89PNG")
    assert f"{run_dir}\nbest_model: step" in repr(shown[1])
    n_steps, episode_return, is_success = shown[2]
    assert n_steps <= 20
    assert episode_return == names["returns"][-1] <= 0
    assert is_success in (True, False)
    assert names["shown"].env.render().ndim == 3
    assert not list(tmp_path.iterdir())


def test_the_first_cell_is_the_five_lines_of_the_readme_and_no_outputs_are_kept():
    assert code_cells()[0] in (REPOSITORY / "experiment" / "README.md").read_text(encoding="utf-8")
    assert len([line for line in code_cells()[0].splitlines() if line]) == 5
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


def test_observations_are_normalised_as_in_training(tmp_path: Path):
    normalize = ("normalize.observation=true", "algorithm.buffer_size=1000")
    train(tmp_path, *TINY, "algorithm=sac", "n_epochs=1", "eval_after_n_steps=50", *normalize)
    run = load_run(str(tmp_path), "checkpoint=last")
    seen = run.env.reset()
    original = run.env.get_original_obs()  # type: ignore[attr-defined]
    assert not np.array_equal(original["observation"], seen["observation"])  # type: ignore[call-overload]
    assert run.cfg.env.id == "PointReach-v0"


def test_a_notebook_that_uses_hydra_keeps_its_own(run_dir: Path):
    mine: Any = object()
    GlobalHydra.instance().hydra = mine
    try:
        load_run(str(run_dir))
        assert GlobalHydra.instance().hydra is mine
    finally:
        GlobalHydra.instance().clear()


def test_an_agent_of_plain_sb3_acts_and_has_no_curves(tmp_path: Path):
    model = sb3.SAC("MlpPolicy", gym.make("Pendulum-v1"), buffer_size=1)
    model.save(tmp_path / "agent.zip")
    run = load_run(str(tmp_path / "agent.zip"), "env=Pendulum-v1")
    seen: Any = run.env.reset()
    action, _ = run.agent.predict(seen, deterministic=True)
    assert np.array_equal(action, model.predict(seen, deterministic=True)[0])
    with pytest.raises(UserError, match=r"has no evaluations\.csv to draw"):
        run.plot()


def test_wrong_input_is_one_sentence_in_a_notebook_too(run_dir: Path):
    with pytest.raises(UserError, match=r"unknown key 'checkpoints'; did you mean checkpoint\?"):
        load_run(str(run_dir), "checkpoints=last")
    with pytest.raises(UserError, match=r"did you mean eval/success_rate\?"):
        load_run(str(run_dir)).plot("eval/success_rates")
    with pytest.raises(UserError, match="there is no run 'newest'") as caught:
        load_run("newest")
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_a_checkpoint_of_another_version_is_one_sentence(run_dir: Path, tmp_path: Path):
    (tmp_path / "config.yaml").write_bytes((run_dir / "config.yaml").read_bytes())
    meta = {"model_class": "gone.HAC", "step": 300, "epoch": 2, "next_episodes": [7]}
    with zipfile.ZipFile(tmp_path / "last.zip", "w") as archive:
        archive.writestr("subgoal.json", json.dumps(meta))
    with pytest.raises(UserError, match=r"is of another version of Subgoal \(schema 1, here \d+\)"):
        load_run(str(tmp_path), "checkpoint=last")
