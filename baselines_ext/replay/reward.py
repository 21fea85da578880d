"""How goals are rewarded: an environment's ``compute_reward``, for batches."""

import copy
import logging
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from baselines_ext.replay.samplers import RewardFunction

log = logging.getLogger(__name__)

_DISTANCES = (0.0, 1e-4, 1e-3, 1e-2)


def reward_function(env: VecEnv) -> RewardFunction:
    """
    Find an environment's ``compute_reward`` and see whether it takes batches.

    :param env: vectorised; the first environment is asked
    """

    def ask(achieved: np.ndarray, desired: np.ndarray, info: Any) -> Any:
        return env.env_method("compute_reward", achieved, desired, info, indices=[0])[0]

    call = ask
    if isinstance(env.unwrapped, DummyVecEnv):
        call = env.unwrapped.envs[0].get_wrapper_attr("compute_reward")
    return batched(call)


def check_sparse(needed_by: str, env: VecEnv, compute_reward: RewardFunction) -> None:
    """
    Refuse rewards that do not tell when a goal is reached.

    Asked is for a goal, and for places near it: rewards that fall with every distance count
    nothing but the goal itself as reached. Whole numbers do meet their goals.

    :param needed_by: what needs sparse rewards, for the message
    :param env: with goals
    :param compute_reward: of batches
    :raises ValueError: if the rewards are dense
    """
    assert isinstance(env.observation_space, spaces.Dict)
    space = copy.deepcopy(env.observation_space["desired_goal"])
    if not isinstance(space, spaces.Box) or not np.issubdtype(space.dtype, np.floating):
        return
    space.seed(0)
    goal = space.sample().astype(np.float64)
    inwards = np.where(goal + _DISTANCES[-1] > space.high, -1, 1)
    near = np.stack([goal + distance * inwards for distance in _DISTANCES])
    try:
        rewards = compute_reward(near, np.stack([goal] * len(near)))
    except Exception as error:  # noqa: BLE001 (somebody else's code, and a goal that is made up)
        log.info("compute_reward was not asked whether rewards are sparse (%s)", error)
        return
    if (np.diff(rewards) < 0).all():
        pairs = zip(_DISTANCES, rewards, strict=True)
        paid = ", ".join(f"{reward:.4g} at {distance:g}" for distance, reward in pairs)
        raise ValueError(
            f"{needed_by} needs rewards that tell when a goal is reached, but compute_reward pays "
            f"{paid} from the goal, so nothing but the goal itself would count; take the sparse "
            f"version of this environment"
        )


def as_given(compute_reward: RewardFunction, goals: spaces.Dict) -> RewardFunction:
    """
    Let a reward function see goals as its environment gives them, not as a replay store keeps them.

    :param compute_reward: of goals (N, *shape) in the environment's whole numbers, or in floats
    :param goals: space of observations with goals
    :return: of goals (N, G) in floats
    """
    achieved_space, desired_space = goals["achieved_goal"], goals["desired_goal"]

    def rewards(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        return compute_reward(_given(achieved, achieved_space), _given(desired, desired_space))

    return rewards


def _given(goals: np.ndarray, space: spaces.Space) -> np.ndarray:
    goals = goals.reshape(len(goals), *(space.shape or ()))
    return goals if np.issubdtype(space.dtype, np.floating) else goals.astype(space.dtype)


def batched(compute_reward: Any) -> RewardFunction:
    """
    Make a reward function take batches, one goal after the other if it must be.

    :param compute_reward: of a goal environment: achieved goal, desired goal, info
    """
    takes_batches: bool | None = None

    def rewards(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        nonlocal takes_batches
        if takes_batches is None:
            takes_batches = _takes_batches(compute_reward, achieved, desired)
        if takes_batches:
            return np.asarray(compute_reward(achieved, desired, [{}] * len(achieved)))
        pairs = zip(achieved, desired, strict=True)
        paid = [compute_reward(one, other, {}) for one, other in pairs]
        return np.array(paid, np.float32).reshape(len(achieved))

    return rewards


def _takes_batches(compute_reward: Any, achieved: np.ndarray, desired: np.ndarray) -> bool:
    try:
        rewards = compute_reward(achieved, desired, [{}] * len(achieved))
    except Exception as error:  # noqa: BLE001 (somebody else's code; the next call tells the truth)
        reason = f"{type(error).__name__}: {error}"
    else:
        if np.shape(rewards) == (len(achieved),):
            return True
        reason = f"it returned shape {np.shape(rewards)} for {len(achieved)} goals"
    log.warning("compute_reward does not take batches, so hindsight is slower (%s)", reason)
    return False
