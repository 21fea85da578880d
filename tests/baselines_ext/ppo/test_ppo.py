"""PPO is SB3's, bit by bit or to rounding; files go both ways."""

import copy
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn

import baselines_ext
import envs  # noqa: F401
from baselines_ext.ppo.losses import PpoSettings, PpoUpdate
from baselines_ext.updates.native.build import native_ops

NO_COMPILER = native_ops() is None
N_STEPS = 64
FLAT, GOALS = "MlpPolicy", "MultiInputPolicy"


def made(algorithm: type[sb3.PPO], env: str, n_envs: int = 2, **options: Any) -> Any:
    usual = GOALS if env.startswith("PointReach") else FLAT
    model = algorithm(
        options.pop("policy", usual),
        make_vec_env(env, n_envs, seed=0),
        seed=1,
        device="cpu",
        **{"n_steps": N_STEPS, "batch_size": 48, "n_epochs": 2, "ent_coef": 0.01} | options,
    )
    model.set_logger(Logger(None, []))
    return model


def weights(model: Any) -> np.ndarray:
    return th.cat([each.detach().flatten() for each in model.policy.parameters()]).numpy()


GSDE = {"use_sde": True, "policy_kwargs": {"log_std_init": -1.0}}
RUNS = [
    ("CartPole-v1", {}),
    ("Pendulum-v1", {}),
    ("PointReach-v0", {}),
    ("PointReachDiscrete-v0", {}),
    ("FrozenLake-v1", {}),
    ("Pendulum-v1", {"use_sde": True}),
    ("Pendulum-v1", {"sde_sample_freq": 3, **GSDE}),
]


@pytest.mark.parametrize(("env", "options"), RUNS)
@pytest.mark.parametrize("mode", ["eager", "native"])
def test_a_run_is_that_of_sb3(env: str, options: dict[str, Any], mode: str):
    """The same actions, so the same episodes; time limits pass within the four rollouts."""
    if mode == "native" and NO_COMPILER:
        pytest.skip("there is no C++ compiler")
    # one after the other: they seed torch
    theirs = made(sb3.PPO, env, **options).learn(4 * 2 * N_STEPS)
    ours = made(baselines_ext.PPO, env, update=mode, **options).learn(4 * 2 * N_STEPS)
    assert ours.update_used == mode
    most = 0.0 if mode == "eager" else 1e-4
    assert np.abs(weights(theirs) - weights(ours)).max() <= most
    of_theirs, of_ours = theirs.rollout_buffer, ours.rollout_buffer
    assert [each["r"] for each in ours.ep_info_buffer] == pytest.approx(
        [each["r"] for each in theirs.ep_info_buffer], rel=1e-4
    )
    np.testing.assert_allclose(sorted(of_ours.returns.flat), sorted(of_theirs.returns.flat), 1e-3)
    for name, value in theirs.logger.name_to_value.items():
        if name.startswith(("train/", "rollout/")):
            assert ours.logger.name_to_value[name] == pytest.approx(value, rel=0.01, abs=1e-4), name


def fill(model: Any, rng: np.random.Generator) -> None:
    """Give a model something to learn from that its policy could have done."""
    buffer, shape = model.rollout_buffer, model.rollout_buffer.rewards.shape
    buffer.reset()
    buffer.observations = rng.standard_normal(buffer.observations.shape).astype(np.float32)
    if isinstance(model.action_space, gym.spaces.Discrete):
        buffer.actions = rng.integers(0, model.action_space.n, buffer.actions.shape)
    else:
        buffer.actions = rng.uniform(-1, 1, buffer.actions.shape).astype(np.float32)
    dtype = np.dtype(str(th.get_default_dtype()).removeprefix("torch."))
    for name in ("values", "advantages", "returns"):
        setattr(buffer, name, rng.standard_normal(shape).astype(dtype))
    seen = buffer.observations.reshape(-1, buffer.observations.shape[-1])
    with th.no_grad():
        actions = as_actions(model, buffer.actions.reshape(len(seen), -1))
        _, log_probs, _ = model.policy.evaluate_actions(th.from_numpy(seen), actions)
    noise = 0.1 * rng.standard_normal(shape)  # some are clipped from the first minibatch on
    buffer.log_probs = (log_probs.numpy().reshape(shape) + noise).astype(dtype)
    buffer.pos, buffer.full = buffer.buffer_size, True


def as_actions(model: Any, actions: np.ndarray) -> th.Tensor:
    is_discrete = isinstance(model.action_space, gym.spaces.Discrete)
    return th.from_numpy(actions[:, 0] if is_discrete else actions)


OPTIONS = {
    "plain": {},
    "values clipped": {"clip_range_vf": 0.3},
    "advantages as they are": {"normalize_advantage": False},
    "gradients rarely clipped": {"max_grad_norm": 5.0},
    "relu": {"policy_kwargs": {"activation_fn": nn.ReLU, "net_arch": [16]}},
    "linear": {"policy_kwargs": {"net_arch": []}},
    "two sizes": {"policy_kwargs": {"net_arch": {"pi": [8], "vf": [16, 8]}}},
    "stopped by divergence": {"target_kl": 0.01, "learning_rate": 3e-3},
}

COMPILED = [
    ("CartPole-v1", OPTIONS["values clipped"]),
    pytest.param("Pendulum-v1", OPTIONS["stopped by divergence"], marks=pytest.mark.slow),
    pytest.param("Pendulum-v1", GSDE, marks=pytest.mark.slow),
]


@pytest.mark.skipif(NO_COMPILER, reason="there is no C++ compiler")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_80_updates_in_float64(env: str, options: dict[str, Any], in_float64: None):
    assert largest_difference_after_training(env, options) < 1e-10


@pytest.mark.skipif(NO_COMPILER, reason="there is no C++ compiler")
def test_80_updates_of_gsde_in_float64(in_float64: None):
    assert largest_difference_after_training("Pendulum-v1", GSDE) < 1e-10


@pytest.mark.skipif(NO_COMPILER, reason="there is no C++ compiler")
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_80_updates_in_float32(env: str):
    assert largest_difference_after_training(env, {}) < 3e-6


@pytest.mark.parametrize(("env", "options"), COMPILED)
def test_80_compiled_updates(env: str, options: dict[str, Any], in_float64: None):
    assert largest_difference_after_training(env, options, update="compile") < 1e-10


def largest_difference_after_training(
    env: str, options: dict[str, Any], update: str = "native"
) -> float:
    """From the same weights, optimiser's state, buffer and permutations as SB3's ``train``."""
    options = {"n_epochs": 10, "batch_size": 16, **options}
    theirs = made(sb3.PPO, env, **options)
    ours = made(baselines_ext.PPO, env, update=update, **options)
    assert ours.update_used == update
    for model in (theirs, ours):
        fill(model, np.random.default_rng(7))
        np.random.seed(3)  # SB3 permutes by it
        model.train()
    assert theirs._n_updates == ours._n_updates
    assert (theirs._n_updates < theirs.n_epochs) is ("target_kl" in options)
    loss = theirs.logger.name_to_value["train/loss"]
    assert ours.logger.name_to_value["train/loss"] == pytest.approx(loss, rel=1e-5)
    states = [each.policy.optimizer.state_dict()["state"] for each in (theirs, ours)]
    moments = [
        float(abs(one[key] - states[1][index][key]).max())
        for index, one in states[0].items()
        for key in ("exp_avg", "exp_avg_sq", "step")
    ]
    return max(float(np.abs(weights(theirs) - weights(ours)).max()), *moments)


@pytest.mark.skipif(NO_COMPILER, reason="there is no C++ compiler")
def test_advantages_are_those_of_sb3():
    rng = np.random.default_rng(0)
    buffer = made(sb3.PPO, "Pendulum-v1", n_envs=3).rollout_buffer
    buffer.rewards[:], buffer.values[:] = rng.standard_normal((2, N_STEPS, 3))
    buffer.episode_starts[:] = rng.random((N_STEPS, 3)) < 0.2
    last, dones = rng.standard_normal(3).astype(np.float32), np.array([True, False, True])
    buffer.compute_returns_and_advantage(th.from_numpy(last), dones)
    ends = np.vstack([buffer.episode_starts[1:], dones]).astype(np.float32)
    ops: Any = native_ops()
    arrays = (buffer.rewards, buffer.values, ends, last)
    found = ops.gae(*map(th.from_numpy, arrays), buffer.gamma, buffer.gae_lambda)
    np.testing.assert_allclose(found.numpy(), buffer.advantages, atol=1e-5)


def test_a_loss_of_ones_own_is_never_replaced():
    class Unclipped(PpoUpdate):
        def policy_loss(
            self,
            ratio: th.Tensor,
            advantages: th.Tensor,
            settings: PpoSettings,
        ) -> th.Tensor:
            return -(ratio * advantages).mean()

    class UnclippedPpo(baselines_ext.PPO):
        update_class: ClassVar[type[PpoUpdate]] = Unclipped

    ours = made(UnclippedPpo, "CartPole-v1", update="native").learn(2 * N_STEPS)
    theirs = made(sb3.PPO, "CartPole-v1").learn(2 * N_STEPS)
    assert ours.update_used == "eager"
    assert np.abs(weights(ours) - weights(theirs)).max() > 1e-4


@pytest.mark.parametrize(
    ("env", "options"),
    [
        ("Pendulum-v1", {"use_sde": True, "policy_kwargs": {"use_expln": True}}),
        ("Pendulum-v1", {"policy_kwargs": {"optimizer_class": th.optim.RMSprop}}),
        ("Pendulum-v1", {"policy_kwargs": {"activation_fn": nn.ELU}}),
    ],
    ids=["another scale of gSDE", "another optimiser", "another activation"],
)
def test_what_is_not_plain_is_eager(env: str, options: dict[str, Any]):
    model = made(baselines_ext.PPO, env, **options)
    assert model.update_used == "eager"
    model.learn(2 * N_STEPS)


def test_what_was_saved_before_the_first_rollout_goes_on(tmp_path: Path):
    class Saves(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            self.model.save(tmp_path / f"{self.num_timesteps}.zip")

    model = made(baselines_ext.PPO, "CartPole-v1").learn(2 * 2 * N_STEPS, Saves())
    for saved in (0, 2 * N_STEPS):
        again = baselines_ext.PPO.load(tmp_path / f"{saved}.zip", env=model.get_env())
        assert again.num_timesteps == saved
        came_back = again.resume_episodes()  # not to where another episode was
        assert came_back is (saved == 0)
        again.learn(2 * N_STEPS, reset_num_timesteps=False)


def test_files_go_both_ways(tmp_path: Path):
    ours = made(baselines_ext.PPO, "Pendulum-v1").learn(2 * N_STEPS)
    ours.save(tmp_path / "ours.zip")
    theirs = sb3.PPO.load(tmp_path / "ours.zip")
    theirs.save(tmp_path / "theirs.zip")
    again = baselines_ext.PPO.load(tmp_path / "theirs.zip", env=ours.get_env())
    copied = copy.deepcopy(ours.policy)
    assert isinstance(copied, ActorCriticPolicy)
    observations = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    for model in (theirs, again):
        np.testing.assert_array_equal(weights(model), weights(ours))
        expected = ours.predict(observations, deterministic=True)[0]
        found = model.predict(observations, deterministic=True)[0]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    steps = [each["step"] for each in again.policy.optimizer.state.values()]
    assert {float(step) for step in steps} == {2 * 2 * N_STEPS / 48 + 2 / 3}
    again.learn(2 * N_STEPS)


def test_one_observation_or_several():
    for env in ("CartPole-v1", "Pendulum-v1", "PointReach-v0"):
        model = made(baselines_ext.PPO, env)
        observation = model.observation_space.sample()
        action, state = model.predict(observation)
        assert state is None
        assert isinstance(action, np.ndarray)  # as SB3's is, also of shape ()
        assert model.action_space.contains(action)


def test_an_unknown_update_is_named():
    with pytest.raises(ValueError, match="did you mean native"):
        made(baselines_ext.PPO, "CartPole-v1", update="nativ")
