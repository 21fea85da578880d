"""HAC in environments that are stepped together does what it does in each of them alone."""

import hashlib
import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv

from baselines_ext.hac.exploration import ExplorationGoals
from baselines_ext.hac.transitions import SubgoalTesting
from tests.baselines_ext.hac.test_hac import KEYS, agent

N_STEPS = (20, 13, 9)
"""Of an episode in each environment, so that they end at different times."""
SEED = 3


class OwnStream:
    """Chooses by chance, but the same whoever is asked about beside it, and in whatever order."""

    def propose(self, learner, observations, *, explore, random):
        n_numbers = learner.action_space.shape[0]
        chosen = []
        for row, explores in enumerate(explore):
            seen = b"".join(np.float32(observations[key][row]).tobytes() for key in KEYS)
            digest = hashlib.sha256(seen + bytes([bool(explores)])).digest()
            rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
            chosen.append(rng.uniform(-1, 1, n_numbers))
        return np.array(chosen, np.float32)


class ThereAndBack(ExplorationGoals):
    """Sends every episode to the same place, again and again."""

    def choose(self, layer, rng):
        return np.zeros(2, np.float32)

    def edge(self, layer, rng):
        return np.full(2, 0.4, np.float32)


def environments(*numbers: int) -> DummyVecEnv:
    return DummyVecEnv(
        [
            lambda number=number: Monitor(  # type: ignore[misc]
                gym.make("PointReach-v0", max_episode_steps=N_STEPS[number], step_size=0.5)
            )
            for number in numbers
        ]
    )


def trained(*numbers: int, share: float) -> Any:
    """Train for 150 steps of each environment."""
    layer = {"buffer_size": 100 * len(numbers), "learning_starts": 0, "train_freq": 10**6}
    env = environments(*numbers)
    model = agent(
        env=env,
        layer_classes=["sac"] * 3,
        time_scales=[2, 2, 2],
        layer_arguments={f"layer_{index}": layer for index in range(3)},
        proposal=OwnStream(),
        subgoal_testing=SubgoalTesting(share),
        exploration=ThereAndBack(again=True),
    )
    env._seeds = [SEED + number for number in numbers]  # each begins as it does among the others
    model.learn(150 * len(numbers), log_interval=None)  # logging would forget the tally
    return model


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_environments_together_are_as_each_alone(share):
    together = trained(0, 1, 2, share=share)
    alone = [trained(number, share=share) for number in range(3)]
    for index, layer in enumerate(together.layers):
        for number, single in enumerate(alone):
            store, own = layer.store, single.layers[index].store
            rows = slice(100 * number, 100 * (number + 1))
            assert own.n_transitions > 20
            np.testing.assert_array_equal(store.has_action[rows], own.has_action)
            np.testing.assert_array_equal(store.matrix[rows], own.matrix)
            taken = np.flatnonzero(own.has_action)
            left = store.steps_left(taken + rows.start)
            np.testing.assert_array_equal(left, own.steps_left(taken))
    for key, outcomes in together.tally.items():
        assert sorted(outcomes) == sorted(itertools.chain(*(each.tally[key] for each in alone)))
    assert bool(together.tally["layer_0/test_success"]) == (share > 0)
    assert [len(played) for played in together.plan.played] == [
        len(single.plan.played[0]) for single in alone
    ]


def test_a_batch_of_observations_is_as_each_alone():
    model = agent(n_envs=2, time_scales=[-1, 3])
    model.learn(200)
    rng = np.random.default_rng(0)
    state, states = None, [None, None]
    begins = np.array([True, True])
    for step in range(12):
        batch = {key: rng.uniform(-1, 1, (2, 2)).astype(np.float32) for key in KEYS}
        actions, state = model.predict(batch, state, begins, deterministic=True)
        for row in range(2):
            one = {key: values[row] for key, values in batch.items()}
            action, states[row] = model.predict(
                one, states[row], begins[row : row + 1], deterministic=True
            )
            np.testing.assert_allclose(actions[row], action, atol=1e-6)
        begins = np.array([False, step == 4])  # the second begins anew alone
    both = model.subgoals(state)
    for row in range(2):
        np.testing.assert_allclose(both[row], model.subgoals(states[row])[0], atol=1e-6)


def test_environments_together_get_noise_of_their_own():
    noise = NormalActionNoise(np.zeros(2), np.full(2, 0.1))
    learner: Any = agent(n_envs=3, layer_arguments={"layer_1": {"action_noise": noise}}).layers[1]
    seen = {key: np.full((3, 2), 0.5, np.float32) for key in KEYS}
    before = learner.learner.scaled_actions(seen, deterministic=True)
    learner.learner.random_share = 0
    learner.learner.scaled_actions = lambda *_, **__: before
    added = learner.learner.explore(seen, 3) - before
    assert len(np.unique(added.round(6), axis=0)) == 3
