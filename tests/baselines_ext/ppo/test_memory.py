"""Cells: their gradients, what is remembered and what is forgotten, and what they are good for."""

import copy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import NatureCNN
from torch import nn

import baselines_ext
import envs  # noqa: F401
from baselines_ext.networks.cells import Cell, Memory, unroll
from baselines_ext.networks.composed import ComposedPolicy
from baselines_ext.networks.heads import beta_head
from baselines_ext.ppo.native_update import native_unroll
from baselines_ext.updates.native.build import native_ops
from interface.errors import UserError
from tests.baselines_ext.ppo.test_ppo import NO_COMPILER, weights
from tests.running import TINY, train

needs_compiler = pytest.mark.skipif(NO_COMPILER, reason="there is no C++ compiler")

TBPTT, N_STEPS, N_ENVS = 4, 32, 3
CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Choices(gym.Env):
    """Two choices at once, the second one of three; nothing else to it."""

    observation_space: Any = spaces.Box(-1, 1, (3,))
    action_space: Any = spaces.MultiDiscrete([2, 3])

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.n_steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.n_steps += 1
        return self._observe(), float(sum(action)), self.n_steps == 5, False, {}

    def _observe(self) -> np.ndarray:
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)


class Cue(gym.Env):
    """The first observation says which action is paid at the fourth step, where nothing is seen."""

    observation_space = spaces.Box(-1, 1, (1,))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.cue, self.n_steps = int(self.np_random.integers(2)), 0
        return np.array([2 * self.cue - 1], np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.n_steps += 1
        is_over = self.n_steps == 4
        return np.array([0], np.float32), float(is_over and action == self.cue), is_over, False, {}


class Pictures(Choices):
    """Images, which a cell cannot read."""

    observation_space = spaces.Box(0, 255, (36, 36, 1), np.uint8)
    action_space = spaces.Discrete(2)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return super().step([action])

    def _observe(self) -> np.ndarray:
        return self.np_random.integers(0, 256, (36, 36, 1), np.uint8)


TASKS: dict[str, tuple[Any, Any]] = {
    "categorical": ("CartPole-v1", None),
    "multi_categorical": (Choices, None),
    "gaussian": ("Pendulum-v1", None),
    "beta": ("Pendulum-v1", beta_head),
}


def remembering(env: Any, cell: str | None, mode: str = "auto", **options: Any) -> Any:
    memory = Memory(CELLS[cell], TBPTT) if cell else None
    parts = {"memory": memory, "head": options.pop("head", None), **options.pop("policy", {})}
    model = baselines_ext.PPO(
        ComposedPolicy,
        make_vec_env(env, options.pop("n_envs", N_ENVS), seed=0),
        seed=1,
        device="cpu",
        update=mode,
        policy_kwargs={"net_arch": [16, 16], **parts},
        **{"n_steps": N_STEPS, "batch_size": 32, "n_epochs": 2, "ent_coef": 0.01} | options,
    )
    model.set_logger(Logger(None, []))
    return model


def collected(task: str, cell: str | None, mode: str, **options: Any) -> Any:
    """Make a model and a rollout with episodes that begin in the middle and ratios that differ."""
    env, head = TASKS[task]
    model = remembering(env, cell, mode, head=head, **options)
    _, callback = model._setup_learn(1000)
    for _ in range(2):  # the second one begins with something remembered
        model.collect_rollouts(model.env, callback, model.rollout_buffer, N_STEPS)
    buffer, rng = model.rollout_buffer, np.random.default_rng(7)
    buffer.episode_starts[:] = rng.random(buffer.episode_starts.shape) < 0.1
    buffer.log_probs += np.float32(0.1 * rng.standard_normal(buffer.log_probs.shape))
    in_precision(model, th.get_default_dtype())
    return model


def eager_twin(model: Any, task: str, cell: str | None, **options: Any) -> Any:
    """Make an eager model that shall learn the same from the same."""
    env, head = TASKS[task]
    twin = remembering(env, cell, "eager", head=head, **options)
    twin.policy.load_state_dict(model.policy.state_dict())
    twin.rollout_buffer = copy.deepcopy(model.rollout_buffer)
    twin._sequence_states = model._sequence_states
    return twin


def in_precision(model: Any, dtype: th.dtype) -> None:
    buffer, name_of_dtype = model.rollout_buffer, str(dtype).removeprefix("torch.")
    for name in ("observations", "values", "log_probs", "advantages", "returns"):
        setattr(buffer, name, getattr(buffer, name).astype(name_of_dtype))
    model._sequence_states = tuple(each.to(dtype) for each in model._sequence_states)


@needs_compiler
@pytest.mark.parametrize("mode", ["native", pytest.param("compile", marks=pytest.mark.slow)])
@pytest.mark.parametrize("cell", [*CELLS, None])
@pytest.mark.parametrize("task", TASKS)
def test_gradients_are_those_of_autograd_in_float64(
    task: str, cell: str | None, mode: str, in_float64: None
):
    """Of each head and cell: 24 updates, clipped, with values clipped, with resets inside."""
    options = {"clip_range_vf": 0.3, "learning_rate": 1e-3, "n_epochs": 8}
    fast = collected(task, cell, mode, **options)
    eager = eager_twin(fast, task, cell, **options)
    for model in (fast, eager):
        np.random.seed(3)
        model.train()
    assert (fast.update_used, eager.update_used) == (mode, "eager")
    assert np.abs(weights(fast) - weights(eager)).max() < 1e-10


@needs_compiler
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("task", TASKS)
def test_gradients_in_float32_differ_by_rounding(task: str, cell: str, request):
    """A minibatch's gradient is read from Adam's first moment."""
    options = {"batch_size": N_STEPS * N_ENVS, "n_epochs": 1, "max_grad_norm": 0}
    native = collected(task, cell, "native", **options)
    exact = eager_twin(native, task, cell, **options)
    native.train()
    request.getfixturevalue("in_float64")
    exact.policy.double()
    in_precision(exact, th.float64)
    exact.train()
    states = [model.policy.optimizer.state_dict()["state"] for model in (native, exact)]
    gradients = [
        th.cat([state[key]["exp_avg"].double().flatten() for key in sorted(state)])
        for state in states
    ]
    largest = gradients[1].abs().max()
    assert (gradients[0] - gradients[1]).abs().max() / largest < 1e-5


@needs_compiler
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("task", TASKS)
def test_a_native_run_takes_the_actions_of_an_eager_one(task: str, cell: str):
    env, head = TASKS[task]
    eager, native = (
        remembering(env, cell, mode, head=head).learn(3 * N_STEPS * N_ENVS)
        for mode in ("eager", "native")
    )
    assert (eager.update_used, native.update_used) == ("eager", "native")
    assert np.abs(weights(eager) - weights(native)).max() < 1e-4
    of_eager, of_native = eager.rollout_buffer, native.rollout_buffer
    np.testing.assert_allclose(of_native.actions, of_eager.actions, atol=1e-3)
    np.testing.assert_allclose(of_native.returns, of_eager.returns, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("cell", CELLS)
def test_what_was_collected_is_what_the_policy_says_step_by_step(cell: str):
    model = collected("gaussian", cell, "auto")
    model.collect_rollouts(model.env, model._setup_learn(1)[1], model.rollout_buffer, N_STEPS)
    buffer, policy = model.rollout_buffer, model.policy
    n_sequences = N_STEPS // TBPTT
    rollout = model._rollout()
    states = {"policy": rollout.sequences.actor_states, "value": rollout.sequences.critic_states}
    with th.no_grad():
        for env in range(N_ENVS):
            latents = {}
            for net, all_states in states.items():
                state, outputs = all_states[[env * n_sequences]], []
                for step in range(N_STEPS):
                    state = state * (1 - buffer.episode_starts[step, env])
                    if step % TBPTT == 0 and not buffer.episode_starts[step, env]:
                        kept = all_states[env * n_sequences + step // TBPTT]
                        assert th.allclose(kept, state[0], atol=1e-5)
                    seen = th.as_tensor(buffer.observations[step, [env]])
                    x = policy.mlp_extractor.dense(net)(seen)
                    y, state = policy.mlp_extractor.cell(net)(x[None], state)
                    outputs.append(y[0])
                latents[net] = th.cat(outputs)
            values = policy.value_net(latents["value"]).flatten().numpy()
            np.testing.assert_allclose(buffer.values[:, env], values, atol=1e-4)
            actions = th.as_tensor(buffer.actions[:, env])
            log_prob = policy.distribution_of(latents["policy"]).log_prob(actions)
            np.testing.assert_allclose(buffer.log_probs[:, env], log_prob.numpy(), atol=1e-3)


@pytest.mark.parametrize("mode", ["eager", "auto"])
def test_after_a_time_limit_comes_the_value_of_what_is_remembered(mode: str):
    """Pendulum never ends by itself: with constant values nothing is lost at the limit."""
    model = remembering("Pendulum-v1", "gru", mode, n_envs=1, n_steps=400, batch_size=400)
    with th.no_grad():
        model.policy.value_net.weight.zero_()
        model.policy.value_net.bias.fill_(-50.0)
    _, callback = model._setup_learn(400)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, 400)
    raw = model.ep_info_buffer[0]["r"] + 0.99 * -50
    assert model.rollout_buffer.rewards[:200].sum() == pytest.approx(raw, rel=1e-4)
    # and what is remembered counts: the same observation, another value
    cell = model.policy.mlp_extractor.cell("value")
    th.manual_seed(0)
    with th.no_grad():
        model.policy.value_net.weight.fill_(1.0)
        seen = model.observation_space.sample()
        states = th.zeros(1, cell.state_size), th.ones(1, cell.state_size)
        before, after = (float(model.policy.value_after(seen, state)) for state in states)
    assert before != after


@needs_compiler
@pytest.mark.parametrize("cell", CELLS)
def test_going_through_steps_at_once_is_going_through_them_natively(cell: str):
    th.manual_seed(0)
    made = Cell(CELLS[cell], 5, 7)
    x, starts = th.randn(9, 3, 5), (th.rand(9, 3) < 0.3).float()
    state = th.randn(3, made.state_size)
    with th.no_grad():
        ours, kept = native_unroll(native_ops())(made, x, starts, state, (0, 4))  # type: ignore[arg-type]
        theirs, expected = unroll(made, x, starts, state, (0, 4))
    assert th.allclose(ours, theirs, atol=1e-6)
    assert {*kept} == {0, 4, 9} <= {*expected}
    assert all(th.allclose(kept[step], expected[step], atol=1e-6) for step in kept)


@pytest.mark.parametrize("mode", ["eager", "auto"])
def test_predict_carries_the_state_and_forgets_at_a_new_episode(mode: str):
    model = remembering(Cue, "lstm", mode)
    seen = np.array([[1.0], [0.0], [-1.0]], np.float32)
    first, state = model.predict(seen, deterministic=True)
    assert (first.shape, state.shape) == ((3,), (3, 32))
    _, carried = model.predict(seen, state, np.array([False, True, False]), deterministic=True)
    assert np.allclose(carried[1], state[1], atol=1e-6)  # as at the first step
    assert not np.allclose(carried[0], state[0], atol=1e-6)
    single, one = model.predict(seen[0], deterministic=True)
    assert (single.shape, single, one.shape) == ((), first[0], (1, 32))
    if mode == "eager":
        assert np.array_equal(model.policy.predict(seen, deterministic=True)[1], state)


def test_a_task_that_needs_memory_is_learned_by_a_cell_alone():
    paid = {}
    for cell in ("gru", None):
        model = remembering(Cue, cell, n_envs=8, learning_rate=3e-3, n_epochs=6)
        model.learn(12_000)
        paid[cell] = np.mean([each["r"] for each in model.ep_info_buffer])
    assert paid["gru"] > 0.95
    assert paid[None] < 0.75


@pytest.mark.parametrize("cell", [None, "gru"])
def test_actor_and_critic_may_share_their_layers(cell: str | None, tmp_path: Path):
    model = collected("categorical", cell, "auto", policy={"shared": True})
    assert model.update_used == "eager"
    nets = model.policy.mlp_extractor
    assert nets.value_net is nets.policy_net
    n_parameters = sum(each.numel() for each in model.policy.parameters())
    alone = remembering("CartPole-v1", cell)
    assert n_parameters < sum(each.numel() for each in alone.policy.parameters())
    before = weights(model)
    model.train()
    assert np.abs(weights(model) - before).max() > 0
    model.save(tmp_path / "shared.zip")
    again = baselines_ext.PPO.load(tmp_path / "shared.zip")
    assert again.policy.mlp_extractor.value_net is again.policy.mlp_extractor.policy_net
    np.testing.assert_array_equal(weights(again), weights(model))
    with pytest.raises(UserError, match="needs the same widths"):
        remembering("CartPole-v1", cell, policy={"shared": True, "net_arch": {"pi": [4], "vf": []}})


def test_an_encoder_reads_images_before_the_cell(tmp_path: Path):
    model = remembering(Pictures, "gru", policy={"net_arch": None, **encoder_of_images()})
    model.learn(N_STEPS * N_ENVS)
    actions, state = model.predict(model.env.reset())
    assert actions.shape == (N_ENVS,)
    assert state.shape == (N_ENVS, 64)


def encoder_of_images() -> dict[str, Any]:
    return {"features_extractor_class": NatureCNN, "features_extractor_kwargs": {"features_dim": 8}}


def test_copies_and_files_remember(tmp_path: Path):
    model = remembering("CartPole-v1", "lstm").learn(N_STEPS * N_ENVS)
    model.save(tmp_path / "model.zip")
    loaded = baselines_ext.PPO.load(tmp_path / "model.zip", env=model.get_env())
    assert loaded.memory == model.memory
    seen = np.stack([model.observation_space.sample() for _ in range(2)])
    expected, state = model.predict(seen, deterministic=True)
    for other in (loaded, copy.deepcopy(model)):
        actions, its_state = other.predict(seen, deterministic=True)
        assert np.array_equal(actions, expected)
        assert np.array_equal(its_state, state)
    loaded.learn(N_STEPS * N_ENVS)


class Doubled(nn.Module):
    """A cell of one's own: a GRU whose output is doubled."""

    def __init__(self, n_inputs: int, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(n_inputs, width)

    def forward(self, x: th.Tensor, state: th.Tensor | None = None) -> tuple[th.Tensor, th.Tensor]:
        y, state = self.gru(x, state)
        return 2 * y, state


@pytest.mark.parametrize("module", [Doubled, lambda n, width: nn.LSTM(n, width, num_layers=2)])
def test_other_modules_learn_eagerly(module: Any, monkeypatch):
    monkeypatch.setitem(CELLS, "own", module)
    model = remembering("Pendulum-v1", "own").learn(N_STEPS * N_ENVS)
    assert model.update_used == "eager"
    assert np.isfinite(weights(model)).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_steps": 30}, "n_steps must be a multiple of network.cell.tbptt=4, got 30"),
        ({"batch_size": 30}, "batch_size must be a multiple of network.cell.tbptt=4, got 30"),
        ({"use_sde": True}, "algorithm.use_sde=true has a head of its own"),
        ({"pessimistic_vf_clip": True}, "has no effect without clip_range_vf"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], said: str):
    with pytest.raises((ValueError, UserError), match=said):
        remembering("Pendulum-v1", "gru", **options)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["algorithm.n_steps=50", "algorithm.batch_size=51"], "must be at most 50, .* got 51"),
        (["network/cell=gru", "policy.net_arch=[]"], "policy.net_arch needs one, got"),
        (["network/cell=gru", "network.cell.tbptt=0"], "must be at least 1, got 0"),
        (["network/cell=gru", "algorithm=sac"], "network/cell is a part of ppo's policies"),
        (["network/head=gaussian", "algorithm=sac"], "network/head is a part of ppo's policies"),
        (["network/head=beta", "algorithm=sac"], "network/head is a part of ppo's policies"),
        (["network/head=categorical"], "needs Discrete actions, got Box"),
        (["network/head=multi_categorical"], "needs MultiDiscrete actions, got Box"),
        (["network/head=beta", "env=CartPole-v1"], "with finite bounds, got Discrete"),
        (["network/head=gaussian", "env=CartPole-v1"], "needs continuous actions, got Discrete"),
    ],
)
def test_parts_that_do_not_fit_are_refused(overrides: list[str], said: str, tmp_path: Path):
    with pytest.raises(UserError, match=said):
        train(tmp_path, *TINY, "algorithm=ppo", *overrides)


def test_a_run_with_a_cell_goes_on(tmp_path: Path):
    small = ["algorithm=ppo", "algorithm.n_steps=64", "algorithm.batch_size=64"]
    result = train(tmp_path, *TINY, *small, "network/cell=lstm")
    assert result.n_epochs == 2
    result = train(tmp_path, *TINY, *small, "n_epochs=3", f"restore={tmp_path}")
    assert result.n_epochs == 3
