"""Adam (https://arxiv.org/abs/1412.6980) without the bookkeeping of torch's optimiser classes."""

from collections.abc import Sequence

import torch as th
from torch.optim.adam import adam

from baselines_ext.networks.plain import NotPlainError


class LeanAdam:
    """
    Takes the steps of an SB3 optimiser, on its own state: what SB3 saves stays true.

    :param optimizer: an ordinary ``torch.optim.Adam``; its state is completed where it is empty
    :param parameters: those of the optimiser, in the order of the gradients to come
    :raises NotPlainError: if the optimiser is anything else than plain Adam
    """

    def __init__(self, optimizer: th.optim.Optimizer, parameters: Sequence[th.Tensor]) -> None:
        options = optimizer.param_groups[0]
        if type(optimizer) is not th.optim.Adam or options["amsgrad"] or options["weight_decay"]:
            raise NotPlainError(f"its optimiser is {type(optimizer).__name__}, not plain Adam")
        self.parameters = list(parameters)
        self.beta1, self.beta2 = options["betas"]
        self.eps = options["eps"]
        states = [_complete_state(optimizer, parameter) for parameter in self.parameters]
        self.steps = [state["step"] for state in states]
        self.means = [state["exp_avg"] for state in states]
        self.squares = [state["exp_avg_sq"] for state in states]

    @property
    def betas_and_eps(self) -> list[float]:
        """Its constants, in the order of the native update."""
        return [self.beta1, self.beta2, self.eps]

    @property
    def state(self) -> list[th.Tensor]:
        """First moments, then second moments, then step counts."""
        return self.means + self.squares + self.steps

    def step(self, gradients: Sequence[th.Tensor], learning_rate: float | th.Tensor) -> None:
        """
        Change the parameters in place.

        :param gradients: one per parameter
        :param learning_rate: of this step; a tensor in a compiled graph
        """
        with th.no_grad():
            if th.compiler.is_compiling():  # which fuses the plain formula itself
                self._plain_step(gradients, learning_rate)
            else:
                self._fused_step(gradients, float(learning_rate))

    def _fused_step(self, gradients: Sequence[th.Tensor], learning_rate: float) -> None:
        adam(
            self.parameters,
            list(gradients),
            self.means,
            self.squares,
            [],
            self.steps,
            fused=True,
            amsgrad=False,
            beta1=self.beta1,
            beta2=self.beta2,
            lr=learning_rate,
            weight_decay=0.0,
            eps=self.eps,
            maximize=False,
        )

    def _plain_step(self, gradients: Sequence[th.Tensor], learning_rate: float | th.Tensor) -> None:
        """Algorithm 1 of the paper."""
        th._foreach_add_(self.steps, 1)
        for parameter, gradient, mean, square, step in zip(
            self.parameters, gradients, self.means, self.squares, self.steps, strict=True
        ):
            mean.lerp_(gradient, 1 - self.beta1)
            square.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
            count = step.double()
            correction1, correction2 = 1 - self.beta1**count, (1 - self.beta2**count).sqrt()
            rate = (learning_rate / correction1).to(parameter.dtype)
            root = square.sqrt() / correction2.to(parameter.dtype)
            parameter.sub_(rate * mean / (root + self.eps))


def _complete_state(optimizer: th.optim.Optimizer, parameter: th.Tensor) -> dict[str, th.Tensor]:
    state = optimizer.state[parameter]
    if not state:
        values = parameter.detach()
        state["step"] = th.zeros((), dtype=th.float32, device=values.device)
        state["exp_avg"], state["exp_avg_sq"] = th.zeros_like(values), th.zeros_like(values)
    state["step"] = state["step"].to(parameter.device)  # a fused step is counted on the device
    return state
