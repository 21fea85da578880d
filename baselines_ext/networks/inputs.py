"""What networks read: observations with the way to the goal, and scaled."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import flatdim

from baselines_ext.networks.numpy_actor import flat_observations
from interface.needs import has_goals

# Inputs that hardly moved in the warm-up are not blown up, those that move far later are clipped
# (both as in arXiv 1802.09464, appendix).
_LEAST_SCALE, MOST = 0.01, 5.0


class NetworkInputs:
    """
    A map of observations, put between them and the networks.

    :param space: of observations
    :param relative: read desired minus achieved goal where the desired goal would be
    :param scaled: subtract the mean and divide by the standard deviation of what ``learn`` sees
    :raises ValueError: if goals shall be relative and there are none
    """

    def __init__(self, space: spaces.Space, *, relative: bool, scaled: bool) -> None:
        if relative and not has_goals(space):
            raise ValueError(
                f"relative_goals needs Dict observations with goals, got {type(space).__name__}"
            )
        self._space = space
        self.relative = relative
        self.scaled = scaled
        self.mean: np.ndarray | None = None
        self.scale: np.ndarray | None = None

    @property
    def changes(self) -> bool:
        """Whether networks read anything else than observations."""
        return self.relative or self.scaled

    @property
    def ready(self) -> bool:
        """Whether there is nothing left to learn."""
        return not self.scaled or self.mean is not None

    @property
    def clips(self) -> bool:
        """Whether inputs are scaled and clipped, which begins with the statistics."""
        return self.mean is not None

    @property
    def statistics(self) -> dict[str, list[float]]:
        """What was learned, for a file; empty if nothing."""
        if self.mean is None or self.scale is None:
            return {}
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @statistics.setter
    def statistics(self, values: Mapping[str, Sequence[float]]) -> None:
        if values:
            self.mean = np.array(values["mean"], np.float32)
            self.scale = np.array(values["scale"], np.float32)

    def learn(self, observations: np.ndarray) -> None:
        """
        Take the statistics of observations, once and for all.

        Goals and what is achieved share theirs, and are scaled by the way between them, too: an
        agent that warms up far from its goal shall still see that it comes near.

        :param observations: (N, W)
        """
        mean, scale = observations.mean(axis=0), observations.std(axis=0)
        if has_goals(self._space):
            columns = self._columns()
            achieved, desired = columns["achieved_goal"], columns["desired_goal"]
            ways = observations[:, desired] - observations[:, achieved]
            scale[achieved] = np.maximum(scale[achieved], np.sqrt((ways**2).mean(axis=0)))
            scale[desired] = scale[achieved]
            mean[desired] = 0 if self.relative else mean[achieved]
        self.mean = mean.astype(np.float32)
        self.scale = np.maximum(scale, _LEAST_SCALE).astype(np.float32)

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """
        Make inputs of observations.

        :param observations: (B, W), side by side; may be changed
        :return: (B, W)
        """
        if self.relative:
            columns = self._columns()
            observations[:, columns["desired_goal"]] -= observations[:, columns["achieved_goal"]]
        if self.mean is not None:
            observations = ((observations - self.mean) / self.scale).clip(-MOST, MOST)
        return observations

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """
        Describe the map without its clip: inputs are matrix @ observation + offset.

        :return: (W, W) and (W,), float64
        """
        matrix = np.eye(flatdim(self._space))
        if self.relative:
            columns = self._columns()
            rows = range(*columns["desired_goal"].indices(len(matrix)))
            matrix[rows, range(*columns["achieved_goal"].indices(len(matrix)))] = -1
        if self.mean is None or self.scale is None:
            return matrix, np.zeros(len(matrix))
        scale = self.scale.astype(np.float64)
        return matrix / scale[:, None], -self.mean / scale

    def clipped_share(self, observation: Any) -> float:
        """
        Tell which share of inputs the clip changes.

        :param observation: one, or a batch
        """
        if not self.clips:
            return 0.0
        matrix, offset = self.linear()
        inputs = flat_observations(self._space, observation) @ matrix.T + offset
        return float((np.abs(inputs) > MOST).mean())

    def of_observation(self, observation: Any) -> Any:
        """
        Make inputs of an observation as the environment gives it, for SB3's policies.

        :param observation: one, or a batch
        """
        if not self.changes:
            return observation
        inputs = self(flat_observations(self._space, observation))
        if not isinstance(self._space, spaces.Dict):
            return inputs.reshape(np.shape(observation))
        return {
            key: inputs[:, columns].reshape(np.shape(observation[key]))
            for key, columns in self._columns().items()
        }

    def _columns(self) -> dict[str, slice]:
        assert isinstance(self._space, spaces.Dict)
        columns, start = {}, 0
        for key, part in self._space.spaces.items():
            size = int(np.prod(part.shape))  # type: ignore[arg-type]
            columns[key] = slice(start, start + size)
            start += size
        return columns
