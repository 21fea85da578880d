"""Environments as users bring them, registered and trained in this process."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from omegaconf import DictConfig, OmegaConf

from envs.episode_seeds import training_seeds
from experiment.build.environments import make_env
from interface.config import EnvConfig
from interface.result import RunResult
from tests.running import train

FLOATS = spaces.Box(-2, 2, (2,), np.float32)
QUICK = [
    "policy=small",
    "preset=none",
    "tracking=none",
    "tensorboard=false",
    "n_threads=1",
    "overlap=false",
    "seed=1",
    "n_epochs=1",
    "eval_after_n_steps=130",
    "n_test_rollouts=2",
]


class Point(gym.Env):
    """Moves to a goal; what is odd about it comes as an argument."""

    def __init__(self, space=FLOATS, desired_space=None, action_space=FLOATS):
        self.observation_space: Any = spaces.Dict(
            observation=FLOATS, achieved_goal=space, desired_goal=desired_space or space
        )
        self.action_space: Any = action_space
        self.position = np.zeros(2)
        self.goal = np.zeros(2)
        self.actions: list[Any] = []

    def look(self):
        kinds = self.observation_space.spaces
        shown = {"observation": self.position}
        for key, value in (("achieved_goal", self.position), ("desired_goal", self.goal)):
            kind = kinds[key]
            size = int(np.prod(kind.shape))
            shown[key] = np.resize(value, size).reshape(kind.shape).astype(kind.dtype)
        return shown | {"observation": self.position.astype(np.float32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = np.zeros(2)
        self.goal = self.np_random.uniform(0, 2, 2)
        return self.look(), {}

    def compute_reward(self, achieved, desired, info):
        difference = np.asarray(achieved, float) - np.asarray(desired, float)
        axes = tuple(range(-len(self.observation_space["achieved_goal"].shape), 0))
        return -(np.sqrt((difference**2).sum(axis=axes)) > 0.2).astype(np.float32)

    def step(self, action):
        self.actions.append(action)
        self.position = np.clip(self.position + 0.2 * np.resize(action, 2), 0, 2)
        seen = self.look()
        same = seen["achieved_goal"].shape == seen["desired_goal"].shape
        reward = 0.0
        if same:
            goals = seen["achieved_goal"], seen["desired_goal"]
            reward = float(Point.compute_reward(self, *goals, {}))
        return seen, reward, False, False, {"is_success": reward == 0}


def register(make: Any, max_episode_steps: int = 20) -> str:
    """Register an environment anew under one name."""
    gym.register("Foreign-v0", entry_point=make, max_episode_steps=max_episode_steps)
    return "Foreign-v0"


def forget() -> None:
    """Unregister it."""
    gym.registry.pop("Foreign-v0", None)


def settings(*algorithm: str) -> list[str]:
    """Make a small run of an algorithm and further overrides."""
    name = algorithm[0]
    if name == "ppo":
        sizes = ["algorithm.n_steps=32", "algorithm.batch_size=32", "algorithm.n_epochs=1"]
    elif name in ("her", "hac"):
        sizes = ["algorithm.learners.sac.buffer_size=500"]
    else:
        sizes = ["algorithm.buffer_size=500", "algorithm.learning_starts=60"]
    return [*QUICK, f"algorithm={name}", *sizes, *algorithm[1:]]


def run(make: Any, tmp_path: Path, *algorithm: str) -> RunResult:
    """Train on an environment."""
    register(make)
    return train(tmp_path, "env=Foreign-v0", *settings(*algorithm))


def config_of(make: Any, **config: Any) -> DictConfig:
    """Describe an environment, registered anew."""
    given: dict[Any, Any] = {"id": register(make), **config}
    cfg = OmegaConf.merge(OmegaConf.structured(EnvConfig), given)
    assert isinstance(cfg, DictConfig)
    return cfg


def made(make: Any, **config: Any) -> gym.Env:
    """Make an environment with all wrappers."""
    return make_env(config_of(make, **config), training_seeds(0))
