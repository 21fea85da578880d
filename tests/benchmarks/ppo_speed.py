"""
Compare the CPU time of PPO with that of SB3's: the same run, since both take the same actions.

``python tests/benchmarks/ppo_speed.py`` prints a table. Each round trains both, one after the
other, in one process on one thread, from the same seed, with SB3's default settings. The ratio of a
row is the median over rounds; in brackets its smallest and its largest.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.env_util import make_vec_env

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import baselines_ext

HORIZON = 2048  # transitions in a rollout, of all environments together
ROWS = [
    ("CartPole-v1", 1),
    ("CartPole-v1", 8),
    ("Pendulum-v1", 1),
    ("Pendulum-v1", 8),
    ("HalfCheetah-v5", 1),
    ("HalfCheetah-v5", 8),
]


def made(algorithm: Callable[..., Any], env: str, n_envs: int) -> Any:
    """
    Make a model inside SB3's ``DummyVecEnv`` with its ``Monitor``.

    :param algorithm: SB3's or ours
    :param env: id
    :param n_envs: environments
    """
    venv = make_vec_env(env, n_envs, seed=0)
    return algorithm("MlpPolicy", venv, n_steps=HORIZON // n_envs, seed=1, device="cpu")


def seconds(model: Any, n_rollouts: int) -> tuple[float, float]:
    """
    Measure, after one rollout of warm-up.

    :param model: fresh
    :param n_rollouts: to train on
    :return: CPU seconds per environment step, and per minibatch in ``train`` alone
    """
    model.learn(HORIZON)
    start = time.process_time()
    model.learn(n_rollouts * HORIZON, reset_num_timesteps=False)
    whole = (time.process_time() - start) / (n_rollouts * HORIZON)
    start = time.process_time()
    model.train()
    return whole, (time.process_time() - start) / (model.n_epochs * HORIZON / model.batch_size)


def weights(model: Any) -> np.ndarray:
    """List all weights of a policy."""
    return th.cat([each.detach().flatten() for each in model.policy.parameters()]).numpy()


def said(theirs: list[float], ours: list[float]) -> str:
    """
    Say how both compare.

    :param theirs: seconds, one per round
    :param ours: seconds, one per round
    """
    ratios = [one / other for one, other in zip(theirs, ours, strict=True)]
    return (
        f"{1e6 * statistics.median(theirs):.0f} | {1e6 * statistics.median(ours):.0f} | "
        f"{statistics.median(ratios):.1f} [{min(ratios):.1f}, {max(ratios):.1f}]"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rollouts", type=int, default=3)
    arguments = parser.parse_args()
    th.set_num_threads(1)
    print(
        "| us of CPU | SB3 | ours | ratio | largest difference of a weight |\n|---|---|---|---|---|"
    )
    for env, n_envs in ROWS:
        measured: dict[str, list[tuple[float, float]]] = {"sb3": [], "ours": []}
        found = {}
        for _ in range(arguments.rounds):
            for name, algorithm in (("sb3", sb3.PPO), ("ours", baselines_ext.PPO)):
                model = made(algorithm, env, n_envs)
                measured[name].append(seconds(model, arguments.rollouts))
                found[name] = weights(model)
        difference = np.abs(found["sb3"] - found["ours"]).max()
        for index, what in enumerate(("an environment step", "a minibatch of 64")):
            pair = ([one[index] for one in measured[name]] for name in ("sb3", "ours"))
            print(f"| {what}, {env}, {n_envs} | {said(*pair)} | {difference:.0e} |", flush=True)


if __name__ == "__main__":
    main()
