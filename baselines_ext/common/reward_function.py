"""How goals are rewarded: an environment's ``compute_reward``, for batches."""

import logging
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from baselines_ext.common.sampling import RewardFunction

log = logging.getLogger(__name__)


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
        return np.array([compute_reward(one, other, {}) for one, other in pairs], np.float32)

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
