"""
Tabulate learning curves of goal-reaching tasks, for replaying sweeps.

``python tests/benchmarks/sweep_table.py reach`` trains every configuration of a grid on every seed
and writes ``sweep_table_reach.csv``: one row per run, success and goal distance at each evaluation.
A run ends when it reaches the target, as every arm of the benchmark would count it. Finished rows
are kept, so the command goes on where it was.
"""

import csv
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.noise import NormalActionNoise

sys.path[0] = str(Path(__file__).resolve().parents[2])

import baselines_ext  # noqa: E402
from baselines_ext.common.replay_buffer import EpisodeReplayBuffer  # noqa: E402
from envs.point_reach import PointReach  # noqa: E402
from util.rounding import at_least  # noqa: E402

N_SEEDS = 12
N_EPOCHS = 12
N_GOALS = 10
TARGET, LAST_N = 0.9, 2

GRID = {
    "learning_rate": (1e-4, 3e-4, 1e-3, 5e-3),
    "n_sampled_goal": (0, 4),
    "gamma": (0.8, 0.95),
    "tau": (0.002, 0.05),
}


@dataclass(frozen=True)
class Task:
    """
    A goal-reaching task.

    :param env: arguments of ``PointReach``
    :param max_episode_steps: steps of an episode
    :param steps_per_epoch: between two evaluations
    """

    env: dict[str, Any]
    max_episode_steps: int
    steps_per_epoch: int


Curve = list[tuple[float, float]]

TASKS = {
    "reach": Task({}, 20, 100),
    # held out: settings of the sweeper are not chosen on it
    "fine": Task({"step_size": 0.12, "distance_threshold": 0.1}, 30, 100),
}


def make_env(task: Task) -> gym.Env:
    """Make a task's environment."""
    return gym.wrappers.TimeLimit(PointReach(**task.env), task.max_episode_steps)


def evaluate(model: Any, env: gym.Env) -> tuple[float, float]:
    """Return success rate and mean last distance on always the same goals."""
    successes, distances = [], []
    for seed in range(N_GOALS):
        observation, _ = env.reset(seed=1000 + seed)
        truncated = False
        info: dict[str, Any] = {}
        while not truncated:
            action, _ = model.predict(observation, deterministic=True)
            observation, _, _, truncated, info = env.step(action)
        successes.append(float(info["is_success"]))
        difference = observation["achieved_goal"] - observation["desired_goal"]
        distances.append(float(np.linalg.norm(difference)))
    return float(np.mean(successes)), float(np.mean(distances))


def run(task: Task, n_sampled_goal: int, values: dict[str, Any], seed: int) -> Curve:
    """Train one configuration and return its evaluations."""
    model = baselines_ext.DDPG(
        "MultiInputPolicy",
        make_env(task),
        replay_buffer_class=EpisodeReplayBuffer,
        replay_buffer_kwargs={
            "n_sampled_goal": n_sampled_goal,
            "goal_selection_strategy": "future",
        },
        policy_kwargs={"net_arch": [32, 32]},
        action_noise=NormalActionNoise(np.zeros(2), 0.3 * np.ones(2)),
        buffer_size=N_EPOCHS * task.steps_per_epoch,
        batch_size=32,
        learning_starts=100,
        seed=seed,
        **values,
    )
    env = make_env(task)
    curve: Curve = []
    while len(curve) < N_EPOCHS:
        model.learn(task.steps_per_epoch, reset_num_timesteps=not curve)
        curve.append(evaluate(model, env))
        last = [success for success, _ in curve[-LAST_N:]]
        if len(last) == LAST_N and at_least(float(np.mean(last)), TARGET):
            break
    return curve


def main(name: str) -> None:
    """Fill a task's table."""
    th.set_num_threads(1)
    path = Path(__file__).with_name(f"sweep_table_{name}.csv")
    known = set()
    if path.exists():
        with path.open() as file:
            known = {tuple(row[:-1]) for row in csv.reader(file)}
    indices = list(itertools.product(*(range(len(values)) for values in GRID.values())))
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for seed, chosen in itertools.product(range(N_SEEDS), indices):
            key = (*map(str, chosen), str(seed))
            if key in known:
                continue
            pairs = zip(GRID.items(), chosen, strict=True)
            values: dict[str, Any] = {
                parameter: choices[index] for (parameter, choices), index in pairs
            }
            curve = run(TASKS[name], values.pop("n_sampled_goal"), values, seed)
            text = " ".join(f"{success:.1f}/{distance:.3f}" for success, distance in curve)
            writer.writerow([*key, text])
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1])
