"""What was collected, or a minibatch of it: transitions, or sequences of them."""

from typing import Any, NamedTuple

import numpy as np
import torch as th


class Sequences(NamedTuple):
    """
    How transitions follow each other, K sequences of L steps, for a policy with memory.

    Gradients flow back to the beginning of a sequence (truncated back-propagation through time);
    there, what was remembered then is the state. Episodes may end and begin anywhere inside: there
    is no padding.

    :param starts: 1 where an episode begins, else 0; (K, L), of a minibatch (L, K)
    :param actor_states: before each sequence, (K, S)
    :param critic_states: before each sequence, (K, S)
    """

    starts: th.Tensor
    actor_states: th.Tensor
    critic_states: th.Tensor

    def rows(self, numbers: th.Tensor) -> th.Tensor:
        """
        List transitions, those of a step side by side.

        :param numbers: of B sequences
        :return: (L B,)
        """
        length = self.starts.shape[1]
        steps = th.arange(length, device=numbers.device)
        return (steps[:, None] + numbers * length).flatten()

    def minibatch(self, numbers: th.Tensor) -> "Sequences":
        """
        Pick sequences.

        :param numbers: of B of them
        """
        starts, *states = (each[numbers] for each in self)
        return Sequences(starts.t(), *states)


class Rollout(NamedTuple):
    """
    N transitions; those of a sequence after each other, in a minibatch those of a step.

    :param observations: (N, ...) as the policy reads them, a dict of such
    :param actions: (N, A), or (N,) where they are discrete
    :param values: (N,), before the training
    :param log_prob: (N,), of the actions, before the training
    :param advantages: (N,)
    :param returns: (N,), that the values shall predict
    :param sequences: that they make, None: each is one for itself
    """

    observations: Any
    actions: th.Tensor
    values: th.Tensor
    log_prob: th.Tensor
    advantages: th.Tensor
    returns: th.Tensor
    sequences: Sequences | None = None

    @property
    def n_sequences(self) -> int:
        """What is put in another order for each epoch."""
        return len(self.returns) if self.sequences is None else len(self.sequences.starts)

    @property
    def length(self) -> int:
        """Transitions in a sequence."""
        return len(self.returns) // self.n_sequences

    def minibatch(self, numbers: th.Tensor) -> "Rollout":
        """
        Pick sequences.

        :param numbers: of them
        """
        rows = numbers if self.sequences is None else self.sequences.rows(numbers)
        if isinstance(self.observations, dict):
            picked: Any = {key: value[rows] for key, value in self.observations.items()}
        else:
            picked = self.observations[rows]
        return Rollout(
            picked,
            self.actions[rows],
            self.values[rows],
            self.log_prob[rows],
            self.advantages[rows],
            self.returns[rows],
            None if self.sequences is None else self.sequences.minibatch(numbers),
        )


def by_environment(values: np.ndarray, length: int) -> np.ndarray:
    """
    Cut a rollout into sequences, one environment after the other.

    :param values: (T, N, ...), T a multiple of the length
    :param length: L
    :return: (N T / L, L, ...)
    """
    n_steps, n_envs, *shape = values.shape
    return values.swapaxes(0, 1).reshape(n_envs * n_steps // length, length, *shape)
