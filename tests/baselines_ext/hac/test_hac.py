"""HAC: its rules as tables, its parts, and that it is HER where there is one layer."""

import copy
import functools
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import baselines_ext
import envs  # noqa: F401
from baselines_ext.hac.exploration import ExplorationGoals
from baselines_ext.hac.goal_space import scaled, unscaled
from baselines_ext.hac.hierarchy import ended_actions
from baselines_ext.hac.layer import resolve_time_scales
from baselines_ext.hac.transitions import MISSED, PROPOSED, HindsightRelabelling, SubgoalTesting

KEYS = ("achieved_goal", "desired_goal", "observation")
SMALL = {"net_arch": [16, 16]}
LEARNER = {
    "learning_starts": 50,
    "buffer_size": 2000,
    "batch_size": 32,
    "relative_goals": True,
    "random_share": 0.2,
}


def venv(n_envs: int = 1, **arguments: Any) -> DummyVecEnv:
    return DummyVecEnv([lambda: Monitor(gym.make("PointReach-v0", **arguments))] * n_envs)


def agent(n_envs: int = 1, env: Any = None, **arguments: Any) -> baselines_ext.HAC:
    learners = {
        name: functools.partial(getattr(baselines_ext, name.upper()), **LEARNER)
        for name in ("sac", "td3", "ddpg")
    }
    defaults: dict[str, Any] = {"layer_classes": ["sac", "sac"], "time_scales": [-1, 5]}
    return baselines_ext.HAC(
        "MultiInputPolicy",
        env or venv(n_envs),
        learners=learners,
        policy_kwargs=dict(SMALL),
        seed=3,
        device="cpu",
        **(defaults | arguments),
    )


@pytest.mark.parametrize(
    ("time_scales", "n_layers", "steps", "resolved"),
    [
        ([5, -1], 2, 50, [5, 10]),
        ([-1, 10], 2, 50, [5, 10]),
        ([-1], 1, 50, [50]),
        ([-1, 10, 10], 3, 600, [6, 10, 10]),
        ([-1, 7], 2, 50, [7, 7]),  # 49 of 50 steps
        ([3, 4], 2, 50, [3, 4]),
        ([20, 10], 2, None, [20, 10]),
    ],
)
def test_time_scales(time_scales, n_layers, steps, resolved):
    assert resolve_time_scales(time_scales, n_layers, steps) == resolved


@pytest.mark.parametrize(
    ("time_scales", "steps", "message"),
    [
        ([10], 50, r"time_scales=\[10\] has 1 entries for 2 layers"),
        ([-1, -1], 50, "only one can be -1"),
        ([0, 10], 50, "at least 1"),
        ([10, 10], 50, r"10 \* 10 = 100 is more than the 50 steps of an episode"),
        ([-1, 60], 50, "60 = 60 is more than the 50 steps"),
        ([-1, 10], None, "without max_episode_steps none can be -1"),
    ],
)
def test_time_scales_that_do_not_fit(time_scales, steps, message):
    with pytest.raises(ValueError, match=message):
        resolve_time_scales(time_scales, 2, steps)


@pytest.mark.parametrize(
    ("reached", "n_actions", "over", "highest"),
    [
        ([False, False, False], [0, 0, 0], False, 2),  # the lowest layer goes on
        ([False, False, True], [0, 0, 0], False, 1),  # its goal is reached: the middle one acts
        ([False, True, False], [0, 0, 0], False, 0),  # a higher goal ends it, too
        ([True, False, False], [0, 0, 0], False, 0),
        ([False, False, False], [0, 0, 9], False, 1),  # its last action
        ([False, False, False], [0, 9, 9], False, 0),  # both have used theirs
        ([False, False, False], [0, 9, 0], False, 2),  # the middle one's action still runs
        ([False, False, False], [99, 0, 0], False, 2),  # the highest has no limit
        ([False, False, False], [0, 0, 0], True, 0),
    ],
)
def test_who_acts_after_a_step(reached, n_actions, over, highest):
    """In the second of two environments; in the first one nothing has ended but the lowest's."""
    both = np.array([[False, each] for each in reached])
    used = [np.array([0, n]) for n in n_actions]
    ended = ended_actions(both, used, [5, 10, 10], np.array([False, over]))
    assert ended[:, 0].tolist() == [False, False, True]
    assert ended[:, 1].tolist() == [index >= highest for index in range(3)]


@pytest.mark.parametrize(
    ("reached", "hindsight", "action"),
    [(True, True, 0.5), (False, True, -0.5), (False, False, 0.5)],
)
def test_hindsight_actions(reached, hindsight, action):
    relabelling = HindsightRelabelling(hindsight_actions=hindsight)
    proposed, achieved = np.array([[0.5], [0.7]]), np.array([[-0.5], [-0.7]])
    found = relabelling.action(proposed, achieved, reached=np.array([reached, True]))
    assert found.tolist() == [[action], [0.7]]


@pytest.mark.parametrize(
    ("reached", "n_actions", "missed"), [(False, 10, True), (False, 9, False), (True, 10, False)]
)
def test_a_test_is_missed_only_when_all_actions_are_used(reached, n_actions, missed):
    found = SubgoalTesting().missed(
        reached=np.array([reached]), n_actions=np.array([n_actions]), time_scale=10
    )
    assert found.tolist() == [missed]


@pytest.mark.parametrize(("share", "n_tests"), [(0.0, 0), (1.0, 100)])
def test_the_share_of_tests(share, n_tests):
    rng = np.random.default_rng(0)
    assert SubgoalTesting(share).starts(100, rng).sum() == n_tests
    with pytest.raises(ValueError, match=r"from 0 to 1, got 1\.5"):
        SubgoalTesting(1.5)


def test_scaling_puts_what_is_outside_on_the_border():
    box = spaces.Box(np.array([0, -2], np.float32), np.array([4, 2], np.float32))
    np.testing.assert_allclose(scaled(box, np.array([1.0, 3.0])), [-0.5, 1.0])
    np.testing.assert_allclose(unscaled(box, np.array([-0.5, 1.0])), [1.0, 2.0])


def test_layers_reward_their_goals_whatever_the_environment_pays():
    class Pays(gym.Wrapper):
        def step(self, action):
            observation, reward, *others = self.env.step(action)
            return observation, 100 * float(reward) - 7, *others

        def compute_reward(self, achieved, desired, info):
            return 100 * self.env.get_wrapper_attr("compute_reward")(achieved, desired, info) - 7

    model = agent(env=DummyVecEnv([lambda: Monitor(Pays(gym.make("PointReach-v0")))]))
    model.learn(200)
    for layer in model.layers:
        batch = layer.learner.replay_buffer.sample_batch(100)
        penalised = batch.rewards == -layer.time_scale
        assert set(batch.rewards[~penalised]) <= {0.0, -1.0}
        np.testing.assert_array_equal(batch.discounts == 0, (batch.rewards == 0) | penalised)


def test_missed_tests_are_penalties_for_what_was_proposed():
    model = agent(subgoal_testing=SubgoalTesting(1.0))
    model.learn(600)
    buffer, store = model.layers[0].learner.replay_buffer, model.layers[0].store
    assert store.column(MISSED).sum() > 0
    batch = buffer.sample_batch(2000)
    penalised = np.flatnonzero(batch.rewards == -model.layers[0].time_scale)
    rows = batch.rows[penalised]
    assert (store.column(MISSED)[rows] == 1).all()
    np.testing.assert_array_equal(batch.actions[penalised], store.column(PROPOSED)[rows])
    desired = store.columns["desired_goal"]
    np.testing.assert_array_equal(
        batch.observations[penalised, desired], store.column("desired_goal")[rows]
    )
    share = len(penalised) / store.column(MISSED)[batch.rows].sum()
    assert share == pytest.approx(1 / 5, abs=0.05)  # one beside the real and three relabelled ones


def test_inside_a_subgoal_test_nobody_explores_and_nobody_tests():
    class Watched:
        explored: list[tuple[int, bool, bool]] = []  # noqa: RUF012

        def propose(self, learner, observations, *, explore, random):
            index = [layer.learner for layer in model.layers].index(learner)
            above = model.plan.layers[:index]
            self.explored.append((index, bool(explore[0]), any(each.is_test[0] for each in above)))
            return np.zeros((1, *learner.action_space.shape), np.float32)

    watched = Watched()
    model = agent(
        layer_classes=["sac"] * 3,
        time_scales=[-1, 3, 2],
        proposal=watched,
        subgoal_testing=SubgoalTesting(0.5),
    )
    model.learn(300)
    assert {explore for index, explore, _ in watched.explored if index == 0} == {True}
    for index, explore, inside in watched.explored:
        if index > 0:
            assert explore is not inside


def test_layers_with_the_same_goals_are_asked_for_together():
    model = agent(layer_classes=["sac"] * 3, time_scales=[-1, 3, 2])
    asked = []

    def reached(achieved, desired, before=model.goals.reached):
        asked.append(desired.shape)
        return before(achieved, desired)

    model.goals.reached = reached
    model.learn(20)
    assert asked == [(3, 1, 2)] * 20


def test_plans_hold_what_nobody_else_writes_into():
    model = agent(n_envs=2)
    model.learn(10)
    assert isinstance(model._last_obs, dict)
    assert model.plan.here is not None
    for key, values in model.plan.here.observations.items():
        assert not np.shares_memory(values, model._last_obs[key])


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("n_candidates", [1, 4])
def test_one_layer_is_her(n_candidates: int):
    """From the same seed, bit by bit: what is stored, sampled and learned."""
    arguments: dict[str, Any] = LEARNER | {"target_range": (-20, 0)}
    her = baselines_ext.make_her(
        "MultiInputPolicy",
        venv(),
        {"sac": functools.partial(baselines_ext.SAC, **arguments)},
        n_sampled_goal=3,
        n_candidates=n_candidates,
        goals_terminate=True,
        policy_kwargs=dict(SMALL),
        seed=3,
        device="cpu",
    )
    her.learn(400)
    hac = agent(
        layer_classes=["sac"],
        time_scales=[-1],
        relabelling=HindsightRelabelling(n_candidates=n_candidates),
        exploration=ExplorationGoals(0),
    )
    hac.learn(400)
    assert largest_difference(her.policy.state_dict(), hac.policy.state_dict()) == 0


@pytest.mark.parametrize("classes", [["td3", "ddpg"], ["ddpg", "sac"], ["sac", "td3", "ddpg"]])
def test_any_learner_in_any_layer(classes: list[str]):
    model = agent(layer_classes=classes, time_scales=[-1, *[3] * (len(classes) - 1)], n_envs=2)
    model.learn(300)
    kinds = [type(layer.learner).__name__.lower() for layer in model.layers]
    assert kinds == classes
    assert all(layer.learner._n_updates > 0 for layer in model.layers)
    assert all(layer.store.n_transitions > 10 for layer in model.layers)


def test_what_a_layer_does_differently():
    model = agent(layer_arguments={"layer_0": {"learning_rate": 0.01}, "layer_2": {"gamma": None}})
    assert [layer.learner.learning_rate for layer in model.layers] == [0.01, 3e-4]
    model = agent(layer_arguments={"layer_0": {"target_range": [-50, 0]}})
    buffers: list[Any] = [layer.learner.replay_buffer for layer in model.layers]
    assert [buffer.sampler.penalty for buffer in buffers] == [-50, -5]
    assert [layer.learner.target_range for layer in model.layers] == [(-50, 0), (-5, 0)]
    with pytest.raises(ValueError, match=r"layer_2=.*but the layers are \['layer_0', 'layer_1'\]"):
        agent(layer_arguments={"layer_2": {"gamma": 0.5}})
    with pytest.raises(
        ValueError, match=r"layer_arguments\.layer_1\.ent_coef: td3 has no ent_coef"
    ):
        agent(layer_classes=["sac", "td3"], layer_arguments={"layer_1": {"ent_coef": 0.1}})


def test_subgoals_are_held_until_they_are_done_with():
    model = agent()
    env = gym.make("PointReach-v0")
    observation, _ = env.reset(seed=1)
    state, seen = None, []
    for _ in range(12):
        action, state = model.predict(observation, state, deterministic=True)
        ((subgoal,),) = model.subgoals(state)
        seen.append(tuple(subgoal))
        observation = env.step(action)[0]
    assert 1 < len(set(seen)) < 12
    rewards, _ = evaluate_policy(model, venv(), 3, return_episode_rewards=True)
    assert np.shape(rewards) == (3,)


def test_learning_again_begins_new_episodes():
    model = agent()
    model.learn(7)
    model.learn(3)
    assert len(model.plan.played[0]) == 3
    model.learn(4, reset_num_timesteps=False)
    assert len(model.plan.played[0]) == 7


def test_a_saved_agent_acts_the_same(tmp_path: Path):
    model = agent()
    model.learn(200)
    model.save(tmp_path / "model.zip")
    loaded = baselines_ext.HAC.load(tmp_path / "model.zip", env=venv(), device="cpu")
    observation = {key: np.full(2, 0.3, np.float32) for key in KEYS}
    one, other = (each.predict(observation, deterministic=True)[0] for each in (model, loaded))
    np.testing.assert_array_equal(one, other)
    loaded.learn(100, reset_num_timesteps=False)
    assert loaded.num_timesteps == 300


def test_what_was_remembered_goes_into_an_agent_whose_environments_begin_anew(tmp_path: Path):
    model = agent(n_envs=2)
    model.learn(206)  # in mid-episode
    path = tmp_path / "buffer.pkl"
    path.write_bytes(pickle.dumps(model.replay_buffer))
    other = agent(n_envs=2)
    other.load_replay_buffer(path)
    assert other.resume_episodes()  # there are none
    other.load_replay_buffer(path)
    n_before = other.layers[1].store.n_transitions
    other.learn(10, reset_num_timesteps=False)
    assert other.layers[1].store.n_transitions == n_before + 10
    assert [len(played) for played in other.plan.played] == [5, 5]


def test_files_of_another_number_of_layers_are_refused(tmp_path: Path):
    three = agent(layer_classes=["sac"] * 3, time_scales=[-1, 2, 2])
    with pytest.raises(ValueError, match="it has 3 layers, this agent has 2"):
        agent().set_parameters(three.get_parameters())
    path = tmp_path / "buffer.pkl"
    path.write_bytes(pickle.dumps(three.replay_buffer))
    with pytest.raises(ValueError, match="it has 3 layers, this agent has 2"):
        agent().load_replay_buffer(path)


@pytest.mark.parametrize("update", ["native", "eager"])
def test_a_copy_acts_and_learns_by_itself(update: str):
    model = agent(n_envs=3, update=update)
    model.learn(300)
    copied, before = copy.deepcopy(model), model.get_parameters()["layer_0.policy"]
    before = copy.deepcopy(before)
    observation = {key: np.full(2, 0.3, np.float32) for key in KEYS}
    one, other = (each.predict(observation, deterministic=True)[0] for each in (model, copied))
    np.testing.assert_array_equal(one, other)
    copied.learn(150, reset_num_timesteps=False)
    after = copied.predict(observation, deterministic=True)[0]
    assert (after != one).all()
    assert largest_difference(before, model.get_parameters()["layer_0.policy"]) == 0
    np.testing.assert_array_equal(model.predict(observation, deterministic=True)[0], one)
    copied.set_parameters(model.get_parameters())
    np.testing.assert_array_equal(copied.predict(observation, deterministic=True)[0], one)


def test_parameters_of_some_layers():
    one, other = agent(), agent()
    one.learn(200)
    lowest = {
        name: values for name, values in one.get_parameters().items() if name.startswith("layer_1")
    }
    other.set_parameters(lowest, exact_match=False)
    taken = other.get_parameters()
    assert largest_difference(taken["layer_1.policy"], lowest["layer_1.policy"]) == 0


def test_another_environment_says_when_its_goals_are_reached():
    model = agent()
    here, there = np.zeros((1, 2), np.float32), np.full((1, 2), 0.5, np.float32)
    assert [bool(layer.goals.reached(here, there)) for layer in model.layers] == [False, False]
    model.set_env(venv(distance_threshold=0.8))
    assert [bool(layer.goals.reached(here, there)) for layer in model.layers] == [True, True]
    model.learn(60)


def test_predict_leaves_the_state_as_it_was():
    model = agent()
    observation = {key: np.full((1, 2), 0.3, np.float32) for key in KEYS}
    _, state = model.predict(observation, deterministic=True)
    before = pickle.dumps(state)
    model.predict(observation, state, np.array([False]), deterministic=True)
    assert pickle.dumps(state) == before
    _, fresh = model.predict(observation, state, np.array([True]), deterministic=True)
    assert [pursuit.n_actions.tolist() for pursuit in fresh.layers] == [[0], [0]]
