"""Agents that know nothing: what a trained one has to be better than."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from omegaconf import DictConfig

from envs.episode_recorder import Episode
from envs.episode_seeds import final_test_seeds
from experiment.evaluation.evaluation import evaluate, make_evaluation_env
from interface.abilities import Acts


class AtRandom:
    """
    Draws actions uniformly.

    :param actions: to draw from
    """

    def __init__(self, actions: spaces.Space) -> None:
        self._actions = copy.deepcopy(actions)
        self._actions.seed(0)

    def predict(self, observation: Any, state: Any = None, *_: Any, **__: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Choose for one environment."""
        return np.asarray([self._actions.sample()]), state


class DoingNothing:
    """
    Always gives the action nearest to zero.

    :param actions: among which it is
    """

    def __init__(self, actions: spaces.Box) -> None:
        self._action = np.clip(np.zeros_like(actions.low), actions.low, actions.high)

    def predict(self, observation: Any, state: Any = None, *_: Any, **__: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Choose for one environment."""
        return self._action[None], state


def play_baselines(cfg: DictConfig, n_episodes: int) -> Mapping[str, list[Episode]]:
    """
    Play the first test episodes without any skill.

    :param cfg: of the agent that is tested: its environment
    :param n_episodes: at least 1
    :return: episodes by what was done in them; nothing is done only where actions are numbers
    """
    env = make_evaluation_env(cfg, final_test_seeds(n_episodes), load=lambda venv: venv)
    actions = env.venv.action_space
    agents: dict[str, Acts] = {"at random": AtRandom(actions)}
    if isinstance(actions, spaces.Box):
        agents = {"doing nothing": DoingNothing(actions), **agents}
    try:
        return {name: evaluate(agent, env, n_episodes) for name, agent in agents.items()}
    finally:
        env.close()
