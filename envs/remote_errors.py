"""Bring an error of an environment in another process to where it can be read."""

import traceback
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

_KEY = "subgoal.environment_error"


class RemoteEnvironmentError(RuntimeError):
    """An environment in another process raised; the message holds its traceback."""


class SendsErrors(gym.Wrapper):
    """
    Sends an exception to the parent process as part of ``info`` instead of dying of it.

    :param env: the environment to wrap, in a process of its own
    """

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, or send why not."""
        try:
            return self.env.reset(**kwargs)
        except Exception:  # noqa: BLE001 (raised again in the parent)
            return self.observation_space.sample(), {_KEY: traceback.format_exc()}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, or send why not."""
        try:
            return self.env.step(action)
        except Exception:  # noqa: BLE001 (raised again in the parent)
            info = {_KEY: traceback.format_exc()}
            return self.observation_space.sample(), 0.0, False, False, info


class RaisesErrors(VecEnvWrapper):
    """
    Raises what ``SendsErrors`` sent.

    :param venv: environments in other processes
    """

    def reset(self) -> VecEnvObs:
        """
        Reset.

        :raises RemoteEnvironmentError: if an environment raised
        """
        observations = self.venv.reset()
        self._check(self.venv.reset_infos)
        return observations

    def step_wait(self) -> VecEnvStepReturn:
        """
        Receive the steps.

        :raises RemoteEnvironmentError: if an environment raised, or its process died
        """
        try:
            result = self.venv.step_wait()
        except (EOFError, ConnectionError) as error:
            raise RemoteEnvironmentError("the environment's process died") from error
        self._check(result[3])
        if np.any(result[2]):
            self._check(self.venv.reset_infos)
        return result

    @staticmethod
    def _check(infos: Any) -> None:
        for info in infos:
            if _KEY in info:
                raise RemoteEnvironmentError(f"in the environment's process:\n{info[_KEY]}")
