"""
What the layers are up to between two steps of their n environments.

The environments are stepped together: row i of an array is of environment i.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from baselines_ext.hac.goal_space import Observations
from baselines_ext.replay.store import ReplayStore


@dataclass(frozen=True)
class Seen:
    """
    What the environments showed.

    :param observations: (n, ...) by key
    :param achieved: (n, G) the goals that they achieve, by index of the layer
    """

    observations: Observations
    achieved: Mapping[int, np.ndarray]

    def pursuing(self, index: int, goals: np.ndarray, envs: np.ndarray) -> dict[str, np.ndarray]:
        """
        See some environments as a layer does.

        :param index: of the layer
        :param goals: (n, G) of the layer
        :param envs: (B,)
        :return: (B, ...) by key
        """
        seen = {
            **self.observations,
            "achieved_goal": self.achieved[index],
            "desired_goal": goals,
        }
        return seen if len(envs) == len(goals) else {key: seen[key][envs] for key in seen}

    def replaced(self, envs: np.ndarray, by: "Seen") -> "Seen":
        """
        Copy it, but some environments as they were seen at another time.

        :param envs: (B,)
        :param by: that time
        """
        here, there = self.observations, by.observations
        return Seen(
            {key: _replaced(here[key], envs, there[key][envs]) for key in here},
            {
                index: _replaced(goals, envs, by.achieved[index][envs])
                for index, goals in self.achieved.items()
            },
        )


def _replaced(values: np.ndarray | None, envs: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Replace rows of a copy: the array itself may be remembered elsewhere."""
    if values is None or len(envs) == len(values):
        return by
    copied = values.copy()
    copied[envs] = by
    return copied


@dataclass
class Pursuit:
    """
    What one layer is up to.

    :param chooses: (n,) whether it has to choose an action
    :param n_actions: (n,) that it has used for its goal
    :param inside_test: (n,) whether a layer above tests a subgoal, so that this one does not
        explore
    :param is_test: (n,) whether the running action is a subgoal that this layer tests
    :param goals: (n, G) that it pursues; None before the first ones
    :param start: what the environments showed when the running actions began
    :param actions: (n, A) that are running, in [-1, 1]
    """

    chooses: np.ndarray
    n_actions: np.ndarray
    inside_test: np.ndarray
    is_test: np.ndarray
    goals: np.ndarray | None = None
    start: Seen | None = None
    actions: np.ndarray | None = None

    @classmethod
    def empty(cls, n_envs: int) -> "Pursuit":
        """Make that of episodes that begin."""
        never = np.zeros(n_envs, bool)
        return cls(~never, np.zeros(n_envs, np.int64), never, never.copy())

    def copy(self) -> "Pursuit":
        """Copy what is changed in place."""
        return replace(
            self,
            chooses=self.chooses.copy(),
            n_actions=self.n_actions.copy(),
            inside_test=self.inside_test.copy(),
            is_test=self.is_test.copy(),
        )

    def begin_goals(
        self, envs: np.ndarray, goals: np.ndarray | None, inside_test: np.ndarray | bool
    ) -> None:
        """
        Turn to new goals.

        :param envs: (B,)
        :param goals: (B, G); None: they come with the next observation
        :param inside_test: (B,)
        """
        if goals is not None:
            self.goals = _replaced(self.goals, envs, goals)
        self.chooses[envs] = True
        self.n_actions[envs] = 0
        self.inside_test[envs] = inside_test
        self.is_test[envs] = False

    def begin_actions(self, envs: np.ndarray, here: Seen, actions: np.ndarray) -> None:
        """
        Start what was chosen.

        :param envs: (B,)
        :param here: what the environments show
        :param actions: (B, A)
        """
        all_do = self.start is None or len(envs) == len(self.chooses)
        self.start = here if all_do else self.start.replaced(envs, here)  # type: ignore[union-attr]
        self.actions = _replaced(self.actions, envs, actions)
        self.chooses[envs] = False


@dataclass
class Plan:
    """
    What the layers are up to.

    :param layers: highest first
    :param played: scaled actions of each episode, for those who want to come back to where it is
    :param here: what the environments showed last; None before the first observation
    :param detours: by environment, where its episode goes before it pursues its own goal
    :param returning: environments that go to another such place whenever they reach their own goal
    """

    layers: list[Pursuit]
    played: list[list[np.ndarray]]
    here: Seen | None = None
    detours: dict[int, np.ndarray] = field(default_factory=dict)
    returning: set[int] = field(default_factory=set)

    @classmethod
    def empty(cls, n_layers: int, n_envs: int) -> "Plan":
        """Make that of episodes that begin."""
        return cls([Pursuit.empty(n_envs) for _ in range(n_layers)], [[] for _ in range(n_envs)])

    def copy(self) -> "Plan":
        """Copy what changes as an evaluation goes on, in which there are no detours."""
        return replace(self, layers=[pursuit.copy() for pursuit in self.layers])

    def restart(self, envs: np.ndarray) -> None:
        """
        Begin new episodes.

        :param envs: (B,)
        """
        for pursuit in self.layers:
            pursuit.begin_goals(envs, None, inside_test=False)
        for env in envs.tolist():
            self.played[env] = []
            self.detours.pop(env, None)
            self.returning.discard(env)

    def highest_goals(self) -> np.ndarray:
        """Say what the highest layer pursues from here: (n, G)."""
        assert self.here is not None
        own = self.here.observations["desired_goal"]
        goals = own.reshape(len(own), -1)
        if self.detours:
            goals = goals.astype(np.result_type(goals, np.float32))
            for env, place in self.detours.items():
                goals[env] = place
        return goals


@dataclass
class Memory:
    """
    What an agent needs to go on, beside its model.

    :param stores: of the layers, highest first
    :param plan: of the running episodes
    :param last_observation: of all environments
    :param tally: outcomes of subgoals that were not logged yet, by metric
    """

    stores: list[ReplayStore]
    plan: Plan
    last_observation: Any
    tally: dict[str, list[bool]]
