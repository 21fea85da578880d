"""
Tabulate learning curves of goal-reaching tasks, for replaying sweeps.

``python tests/benchmarks/sweep_table.py reach`` trains every configuration of a grid on every seed
and writes ``sweep_table_reach.csv``: one row per run, and for each evaluation the success and the
goal distance on the goals that all runs share, and the success on goals of the run's own. A run
ends when it reached the target on both. Finished rows are kept, so the command goes on where it
was.
"""

import csv
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import NormalActionNoise

sys.path[0] = str(Path(__file__).resolve().parents[2])

import baselines_ext  # noqa: E402
from baselines_ext.replay.hindsight import Hindsight  # noqa: E402
from envs.point_reach import PointReach  # noqa: E402
from util.rounding import at_least  # noqa: E402

N_SEEDS = 12
N_EPOCHS = 12
N_GOALS, N_OWN_GOALS = 10, 100
FIRST_GOAL, FIRST_OWN_GOAL = 1_000, 1_000_000
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


Curve = list[tuple[float, float, float]]

TASKS = {
    "reach": Task({}, 20, 100),
    # held out: settings of the sweeper are not chosen on it
    "fine": Task({"step_size": 0.12, "distance_threshold": 0.1}, 30, 100),
}


def make_env(task: Task) -> gym.Env:
    """Make a task's environment."""
    return gym.wrappers.TimeLimit(PointReach(**task.env), task.max_episode_steps)


class Evaluations(BaseCallback):
    """
    Evaluate between two rollouts, on the shared goals and on those of the run.

    :param task: of the run
    :param seed: of the run
    """

    def __init__(self, task: Task, seed: int) -> None:
        super().__init__()
        own = FIRST_OWN_GOAL + N_OWN_GOALS * seed
        goals = [*range(FIRST_GOAL, FIRST_GOAL + N_GOALS), *range(own, own + N_OWN_GOALS)]
        self._env = PointReach(**task.env)
        starts = [self._env.reset(seed=goal)[0] for goal in goals]
        self._starts = np.stack([one["observation"] for one in starts])
        self._goals = np.stack([one["desired_goal"] for one in starts])
        self._task = task
        self.curve: Curve = []

    def _on_rollout_start(self) -> None:
        if self.num_timesteps == (len(self.curve) + 1) * self._task.steps_per_epoch:
            self.curve.append(self._evaluate())

    def _on_training_end(self) -> None:
        self._on_rollout_start()

    def _on_step(self) -> bool:
        shared, own = ([one[column] for one in self.curve[-LAST_N:]] for column in (0, 2))
        return not (self._is_reached(shared) and self._is_reached(own))

    @staticmethod
    def _is_reached(last: Sequence[float]) -> bool:
        return len(last) == LAST_N and at_least(float(np.mean(last)), TARGET)

    def _evaluate(self) -> tuple[float, float, float]:
        """Play all episodes at once, by the rule of ``PointReach.step``."""
        at, goals = self._starts, self._goals
        for _ in range(self._task.max_episode_steps):
            seen = {"observation": at, "achieved_goal": at, "desired_goal": goals}
            actions, _ = self.model.predict(seen, deterministic=True)
            moved = at + self._env.step_size * np.clip(actions, -1, 1)
            at = np.clip(moved, -1, 1).astype(np.float32)
        successes = self._env.compute_reward(at, goals, {}) == 0
        distances = np.linalg.norm(at - goals, axis=-1)
        return (
            float(np.mean(successes[:N_GOALS])),
            float(np.mean(distances[:N_GOALS])),
            float(np.mean(successes[N_GOALS:])),
        )


def run(task: Task, n_sampled_goal: int, values: dict[str, Any], seed: int) -> Curve:
    """Train one configuration and return its evaluations."""
    model = baselines_ext.DDPG(
        "MultiInputPolicy",
        make_env(task),
        sampler=Hindsight(n_sampled_goal),
        policy_kwargs={"net_arch": [32, 32]},
        action_noise=NormalActionNoise(np.zeros(2), 0.3 * np.ones(2)),
        buffer_size=N_EPOCHS * task.steps_per_epoch,
        batch_size=32,
        learning_starts=100,
        seed=seed,
        **values,
    )
    evaluations = Evaluations(task, seed)
    model.learn(N_EPOCHS * task.steps_per_epoch, evaluations)
    return evaluations.curve


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
            text = " ".join(
                "/".join((f"{one:.1f}", f"{distance:.3f}", f"{own:.2f}"))
                for one, distance, own in curve
            )
            writer.writerow([*key, text])
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1])
