"""Check that algorithm and environment belong together, on a few steps, before networks exist."""

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from envs.finite_check import NonFiniteEnvironmentError
from envs.success import SUCCESS_KEY
from experiment.run.columns import columns_of
from interface.algorithm import AlgorithmSpec
from interface.config import NO_ENV, has_env
from interface.errors import UserError, told
from interface.instantiation import target_of
from interface.metrics import SUCCESS_KEYS
from interface.needs import misfit, unreadable
from interface.resolvers import REPOSITORY
from interface.signatures import takes

log = logging.getLogger(__name__)

_RESET = "reset(*, seed=None, options=None) -> (observation, info)"
_STEP = "step(action) -> (observation, reward, terminated, truncated, info)"
# A collision or a fall shows within these; the steps of all supported environments take a second.
_STEPS_OF_REWARDS = 50
_MOST_STEPS = 1000


def check_environment(cfg: DictConfig, spec: AlgorithmSpec) -> None:
    """
    Check that there is an environment where one is needed, and none where nothing would use it.

    :param cfg: the main config
    :param spec: of its algorithm
    :raises UserError: naming what needs one, or what has no effect
    """
    name, tester = cfg.algorithm_name, cfg.evaluator["_target_"].rpartition(".")[2]
    trains, tests = spec.takes_environments, takes(target_of(cfg.evaluator), "env")
    if not has_env(cfg):
        if trains or tests:
            who = name if trains else f"evaluator {tester}"
            raise UserError(f"{who} needs an environment, got env={NO_ENV}")
        if cfg.render.mode != "none":
            raise UserError(f"render={cfg.render.mode} shows an environment, got env={NO_ENV}")
    elif not trains and not tests:
        raise UserError(
            f"neither {name} nor evaluator {tester} uses an environment, got env={cfg.env.id}; "
            f"add env={NO_ENV}"
        )
    if not trains and (cfg.normalize.observation or cfg.normalize.reward):
        raise UserError(f"normalize has no effect on {name}, which trains in no environment")
    if cfg.normalize.frozen_in_rollouts:
        _check_freezes(cfg, spec)


def _check_freezes(cfg: DictConfig, spec: AlgorithmSpec) -> None:
    target = spec.learner.target
    if not isinstance(target, type) or not issubclass(target, OnPolicyAlgorithm):
        why = f"on {cfg.algorithm_name}, which has no rollouts; what fits: algorithm=ppo"
    elif not (cfg.normalize.observation or cfg.normalize.reward):
        why = "without normalize.observation=true or normalize.reward=true"
    else:
        return
    raise UserError(f"normalize.frozen_in_rollouts=true has no effect {why}")


def check_fit(cfg: DictConfig, spec: AlgorithmSpec, env: gym.Env) -> None:
    """
    Check that algorithm and environment belong together.

    :param cfg: the main config
    :param spec: of its algorithm
    :param env: one environment, fresh; an episode of it is begun
    :raises UserError: naming what is missing and what would fit
    """
    _check_spaces(cfg, spec, env)
    _check_rollout(cfg, spec)
    rewards_goals = any(part.needs.rewards_goals for part in spec.parts)
    wants_success = [f"{key}={name}" for key, name in columns_of(cfg) if name in SUCCESS_KEYS]
    if env.has_wrapper_attr("action_note"):
        log.info("%s: %s", cfg.env.id, env.get_wrapper_attr("action_note"))
    env.action_space.seed(cfg.seed)
    probe = _Probe(cfg.env.id, env)
    probe.play(_STEPS_OF_REWARDS if rewards_goals else 1)
    if rewards_goals:
        _check_rewards(cfg, env, probe)
    if wants_success and not probe.success_known:
        probe.play(_MOST_STEPS)  # some report it at the end only
        if not probe.success_known:
            raise UserError(
                f"{cfg.env.id} reports no success, so {wants_success[0]} would never "
                f"appear; set env.success_return=<return>, or another column such as eval/return"
            )


def _check_rollout(cfg: DictConfig, spec: AlgorithmSpec) -> None:
    """Check a minibatch against what the environments of the training collect for it."""
    node, target = spec.learner.node, spec.learner.target
    if not isinstance(target, type) or not issubclass(target, OnPolicyAlgorithm):
        return
    if "batch_size" not in node or "n_steps" not in node:
        return
    rollout = node["n_steps"] * cfg.env.n_envs
    if node["batch_size"] > rollout:
        raise UserError(
            f"algorithm.batch_size must be at most {rollout}, the transitions of a rollout "
            f"(n_steps times env.n_envs), got {node['batch_size']}"
        )


def _check_spaces(cfg: DictConfig, spec: AlgorithmSpec, env: gym.Env) -> None:
    for what, space in (("observation", env.observation_space), ("action", env.action_space)):
        reason = unreadable(space, what)
        if reason is not None:
            raise UserError(f"{cfg.env.id} has {reason}, which no algorithm here can read")
    for part in spec.parts:
        lacks = misfit(part.needs, env.observation_space, env.action_space)
        if lacks is not None:
            is_whole = part.key == "algorithm"
            name = cfg.algorithm_name if is_whole else part.key.rpartition(".")[2]
            raise UserError(f"{name} needs {lacks} from {cfg.env.id}{_what_fits(env)}")


def _what_fits(env: gym.Env) -> str:
    """Name the algorithms of ``conf/algorithm`` that fit an environment."""
    if not GlobalHydra.instance().is_initialized():
        return ""
    fitting = []
    for path in sorted((REPOSITORY / "conf" / "algorithm").glob("*.yaml")):
        spec = AlgorithmSpec.of(compose("main", overrides=[f"algorithm={path.stem}"]).algorithm)
        lacks = (misfit(part.needs, env.observation_space, env.action_space) for part in spec.parts)
        if not any(lacks):
            fitting.append(path.stem)
    if not fitting:
        return "; no algorithm here fits"
    return f"; what fits: algorithm={', '.join(fitting)}"


@dataclass
class _Probe:
    """
    One episode with random actions, and what it showed.

    :param name: of the environment
    :param env: to be asked
    :param achieved: goals, one per step
    :param desired: goals, one per step
    :param rewards: one per step
    :param infos: one per step
    """

    name: str
    env: gym.Env
    achieved: list[Any] = field(default_factory=list)
    desired: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    success_known: bool = False
    _over: bool = False

    def play(self, n_steps: int) -> None:
        """Begin the episode or go on with it, at most to its end."""
        if not self.infos:
            observation, _ = self._ask(self.env.reset, _RESET)
            self._check_observation(observation, _RESET)
        for _ in range(n_steps):
            if self._over or (self.infos and self.success_known and n_steps == _MOST_STEPS):
                return
            self._step()

    def _step(self) -> None:
        action = self.env.action_space.sample()
        observation, reward, terminated, truncated, info = self._ask(
            lambda: self.env.step(action), _STEP
        )
        self._check_observation(observation, _STEP)
        self._over = bool(terminated or truncated)
        if isinstance(observation, dict) and "achieved_goal" in observation:
            self.achieved.append(copy.copy(observation["achieved_goal"]))
            self.desired.append(copy.copy(observation["desired_goal"]))
        self.rewards.append(float(reward))
        self.infos.append(info)
        self.success_known |= SUCCESS_KEY in info

    def _ask(self, call: Callable[[], Any], wanted: str) -> Any:
        try:
            return call()
        except NonFiniteEnvironmentError as error:
            raise UserError(f"this environment cannot be trained on: {error}") from error
        except Exception as error:
            raise UserError(
                f"{self.name}: {wanted.partition('(')[0]} raised {told(error)}; "
                f"Gymnasium's API is {wanted}"
            ) from error

    def _check_observation(self, observation: Any, wanted: str) -> None:
        space, call = self.env.observation_space, wanted.partition("(")[0]
        parts = space.spaces if isinstance(space, spaces.Dict) else {"": space}
        values = observation if isinstance(space, spaces.Dict) else {"": observation}
        for key, part in parts.items():
            what = f"observation[{key!r}]" if key else "an observation"
            if not isinstance(values, dict) or key not in values:
                raise UserError(f"{self.name}: {call} returned no {what}, which its space promises")
            got = np.shape(values[key])
            if got != part.shape:
                raise UserError(
                    f"{self.name}: {call} returned {what} of shape {got}, but its space says "
                    f"{part.shape}"
                )


def _check_rewards(cfg: DictConfig, env: gym.Env, probe: _Probe) -> None:
    """Compare the environment's rewards with those that would be computed for other goals."""
    name, algorithm = cfg.env.id, cfg.algorithm_name
    if not env.has_wrapper_attr("compute_reward"):
        raise UserError(
            f"{algorithm} needs compute_reward(achieved_goal, desired_goal, info) from {name}"
        )
    compute_reward = env.get_wrapper_attr("compute_reward")
    nothing: list[dict[str, Any]] = [{}] * len(probe.infos)
    try:
        single = _singly(compute_reward, probe, nothing)
    except Exception as error:
        raise UserError(
            f"{algorithm} rewards other goals by {name}'s compute_reward with an empty info, which "
            f"raised {told(error)}; make it depend on the goals alone, or take algorithm=sac"
        ) from error
    reason = _disagreement(compute_reward, probe, single, nothing)
    if reason is not None:
        raise UserError(
            f"{algorithm} would learn wrong rewards on {name}: {reason}; make compute_reward say "
            f"what step pays from the goals alone, or take an algorithm without hindsight"
        )


def _disagreement(
    compute_reward: Any, probe: _Probe, single: np.ndarray, nothing: Sequence[dict[str, Any]]
) -> str | None:
    wrong = np.flatnonzero(~_close(single, probe.rewards))
    if wrong.size:
        step = wrong[0]
        what = (
            f"step {step + 1} of {len(single)} paid {probe.rewards[step]:.4g}, but compute_reward "
            f"with an empty info says {single[step]:.4g}"
        )
        try:
            by_info = bool(_close(_singly(compute_reward, probe, probe.infos), probe.rewards).all())
        except Exception:  # noqa: BLE001 (somebody else's code; the difference is told anyway)
            by_info = False
        cause = "it depends on info" if by_info else "something else, such as a wrapper, changes it"
        return f"{what} ({cause})"
    try:
        batch = np.asarray(
            compute_reward(np.stack(probe.achieved), np.stack(probe.desired), nothing)
        )
    except Exception:  # noqa: BLE001 (then goals are rewarded one by one)
        return None
    if batch.shape != single.shape or _close(batch, single).all():
        return None
    return "compute_reward gives other rewards for several goals together than for each alone"


def _singly(compute_reward: Any, probe: _Probe, infos: Sequence[dict[str, Any]]) -> np.ndarray:
    triples = zip(probe.achieved, probe.desired, infos, strict=True)
    return np.array([float(compute_reward(*triple)) for triple in triples])


def _close(one: Any, other: Any) -> np.ndarray:
    return np.isclose(one, other, rtol=1e-4, atol=1e-6)
