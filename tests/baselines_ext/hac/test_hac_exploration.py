"""How HAC sees more of the world: subgoals within reach, and episodes to the edge of it."""

import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from baselines_ext.hac.exploration import ExplorationGoals
from baselines_ext.hac.goal_space import GoalSpace, find_subgoals, reaching
from baselines_ext.hac.layer import Layer
from tests.baselines_ext.hac.test_hac import agent

BOX = spaces.Box(np.array([0, -10, -1], np.float32), np.array([4, 10, 1], np.float32))
NEAR = GoalSpace(BOX, lambda seen: seen["achieved_goal"], lambda a, b: (a == b).all(axis=-1))
places = hnp.arrays(np.float32, 3, elements=st.floats(-20, 20, width=32))
actions = hnp.arrays(np.float32, 3, elements=st.floats(-1, 1, width=32))


@pytest.mark.parametrize(
    ("action", "goal"),
    [
        ([0, 0, 0], [1, 2, 0]),  # stay, in the dimensions with a reach
        ([1, -0.5, 0.5], [3, 0.5, 0.5]),
        ([-1, 1, -1], [0, 5, -1]),  # not out of the box
    ],
)
def test_an_action_is_the_way_to_a_subgoal(action, goal):
    goals = reaching(NEAR, [1, 1.5, None]).within(2)
    start = np.array([1.0, 2.0, 0.7])
    np.testing.assert_allclose(goals.to_goal(np.array(action), start), goal)


@given(actions, places)
@settings(deadline=None)
def test_subgoals_lie_in_the_box_and_within_reach(action, start):
    goals = reaching(NEAR, [1, 1.5, None]).within(3)
    start = np.clip(start, BOX.low, BOX.high)
    goal = goals.to_goal(action, start)
    assert BOX.contains(goal)
    assert (np.abs(goal - start)[:2] <= np.array([3, 4.5]) + 1e-5).all()
    again = goals.to_goal(goals.to_action(goal, start), start)
    np.testing.assert_allclose(again, goal, atol=1e-4)


@given(places, places)
@settings(deadline=None)
def test_hindsight_actions_are_actions(goal, start):
    for goals in (NEAR, reaching(NEAR, 2)):
        action = goals.to_action(goal, start)
        assert (np.abs(action) <= 1).all()


@pytest.mark.parametrize("reach", [0, -1.0, [1, 2], [1, None, 0], []])
def test_a_reach_that_does_not_fit(reach):
    with pytest.raises(ValueError, match="one positive number, or one for each of their 3"):
        reaching(NEAR, reach)


def test_the_reach_grows_with_the_steps_below_a_layer():
    model = agent(
        layer_classes=["sac"] * 3,
        time_scales=[-1, 3, 2],
        subgoal_space=functools.partial(find_subgoals, reach=0.1),
    )
    highest, *reaches = [layer.goals.reach for layer in model.layers]
    assert highest is None
    np.testing.assert_allclose(np.array(reaches), [[0.6, 0.6], [0.2, 0.2]])
    model.learn(300)


def remembering(achieved: np.ndarray) -> Layer:
    """Make a layer that has achieved something; goals are reached within 0.5."""

    def reached(one: np.ndarray, other: np.ndarray) -> Any:
        return (np.abs(one - other) <= 0.5).all(axis=-1)

    store: Any = SimpleNamespace(
        n_transitions=len(achieved),
        n_used=np.array([len(achieved)]),
        n_envs=1,
        has_action=np.ones(len(achieved), bool),
        column=lambda key: achieved,
    )
    goals = GoalSpace(BOX, NEAR.achieved, reached)
    return SimpleNamespace(store=store, goals=goals)  # type: ignore[return-value]


def test_episodes_go_to_the_edge_of_what_is_known():
    achieved = np.zeros((200, 2), np.float32)
    achieved[:20] = [3.0, 3.0]
    achieved[50:60] = [3.2, 9.0]  # seldom reached
    layer, rng = remembering(achieved), np.random.default_rng(0)
    chosen = [ExplorationGoals(1.0, 150, 500).choose(layer, rng) for _ in range(5)]
    assert {tuple(goal) for goal in chosen if goal is not None} == {(np.float32(3.2), 9.0)}
    assert ExplorationGoals(1.0, 500).choose(remembering(achieved[:9]), rng) is None
    share = np.mean([ExplorationGoals(0.3).choose(layer, rng) is not None for _ in range(300)])
    assert 0.2 < share < 0.4
    before = rng.bit_generator.state
    assert ExplorationGoals(0.0).choose(layer, rng) is None
    assert rng.bit_generator.state == before  # one layer is HER, bit by bit


@pytest.mark.parametrize(
    ("arguments", "message"), [((1.5,), r"from 0 to 1, got 1\.5"), ((0.5, 0), "got 0 and 500")]
)
def test_exploration_that_makes_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        ExplorationGoals(*arguments)


def test_after_the_edge_an_episode_pursues_its_own_goal():
    class Here(ExplorationGoals):
        def choose(self, layer, rng):
            return np.zeros(2, np.float32)

    model = agent(exploration=Here(), layer_classes=["sac"], time_scales=[-1])
    observation = {
        key: np.full((1, 2), 0.9, np.float32) for key in ("observation", "achieved_goal")
    }
    observation["desired_goal"] = np.full((1, 2), 0.5, np.float32)
    there = observation | {"achieved_goal": np.zeros((1, 2), np.float32)}
    never, plan = np.zeros(1, bool), model.plan
    model.hierarchy.begin_episodes(plan, [0])
    plan.here = model.hierarchy.see(observation)
    pursued = []
    for seen in (observation, there, observation):
        model.hierarchy.act(plan, explore=True)
        assert plan.layers[0].goals is not None
        pursued.append(plan.layers[0].goals[0, 0])
        model.hierarchy.end_actions(plan, seen, over=never, tally=model.tally, terminated=never)
    # the second step shows that the first goal is reached, the third has the environment's own
    assert pursued == [0.0, 0.0, 0.5]
    store = model.layers[0].store
    np.testing.assert_allclose(store.column("desired_goal")[:3, 0], [0.0, 0.0, 0.5])
    batch = model.layers[0].learner.replay_buffer.sample_batch(100)
    goal = store.columns["desired_goal"]
    np.testing.assert_array_equal(batch.observations[:, goal], batch.next_observations[:, goal])


@pytest.mark.parametrize("again", [False, True])
def test_an_exploring_episode_may_go_to_the_edge_again_after_its_goal(again):
    class Edge(ExplorationGoals):
        def choose(self, layer, rng):
            return self.edge(layer, rng)

        def edge(self, layer, rng):
            return np.zeros(2, np.float32)

    model = agent(exploration=Edge(again=again), layer_classes=["sac"], time_scales=[-1])
    observation = {key: np.full((1, 2), 0.5, np.float32) for key in ("observation", "desired_goal")}
    never, plan = np.zeros(1, bool), model.plan
    model.hierarchy.begin_episodes(plan, [0])
    pursued = []
    plan.here = model.hierarchy.see(observation | {"achieved_goal": observation["desired_goal"]})
    for place in (0.9, 0.0, 0.5, 0.0, 0.5):
        pursued.append(plan.highest_goals()[0, 0])
        seen = observation | {"achieved_goal": np.full((1, 2), place, np.float32)}
        model.hierarchy.act(plan, explore=True)
        model.hierarchy.end_actions(plan, seen, over=never, tally=model.tally, terminated=never)
    assert pursued == ([0.0, 0.0, 0.5, 0.0, 0.5] if again else [0.0, 0.0, 0.5, 0.5, 0.5])


def test_evaluations_pursue_the_environments_goals():
    model = agent(exploration=ExplorationGoals(1.0))
    model.learn(400)
    observation = {
        key: np.full(2, 0.3, np.float32) for key in ("achieved_goal", "desired_goal", "observation")
    }
    _, state = model.predict(observation)
    assert not state.detours
