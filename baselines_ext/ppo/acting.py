"""Choose PPO's actions outside torch: the same numbers, from the same random draws."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces

from baselines_ext.networks.composed import ComposedPolicy, State, remembered
from baselines_ext.networks.heads import drawn_from_beta
from baselines_ext.networks.numpy_actor import NumpyActor, flat_observations
from baselines_ext.networks.numpy_cell import NumpyCell
from baselines_ext.networks.plain import NotPlainError
from baselines_ext.ppo.native_update import PlainActorCritic

Act = Callable[[Any, State | None, np.ndarray | None, bool], tuple[np.ndarray, State | None]]
"""
Chooses actions by the actor alone.

From observations of B environments, what they remember (B, S), whether an episode begins there (B,)
and whether to take the best actions, to actions as the head has them and what is remembered then.
"""

HeadFunction = Callable[[np.ndarray, bool], np.ndarray]


def torch_act(policy: ComposedPolicy) -> Act:
    """
    Act by a policy with memory as it is.

    :param policy: with memory
    """

    def act(
        observations: Any, state: State | None, starts: np.ndarray | None, deterministic: bool
    ) -> tuple[np.ndarray, State]:
        seen, _ = policy.obs_to_tensor(observations)
        return policy.act(seen, state, starts, deterministic=deterministic)

    return act


class NumpyAct:
    """
    Acts in numpy, on live views of the weights.

    :param networks: of a policy
    :param observations: their space
    :raises NotPlainError: if numpy cannot compute them
    """

    def __init__(self, networks: PlainActorCritic, observations: spaces.Space) -> None:
        *hidden, last = networks.actor.layers
        actor = NumpyActor.of(hidden, [last], networks.activation)
        if actor is None:
            raise NotPlainError("numpy does not compute its networks")
        self._space = observations
        self._actor = actor
        self._cell = None if networks.cells is None else NumpyCell(networks.cells[0])
        self._head = _head_of(networks)
        self._noise = networks.state_noise

    def __call__(
        self,
        observations: Any,
        state: State | None,
        starts: np.ndarray | None,
        deterministic: bool,
    ) -> tuple[np.ndarray, State | None]:
        """Choose actions, see ``Act``."""
        x = self._actor.hidden(flat_observations(self._space, observations))
        if self._cell is not None:
            before = remembered(state, starts, len(x), self._cell.state_size)
            x, state = self._cell(x, before)
        (outputs,) = self._actor.outputs(x)
        if self._noise is not None and not deterministic:
            with th.no_grad():
                outputs += self._noise.get_noise(th.from_numpy(x)).numpy()
        return self._head(outputs, deterministic), state


def _head_of(networks: PlainActorCritic) -> HeadFunction:
    if networks.state_noise is not None:
        return lambda means, _: means  # the noise is in there
    if networks.log_std is not None:
        return _Gaussian(networks.log_std.detach().numpy())
    return _beta if networks.head == "beta" else _Categorical(networks)


class _Gaussian:
    def __init__(self, log_std: np.ndarray) -> None:
        self._log_std = log_std  # a live view

    def __call__(self, means: np.ndarray, deterministic: bool) -> np.ndarray:
        if deterministic:
            return means
        chosen: np.ndarray = means + np.exp(self._log_std) * th.randn(means.shape).numpy()
        return chosen


class _Categorical:
    def __init__(self, networks: PlainActorCritic) -> None:
        self._ends = np.cumsum(networks.sizes)[:-1]
        self._is_one = networks.head == "categorical"

    def __call__(self, logits: np.ndarray, deterministic: bool) -> np.ndarray:
        if self._is_one:
            return _choice(logits, deterministic)
        parts = np.split(logits, self._ends, axis=1)
        return np.stack([_choice(part, deterministic) for part in parts], axis=1)


def _choice(logits: np.ndarray, deterministic: bool) -> np.ndarray:
    if deterministic:
        return logits.argmax(axis=1)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    waits = th.empty(logits.shape).exponential_(1).numpy()  # as torch.multinomial draws
    chosen: np.ndarray = (odds / waits).argmax(axis=1)
    return chosen


def _beta(outputs: np.ndarray, deterministic: bool) -> np.ndarray:
    parameters = 1 + np.logaddexp(0, outputs.astype(np.float64))
    alpha, beta = np.split(parameters, 2, axis=1)
    chosen = 2 * alpha / (alpha + beta) - 1 if deterministic else drawn_from_beta(alpha, beta)
    return chosen.astype(np.float32)
