"""Encoders, optimisers and callbacks that a config names; what SB3's users call them."""

import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    FlattenExtractor,
    NatureCNN,
)
from stable_baselines3.common.vec_env import DummyVecEnv

from experiment.build.model import make_model
from experiment.build.parts import check_parts
from interface.algorithm import AlgorithmSpec
from interface.errors import UserError
from interface.resolvers import REPOSITORY
from interface.result import Status
from tests.baselines_ext.updates.test_any_network import NUMBERS, PICTURE, Still
from tests.running import TINY, hydra_main, train

BOTH = spaces.Dict(eye=PICTURE, arm=NUMBERS)


class Halves(BaseFeaturesExtractor):
    """An extractor of a user's own."""

    def __init__(self, space: spaces.Box, features_dim: int = 3) -> None:
        super().__init__(space, features_dim)
        self.layer = th.nn.Linear(NUMBERS.shape[0], features_dim)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        features: th.Tensor = self.layer(observations)
        return features


def made(tmp_path: Path, space: spaces.Space, *overrides: str) -> Any:
    with hydra_main(["env=PointReach-v0", "algorithm=sac", "seed=1", *overrides], tmp_path) as cfg:
        cfg.algorithm.buffer_size = 100
        return make_model(cfg, AlgorithmSpec.of(cfg.algorithm), DummyVecEnv([lambda: Still(space)]))


@pytest.mark.parametrize(
    ("space", "encoder", "extractor"),
    [
        (PICTURE, "auto", NatureCNN),
        (PICTURE, "cnn", NatureCNN),
        (PICTURE, "flat", FlattenExtractor),
        (NUMBERS, "auto", FlattenExtractor),
        (NUMBERS, "flat", FlattenExtractor),
        (BOTH, "auto", CombinedExtractor),
        (BOTH, "cnn", CombinedExtractor),
        (spaces.Dict(arm=NUMBERS), "flat", CombinedExtractor),
    ],
)
def test_encoders(tmp_path: Path, space: spaces.Space, encoder: str, extractor: type):
    model = made(tmp_path, space, f"network/encoder={encoder}")
    assert type(model.actor.features_extractor) is extractor


@pytest.mark.parametrize(("space", "width"), [(PICTURE, 16), (BOTH, 16 + 5)])
def test_an_image_becomes_as_many_numbers_as_wanted(tmp_path: Path, space: Any, width: int):
    model = made(tmp_path, space, "network/encoder=cnn", "network.encoder.features_dim=16")
    assert model.actor.features_extractor.features_dim == width


OWN = (
    "{_target_: tests.experiment.build.test_network_parts.Halves, _partial_: true, features_dim: 4}"
)


def test_an_extractor_and_an_optimiser_of_ones_own(tmp_path: Path):
    adamw = "{_target_: torch.optim.AdamW, _partial_: true, weight_decay: 0.5}"
    model = made(tmp_path, NUMBERS, f"network.encoder={OWN}", f"policy.optimizer={adamw}")
    assert type(model.actor.features_extractor) is Halves
    assert model.actor.features_extractor.features_dim == 4
    assert type(model.critic.optimizer) is th.optim.AdamW
    assert model.critic.optimizer.param_groups[0]["weight_decay"] == 0.5


@pytest.mark.parametrize(
    ("space", "encoder", "sentence"),
    [
        (NUMBERS, "cnn", "reads images, got observations Box.*; what fits: network/encoder=flat"),
        (BOTH, "flat", "reads no images in Dict observations, got eye; what fits: .*=cnn"),
    ],
)
def test_an_encoder_that_does_not_fit(tmp_path: Path, space: Any, encoder: str, sentence: str):
    with pytest.raises(UserError, match=sentence):
        made(tmp_path, space, f"network/encoder={encoder}")


class Wide(Halves):
    """One that fills in what its base needs, and needs something itself."""

    def __init__(self, space: spaces.Box, factor: int, **more: Any) -> None:
        super().__init__(space, 3 * factor, **more)


HERE = "_target_: tests.experiment.build.test_network_parts"


@pytest.mark.parametrize(
    ("key", "node", "sentence"),
    [
        (
            "network.encoder",
            f"{{{HERE}.Halves, _partial_: true, feature_dim: 4}}",
            "unknown parameter network.encoder.feature_dim 'feature_dim'; did you mean features_",
        ),
        (
            "network.encoder",
            f"{{{HERE}.Wide, factr: 4}}",
            "unknown parameter network.encoder.factr 'factr'; did you mean factor?",
        ),
        ("network.encoder", f"{{{HERE}.Wide}}", "network.encoder.factor is missing: tests."),
        ("network.encoder", "cnn", "network.encoder must name a class or function, as {_target_: "),
        (
            "network.head",
            "{_target_: baselines_ext.beta_head, sharpness: 1}",
            "unknown parameter network.head.sharpness 'sharpness'; known: none",
        ),
        (
            "policy.optimizer",
            "{_target_: torch.optim.AdamW, _partial_: true, weight_decy: 0.5}",
            "'weight_decy'; did you mean weight_decay?",
        ),
        ("callbacks", f"[{{{HERE}.Counts, stop_aftr: 1}}]", "did you mean stop_after?"),
    ],
)
def test_a_typo_in_a_part_is_one_sentence(key: str, node: str, sentence: str, tmp_path: Path):
    with pytest.raises(UserError, match=re.escape(sentence)):
        train(tmp_path / "run", *TINY, f"{key}={node}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("node", "width"), [(f"{{{HERE}.Wide, factor: 2}}", 6), (f"{{{HERE}.Halves}}", 3)]
)
def test_what_fits_is_built(node: str, width: int, tmp_path: Path):
    override = f"network.encoder={node}"
    with hydra_main([*TINY, override], tmp_path) as cfg:
        check_parts(cfg)
    assert made(tmp_path, NUMBERS, override).actor.features_extractor.features_dim == width


class Counts(BaseCallback):
    """Counts, and stops where it is told to."""

    n_begun = n_ended = n_steps = 0

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self._stop_after = stop_after

    def _on_training_start(self) -> None:
        Counts.n_begun += 1

    def _on_step(self) -> bool:
        Counts.n_steps += 1
        return self.n_calls != self._stop_after

    def _on_training_end(self) -> None:
        Counts.n_ended += 1


COUNTS = "_target_: tests.experiment.build.test_network_parts.Counts"


@pytest.mark.parametrize(
    ("node", "n_steps", "more"),
    [
        (f"{{{COUNTS}}}", 300, []),
        (f"{{{COUNTS}}}", 150, ["early_stop_threshold=-1", "early_stop_last_n=1"]),
        (f"{{{COUNTS}, stop_after: 170}}", 170, []),
    ],
    ids=["to the end", "until the target", "until it stops"],
)
def test_callbacks(tmp_path: Path, monkeypatch, caplog, node: str, n_steps: int, more: list[str]):
    for name in ("n_begun", "n_ended", "n_steps"):
        monkeypatch.setattr(Counts, name, 0)
    caplog.set_level("INFO")
    result = train(tmp_path, *TINY, "overlap=false", f"callbacks=[{node}]", *more)
    assert (Counts.n_begun, Counts.n_steps, Counts.n_ended) == (1, n_steps, 1)
    assert result.n_steps == n_steps
    said = "a callback ended the training at step 170, before 300" in caplog.text
    assert said == (n_steps == 170)
    assert result.status is (Status.SUCCESS if more else Status.FINISHED)


def test_what_is_no_callback_is_refused(tmp_path: Path):
    node = "{_target_: baselines_ext.Uniform}"
    with pytest.raises(UserError, match=r"callbacks\[0\] must be a callback of SB3's kind"):
        train(tmp_path / "run", *TINY, f"callbacks=[{node}]")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("policy.features_extractor_class=X", "is here network/encoder=cnn, or e.g."),
        ("policy.optimizer_class=X", "is here e.g. policy.optimizer='{_target_: torch.optim.AdamW"),
        ("callback=X", "is here e.g. callbacks='[{_target_: my_package.MyCallback}]'"),
        ("network/encoder=cnnn", "did you mean network/encoder=cnn?"),
        ("network.encoder.features_dmi=9", "did you mean network.encoder.features_dim?"),
    ],
)
def test_what_users_of_sb3_call_it(key: str, answer: str):
    encoder = [] if key.startswith("network/") else ["network/encoder=cnn"]
    command = [sys.executable, str(REPOSITORY / "experiment" / "train.py"), *encoder, key]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert answer in ended.stderr


class Played(Still):
    """What is seen follows from seed and step."""

    def reset(self, *, seed: int | None = None, **_: Any) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self.observation_space.seed(seed)
        return super().reset()


COLOURED = spaces.Box(0, 255, (40, 36, 3), np.uint8)


@pytest.mark.parametrize("more", ["env.n_envs=1", "env.n_envs=2", "env.exclusive=true"])
@pytest.mark.parametrize("space", [COLOURED, spaces.Dict(eye=COLOURED, arm=NUMBERS)])
def test_pictures_train_by_our_own_update(tmp_path: Path, caplog, space: spaces.Space, more: str):
    """Whole: acting, storing, gradient steps, an evaluation, a checkpoint that goes on."""
    gym.register("Still-v0", lambda **_: Played(copy.deepcopy(space)), max_episode_steps=30)
    run = ["env=Still-v0", "env.id=Still-v0", "algorithm=sac", "algorithm.learning_starts=30"]
    small = ["algorithm.buffer_size=200", "n_test_rollouts=1", "eval_after_n_steps=40"]
    other = ["early_stop_data_column=eval/return", "early_stop_threshold=1", "overlap=false", more]
    base = [text for text in TINY if not text.startswith(("env=", "n_", "eval_after"))]
    try:
        train(tmp_path, *base, *run, *small, *other, "n_epochs=1")
        result = train(tmp_path, *base, *run, *small, *other, "n_epochs=2", f"restore={tmp_path}")
    finally:
        del gym.registry["Still-v0"]
    assert result.n_steps == 80
    assert "did not come back" not in caplog.text
