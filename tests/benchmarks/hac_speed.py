"""
Compare the time per gradient step of HAC with three layers to that of flat SAC, all included.

``python tests/benchmarks/hac_speed.py`` prints seconds per gradient step, rounds alternating.
"""

import argparse
import functools
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch as th

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import baselines_ext
import envs  # noqa: F401

STARTS = 300
LEARNER: dict[str, Any] = {"learning_starts": STARTS, "batch_size": 256, "relative_goals": True}


def flat() -> Any:
    """Make SAC with hindsight: one gradient step per environment step."""
    return baselines_ext.make_her(
        "MultiInputPolicy",
        gym.make("FetchReach-v4"),  # type: ignore[arg-type]
        {"sac": functools.partial(baselines_ext.SAC, **LEARNER)},
        policy_kwargs={"net_arch": [64, 64]},
        device="cpu",
    )


def layered() -> Any:
    """Make HAC with three layers: together one gradient step per environment step."""
    return baselines_ext.HAC(
        "MultiInputPolicy",
        gym.make("FetchReach-v4"),  # type: ignore[arg-type]
        {"sac": functools.partial(baselines_ext.SAC, train_freq=3, **LEARNER)},
        layer_classes=["sac"] * 3,
        time_scales=[-1, 4, 3],
        policy_kwargs={"net_arch": [64, 64]},
        device="cpu",
    )


def seconds_per_step(model: Any, n_steps: int) -> float:
    """
    Train past the warm-up, then measure.

    :param model: fresh
    :param n_steps: environment steps, as many as gradient steps
    """
    model.learn(2 * STARTS)
    before = time.perf_counter()
    model.learn(n_steps, reset_num_timesteps=False)
    return (time.perf_counter() - before) / n_steps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    th.set_num_threads(1)
    times: dict[str, list[float]] = {"flat": [], "layered": []}
    for _ in range(arguments.rounds):
        for make in (flat, layered):
            times[make.__name__].append(seconds_per_step(make(), arguments.steps))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name}: {1e3 * medians[name]:.3f} ms", [f"{1e3 * value:.3f}" for value in values])
    print(f"ratio of medians: {medians['layered'] / medians['flat']:.2f}")


if __name__ == "__main__":
    main()
