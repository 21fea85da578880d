"""What an agent of layers logs."""

import time

import numpy as np
from stable_baselines3.common.utils import safe_mean

from baselines_ext.hac.hierarchy import Tally
from baselines_ext.hac.persistence import LayeredAlgorithm


def log_rollouts(agent: LayeredAlgorithm, tally: Tally) -> None:
    """
    Log the last episodes, and the subgoals since the last time.

    :param agent: in training
    :param tally: of training; outcomes of subgoals are taken out
    """
    logger = agent.logger
    seconds = max((time.time_ns() - agent.start_time) / 1e9, 1e-9)
    steps = agent.num_timesteps - agent._num_timesteps_at_start
    logger.record("time/fps", int(steps / seconds))
    for name, key in (("ep_rew_mean", "r"), ("ep_len_mean", "l")):
        values = [info[key] for info in agent.ep_info_buffer or []]
        logger.record(f"rollout/{name}", safe_mean(values))
    if agent.ep_success_buffer:
        logger.record("rollout/success_rate", safe_mean(agent.ep_success_buffer))
    for key, value in means(tally, "subgoal_success").items():
        logger.record(f"train/{key}", value)
    logger.dump(agent.num_timesteps)


def means(tally: Tally, name: str) -> dict[str, float]:
    """
    Average outcomes and forget them.

    :param tally: of outcomes
    :param name: end of their keys
    :return: by key; nothing where there was no outcome
    """
    keys = [key for key, outcomes in tally.items() if key.endswith(name) and outcomes]
    return {key: float(np.mean(tally.pop(key))) for key in keys}
