"""The libraries side by side: each can train on given experience, or learn in an environment."""

import json
import subprocess
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import stable_baselines3 as sb3
import torch as th
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv

import baselines_ext
from interface.resolvers import REPOSITORY
from tests.benchmarks.experience import DATA, GOAL_ENV, Setting, fill, now

HER: dict[str, Any] = {"n_sampled_goal": 4, "goal_selection_strategy": "future"}
SBX_PYTHON = DATA / "sbx" / "bin" / "python"


class Peer(Protocol):
    """One library."""

    def train(self, n: int) -> float:
        """Make n gradient steps, one call each; return the seconds."""

    def learn(self, n: int) -> float:
        """Make n environment steps with as many gradient steps; return the seconds."""


class TorchPeer:
    """
    Ours or SB3.

    :param model: with a filled replay buffer
    :param n_threads: of torch
    """

    def __init__(self, model: Any, n_threads: int) -> None:
        self.model, self.n_threads = model, n_threads
        model.set_logger(Logger(None, []))

    def train(self, n: int) -> float:
        th.set_num_threads(self.n_threads)
        start = now()
        for _ in range(n):
            self.model.train(1, self.model.batch_size)
        return now() - start

    def learn(self, n: int) -> float:
        th.set_num_threads(self.n_threads)
        start = now()
        self.model.learn(n, reset_num_timesteps=False)
        return now() - start


class SbxPeer:
    """SBX; installed on first use. It runs on the cores of this process."""

    def __init__(self, setting: Setting) -> None:
        install_sbx()
        worker = Path(__file__).with_name("sbx_worker.py")
        self._process = subprocess.Popen(
            [str(SBX_PYTHON), str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._ask("make", setting)

    def _ask(self, what: str, argument: Any = None) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, argument]) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("answer "):
                return float(json.loads(line.removeprefix("answer ")))
        raise RuntimeError(f"SBX ended at {what}")

    def train(self, n: int) -> float:
        return self._ask("train", n)

    def learn(self, n: int) -> float:
        return self._ask("learn", n)

    def memory(self) -> float:
        """Peak memory in MB."""
        return self._ask("memory")


def install_sbx() -> None:
    if SBX_PYTHON.exists():
        return
    requirements = REPOSITORY / "conf" / "requirements" / "sbx.txt"
    subprocess.run(["python3", "-m", "venv", SBX_PYTHON.parents[1]], check=True)
    subprocess.run([SBX_PYTHON, "-m", "pip", "install", "-q", "-r", requirements], check=True)


def model_of(
    library: str, setting: Setting, env: gym.Env | VecEnv | None = None, **arguments: Any
) -> Any:
    """Make a model of ``ours`` or ``sb3`` with the same settings."""
    is_her = setting.env == GOAL_ENV
    module: Any = baselines_ext if library == "ours" else sb3
    if is_her and library == "ours":
        arguments["sampler"] = baselines_ext.Hindsight(**HER)
    elif is_her:
        arguments |= {"replay_buffer_class": sb3.HerReplayBuffer, "replay_buffer_kwargs": HER}
    return getattr(module, setting.learner)(
        setting.policy,
        gym.make(setting.env) if env is None else env,
        device="cpu",
        **setting.arguments,
        **arguments,
    )


def peer(name: str, setting: Setting, n_threads: int) -> TorchPeer | SbxPeer:
    """
    Make a library ready to train.

    :param name: ``eager, native, compile`` are ours; ``sb3``, ``sbx``
    :param setting: of all
    :param n_threads: of torch
    """
    if name == "sbx":
        return SbxPeer(setting)
    model = model_of("sb3", setting) if name == "sb3" else model_of("ours", setting, update=name)
    if name in ("native", "compile") and model.update_used != name:
        raise RuntimeError(f"no {name} updates here, but {model.update_used}")
    fill(model.replay_buffer, setting.env, setting.buffer_size)
    return TorchPeer(model, n_threads)


def overlapping_peer(setting: Setting, n_threads: int) -> TorchPeer:
    """Make ours with the environment in a process of its own, as a run on two cores does."""
    env = SubprocVecEnv([lambda: gym.make(setting.env)], start_method="fork")
    model = model_of("ours", setting, env, overlap=True)
    model.set_reward_function(gym.make(setting.env).get_wrapper_attr("compute_reward"))
    fill(model.replay_buffer, setting.env, setting.buffer_size)
    return TorchPeer(model, n_threads)


class TimedEnv(gym.Wrapper):
    """Adds up the time inside ``step``."""

    seconds = 0.0

    def step(self, action: Any) -> Any:
        start = now()
        result = self.env.step(action)
        self.seconds += now() - start
        return result
