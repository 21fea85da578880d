"""SBX in a process of its own: reads one JSON command a line, answers likewise."""

import json
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import gymnasium as gym
import sbx
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.logger import Logger

from tests.benchmarks.experience import GOAL_ENV, Setting, fill, now


def make(values: list[Any]) -> Any:
    setting = Setting(*values)
    her: dict[str, Any] = {}
    if setting.env == GOAL_ENV:
        her = {
            "replay_buffer_class": HerReplayBuffer,
            "replay_buffer_kwargs": {"n_sampled_goal": 4, "goal_selection_strategy": "future"},
        }
    env = gym.make(setting.env)
    model = getattr(sbx, setting.learner)(setting.policy, env, **setting.arguments, **her)
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer, setting.env, 10_000)
    return model


def seconds(model: Any, what: str, n: int) -> float:
    start = now()
    if what == "train":
        for _ in range(n):
            model.train(1, model.batch_size)
    else:
        model.learn(n, reset_num_timesteps=False)
    return now() - start


def main() -> None:
    model = None
    for line in sys.stdin:
        what, argument = json.loads(line)
        if what == "make":
            model, answer = make(argument), 0.0
        elif what == "memory":
            answer = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        else:
            answer = seconds(model, what, argument)
        sys.stdout.write(f"answer {json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
