"""Ten tasks, and how ours and rl_zoo3 do them with the same work."""

from typing import NamedTuple

PENDULUM = ("env=Pendulum-v1", "algorithm=sac", "algorithm.learning_rate=1e-3")
ZOO_PENDULUM = ("--algo", "sac", "--env", "Pendulum-v1", "-f", "logs")
# five episodes each; the threshold is none that a success rate reaches, since theirs end by steps
EVALUATED = ("n_test_rollouts=5", "early_stop_threshold=1.1")
ONE_EPOCH = ("n_epochs=1", "eval_after_n_steps=1000", *EVALUATED)
ZOO_1000 = ("-n", "1000", "--eval-freq", "1000", "--eval-episodes", "5")

OWN_ENV = """
import gymnasium as gym
import numpy as np


class Line(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.position.copy(), {}

    def step(self, action):
        self.position = np.clip(self.position + 0.2 * action, -1, 1).astype(np.float32)
        return self.position.copy(), -abs(float(self.position[0])), False, False, {}


gym.register("Line-v0", Line, max_episode_steps=50)
"""
OWN_NETWORK = """
import torch as th
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor


class Waves(BaseFeaturesExtractor):
    def __init__(self, observation_space, n_waves=32):
        super().__init__(observation_space, features_dim=2 * n_waves)
        self.phases = th.nn.Linear(observation_space.shape[0], n_waves)

    def forward(self, observations):
        phases = self.phases(observations)
        return th.cat([phases.sin(), phases.cos()], dim=1)
"""
ZOO_CONFIG = """
from own_network import Waves

hyperparams = {
    "Pendulum-v1": {
        "n_timesteps": 1000,
        "policy": "MlpPolicy",
        "learning_rate": 1e-3,
        "policy_kwargs": {
            "features_extractor_class": Waves,
            "features_extractor_kwargs": {"n_waves": 64},
        },
    }
}
"""
# what both sides' users write, and what rl_zoo3's write beside it
FILES = {"own_env.py": OWN_ENV, "own_network.py": OWN_NETWORK, "own_config.py": ZOO_CONFIG}


class Task(NamedTuple):
    """
    A task: one command of each side.

    :param name: in the table
    :param ours: script and arguments
    :param theirs: arguments of ``python -m``
    :param our_files: what a user writes, of ``FILES``
    :param their_files: the same, for rl_zoo3
    :param fails: whether an error is wanted
    :param their_options: each is tried with theirs, the best one counts
    """

    name: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    our_files: tuple[str, ...] = ()
    their_files: tuple[str, ...] = ()
    fails: bool = False
    their_options: tuple[tuple[str, ...], ...] = ((),)


# rl_zoo3's search space of SAC
RANGES = (
    "algorithm.learning_rate=tag(log,interval(1e-5,2e-3))",
    "algorithm.tau=tag(log,interval(0.001,0.08))",
    "algorithm.gamma=interval(0.97,0.9999)",
    "algorithm.batch_size=choice(4,8,16,32,64,128,256,512,1024,2048)",
    "algorithm.train_freq=range(1,11)",
    "policy.net_arch=choice([64,64],[256,256],[400,300])",
)

WARM_UP = Task(
    "warm up", ("train.py", *PENDULUM, *ONE_EPOCH), ("rl_zoo3.train", *ZOO_PENDULUM, *ZOO_1000)
)
TASKS = (
    Task(
        "train",
        ("train.py", *PENDULUM, "n_epochs=5", "eval_after_n_steps=1000", *EVALUATED),
        ("rl_zoo3.train", *ZOO_PENDULUM, "-n", "5000", *ZOO_1000[2:], "--save-replay-buffer"),
    ),
    Task(
        "resume",
        ("train.py", "restore=latest", "n_epochs=7"),
        (
            *("rl_zoo3.train", *ZOO_PENDULUM, "-n", "2000", *ZOO_1000[2:]),
            *("-i", "logs/sac/Pendulum-v1_2/Pendulum-v1.zip"),
        ),
    ),
    Task(
        "evaluate",
        ("evaluate.py", "run=latest", "n_episodes=20", "n_baseline_episodes=0"),
        ("rl_zoo3.enjoy", *ZOO_PENDULUM, "-n", "4000", "--no-render"),
    ),
    Task(
        "film",
        ("evaluate.py", "run=latest", "n_episodes=3", "n_baseline_episodes=0", "render=record"),
        ("rl_zoo3.record_video", *ZOO_PENDULUM, "-n", "600"),
    ),
    Task(
        "plot",
        ("plot.py", "envs=[Pendulum-v1]"),
        ("rl_zoo3.plots.all_plots", "-a", "sac", "-e", "Pendulum-v1", "-f", "logs", "-o", "plot"),
    ),
    Task(
        "tune",
        (
            *("train.py", "--multirun", *PENDULUM[:2], "n_epochs=2", "eval_after_n_steps=500"),
            *(*EVALUATED, "algorithm.gradient_steps=-1", *RANGES, "hydra.sweeper.n_trials=4"),
        ),
        (
            *("rl_zoo3.train", *ZOO_PENDULUM, "-n", "1000", "-optimize", "--n-trials", "4"),
            *("--n-evaluations", "2", "--eval-episodes", "5", "--no-optim-plots"),
        ),
        their_options=((), ("--n-jobs", "2")),
    ),
    Task(
        "own environment",
        (
            *("train.py", "imports=[own_env]", "env=Line-v0", "algorithm=sac", *ONE_EPOCH),
            "early_stop_data_column=eval/return",  # it reports no success
        ),
        (
            *("rl_zoo3.train", "--gym-packages", "own_env", "--algo", "sac", "--env", "Line-v0"),
            *("-f", "logs", *ZOO_1000),
        ),
        our_files=("own_env.py",),
        their_files=("own_env.py",),
    ),
    Task(
        "own network",
        (
            *("train.py", "imports=[own_network]", *PENDULUM, *ONE_EPOCH),
            "network.encoder={_target_: own_network.Waves, _partial_: true, n_waves: 64}",
        ),
        ("rl_zoo3.train", *ZOO_PENDULUM, *ZOO_1000, "-conf", "own_config"),
        our_files=("own_network.py",),
        their_files=("own_network.py", "own_config.py"),
    ),
    Task(
        "own hyperparameters",
        (
            *("train.py", *PENDULUM, *ONE_EPOCH),
            *("algorithm.gamma=0.95", "algorithm.batch_size=128", "policy.net_arch=[128,128]"),
        ),
        (
            *("rl_zoo3.train", *ZOO_PENDULUM, *ZOO_1000, "--hyperparams", "gamma:0.95"),
            *("batch_size:128", "policy_kwargs:dict(net_arch=[128,128])"),
        ),
    ),
    Task(
        "wrong id",
        ("train.py", "env=Pendulm-v1", "algorithm=sac"),
        ("rl_zoo3.train", "--algo", "sac", "--env", "Pendulm-v1"),
        fails=True,
    ),
)
