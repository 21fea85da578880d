"""Make the model that a config describes."""

from typing import Any

from omegaconf import DictConfig
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from interface.errors import UserError
from interface.instantiation import instantiate, target_of
from interface.parameters import arguments_of, model_nodes


def learner_of(cfg: DictConfig) -> Any:
    """
    Get the class that learns: the algorithm's own, or that of its (lowest) layer.

    :param cfg: the main config
    """
    return target_of(list(model_nodes(cfg.algorithm).values())[-1])


def make_model(cfg: DictConfig, venv: VecEnv) -> BaseAlgorithm:
    """
    Make the model: the config's constructor, given policy, environment, seed and device.

    :param cfg: the main config
    :param venv: the training environments
    :raises UserError: if the constructor refuses its arguments
    """
    learner = learner_of(cfg)
    policy, policy_kwargs = instantiate(cfg.policy)(learner, venv.observation_space)
    arguments = {"seed": cfg.seed, "device": cfg.device, "policy_kwargs": policy_kwargs}
    accepted = arguments_of(learner)
    if "update" in accepted:
        arguments["update"] = cfg["update"]
    elif cfg["update"] != "auto":
        raise UserError(f"update={cfg['update']} has no effect on {cfg.algorithm_name}")
    if "overlap" in accepted:
        arguments["overlap"] = cfg.overlap
    constructor = instantiate(cfg.algorithm)
    try:
        return constructor(policy=policy, env=venv, **arguments)
    except (ValueError, AssertionError, MemoryError) as error:
        raise UserError(f"{cfg.algorithm_name} refuses its parameters: {error}") from error
