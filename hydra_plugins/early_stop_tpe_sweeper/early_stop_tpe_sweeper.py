"""A sweeper for ``--multirun``: asynchronous TPE that stops early and verifies its winner."""

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class EarlyStopTpeSweeper(Sweeper):
    """
    Searches hyperparameters; see ``hydra_plugins/README.md``.

    :param settings: not used: Hydra resolves them in a copy of the config, where the name of a
        study that is made from the time of day may be another one
    """

    def __init__(self, **settings: Any) -> None:
        pass

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember what a sweep needs."""
        self._context = hydra_context
        self._task_function = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> Any:
        """
        Search.

        :param arguments: overrides of the command line
        """
        from hydra_plugins.early_stop_tpe_sweeper._assembly import run_sweep

        assert self.config is not None
        run_sweep(self._context, self._task_function, self.config, arguments)
