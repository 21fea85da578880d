"""
Compare the CPU time of PPO with that of SB3's, and with memory with sb3-contrib's RecurrentPPO.

``python tests/benchmarks/ppo_speed.py`` prints a table. Each round trains both, one after the
other, in one process on one thread, from the same seed, with SB3's default settings. The ratio of a
row is the median over rounds; in brackets its smallest and its largest.

Without memory both take the same actions. With memory both have a dense layer of 64 and an LSTM of
64 in actor and critic, and minibatches of 128 transitions; RecurrentPPO's gradients flow through
all of a minibatch, ours through 16 steps or, in rows of their own, through 128.
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
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.env_util import make_vec_env
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import baselines_ext
from baselines_ext.networks.cells import Memory
from baselines_ext.networks.composed import ComposedPolicy

HORIZON = 2048  # transitions in a rollout, of all environments together
ROWS = [
    ("CartPole-v1", 1),
    ("CartPole-v1", 8),
    ("Pendulum-v1", 1),
    ("Pendulum-v1", 8),
    ("HalfCheetah-v5", 1),
    ("HalfCheetah-v5", 8),
]


MEMORY_ROWS = [
    ("CartPole-v1", 1),
    ("CartPole-v1", 8),
    ("InvertedPendulum-v5", 1),
    ("InvertedPendulum-v5", 8),
    ("HalfCheetah-v5", 1),
    ("HalfCheetah-v5", 8),
]


def venv_of(env: str, n_envs: int) -> dict[str, Any]:
    """
    Make what all models are given: SB3's ``DummyVecEnv`` with its ``Monitor``, and the horizon.

    :param env: id
    :param n_envs: environments
    """
    venv = make_vec_env(env, n_envs, seed=0)
    return {"env": venv, "n_steps": HORIZON // n_envs, "seed": 1, "device": "cpu"}


def plain(algorithm: Callable[..., Any]) -> Callable[[str, int], Any]:
    """
    Make models without memory.

    :param algorithm: SB3's or ours
    """
    return lambda env, n_envs: algorithm("MlpPolicy", **venv_of(env, n_envs))


def recurrent_ppo(env: str, n_envs: int) -> Any:
    """Make sb3-contrib's model."""
    parts = {"lstm_hidden_size": 64, "net_arch": {"pi": [64], "vf": [64]}}
    return RecurrentPPO(
        "MlpLstmPolicy", batch_size=128, policy_kwargs=parts, **venv_of(env, n_envs)
    )


def with_memory(module: type[nn.Module], tbptt: int) -> Callable[[str, int], Any]:
    """
    Make models of ours with memory.

    :param module: the cell
    :param tbptt: steps through which gradients flow
    """
    parts = {"memory": Memory(module, tbptt), "net_arch": [64, 64]}
    return lambda env, n_envs: baselines_ext.PPO(
        ComposedPolicy, batch_size=128, policy_kwargs=parts, **venv_of(env, n_envs)
    )


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


def compare(
    made: dict[str, Callable[[str, int], Any]], rows: list[tuple[str, int]], rounds: int, n: int
) -> None:
    """
    Measure models side by side and print a row for each but the first.

    :param made: makes them, by name; the first one is what the others are compared with
    :param rows: environments and how many of them
    :param rounds: to take the median of
    :param n: rollouts in each
    """
    first, *others = made
    for env, n_envs in rows:
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
        found = {}
        for _ in range(rounds):
            for name, make in made.items():
                model = make(env, n_envs)
                measured[name].append(seconds(model, n))
                found[name] = weights(model)
        for index, what in enumerate(("an environment step", "a minibatch")):
            for name in others:
                pair = ([one[index] for one in measured[key]] for key in (first, name))
                is_same = found[first].shape == found[name].shape
                apart = f"{np.abs(found[first] - found[name]).max():.0e}" if is_same else "-"
                print(f"| {what}, {env}, {n_envs}, {name} | {said(*pair)} | {apart} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rollouts", type=int, default=3)
    parser.add_argument("--only", choices=["plain", "memory"])
    arguments = parser.parse_args()
    th.set_num_threads(1)
    print(
        "| us of CPU | peer | ours | ratio | largest difference of weights |\n|---|---|---|---|---|"
    )
    sizes = arguments.rounds, arguments.rollouts
    if arguments.only != "memory":
        compare({"SB3's PPO": plain(sb3.PPO), "ppo": plain(baselines_ext.PPO)}, ROWS, *sizes)
    if arguments.only != "plain":
        cells = {
            "lstm": with_memory(nn.LSTM, 16),
            "lstm, tbptt 128": with_memory(nn.LSTM, 128),
            "gru": with_memory(nn.GRU, 16),
            "rnn": with_memory(nn.RNN, 16),
        }
        compare({"RecurrentPPO": recurrent_ppo, **cells}, MEMORY_ROWS, *sizes)


if __name__ == "__main__":
    main()
