"""How experience is collected: one step of all environments at a time, for every algorithm."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback


class Collector(BaseAlgorithm):
    """
    Steps its environments, and learns while they compute.

    With ``overlap``, the gradient steps that follow an environment step are made while the next
    one runs (in a process of its own, ``SubprocVecEnv``). The transitions and the number of
    gradient steps are the same as without; the policy that acts is one update older.
    """

    overlap: bool
    dump_logs: Callable[[], None]
    """Log the last episodes."""

    @abstractmethod
    def _act(self) -> tuple[np.ndarray, Any]:
        """Choose actions for the environments' last observations, and what to remember of them."""

    @abstractmethod
    def _remember(
        self,
        chosen: Any,
        new_obs: Any,
        rewards: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store what came of the actions; new observations become the last ones."""

    @abstractmethod
    def _update_in_flight(self) -> None:
        """Make the gradient steps that are due, if any."""

    def _after_step(self) -> None:
        """Do what depends on the number of steps alone."""

    def _begin_episodes(self, envs: np.ndarray) -> None:
        """Start anew what has a course of its own in an episode, such as noise."""

    def _step_environments(self, callback: BaseCallback, log_interval: int | None) -> bool:
        """
        Make one step of all environments.

        :param callback: called before anything is stored, as in SB3
        :param log_interval: episodes between two log lines
        :return: whether the callback wants to go on
        """
        env: Any = self.env
        self._last_obs = copied(self._last_obs)  # environments may write into theirs
        actions, chosen = self._act()
        env.step_async(actions)
        self._update_in_flight()
        new_obs, rewards, dones, infos = env.step_wait()
        self.num_timesteps += env.num_envs
        callback.update_locals(locals())
        go_on = callback.on_step()
        # in any case: learning may go on later, and then from where the environments are
        self._remember(chosen, new_obs, rewards, dones, infos)
        if go_on:
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            self._after_step()
            if dones.any():
                self._end_episodes(dones, infos, log_interval)
        return go_on

    def _end_episodes(
        self, dones: np.ndarray, infos: Sequence[dict[str, Any]], log_interval: int | None
    ) -> None:
        """Count, and log."""
        self._update_info_buffer(list(infos), dones)
        ended = np.flatnonzero(dones)
        self._begin_episodes(ended)
        for _ in ended:
            self._episode_num += 1
            if log_interval is not None and self._episode_num % log_interval == 0:
                self.dump_logs()


def copied(observations: Any) -> Any:
    """
    Copy observations.

    :param observations: an array, or a dict of arrays
    """
    if isinstance(observations, dict):
        return {key: value.copy() for key, value in observations.items()}
    return observations.copy()


def with_terminal_observations(
    observations: Any,
    dones: np.ndarray,
    infos: Sequence[Mapping[str, Any]],
    read: Callable[[Any], Any] | None = None,
) -> Any:
    """
    Undo the automatic reset: where an episode ended, take its own last observation.

    :param observations: after a step, an array or a dict of arrays: (n, ...)
    :param dones: (n,)
    :param infos: of the step
    :param read: undoes what was done to those in the infos alone, such as normalisation
    :return: a copy where an episode ended
    """
    if not dones.any():
        return observations
    changed = copied(observations)
    for env in np.flatnonzero(dones).tolist():
        terminal = infos[env]["terminal_observation"]
        if read is not None:
            terminal = read(terminal)
        if isinstance(changed, dict):
            for key, values in changed.items():
                values[env] = terminal[key]
        else:
            changed[env] = terminal
    return changed
