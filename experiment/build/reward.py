"""Make the reward that a config names in place of the environment's own."""

import inspect

from omegaconf import DictConfig

from envs.own_reward import Reward
from interface.algorithm import AlgorithmSpec
from interface.config import NO_ENV, has_env
from interface.errors import UserError
from interface.instantiation import instantiate, target_of
from interface.parameters import checked_arguments

_GIVEN = ("observation", "action", "reward", "info")


def check_reward(cfg: DictConfig, spec: AlgorithmSpec) -> None:
    """
    Check an own reward, and that nothing would pay another one.

    :param cfg: the main config
    :param spec: of its algorithm
    :raises UserError: naming what is wrong and what would be right
    """
    if cfg.reward is None:
        return
    if "_target_" not in cfg.reward:
        raise UserError(f"reward must have a _target_, a function or a class, got {cfg.reward}")
    name = cfg.reward["_target_"]
    checked_arguments({"reward": cfg.reward}, {"reward": target_of(cfg.reward)})
    make_reward(cfg.reward)
    if not has_env(cfg):
        raise UserError(f"{name} pays in an environment, got env={NO_ENV}; add reward=none")
    if any(part.needs.rewards_goals for part in spec.parts):
        raise UserError(
            f"{cfg.algorithm_name} pays other goals by the environment's compute_reward, "
            f"not by {name}; what fits: reward=none, or an algorithm without hindsight"
        )


def make_reward(node: DictConfig) -> Reward:
    """
    Make a reward: a function with its parameters, or an object of a class.

    :param node: names it; it needs no ``_partial_``
    :raises UserError: if it cannot be called with what a step tells
    """
    is_function = not inspect.isclass(target_of(node))
    reward: Reward = instantiate(node, _partial_=is_function)
    try:
        inspect.signature(reward).bind(*_GIVEN)
    except TypeError as error:
        raise UserError(
            f"reward: {node['_target_']} must take ({', '.join(_GIVEN)}): {error}"
        ) from error
    return reward
