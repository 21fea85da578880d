"""Agents in plain Stable-Baselines3, without this repository, and its own agents here."""

import base64
import io
import json
import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3 as sb3
import torch as th
from omegaconf import OmegaConf
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger

from envs.episode_seeds import final_test_seeds
from experiment.final_test.final_test import play, run_test
from experiment.final_test.tested_agents import find_agent
from experiment.regression.rerun import arguments_to_repeat
from experiment.run_folder.checkpoint import has_our_classes, save_checkpoint
from experiment.run_folder.policy_export import folds_exactly, plain_agent
from experiment.run_folder.run_directory import load_config, restore_arguments
from experiment.run_folder.trust import foreign_code
from interface.errors import UserError
from tests.running import TINY, TINY_HER, hydra_main, train, without_repository

N_EPISODES = 10
PLAY = """
import json, sys
import gymnasium, gymnasium_robotics, stable_baselines3
gymnasium.register_envs(gymnasium_robotics)
path, env_id, learner, *seeds = sys.argv[1:]
model = getattr(stable_baselines3, learner).load(path, device="cpu")
env, successes = gymnasium.make(env_id), []
for seed in seeds:
    seen, over = env.reset(seed=int(seed))[0], False
    while not over:
        seen, _, terminated, truncated, info = env.step(model.predict(seen, deterministic=True)[0])
        over = terminated or truncated
    successes.append(bool(info["is_success"]))
assert not any(name.split(".")[0] in ("baselines_ext", "experiment") for name in sys.modules)
print(json.dumps(successes))
"""


def evaluate(tmp_path: Path, *overrides: str) -> None:
    with hydra_main(
        [f"data_dir={tmp_path}", "n_episodes=2", *overrides], tmp_path, "evaluate"
    ) as cfg:
        run_test(cfg)


def agent(run_dir: Path) -> BaseAlgorithm:
    """Load the agent of a run as it was trained."""
    given = [f"data_dir={run_dir.parent}", "n_episodes=1"]
    with hydra_main(given, run_dir, "evaluate") as cfg:
        model = play(cfg, find_agent(cfg, str(run_dir))).model
    assert isinstance(model, BaseAlgorithm)
    return model


@pytest.mark.parametrize("learner", ["sac", "td3", "ddpg"])
@pytest.mark.parametrize(
    ("inputs", "activation", "exact"),
    [
        (["relative_goals"], "ReLU", True),
        (["relative_goals"], "Tanh", True),
        (["normalize_inputs"], "ReLU", True),
        (["relative_goals", "normalize_inputs"], "ReLU", True),
        (["relative_goals", "normalize_inputs"], "Tanh", False),
    ],
)
def test_what_lies_before_networks_is_folded_into_them(
    learner: str, inputs: list[str], activation: str, exact: bool, tmp_path: Path
):
    prefix = f"algorithm.learners.{learner}"
    train(
        tmp_path / "run",
        *TINY,
        "n_epochs=1",
        f"algorithm.layer_classes=[{learner}]",
        f"policy.activation_fn=torch.nn.{activation}",
        f"{prefix}.buffer_size=500",
        *(f"{prefix}.{name}=true" for name in inputs),
    )
    model = agent(tmp_path / "run")
    plain = plain_agent(model)
    assert plain is not None
    assert folds_exactly(model) is exact
    rng = np.random.default_rng(0)
    spread = 10 if exact else 0.1  # far away, inputs are clipped
    for _ in range(20):
        seen = {
            key: rng.normal(0, spread, (1, *space.shape)).astype(np.float32)
            for key, space in model.observation_space.spaces.items()  # type: ignore[attr-defined]
        }
        ours, theirs = (each.predict(seen, deterministic=True)[0] for each in (model, plain))
        assert theirs == pytest.approx(ours, abs=1e-4)


@pytest.mark.parametrize(
    ("inputs", "kept"),
    [
        ([], {}),
        (["relative_goals"], {"layers_as_trained.pt": 5}),  # the first of actor and critics
        (["normalize_inputs"], {"policy_as_trained.pt": 32}),  # all: the clip is one more layer
    ],
)
def test_weights_as_trained_are_kept_and_not_twice(inputs: list[str], kept, tmp_path: Path):
    own = [f"algorithm.learners.sac.{name}=true" for name in inputs]
    train(tmp_path, *TINY_HER, "n_epochs=1", "policy.activation_fn=torch.nn.ReLU", *own)
    found = {}
    with zipfile.ZipFile(tmp_path / "best_model.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".pt"):
                found[name] = len(th.load(io.BytesIO(archive.read(name)), weights_only=True))
    assert found == kept
    with zipfile.ZipFile(tmp_path / "last.zip") as archive:
        trained = th.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    for key, weights in agent(tmp_path).policy.state_dict().items():
        assert th.equal(weights, trained[key]), key


def test_a_presets_agent_keeps_its_success_without_this_repository(tmp_path: Path):
    run_dir = tmp_path / "run"
    train(run_dir, "env=FetchReach-v4", "algorithm=her", "tracking=none", "seed=1", "n_threads=1")
    with hydra_main([f"n_episodes={N_EPISODES}"], tmp_path, "evaluate") as cfg:
        here = [one.success for one in play(cfg, find_agent(cfg, str(run_dir))).episodes]
    seeds = [str(final_test_seeds(N_EPISODES)(episode)) for episode in range(N_EPISODES)]
    best = str(run_dir / "best_model.zip")
    played = without_repository(tmp_path, PLAY, best, "FetchReach-v4", "SAC", *seeds)
    assert sum(map(bool, here)) >= 0.8 * N_EPISODES
    assert json.loads(played) == here


@pytest.mark.parametrize("algorithm", ["her", "sac", "ppo"])
def test_the_best_agent_holds_no_class_of_ours(algorithm: str, tmp_path: Path):
    sizes = ["algorithm.n_steps=64", "algorithm.batch_size=64"] if algorithm == "ppo" else []
    train(tmp_path, *TINY, f"algorithm={algorithm}", *sizes, "n_epochs=1")
    with zipfile.ZipFile(tmp_path / "best_model.zip") as archive:
        data = json.loads(archive.read("data"))
    for key, value in data.items():
        pickled = value.get(":serialized:", "") if isinstance(value, dict) else ""
        for name in (b"baselines_ext", b"experiment", b"envs."):
            assert name not in base64.b64decode(pickled), key


def test_layers_are_not_exported_and_it_is_said_before_playing(tmp_path: Path, capsys):
    train(tmp_path / "run", *TINY, "algorithm=hac", "n_epochs=1")
    capsys.readouterr()
    with pytest.raises(UserError, match="HAC is not in Stable-Baselines3"):
        evaluate(tmp_path, f"run={tmp_path}/run", f"export={tmp_path}/policy.zip")
    assert "episodes" not in capsys.readouterr().out


def test_runs_of_earlier_versions_are_tested_and_exported(tmp_path: Path, capsys):
    """Those whose environment had fewer keys, and whose best agent was saved as our own class."""
    run_dir = tmp_path / "run"
    train(run_dir, *TINY_HER, "n_epochs=1")
    evaluate(tmp_path, f"run={run_dir}")
    expected = (run_dir / "test_best_model.json").read_text()
    cfg = load_config(run_dir)
    for node, key in ((cfg.env, "exclusive"), (cfg.env, "seeds"), (cfg, "max_evaluation_steps")):
        node.pop(key)
    OmegaConf.save(cfg, run_dir / "config.yaml")
    model = agent(run_dir)
    model.set_logger(Logger(None, []))
    save_checkpoint(run_dir / "best_model.zip", model, 1, resumable=True)
    assert has_our_classes(run_dir / "best_model.zip")
    evaluate(tmp_path, f"run={run_dir}", f"export={tmp_path}/policy.zip")
    assert (run_dir / "test_best_model.json").read_text() == expected


# as written at d9f1a45, the last commit before schema 2
META_OF_BEFORE = {
    "model_class": "baselines_ext.sac.sac.SAC",
    "step": 300,
    "epoch": 2,
    "next_episodes": [7],
}


def test_what_an_earlier_version_trained_is_not_gone_on_with(tmp_path: Path):
    """Nothing of it is unpickled: what is refused here could not even be read."""
    train(tmp_path, *TINY_HER)
    with zipfile.ZipFile(tmp_path / "last.zip", "w") as archive:
        archive.writestr("subgoal.json", json.dumps(META_OF_BEFORE))
        archive.writestr("data", "of classes that are gone")
    sentence = r"is of another version of Subgoal \(schema 1, here 4\), which alone can go on"
    with pytest.raises(UserError, match=r"last\.zip " + sentence):
        train(tmp_path, *TINY_HER, "n_epochs=3", f"restore={tmp_path}")
    config = tmp_path / "config.yaml"
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    config.write_text("".join(["## a note\n", *lines]), encoding="utf-8")
    assert f"restore={tmp_path}" in restore_arguments(str(tmp_path), [f"restore={tmp_path}"])
    config.write_text("".join(lines[1:]), encoding="utf-8")
    with pytest.raises(UserError, match=r"config\.yaml " + sentence):
        restore_arguments(str(tmp_path), [f"restore={tmp_path}"])
    with pytest.raises(UserError, match=r"config\.yaml " + sentence):
        arguments_to_repeat(tmp_path, tmp_path / "again")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train an agent of SB3's own."""
    path = tmp_path_factory.mktemp("foreign") / "agent.zip"
    model = sb3.SAC("MlpPolicy", gym.make("Pendulum-v1"), learning_starts=10, buffer_size=100)
    model.learn(20)
    model.save(path)
    return path


def test_agents_of_plain_sb3_are_tested_and_compared(foreign: Path, tmp_path: Path, capsys):
    evaluate(tmp_path, f"run={foreign}", f"compare={foreign}", "env=Pendulum-v1")
    printed = capsys.readouterr().out
    assert "by plain Stable-Baselines3" in printed
    assert "this run minus the other" in printed
    assert printed.count("run code of whoever wrote them") == 2
    evaluate(tmp_path, f"run={foreign}", "env=Pendulum-v1", "trust=true")
    assert "run code" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ([], "does not say which environment it is for; add env="),
        (["env=CartPole-v1"], "cannot load .* as SAC in this environment"),
        (["env=Pendulum-v1", "run=nowhere.zip"], "there is no file nowhere.zip"),
    ],
)
def test_wrong_files(foreign: Path, tmp_path: Path, overrides: list[str], sentence: str):
    with pytest.raises(UserError, match=sentence):
        evaluate(tmp_path, f"run={foreign}", *overrides)


def test_a_text_is_no_agent(tmp_path: Path):
    path = tmp_path / "notes.zip"
    path.write_text("not a zip")
    with pytest.raises(UserError, match=r"cannot read .* as a file of Stable-Baselines3"):
        evaluate(tmp_path, f"run={path}", "env=Pendulum-v1")


def test_whose_code_runs(tmp_path: Path):
    run = tmp_path / "data" / "run"
    run.mkdir(parents=True)
    assert foreign_code(run, tmp_path / "data", trusted=False) is None
    assert "lies outside" in str(foreign_code(run, tmp_path / "elsewhere", trusted=False))
    assert foreign_code(run, tmp_path / "elsewhere", trusted=True) is None
