"""Whether tensors are still those that were linked: who shares their memory must know."""

from collections.abc import Iterable

import torch as th


class Watch:
    """
    Notices that parameters or optimisers' states were put elsewhere.

    ``parameters.data = ...``, as in ``load_from_vector``, and ``load_state_dict`` of an optimiser
    do so, and nothing that shared their memory would learn of it.

    :param parameters: to watch
    :param optimizers: to watch
    """

    def __init__(
        self, parameters: Iterable[th.Tensor], optimizers: Iterable[th.optim.Optimizer]
    ) -> None:
        self._parameters = list(parameters)
        self._addresses = self._current_addresses()
        self._optimizers = [(optimizer, optimizer.state) for optimizer in optimizers]

    @property
    def moved(self) -> bool:
        """Whether anything is elsewhere now."""
        return self._addresses != self._current_addresses() or any(
            optimizer.state is not state for optimizer, state in self._optimizers
        )

    def _current_addresses(self) -> list[int]:
        return [parameter.data_ptr() for parameter in self._parameters]
