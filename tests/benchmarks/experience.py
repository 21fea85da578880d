"""Experience that all libraries learn from: random actions, the same for everybody."""

import os
import pickle
import time
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import gymnasium_robotics  # noqa: F401 (registers FetchReach)
import numpy as np

DATA = Path(__file__).parents[2] / "data"
GOAL_ENV, FLAT_ENV = "FetchReach-v4", "Pendulum-v1"
EPISODE_LENGTH = 50


class Transition(NamedTuple):
    """Arguments of a replay buffer's ``add``, for one environment."""

    observation: Any
    next_observation: Any
    action: np.ndarray
    reward: np.ndarray
    done: np.ndarray
    infos: list[dict[str, Any]]


class Setting(NamedTuple):
    """
    What is learned, and how large it is.

    :param learner: SAC, TD3 or DDPG
    :param env: FetchReach-v4 is learned with HER
    :param batch_size: transitions of a gradient step
    :param width: of both hidden layers
    :param buffer_size: capacity
    """

    learner: str
    env: str = GOAL_ENV
    batch_size: int = 256
    width: int = 256
    buffer_size: int = 10_000

    @property
    def policy(self) -> str:
        return "MultiInputPolicy" if self.env == GOAL_ENV else "MlpPolicy"

    @property
    def arguments(self) -> dict[str, Any]:
        """Those that all libraries get."""
        return {
            "learning_rate": 1e-3,
            "gamma": 0.95,
            "tau": 0.05,
            "batch_size": self.batch_size,
            "buffer_size": self.buffer_size,
            "learning_starts": 100,
            "policy_kwargs": {"net_arch": [self.width, self.width]},
            "seed": 0,
        }


def now() -> float:
    """Read a clock: on one core CPU time, which no other process disturbs, else wall time."""
    if len(os.sched_getaffinity(0)) == 1:
        return time.process_time()
    return time.perf_counter()


def batched(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: value[None] for key, value in observation.items()}
    return observation[None]


def collect(env_id: str, n: int = 10_000) -> list[Transition]:
    """Play random actions, once; later calls read the file."""
    path = DATA / f"experience-{env_id}-{n}.pkl"
    if path.exists():
        with path.open("rb") as file:
            return pickle.load(file)
    env = gym.make(env_id, max_episode_steps=EPISODE_LENGTH)
    env.action_space.seed(0)
    transitions, observation = [], env.reset(seed=0)[0]
    for _ in range(n):
        action = env.action_space.sample()
        following, reward, terminated, truncated, _ = env.step(action)
        transitions.append(
            Transition(
                batched(observation),
                batched(following),
                action[None],
                np.array([reward]),
                np.array([terminated or truncated]),
                [{"TimeLimit.truncated": truncated and not terminated}],
            )
        )
        observation = env.reset()[0] if terminated or truncated else following
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        pickle.dump(transitions, file)
    return transitions


def fill(buffer: Any, env_id: str, n: int) -> None:
    """Store n transitions, the collected ones again and again."""
    collected = collect(env_id)
    for i in range(n):
        buffer.add(*collected[i % len(collected)])
