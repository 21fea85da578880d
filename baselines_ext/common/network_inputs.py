"""What networks read: observations with the way to the goal, and scaled."""

from typing import Any

import numpy as np
from gymnasium import spaces

from baselines_ext.common.acting import flat_observations
from interface.capabilities import has_goals

# Inputs that hardly moved in the warm-up are not blown up, those that move far later are clipped
# (both as in arXiv 1802.09464, appendix).
_LEAST_SCALE, _MOST = 0.01, 5.0


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
            observations = ((observations - self.mean) / self.scale).clip(-_MOST, _MOST)
        return observations

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
