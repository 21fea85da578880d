"""Environments of Gymnasium that show less, or are acted in by a few values."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import envs  # noqa: F401
from envs.discrete_actions import DiscreteActions
from interface.errors import UserError
from interface.result import Status
from tests.foreign import FLOATS, Point, forget, made, run, settings
from tests.running import train

# id -> base, and which of its entries are velocities
NO_VELOCITIES = {
    "InvertedPendulumNoVel-v0": ("InvertedPendulum-v5", [2, 3]),
    "ReacherNoVel-v0": ("Reacher-v5", [6, 7]),
    "HalfCheetahNoVel-v0": ("HalfCheetah-v5", [*range(8, 17)]),
    "LunarLanderContinuousNoVel-v0": ("LunarLanderContinuous-v3", [2, 3, 5]),
}
BASES = {name: base for name, (base, _) in NO_VELOCITIES.items()}
BASES["LunarLanderMultiDiscrete-v0"] = "LunarLanderContinuous-v3"


@pytest.fixture(autouse=True)
def forgotten_afterwards():
    yield
    forget()


@pytest.mark.parametrize(("name", "base"), BASES.items())
def test_time_limit_and_threshold_are_those_of_the_base(name: str, base: str):
    ours, theirs = gym.spec(name), gym.spec(base)
    assert ours.max_episode_steps == theirs.max_episode_steps
    assert ours.reward_threshold == theirs.reward_threshold


@pytest.mark.parametrize("name", NO_VELOCITIES)
def test_all_but_velocities_are_observed(name: str):
    base, velocities = NO_VELOCITIES[name]
    env, full = gym.make(name), gym.make(base)
    shown, seen = env.reset(seed=3)[0], full.reset(seed=3)[0]
    full.action_space.seed(3)
    for _ in range(5):
        np.testing.assert_array_equal(shown, np.delete(seen, velocities))
        assert env.observation_space.contains(shown)
        action = full.action_space.sample()
        (shown, reward, *_), (seen, expected, *_) = env.step(action), full.step(action)
        assert reward == expected


@pytest.mark.parametrize("name", [name for name in NO_VELOCITIES if "Lunar" not in name])
def test_what_is_observed_is_the_same_at_any_velocity(name: str):
    env = gym.make(name)
    env.reset(seed=0)
    simulation, show = env.unwrapped, env.get_wrapper_attr("observation")
    seen = []
    for velocity in (0.0, 1.0):
        qpos = simulation.data.qpos.copy()  # type: ignore[attr-defined]
        simulation.set_state(qpos, np.full(simulation.model.nv, velocity))  # type: ignore[attr-defined]
        seen.append(show(simulation._get_obs()))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(*seen)


def test_an_episode_may_be_longer_than_the_bases():
    env = gym.make("InvertedPendulumNoVel-v0", max_episode_steps=3000)
    assert str(env).count("TimeLimit") == 1
    assert env.spec is not None
    assert env.spec.max_episode_steps == 3000


def test_only_vectors_have_entries_to_choose():
    node = {"_target_": "envs.observed_entries.ObservedEntries", "entries": [0]}
    with pytest.raises(UserError, match="raised TypeError: observations must be vectors, got Dict"):
        made(Point, wrappers=[node])


def test_discrete_actions_include_the_extremes():
    env = DiscreteActions(gym.make("LunarLanderContinuous-v3"), bins=5)
    assert env.action_space == spaces.MultiDiscrete([5, 5])
    np.testing.assert_allclose(env.action(np.array([0, 4])), [-1, 1])
    np.testing.assert_allclose(env.action(np.array([2, 3])), [0, 0.5])
    assert env.action(np.array([1, 1])).dtype == np.float32
    with pytest.raises(ValueError, match="bins must be at least 2"):
        DiscreteActions(gym.make("Pendulum-v1"), bins=1)


def test_one_number_may_stand_for_all_combinations():
    env = DiscreteActions(gym.make("LunarLanderContinuous-v3"), bins=3, multidiscrete=False)
    assert env.action_space == spaces.Discrete(9)
    actions = [tuple(env.action(np.int64(number)).tolist()) for number in range(9)]
    assert (actions[0], actions[-1], len(set(actions))) == ((-1, -1), (1, 1), 9)


@pytest.mark.parametrize(("algorithm", "together"), [("ppo", False), ("dqn", True)])
def test_any_bounded_actions_are_made_discrete_by_a_config(algorithm, together, tmp_path: Path):
    made_envs = []

    def make():
        made_envs.append(Point(action_space=FLOATS))
        return made_envs[-1]

    wrapper = f"_target_: envs.discrete_actions.DiscreteActions, multidiscrete: {not together}"
    result = run(make, tmp_path, algorithm, f"env.wrappers=[{{{wrapper}}}]")
    assert result.status is Status.FINISHED
    actions = np.array([action for env in made_envs for action in env.actions])
    chosen = np.unique(actions.round(5))
    assert set(chosen) <= set(np.linspace(-2, 2, 11).astype(np.float32).round(5))
    assert {chosen.min(), chosen.max()} == {-2, 2}


def test_several_discrete_actions_train(tmp_path: Path):
    result = train(tmp_path, "env=LunarLanderMultiDiscrete-v0", *settings("ppo"))
    assert result.status is Status.FINISHED
