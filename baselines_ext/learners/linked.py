"""What of an algorithm is made from SB3's modules, and made again where these are replaced."""

from abc import abstractmethod
from operator import attrgetter
from typing import Any, ClassVar, Self

import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from baselines_ext.updates.watch import Watch


class Linked(BaseAlgorithm):
    """An algorithm with parts that share the parameters of SB3's modules and optimisers."""

    made_from_modules: ClassVar[tuple[str, ...]]
    """Attributes that ``link`` makes: no file holds them, and a copy makes its own."""

    _watch: Watch

    @abstractmethod
    def link(self) -> None:
        """Make them, and ``_watch`` by ``_watch_parameters``."""

    def set_parameters(self, *arguments: Any, **keywords: Any) -> None:
        """Load parameters as SB3 does; then our tensors are made from SB3's again."""
        super().set_parameters(*arguments, **keywords)
        self.link()

    @classmethod
    def load(cls, *arguments: Any, **keywords: Any) -> Self:
        """Load a model as SB3 does, which replaces tensors after ``set_parameters``."""
        model = super().load(*arguments, **keywords)
        model.link()
        return model

    def _watch_parameters(self) -> Watch:
        modules, variables = self._get_torch_save_params()
        found = [attrgetter(name)(self) for name in (*modules, *variables)]
        optimizers = [each for each in found if isinstance(each, th.optim.Optimizer)]
        tensors = [each for each in found if isinstance(each, th.Tensor)]
        return Watch([*self.policy.parameters(), *tensors], optimizers)

    def _link_again_if_moved(self) -> None:
        if self._watch.moved:
            self.link()

    def _excluded_save_params(self) -> list[str]:
        """Leave out what is made from SB3's modules."""
        return [*super()._excluded_save_params(), *self.made_from_modules]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what a copy makes from modules of its own."""
        return {
            name: each for name, each in vars(self).items() if name not in self.made_from_modules
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become a copy."""
        vars(self).update(state)
        self.link()
