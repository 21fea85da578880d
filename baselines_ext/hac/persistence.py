"""Save, load and resume an agent that consists of learners."""

import copy
import io
import pathlib
import pickle
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch as th

from baselines_ext.hac.hierarchy import Hierarchy, Plan, Tally
from baselines_ext.hac.layer import Layer
from baselines_ext.hac.scaling import unscaled
from baselines_ext.replay.store import ReplayStore
from baselines_ext.rollout.collector import Collector
from baselines_ext.rollout.resume import replay_episodes

_LEARNER_STATE = ("inputs", "_n_updates", "num_timesteps")
_MADE_ANEW = ("layers", "hierarchy", "rng", "goals", "plans", "actions_of_episode", "tally")


@dataclass
class Memory:
    """
    What the layers of an agent remember.

    :param stores: of the layers, highest first
    :param plans: of the running episodes, one per environment
    :param actions_of_episode: scaled, in the running episodes
    :param last_observation: of all environments
    :param tally: outcomes of subgoals that were not logged yet
    """

    stores: list[ReplayStore]
    plans: list[Plan]
    actions_of_episode: list[list[np.ndarray]]
    last_observation: Any
    tally: Tally


class LayeredAlgorithm(Collector):
    """What SB3 does for one learner, for several: files, parameters, replay buffers."""

    layers: list[Layer]
    hierarchy: Hierarchy
    rng: np.random.Generator
    plans: list[Plan]
    actions_of_episode: list[list[np.ndarray]]
    layer_states: list[dict[str, Any]]
    tally: Tally

    @property
    def replay_buffer(self) -> Memory:
        """Everything that is needed to go on, beside the model."""
        stores = [layer.store for layer in self.layers]
        return Memory(stores, self.plans, self.actions_of_episode, self._last_obs, self.tally)

    def load_replay_buffer(
        self, path: str | pathlib.Path | io.BufferedIOBase, truncate_last_traj: bool = True
    ) -> None:
        """
        Load what the layers remember.

        :param path: of the pickle file
        :param truncate_last_traj: take running episodes for truncated; see ``resume_episodes``
        :raises ValueError: if it is of another number of layers
        """
        memory = pickle.load(path) if isinstance(path, io.BufferedIOBase) else _unpickle(path)
        self._check_number_of_layers(len(memory.stores))
        for layer, store in zip(self.layers, memory.stores, strict=True):
            layer.learner.replay_buffer.store = store
        self.plans, self.actions_of_episode = memory.plans, memory.actions_of_episode
        self._last_obs, self.tally = memory.last_observation, memory.tally
        if truncate_last_traj:
            for env in range(self.n_envs):
                self._forget_episode(env)

    def resume_episodes(self) -> bool:
        """
        Play the running episodes again.

        The environments must be about to start the very episodes that were running.

        :return: whether all of them came back to where they were; one that did not is taken for
            truncated, and a new episode starts
        """
        assert self.env is not None
        before: Any = self._last_obs

        def came_back(env: int, observation: Any) -> bool:
            return all(np.array_equal(observation[key], before[key][env]) for key in before)

        actions = [
            [unscaled(self.action_space, action) for action in played]  # type: ignore[arg-type]
            for played in self.actions_of_episode
        ]
        self._last_obs, lost = replay_episodes(self.env, actions, came_back)
        for env in lost:
            self._forget_episode(env)
        return not lost

    def _forget_episode(self, env: int) -> None:
        self.plans[env], self.actions_of_episode[env] = Plan.empty(len(self.layers)), []
        for layer in self.layers:
            layer.store.end_episode(env)

    def set_parameters(
        self,
        load_path_or_dict: Any,
        exact_match: bool = True,
        device: th.device | str = "auto",
    ) -> None:
        """
        Load parameters as SB3 does, into each layer.

        :param load_path_or_dict: as in SB3
        :param exact_match: as in SB3; False: those of some layers will do
        :param device: as in SB3
        """
        if isinstance(load_path_or_dict, dict) and exact_match:
            names = {name.partition(".")[0] for name in load_path_or_dict}
            self._check_number_of_layers(len(names))
        super().set_parameters(load_path_or_dict, exact_match, device)
        for layer in self.layers:
            layer.learner.link()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy an agent that acts and learns with what it holds itself."""
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        vars(copied).update(copy.deepcopy(vars(self), memo))
        for layer in copied.layers:
            layer.learner.link()
        return copied

    def _check_number_of_layers(self, n_layers: int) -> None:
        if n_layers != len(self.layers):
            raise ValueError(f"it has {n_layers} layers, this agent has {len(self.layers)}")

    def save(self, *arguments: Any, **keywords: Any) -> None:
        """Save as SB3 does."""
        self.layer_states = [
            {name: getattr(layer.learner, name) for name in _LEARNER_STATE} for layer in self.layers
        ]
        super().save(*arguments, **keywords)

    @classmethod
    def load(cls, *arguments: Any, **keywords: Any) -> Self:
        """Load as SB3 does; the environment is needed, since it knows when goals are reached."""
        model = super().load(*arguments, **keywords)
        for layer, state in zip(model.layers, model.layer_states, strict=True):
            vars(layer.learner).update(state)
            layer.learner.link()
        return model

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        states, variables = [], []
        for index, layer in enumerate(self.layers):
            names, tensors = layer.learner._get_torch_save_params()
            states += [f"layer_{index}.{name}" for name in names]
            variables += [f"layer_{index}.{name}" for name in tensors]
        return states, variables

    def _excluded_save_params(self) -> list[str]:
        """Leave out what is made anew, or saved elsewhere."""
        learners = [f"layer_{index}" for index in range(len(self.layers))]
        return [*super()._excluded_save_params(), *learners, *_MADE_ANEW, "overlap"]


def _unpickle(path: Any) -> Memory:
    with pathlib.Path(path).open("rb") as file:
        return pickle.load(file)
