"""The parts of the comparison. Each is a function that runs alone in a fresh process."""

import resource
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.vec_env import DummyVecEnv
from torch.utils.flop_counter import FlopCounterMode

from baselines_ext.replay.buffer import EpisodeReplayBuffer
from baselines_ext.replay.hindsight import Hindsight
from tests.benchmarks.experience import EPISODE_LENGTH, GOAL_ENV, Setting, fill, now
from tests.benchmarks.peers import (
    HER,
    Peer,
    SbxPeer,
    TimedEnv,
    TorchPeer,
    model_of,
    overlapping_peer,
    peer,
)

Rounds = dict[str, list[float]]
"""Seconds per step of each peer, one value per round."""

_WARM_UP = 30


def alternating(blocks: Mapping[str, Callable[[int], float]], n: int, n_rounds: int) -> Rounds:
    """
    Let peers take turns, so that a slow moment of the machine meets all of them.

    :param blocks: functions that make n steps and return the seconds
    :param n: steps in each turn
    :param n_rounds: how often each peer's turn comes
    """
    rounds: Rounds = {name: [] for name in blocks}
    for _ in range(n_rounds):
        for name, block in blocks.items():
            rounds[name].append(block(n) / n)
    return rounds


def gradient_steps(
    setting: Setting, n_threads: int, names: tuple[str, ...], n_rounds: int
) -> dict[str, Any]:
    """Measure gradient steps, sampling included, and what the matrix products in them take."""
    peers, first = {}, {}
    for name in names:
        peers[name] = peer(name, setting, n_threads)
        first[name] = peers[name].train(1)
        peers[name].train(_WARM_UP)
    blocks = {name: made.train for name, made in peers.items()}
    rounds = alternating(blocks, 20, n_rounds)
    return {"rounds": rounds, "first_step": first, "floor": floor(setting, n_threads)}


def floor(setting: Setting, n_threads: int) -> float:
    """Count a gradient step's arithmetic and divide by the speed of one hot matrix product."""
    made = peer("eager", setting, n_threads)
    assert isinstance(made, TorchPeer)
    turns = 2 * getattr(made.model, "policy_delay", 1)  # the actor's turn may come now and then
    with FlopCounterMode(display=False) as counter:
        made.train(turns)
    shape = setting.batch_size, setting.width
    left, right = th.randn(shape), th.randn(setting.width, setting.width)
    times = []
    for _ in range(300):
        start = now()
        th.mm(left, right)
        times.append(now() - start)
    flop = 2 * setting.batch_size * setting.width**2
    return counter.get_total_flops() / turns * statistics.median(times[100:]) / flop


def sampling(n_stored: int, n_rounds: int) -> dict[str, Any]:
    """Measure how long a batch of 256 with hindsight takes to draw."""
    env = DummyVecEnv([lambda: gym.make(GOAL_ENV)])
    spaces = env.observation_space, env.action_space
    ours = EpisodeReplayBuffer(n_stored, *spaces, device="cpu", sampler=Hindsight(**HER))
    ours.set_env(env)
    theirs = sb3.HerReplayBuffer(n_stored, *spaces, env=env, device="cpu", **HER)  # type: ignore[arg-type]
    fill(ours, GOAL_ENV, n_stored)
    fill(theirs, GOAL_ENV, n_stored)

    def draws(sample: Callable[[int], Any]) -> Callable[[int], float]:
        def block(n: int) -> float:
            start = now()
            for _ in range(n):
                sample(256)
            return now() - start

        return block

    blocks = {"native": draws(ours.sample_batch), "sb3": draws(theirs.sample)}
    alternating(blocks, 50, 1)
    return {"rounds": alternating(blocks, 100, n_rounds)}


def bytes_per_transition() -> dict[str, float]:
    """Count the memory of the arrays that hold FetchReach's transitions."""
    n = 100_000
    env = DummyVecEnv([lambda: gym.make(GOAL_ENV)])
    spaces = env.observation_space, env.action_space
    theirs = sb3.HerReplayBuffer(n, *spaces, env=env, device="cpu", **HER)  # type: ignore[arg-type]
    arrays: list[Any] = []
    for value in vars(theirs).values():
        arrays += value.values() if isinstance(value, dict) else [value]
    theirs_bytes = sum(array.nbytes for array in arrays if hasattr(array, "nbytes"))
    ours = EpisodeReplayBuffer(n, *spaces, device="cpu", sampler=Hindsight(**HER))
    rows_per_transition = (EPISODE_LENGTH + 1) / EPISODE_LENGTH
    return {
        "row": ours.store.bytes_per_row,
        "ours": ours.store.bytes_per_row * rows_per_transition,
        "sb3": theirs_bytes / n,
    }


def split(setting: Setting, n_rounds: int) -> dict[str, dict[str, float]]:
    """Say where the time of a training run goes, in ms per environment step."""
    clocks = {library: Clock(library, setting) for library in ("ours", "sb3")}
    for clock in clocks.values():
        clock.learn(300)
        clock.clear()
    alternating({name: clock.learn for name, clock in clocks.items()}, 200, n_rounds)
    return {name: clock.per_step() for name, clock in clocks.items()}


class Clock:
    """A learner whose parts are timed."""

    def __init__(self, library: str, setting: Setting) -> None:
        self._env = TimedEnv(gym.make(setting.env))
        self._model = model_of(library, setting, self._env)
        self._peer = TorchPeer(self._model, 1)
        fill(self._model.replay_buffer, setting.env, setting.buffer_size)
        self.clear()
        self._time(self._model, "train")
        buffer = self._model.replay_buffer
        self._time(buffer, "sample_batch" if library == "ours" else "sample")

    def _time(self, holder: Any, name: str) -> None:
        function = getattr(holder, name)

        def timed(*arguments: Any, **keywords: Any) -> Any:
            start = now()
            result = function(*arguments, **keywords)
            self._seconds[name.removesuffix("_batch")] += now() - start
            return result

        setattr(holder, name, timed)

    def clear(self) -> None:
        self._seconds = {"train": 0.0, "sample": 0.0}
        self._total, self._n, self._env.seconds = 0.0, 0, 0.0

    def learn(self, n: int) -> float:
        seconds = self._peer.learn(n)
        self._total += seconds
        self._n += n
        return seconds

    def per_step(self) -> dict[str, float]:
        train, sample = self._seconds["train"], self._seconds["sample"]
        seconds = {
            "env": self._env.seconds,
            "sample": sample,
            "update": train - sample,
            "rest": self._total - self._env.seconds - train,
        }
        return {name: value / self._n * 1e3 for name, value in seconds.items()}


def end_to_end(setting: Setting, n_cores: int, n_rounds: int) -> dict[str, Any]:
    """Measure whole runs, evaluations aside."""
    peers: dict[str, Peer] = {
        "eager": peer("eager", setting, 1),
        "native": peer("native", setting, 1),
        "sb3": peer("sb3", setting, 1),
        "sbx": peer("sbx", setting, 1),
    }
    if n_cores > 1:
        peers["native, overlap"] = overlapping_peer(setting, 1)
        peers["native, 2 threads"] = peer("native", setting, 2)
        peers["sb3, 2 threads"] = peer("sb3", setting, 2)
    blocks = {name: made.learn for name, made in peers.items()}
    alternating(blocks, 200, 1)
    return {"rounds": alternating(blocks, 150, n_rounds)}


def peak_memory(name: str, setting: Setting) -> float:
    """Train for a while in this fresh process; the peak in MB."""
    made = peer(name, setting, 1)
    made.learn(500)
    if isinstance(made, SbxPeer):
        return made.memory()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
