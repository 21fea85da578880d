"""Make the environments that a config describes."""

import functools
import importlib
import multiprocessing
from collections.abc import Callable, Iterable
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import gymnasium as gym
from omegaconf import DictConfig, OmegaConf
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecNormalize

import envs  # noqa: F401 (registers our environments)
from envs.episode_seeds import EpisodeSeeds, SeedOfEpisode
from envs.finite_check import FiniteCheck
from envs.frozen_normalize import FrozenNormalize
from envs.maze_files import remove_model_file
from envs.own_reward import OwnReward
from envs.ownership import OwnResults
from envs.registration import register_environments
from envs.remote_errors import RaisesErrors, SendsErrors
from envs.success import SuccessInfo
from envs.translated_spaces import translated
from experiment.build.reward import make_reward
from interface.algorithm import AlgorithmSpec
from interface.environment_ids import environment_ids, missing_simulators
from interface.errors import UserError, told
from interface.instantiation import instantiate
from interface.moved import where_it_went
from util.nearest_name import nearest_name
from util.parent import end_with_parent
from util.signals import ignore_signals

# Forked before any thread starts, a process is there at once; elsewhere it imports for seconds.
_START_METHOD = "fork" if "fork" in multiprocessing.get_all_start_methods() else None


def import_packages(names: Iterable[str]) -> None:
    """
    Import the user's own packages, which register environments, in code or by their YAMLs.

    :param names: of packages on ``sys.path``
    :raises UserError: if one cannot be imported
    """
    for name in names:
        try:
            package = importlib.import_module(name)
        except ImportError as error:
            raise UserError(f"imports=[{name}]: {error}{where_it_went(error)}") from error
        for folder in getattr(package, "__path__", ()):  # a module alone has none
            register_environments(Path(folder) / "conf" / "env")


def make_env(
    env_cfg: DictConfig,
    seed_of_episode: SeedOfEpisode,
    render_mode: str | None = None,
    reward: DictConfig | None = None,
) -> gym.Env:
    """
    Make one environment with its wrappers.

    :param env_cfg: the ``env`` node
    :param seed_of_episode: the seed of each episode, see ``envs.episode_seeds``
    :param render_mode: as in Gymnasium
    :param reward: the ``reward`` node; None: the environment's own
    :raises UserError: if the environment cannot be made
    """
    kwargs: dict[str, Any] = OmegaConf.to_container(env_cfg.kwargs, resolve=True)  # type: ignore[assignment]
    if env_cfg.max_episode_steps is not None:
        kwargs["max_episode_steps"] = env_cfg.max_episode_steps
    if render_mode is not None:
        kwargs.setdefault("render_mode", render_mode)
    try:
        env = gym.make(env_cfg.id, disable_env_checker=True, **kwargs)
    except gym.error.NameNotFound as error:
        missing, near = missing_simulators(), nearest_name(env_cfg.id, environment_ids())
        if missing:
            raise UserError(f"cannot make env {env_cfg.id}: {missing}") from error
        question = f"; did you mean {near}?" if near else ""
        raise UserError(f"unknown env.id {env_cfg.id!r}{question}") from error
    except Exception as error:
        raise UserError(f"cannot make env {env_cfg.id}: {_reason(error)}") from error
    remove_model_file(env)
    for wrapper in env_cfg.wrappers:
        env = _wrapped(wrapper, env)
    env = SuccessInfo(OwnResults(env), env_cfg.success_return)
    if reward is not None:
        env = OwnReward(env, make_reward(reward))
    return FiniteCheck(EpisodeSeeds(translated(env), seed_of_episode, env_cfg.seeds))


def _reason(error: Exception) -> str:
    if isinstance(error, TypeError) and "'render_mode'" in str(error):
        return "it cannot be shown, its constructor takes no render_mode"
    if "mujoco" in str(error).lower():
        missing = missing_simulators()
        if missing:
            return missing
    if isinstance(error, gym.error.Error | TypeError | ValueError):
        return " ".join(map(str, error.args))
    return told(error)


def _wrapped(node: DictConfig, env: gym.Env) -> gym.Env:
    """Put a wrapper of the config around an environment; its node needs no ``_partial_``."""
    try:
        wrapped = instantiate(node, _partial_=True)(env)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"env.wrappers: {node['_target_']} raised {told(error)}") from error
    if not isinstance(wrapped, gym.Env):
        got = type(wrapped).__name__
        raise UserError(f"env.wrappers: {node['_target_']} must make a gymnasium.Env, got {got}")
    return wrapped


def make_vec_env(
    env_cfg: DictConfig,
    seeds_of_env: Callable[[int], SeedOfEpisode],
    *,
    subprocesses: bool,
    shared: gym.Env | None = None,
    reward: DictConfig | None = None,
) -> VecEnv:
    """
    Make environments that are stepped together.

    :param env_cfg: the ``env`` node
    :param seeds_of_env: the episode seeds of environment 0, 1, ...
    :param subprocesses: each in a process of its own
    :param shared: the only one that may live, made before
    :param reward: the ``reward`` node; None: the environment's own
    """
    if shared is not None:
        return DummyVecEnv([lambda: Monitor(shared)])
    make = _make_in_subprocess if subprocesses else _make_monitored
    makers = [
        functools.partial(make, env_cfg, seeds_of_env(index), reward)
        for index in range(env_cfg.n_envs)
    ]
    if subprocesses:
        venv = SubprocVecEnv(makers, start_method=_START_METHOD)  # type: ignore[arg-type]
        # before multiprocessing itself asks them to end, which they ignore, and waits
        Finalize(venv, _kill, args=(venv.processes,), exitpriority=1)
        return RaisesErrors(venv)
    return DummyVecEnv(makers)  # type: ignore[arg-type]


def _kill(processes: Iterable[BaseProcess]) -> None:
    for process in processes:
        process.kill()


def _make_monitored(
    env_cfg: DictConfig, seed_of_episode: SeedOfEpisode, reward: DictConfig | None
) -> gym.Env:
    return Monitor(make_env(env_cfg, seed_of_episode, reward=reward))


def _make_in_subprocess(
    env_cfg: DictConfig, seed_of_episode: SeedOfEpisode, reward: DictConfig | None
) -> gym.Env:
    ignore_signals()  # they are for the run, which closes us
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        end_with_parent(parent.pid)
    set_random_seed(seed_of_episode(0))  # a fork begins with what all others begin with
    return SendsErrors(_make_monitored(env_cfg, seed_of_episode, reward))


def normalized(cfg: DictConfig, venv: VecEnv) -> VecEnv:
    """
    Wrap environments in running normalisation where the config asks for it.

    :param cfg: the main config
    :param venv: the environments
    """
    if not (cfg.normalize.observation or cfg.normalize.reward):
        return venv
    parts = AlgorithmSpec.of(cfg.algorithm).parts
    frozen = cfg.normalize.get("frozen_in_rollouts")  # former versions had none
    return (FrozenNormalize if frozen else VecNormalize)(
        venv,
        norm_obs=cfg.normalize.observation,
        norm_reward=cfg.normalize.reward,
        clip_obs=cfg.normalize.clip_observation,
        clip_reward=cfg.normalize.clip_reward,
        gamma=next(part.node["gamma"] for part in parts if "gamma" in part.node),
    )
