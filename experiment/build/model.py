"""Make the model that a config describes."""

from typing import Any

from omegaconf import DictConfig, OmegaConf
from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecEnv

from interface.algorithm import AlgorithmSpec
from interface.errors import UserError
from interface.instantiation import instantiate
from interface.learner import Learner, check_learner
from interface.signatures import accepted


def make_model(cfg: DictConfig, spec: AlgorithmSpec, venv: VecEnv | None) -> Learner:
    """
    Make the model: the config's constructor, given policy, environment, seed and device.

    It is given those that it names, see ``interface.learner``.

    :param cfg: the main config
    :param spec: of its algorithm
    :param venv: the training environments, None for a learner that takes none
    :raises UserError: if the constructor refuses its arguments, or what it makes is no learner
    """
    arguments: dict[str, Any] = {"seed": cfg.seed, "device": str(get_device(cfg.device))}
    if venv is not None:
        build_policy = instantiate(cfg.policy)
        # runs of before have none
        names = ("encoder", "head", "cell")
        parts = {key: OmegaConf.select(cfg, f"network.{key}") for key in names}
        policy, policy_kwargs = build_policy(
            spec.learner.target,
            venv.observation_space,
            venv.action_space,
            **{key: instantiate(node, _partial_=True) for key, node in parts.items() if node},
        )
        arguments |= {"policy": policy, "env": venv, "policy_kwargs": policy_kwargs}
    arguments = accepted(spec.algorithm.target, arguments)
    if spec.offers("update"):
        arguments["update"] = cfg["update"]
    elif cfg["update"] != "auto":
        raise UserError(f"update={cfg['update']} has no effect on {cfg.algorithm_name}")
    if spec.offers("overlap"):
        arguments["overlap"] = cfg.overlap
    constructor = instantiate(cfg.algorithm)
    try:
        model: Learner = constructor(**arguments)
    except (ValueError, AssertionError, MemoryError) as error:
        raise UserError(f"{cfg.algorithm_name} refuses its parameters: {error}") from error
    check_learner(model)
    return model
