"""The losses of PPO (https://arxiv.org/abs/1707.06347), and the gradient steps that they make."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch as th
from stable_baselines3.common.policies import ActorCriticPolicy

from baselines_ext.networks.composed import ComposedPolicy
from baselines_ext.ppo.sequences import Rollout


@dataclass(frozen=True)
class PpoSettings:
    """
    What the losses of one training go by; as SB3's PPO has them.

    :param clip_range: of the probability ratio, epsilon in the paper
    :param clip_range_vf: of the change of values, None: values are not clipped
    :param pessimistic_vf_clip: of both errors, with the clipped change and without, the larger one
        counts (as in OpenAI's Baselines), else the clipped one alone
    :param ent_coef: weight of the entropy, c2 in the paper
    :param vf_coef: weight of the values' error, c1 in the paper
    :param max_grad_norm: of all gradients together; 0: no limit
    :param normalize_advantage: over each minibatch
    :param target_kl: training ends where the divergence is 1.5 times that; None: never
    """

    clip_range: float
    clip_range_vf: float | None
    pessimistic_vf_clip: bool
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    normalize_advantage: bool
    target_kl: float | None


class PpoLosses(NamedTuple):
    """What a minibatch measured, scalars; ``loss`` is what is learned from."""

    policy_gradient_loss: Any
    value_loss: Any
    entropy_loss: Any
    approx_kl: Any
    clip_fraction: Any
    loss: Any


class PpoUpdate:
    """
    Gradient steps of PPO on an SB3 policy of any networks.

    Another loss is a method of a subclass, which ``PPO.update_class`` names.

    :param policy: with its optimiser
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self.policy = policy

    def epoch(
        self,
        rollout: Rollout,
        order: np.ndarray,
        batch_size: int,
        learning_rate: float,
        settings: PpoSettings,
    ) -> tuple[list[PpoLosses], bool]:
        """
        Learn from each transition once.

        :param rollout: K sequences
        :param order: (K,), a permutation
        :param batch_size: sequences in a minibatch; the last one may be smaller
        :param learning_rate: of the optimiser
        :param settings: of the losses
        :return: what each minibatch measured, and False where the divergence grew too large: from
            the last minibatch nothing was learned
        """
        measured: list[PpoLosses] = []
        picked = th.as_tensor(order, device=self.policy.device)
        for start in range(0, len(order), batch_size):
            numbers = picked[start : start + batch_size]
            measured.append(self.step(rollout, numbers, learning_rate, settings))
            if too_far(measured[-1], settings):
                return measured, False
        return measured, True

    def step(
        self, rollout: Rollout, numbers: th.Tensor, learning_rate: float, settings: PpoSettings
    ) -> PpoLosses:
        """
        Learn from a minibatch, unless the divergence is too large.

        :param rollout: K sequences
        :param numbers: (B,), of the minibatch's
        :param learning_rate: of the optimiser
        :param settings: of the losses
        :return: what it measured, as floats
        """
        losses = self.losses(rollout.minibatch(numbers), settings)
        measured = PpoLosses(*(float(each.detach()) for each in losses))
        if too_far(measured, settings):
            return measured
        optimizer = self.policy.optimizer
        optimizer.param_groups[0]["lr"] = learning_rate
        optimizer.zero_grad()
        losses.loss.backward()
        if settings.max_grad_norm > 0:
            th.nn.utils.clip_grad_norm_(self.policy.parameters(), settings.max_grad_norm)
        optimizer.step()
        return measured

    def losses(self, batch: Rollout, settings: PpoSettings) -> PpoLosses:
        """
        Measure policy and values (equation 9).

        :param batch: of B transitions
        :param settings: of the losses
        """
        values, log_prob, entropy = self._evaluated(batch)
        log_ratio = log_prob - batch.log_prob
        ratio = log_ratio.exp()
        policy_loss = self.policy_loss(ratio, batch.advantages, settings)
        value_loss = self.value_loss(values.flatten(), batch, settings)
        entropy_loss = log_prob.mean() if entropy is None else -entropy.mean()
        with th.no_grad():
            # http://joschu.net/blog/kl-approx.html
            divergence = (ratio - 1 - log_ratio).mean()
            clipped = ((ratio - 1).abs() > settings.clip_range).double().mean()
        loss = policy_loss + settings.ent_coef * entropy_loss + settings.vf_coef * value_loss
        return PpoLosses(policy_loss, value_loss, entropy_loss, divergence, clipped, loss)

    def _evaluated(self, batch: Rollout) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        if batch.sequences is None:
            return self.policy.evaluate_actions(batch.observations, batch.actions)
        assert isinstance(self.policy, ComposedPolicy)
        starts, *states = batch.sequences
        return self.policy.evaluate_sequences(
            batch.observations, batch.actions, starts, (states[0], states[1])
        )

    def policy_loss(
        self, ratio: th.Tensor, advantages: th.Tensor, settings: PpoSettings
    ) -> th.Tensor:
        """
        Measure the policy by the clipped surrogate (equation 7).

        :param ratio: (B,), of the actions' probabilities to those before the training
        :param advantages: (B,)
        :param settings: of the losses
        :return: scalar
        """
        if settings.normalize_advantage and len(advantages) > 1:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        clipped = ratio.clamp(1 - settings.clip_range, 1 + settings.clip_range)
        return -th.min(advantages * ratio, advantages * clipped).mean()

    def value_loss(self, values: th.Tensor, batch: Rollout, settings: PpoSettings) -> th.Tensor:
        """
        Measure the values' error.

        :param values: (B,), now
        :param batch: of B transitions
        :param settings: of the losses
        :return: scalar
        """
        if settings.clip_range_vf is None:
            return th.nn.functional.mse_loss(batch.returns, values)
        most = settings.clip_range_vf
        clipped = batch.values + (values - batch.values).clamp(-most, most)
        if settings.pessimistic_vf_clip:
            errors = [(batch.returns - each).square() for each in (values, clipped)]
            return th.max(*errors).mean()
        return th.nn.functional.mse_loss(batch.returns, clipped)


def too_far(measured: PpoLosses, settings: PpoSettings) -> bool:
    """
    Tell whether the policy is so far from the one that acted that training must end.

    :param measured: of a minibatch
    :param settings: of the losses
    """
    return settings.target_kl is not None and measured.approx_kl > 1.5 * settings.target_kl
