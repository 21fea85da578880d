"""A training script of plain Stable-Baselines3, whose logger writes ``progress.csv``."""

import argparse

import gymnasium as gym
import numpy as np
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor


class Target(gym.Env):
    """Steps of an episode: name a number near 0.5."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._n_steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self._n_steps += 1
        reward = 1.0 - abs(float(action[0]) - 0.5)
        return np.zeros(1, np.float32), reward, False, self._n_steps == 4, {}


def main() -> None:
    parser = argparse.ArgumentParser(description="A2C names a number.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lr", type=float, default=7e-4)
    parser.add_argument("--timesteps", type=int, default=400)
    parser.add_argument("--logdir", default="logs")
    args = parser.parse_args()
    model = A2C(
        "MlpPolicy",
        Monitor(Target()),
        args.lr,
        seed=args.seed,
        policy_kwargs={"net_arch": [16]},
        device="cpu",
    )
    model.set_logger(configure(args.logdir, ["csv"]))
    evaluation = EvalCallback(
        Monitor(Target()), n_eval_episodes=1, eval_freq=40, deterministic=True, verbose=0
    )
    model.learn(args.timesteps, callback=evaluation, log_interval=4)


if __name__ == "__main__":
    main()
