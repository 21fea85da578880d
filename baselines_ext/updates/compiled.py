"""The whole gradient step as one graph, by ``torch.compile``: the same code, fused."""

from collections.abc import Callable
from typing import Any

import torch as th
import torch._dynamo
import torch._inductor.config


class CompiledUpdate:
    """
    Calls an update as one compiled graph; compilation takes some 15 s, from its cache 1-5 s.

    Random numbers are those of the eager update. On a GPU the graph is recorded and replayed.

    :param update: with ``__call__(batch, learning_rate, ...)``; all else is passed through
    """

    def __init__(self, update: Any) -> None:
        self._eager = update
        on_gpu = update.device.type == "cuda"
        compiled: Any = th.compile
        self._compiled: Callable[..., Any] = compiled(
            type(update).__call__,
            fullgraph=True,
            mode="reduce-overhead" if on_gpu else None,
            isolate_recompiles=True,  # else the ninth agent of a process is refused
        )

    def __call__(self, batch: Any, learning_rate: float, **arguments: Any) -> Any:
        """
        Make one gradient step.

        :param batch: of transitions
        :param learning_rate: goes in as a tensor: a new number would be a new graph
        :param arguments: of the update
        """
        with (
            torch._dynamo.config.patch(trace_autograd_ops=True),
            torch._inductor.config.patch(fallback_random=True),
        ):
            rate = th.tensor(learning_rate, device=self._eager.device)
            return self._compiled(self._eager, batch, rate, **arguments)

    def __getattr__(self, name: str) -> Any:
        """Everything but the step is the eager update's."""
        return getattr(self._eager, name)
