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
        self._addresses = list(map(th.Tensor.data_ptr, self._parameters))
        self._optimizers = [(optimizer, optimizer.state) for optimizer in optimizers]

    @property
    def moved(self) -> bool:
        """Whether anything is elsewhere now; asked at every step, so without calls of ours."""
        for optimizer, state in self._optimizers:
            if optimizer.state is not state:
                return True
        return list(map(th.Tensor.data_ptr, self._parameters)) != self._addresses
