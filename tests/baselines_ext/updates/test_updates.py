"""Our gradient steps are SB3's, to rounding, in every mode; files go both ways."""

from itertools import pairwise, product
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import DictReplayBufferSamples

import baselines_ext
import envs  # noqa: F401
from baselines_ext.networks.plain import NotPlainError
from baselines_ext.updates.native.build import Ops, native_ops
from baselines_ext.updates.tensors import TensorBatch

BATCH_SIZE, WIDTH, N_ACTIONS = 32, 6, 2
KEYS = ("achieved_goal", "desired_goal", "observation")
ALGORITHMS = ("SAC", "TD3", "DDPG")
MODES = ("eager", "native", "compile")


def random_batch(rng: np.random.Generator) -> TensorBatch:
    arrays = (
        rng.standard_normal((BATCH_SIZE, WIDTH)),
        rng.uniform(-1, 1, (BATCH_SIZE, N_ACTIONS)),
        -rng.integers(0, 2, (BATCH_SIZE, 1)).astype(float),
        rng.standard_normal((BATCH_SIZE, WIDTH)),
        0.95 * (rng.random((BATCH_SIZE, 1)) > 0.1),
    )
    return TensorBatch(*(th.as_tensor(array, dtype=th.get_default_dtype()) for array in arrays))


def as_sb3(batch: TensorBatch) -> DictReplayBufferSamples:
    def split(observations: th.Tensor) -> dict[str, th.Tensor]:
        return dict(zip(KEYS, observations.split(2, dim=1), strict=True))

    return DictReplayBufferSamples(
        observations=split(batch.observations),
        actions=batch.actions,
        next_observations=split(batch.next_observations),
        dones=(batch.discounts == 0).to(batch.rewards.dtype),
        rewards=batch.rewards,
    )


def model(module: Any, name: str, **arguments: Any) -> Any:
    made = getattr(module, name)(
        "MultiInputPolicy",
        gym.make("PointReach-v0"),
        seed=3,
        gamma=0.95,
        tau=0.05,
        learning_rate=1e-3,
        buffer_size=1000,
        policy_kwargs=arguments.pop("policy_kwargs", {"net_arch": [16, 16]}),
        device="cpu",
        **arguments,
    )
    made.set_logger(Logger(None, []))
    return made


def train_on(trained: Any, batches: list[TensorBatch]) -> None:
    """Make one gradient step per batch, all noise from one seed."""
    remaining = iter(batches)
    if hasattr(trained, "_sample_tensors"):
        trained._sample_tensors = lambda batch_size: next(remaining)
    else:
        trained.replay_buffer.sample = lambda batch_size, env=None: as_sb3(next(remaining))
    th.manual_seed(5)
    for _ in batches:
        trained.train(1, BATCH_SIZE)


def largest_difference(one: Any, other: Any) -> float:
    differences = []
    for module, state in one.get_parameters().items():
        theirs = other.get_parameters()[module]
        pairs = zip(tensors_of(state), tensors_of(theirs), strict=True)
        differences += [float((a - b).abs().max()) for a, b in pairs if a.numel()]
    return max(differences)


def tensors_of(state: Any) -> list[th.Tensor]:
    """All tensors of a state dict, those of an optimiser too."""
    if isinstance(state, th.Tensor):
        return [state.double()]
    if isinstance(state, dict):
        return [tensor for key in sorted(state, key=str) for tensor in tensors_of(state[key])]
    return []


def skip_without_compiler(mode: str) -> None:
    if mode != "eager" and native_ops() is None:
        pytest.skip("there is no C++ compiler")


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        # compiling takes 10-20 s; DDPG is TD3's code with one graph instead of two
        pytest.param(name, mode, marks=[pytest.mark.slow] * ((name, mode) == ("TD3", "compile")))
        for name, mode in product(ALGORITHMS, MODES)
    ],
)
def test_200_steps_in_float64(name: str, mode: str, in_float64: None):
    skip_without_compiler(mode)
    batches = [random_batch(np.random.default_rng(i)) for i in range(200)]
    policy = {"policy_kwargs": {"net_arch": [8] if mode == "compile" else [16, 16]}}
    theirs = model(sb3, name, **policy)
    ours = model(baselines_ext, name, update=mode, **policy)
    assert ours.update_used == mode
    train_on(theirs, batches)
    train_on(ours, batches)
    assert largest_difference(theirs, ours) < 1e-10
    if name == "SAC":
        assert float(ours.log_ent_coef) == pytest.approx(float(theirs.log_ent_coef), abs=1e-10)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worker_compiles_the_agents_of_many_trials():
    """More shapes than torch keeps graphs of a function."""
    for n_layers in range(1, 11):
        agent = model(
            baselines_ext, "SAC", update="compile", policy_kwargs={"net_arch": [4] * n_layers}
        )
        train_on(agent, [random_batch(np.random.default_rng(n_layers))])
        assert agent.update_used == "compile"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_targets_stay_in_their_range(name: str, mode: str, in_float64: None):
    """In every mode: the critics of an impossible range learn its border, by equal steps."""
    skip_without_compiler(mode)
    batches = [random_batch(np.random.default_rng(i)) for i in range(20)]
    arguments: dict[str, Any] = {"target_range": [3.0, 4.0]}
    if name == "SAC":
        arguments |= {"ent_coef": 0.1, "entropy_in_targets": False}
    constant = [
        batch._replace(rewards=batch.rewards * 0 + 3, discounts=batch.discounts * 0)
        for batch in batches
    ]
    bounded = model(baselines_ext, name, update=mode, **arguments)
    plain = model(baselines_ext, name, update="eager", **arguments)
    reference = model(baselines_ext, name, update="eager", **(arguments | {"target_range": None}))
    train_on(bounded, batches)
    train_on(plain, batches)
    train_on(reference, constant)
    assert largest_difference(bounded, plain) < 1e-10
    assert largest_difference(bounded, reference) < 1e-10


@pytest.mark.parametrize("mode", MODES)
def test_entropy_can_stay_out_of_the_targets(mode: str, in_float64: None):
    """Then targets are those of a policy without entropy."""
    skip_without_compiler(mode)
    batch = random_batch(np.random.default_rng(0))
    ours = model(baselines_ext, "SAC", update=mode, ent_coef=0.3, entropy_in_targets=False)
    without = model(baselines_ext, "SAC", update="eager", ent_coef=0.0)
    train_on(ours, [batch])
    train_on(without, [batch])
    critics = [made.critic.state_dict() for made in (ours, without)]
    assert max(float((critics[0][key] - critics[1][key]).abs().max()) for key in critics[0]) < 1e-12


def test_what_only_our_updates_can_needs_another_policy_than_gsde():
    with pytest.raises(ValueError, match=r"need another policy: it uses gSDE"):
        baselines_ext.SAC("MlpPolicy", gym.make("Pendulum-v1"), use_sde=True, target_range=[-1, 0])


@pytest.mark.parametrize(
    "arguments",
    [
        {"ent_coef": 0.1},
        {"policy_kwargs": {"net_arch": [16], "n_critics": 3}},
        {
            "policy_kwargs": {
                "net_arch": {"pi": [8, 16, 8], "qf": [16]},
                "activation_fn": th.nn.Tanh,
            }
        },
    ],
    ids=["fixed alpha", "three critics", "tanh"],
)
@pytest.mark.parametrize("mode", ["eager", "native"])
def test_other_settings_of_sac(arguments: dict[str, Any], mode: str, in_float64: None):
    skip_without_compiler(mode)
    batches = [random_batch(np.random.default_rng(i)) for i in range(20)]
    theirs = model(sb3, "SAC", **arguments)
    ours = model(baselines_ext, "SAC", update=mode, **arguments)
    train_on(theirs, batches)
    train_on(ours, batches)
    assert largest_difference(theirs, ours) < 1e-10


@pytest.mark.parametrize("mode", ["eager", "native"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_losses_and_gradients_in_float32(name: str, mode: str):
    """After one step from zero moments, Adam's first moment is a tenth of the gradient."""
    skip_without_compiler(mode)
    batch = random_batch(np.random.default_rng(0))
    theirs = model(sb3, name, policy_kwargs={"net_arch": [64, 64]})
    ours = model(baselines_ext, name, update=mode, policy_kwargs={"net_arch": [64, 64]})
    train_on(theirs, [batch, batch])
    train_on(ours, [batch, batch])
    for optimizer in ("actor.optimizer", "critic.optimizer"):
        states = [made.get_parameters()[optimizer]["state"] for made in (theirs, ours)]
        for key, state in states[0].items():
            gradient, our_gradient = state["exp_avg"], states[1][key]["exp_avg"]
            assert (gradient - our_gradient).norm() <= 1e-4 * gradient.norm()
    for loss in ("train/actor_loss", "train/critic_loss"):
        expected = theirs.logger.name_to_value[loss]
        assert ours.logger.name_to_value[loss] == pytest.approx(expected, rel=1e-4)


def test_the_target_critics_follow_at_their_interval():
    ours = model(baselines_ext, "SAC", target_update_interval=3)
    targets = []
    for i in range(6):
        train_on(ours, [random_batch(np.random.default_rng(i))])
        targets.append(next(ours.critic_target.parameters()).detach().clone())
    moved = [not th.equal(a, b) for a, b in pairwise(targets)]
    assert moved == [False, False, True, False, False]


def test_policies_that_are_not_plain_are_updated_by_sb3(caplog):
    with caplog.at_level("INFO"):
        ours = baselines_ext.SAC("MlpPolicy", gym.make("Pendulum-v1"), use_sde=True)
    assert ours.update_used == "sb3"
    assert "updates are SB3's own: it uses gSDE" in caplog.text
    ours.learn(120)
    assert ours._n_updates == 20


def test_an_activation_unknown_to_the_native_update_is_eager(caplog):
    with pytest.raises(NotPlainError, match="not ELU"):
        Ops.is_relu(th.nn.ELU)
    ours = model(baselines_ext, "TD3", policy_kwargs={"net_arch": [8], "activation_fn": th.nn.ELU})
    assert ours.update_used == "eager"


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="did you mean native"):
        model(baselines_ext, "SAC", update="nativ")


def test_without_a_compiler_updates_are_eager(monkeypatch, tmp_path, caplog):
    native_ops.cache_clear()
    monkeypatch.setattr("baselines_ext.updates.native.build.CACHE", tmp_path)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with caplog.at_level("INFO"):
        assert model(baselines_ext, "SAC").update_used == "eager"
    assert "no native updates here: there is no C++ compiler" in caplog.text
    native_ops.cache_clear()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_files_go_from_ours_to_sb3_and_back(name: str, tmp_path: Path):
    ours = model(baselines_ext, name)
    ours.learn(150)
    ours.save(tmp_path / "ours.zip")
    env = gym.make("PointReach-v0")
    theirs = getattr(sb3, name).load(tmp_path / "ours.zip", env=env, device="cpu")
    assert largest_difference(ours, theirs) == 0
    theirs.learn(50)
    theirs.save(tmp_path / "theirs.zip")
    again = getattr(baselines_ext, name).load(tmp_path / "theirs.zip", env=env, device="cpu")
    assert largest_difference(theirs, again) == 0
    batch = random_batch(np.random.default_rng(0))
    theirs.set_logger(Logger(None, []))
    again.set_logger(Logger(None, []))
    train_on(theirs, [batch])
    train_on(again, [batch])
    assert largest_difference(theirs, again) < 1e-5


@pytest.mark.parametrize("name", ALGORITHMS)
def test_acting_in_numpy_is_the_policys_action(name: str):
    ours = model(baselines_ext, name)
    ours.learn(120)
    space = ours.observation_space
    space.seed(0)
    observations = [space.sample() for _ in range(5)]
    batch = {key: np.stack([o[key] for o in observations]) for key in KEYS}
    theirs, _ = ours.policy.predict(batch, deterministic=True)
    np.testing.assert_allclose(ours.predict(batch, deterministic=True)[0], theirs, atol=1e-5)
    single = ours.predict(observations[2], deterministic=True)[0]
    np.testing.assert_allclose(single, theirs[2], atol=1e-5)


def test_sampled_actions_have_the_policys_spread():
    ours = model(baselines_ext, "SAC")
    observation = {key: np.zeros((4000, 2), np.float32) for key in KEYS}
    drawn, _ = ours.predict(observation, deterministic=False)
    th.manual_seed(0)
    theirs, _ = ours.policy.predict(observation, deterministic=False)
    np.testing.assert_allclose(drawn.mean(0), theirs.mean(0), atol=0.03)
    np.testing.assert_allclose(drawn.std(0), theirs.std(0), atol=0.03)
