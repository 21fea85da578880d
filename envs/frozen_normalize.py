"""Running normalisation that stands still while a rollout is collected."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize


class FrozenNormalize(VecNormalize):
    """
    SB3's normalisation, its statistics being those of the rollouts before.

    So all of a rollout is read in one way, and so do several processes that learn one model. In the
    first rollout, which has none before it, statistics run along, as SB3's always do.

    :param arguments: of SB3's class
    :param keywords: of SB3's class
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        if self.norm_obs:
            self.obs_rms = _each(self.obs_rms, _Waiting.of)
        self.ret_rms = _Waiting.of(self.ret_rms)

    def end_rollout(self) -> Any:
        """
        Take what was seen into the statistics.

        :return: the last observations, as they are read from now on
        """
        for statistics in self._all():
            statistics.catch_up()
        return self.normalize_obs(self.old_obs)

    def save(self, save_path: str) -> None:
        """
        Write the statistics for ``VecNormalize.load`` of plain SB3.

        :param save_path: of the file
        """
        state = self.__getstate__()
        state["ret_rms"] = _plain(self.ret_rms)
        if self.norm_obs:
            state["obs_rms"] = _each(self.obs_rms, _plain)
        plain = VecNormalize.__new__(VecNormalize)
        plain.__dict__ = {**state, "venv": None, "class_attributes": {}, "returns": None}
        Path(save_path).write_bytes(pickle.dumps(plain))

    def _all(self) -> Iterator["_Waiting"]:
        found: Any = getattr(self, "obs_rms", None)
        for each in (*(found.values() if isinstance(found, dict) else [found]), self.ret_rms):
            if isinstance(each, _Waiting):
                yield each


class _Waiting(RunningMeanStd):
    """Statistics that take in what they see when they are told to, after the first time."""

    waiting: list[np.ndarray] | None = None

    @classmethod
    def of(cls, statistics: RunningMeanStd) -> "_Waiting":
        return cls(shape=statistics.mean.shape)

    def update(self, arr: np.ndarray) -> None:
        if self.waiting is None:
            super().update(arr)
        else:
            self.waiting.append(np.array(arr))

    def catch_up(self) -> None:
        if self.waiting:
            super().update(np.concatenate(self.waiting))
        self.waiting = []


def _each(statistics: Any, make: Any) -> Any:
    if isinstance(statistics, dict):
        return {key: make(each) for key, each in statistics.items()}
    return make(statistics)


def _plain(statistics: RunningMeanStd) -> RunningMeanStd:
    plain = RunningMeanStd(shape=statistics.mean.shape)
    plain.mean, plain.var, plain.count = statistics.mean, statistics.var, statistics.count
    return plain
