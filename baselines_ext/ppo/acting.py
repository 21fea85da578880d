"""Choose PPO's actions outside torch: the same numbers, from the same random draws."""

from collections.abc import Callable

import numpy as np
import torch as th
from torch import nn

from baselines_ext.networks.heads import drawn_from_beta
from baselines_ext.networks.numpy_actor import NumpyActor
from baselines_ext.ppo.native_update import PlainActorCritic


class NumpyPolicy:
    """
    Chooses actions by the actor alone.

    :param actor: computes what the head reads
    :param head: from its outputs (B, ...) and whether to take the best ones, to actions
    """

    def __init__(self, actor: NumpyActor, head: Callable[[np.ndarray, bool], np.ndarray]) -> None:
        self._actor = actor
        self._head = head

    @classmethod
    def of(cls, networks: PlainActorCritic, activation: type[nn.Module]) -> "NumpyPolicy | None":
        """
        Make one where numpy can compute it.

        :param networks: of the policy
        :param activation: between their layers
        """
        *hidden, last = networks.actor.layers
        actor = NumpyActor.of(hidden, [last], activation)
        if actor is None:
            return None
        if networks.log_std is not None:
            return cls(actor, _Gaussian(networks.log_std.detach().numpy()))
        return cls(actor, _beta if networks.head == "beta" else _categorical)

    def __call__(self, observations: np.ndarray, *, deterministic: bool) -> np.ndarray:
        """
        Choose actions.

        :param observations: (B, W) float32
        :param deterministic: the best ones instead of a sample
        :return: (B, A) as the policy has them, or (B,) numbers of discrete actions
        """
        (outputs,) = self._actor(observations)
        return self._head(outputs, deterministic)


class _Gaussian:
    def __init__(self, log_std: np.ndarray) -> None:
        self._log_std = log_std  # a live view

    def __call__(self, means: np.ndarray, deterministic: bool) -> np.ndarray:
        if deterministic:
            return means
        chosen: np.ndarray = means + np.exp(self._log_std) * th.randn(means.shape).numpy()
        return chosen


def _categorical(logits: np.ndarray, deterministic: bool) -> np.ndarray:
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
