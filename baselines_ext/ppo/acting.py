"""Choose PPO's actions outside torch: the same numbers, from the same random draws."""

import numpy as np
import torch as th
from torch import nn

from baselines_ext.networks.numpy_actor import NumpyActor
from baselines_ext.ppo.native_update import PlainActorCritic


class NumpyPolicy:
    """
    Chooses actions by the actor alone.

    :param actor: computes means or logits
    :param log_std: (A,), a live view; None where actions are discrete
    """

    def __init__(self, actor: NumpyActor, log_std: np.ndarray | None) -> None:
        self._actor = actor
        self._log_std = log_std

    @classmethod
    def of(cls, networks: PlainActorCritic, activation: type[nn.Module]) -> "NumpyPolicy | None":
        """
        Make one where numpy can compute it.

        :param networks: of the policy
        :param activation: between their layers
        """
        *hidden, head = networks.actor.layers
        actor = NumpyActor.of(hidden, [head], activation)
        if actor is None:
            return None
        log_std = networks.log_std
        return cls(actor, None if log_std is None else log_std.detach().numpy())

    def __call__(self, observations: np.ndarray, *, deterministic: bool) -> np.ndarray:
        """
        Choose actions.

        :param observations: (B, W) float32
        :param deterministic: the mode instead of a sample
        :return: (B, A), not yet clipped, or (B,) numbers of discrete actions
        """
        (outputs,) = self._actor(observations)
        if self._log_std is not None:
            if deterministic:
                return outputs
            noise = th.randn(outputs.shape).numpy()
            return outputs + np.exp(self._log_std) * noise
        if deterministic:
            return outputs.argmax(axis=1)
        # as torch.multinomial draws
        odds = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        waits = th.empty(outputs.shape).exponential_(1).numpy()
        chosen: np.ndarray = (odds / waits).argmax(axis=1)
        return chosen
