"""A minibatch of PPO as one graph, by ``torch.compile``: the same losses, fused."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch as th
import torch._dynamo
from stable_baselines3.common.distributions import MultiCategoricalDistribution

from baselines_ext.ppo.losses import PpoLosses, PpoSettings, PpoUpdate, too_far
from baselines_ext.ppo.sequences import Rollout
from baselines_ext.updates.update import leanest

Gradients = tuple[th.Tensor, Sequence[th.Tensor]]
"""What a minibatch measured, (6,), and the gradients of the parameters."""


class CompiledPpoUpdate(PpoUpdate):
    """
    Computes gradients of any losses as one compiled graph; compilation takes some 20 s.

    :param losses: what is to be learned from
    """

    def __init__(self, losses: PpoUpdate) -> None:
        super().__init__(losses.policy)
        self._losses = losses
        optimizer = losses.policy.optimizer
        self._optimizer = leanest(optimizer, optimizer.param_groups[0]["params"])
        head = losses.policy.action_dist
        if isinstance(head, MultiCategoricalDistribution):  # numpy's are no constants of a graph
            head.action_dims = [int(n) for n in head.action_dims]
        compiled: Any = th.compile
        self._gradients: Callable[..., Gradients] = compiled(
            self._of_losses,
            fullgraph=True,
            isolate_recompiles=True,  # else the ninth agent of a process is refused
        )

    def epoch(self, *arguments: Any) -> tuple[list[PpoLosses], bool]:
        """Learn from each transition once; see ``PpoUpdate``."""
        with _traceable():
            return super().epoch(*arguments)

    def step(
        self, rollout: Rollout, numbers: th.Tensor, learning_rate: float, settings: PpoSettings
    ) -> PpoLosses:
        """Learn from a minibatch; see ``PpoUpdate``."""
        bounds = th.tensor([settings.clip_range, settings.clip_range_vf or 0.0])
        bounds = bounds.to(rollout.returns)  # of schedules: a new number would be a new graph
        losses, gradients = self._gradients(rollout, numbers, bounds, settings)
        measured = PpoLosses(*losses.tolist())
        if not too_far(measured, settings):
            self._optimizer.step(gradients, learning_rate)
        return measured

    def _of_losses(
        self, rollout: Rollout, numbers: th.Tensor, bounds: th.Tensor, settings: PpoSettings
    ) -> Gradients:
        clip_range_vf = None if settings.clip_range_vf is None else bounds[1]
        by_tensors: Any = {"clip_range": bounds[0], "clip_range_vf": clip_range_vf}
        settings = replace(settings, **by_tensors)
        head: Any = self.policy.action_dist
        kept = dict(vars(head))
        losses = self._losses.losses(rollout.minibatch(numbers), settings)
        for name in [*vars(head)]:  # what it keeps of the graph must not leave it
            setattr(head, name, kept.get(name))
        gradients: Sequence[th.Tensor] = th.autograd.grad(
            losses.loss, self._optimizer.parameters, allow_unused=True, materialize_grads=True
        )
        if settings.max_grad_norm > 0:
            norm = th.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
            factor = (settings.max_grad_norm / (norm + 1e-6)).clamp(max=1)
            gradients = [gradient * factor for gradient in gradients]
        return th.stack([each.detach().double() for each in losses]), gradients


def _traceable() -> ExitStack:
    """Let gradients and cells be traced, and distributions check nothing."""
    stack = ExitStack()
    options: dict[str, Any] = {"trace_autograd_ops": True, "allow_rnn": True}
    stack.enter_context(torch._dynamo.config.patch(**options))
    checks = th.distributions.Distribution._validate_args
    th.distributions.Distribution.set_default_validate_args(False)
    stack.callback(th.distributions.Distribution.set_default_validate_args, checks)
    return stack
