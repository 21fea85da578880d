"""Make the model that a config describes."""

from omegaconf import DictConfig
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from interface.algorithm import AlgorithmSpec
from interface.errors import UserError
from interface.instantiation import instantiate


def make_model(cfg: DictConfig, spec: AlgorithmSpec, venv: VecEnv) -> BaseAlgorithm:
    """
    Make the model: the config's constructor, given policy, environment, seed and device.

    :param cfg: the main config
    :param spec: of its algorithm
    :param venv: the training environments
    :raises UserError: if the constructor refuses its arguments
    """
    learner = spec.learner.target
    policy, policy_kwargs = instantiate(cfg.policy)(learner, venv.observation_space)
    arguments = {"seed": cfg.seed, "device": cfg.device, "policy_kwargs": policy_kwargs}
    if spec.offers("update"):
        arguments["update"] = cfg["update"]
    elif cfg["update"] != "auto":
        raise UserError(f"update={cfg['update']} has no effect on {cfg.algorithm_name}")
    if spec.offers("overlap"):
        arguments["overlap"] = cfg.overlap
    constructor = instantiate(cfg.algorithm)
    try:
        return constructor(policy=policy, env=venv, **arguments)
    except (ValueError, AssertionError, MemoryError) as error:
        raise UserError(f"{cfg.algorithm_name} refuses its parameters: {error}") from error
