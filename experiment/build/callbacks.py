"""Make the callbacks that a user gives."""

from omegaconf import DictConfig
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from interface.errors import UserError
from interface.instantiation import instantiate


def make_callbacks(cfg: DictConfig, model: object) -> list[BaseCallback]:
    """
    Make the callbacks of a config, which are called before the run's own.

    :param cfg: the main config
    :param model: that will call them
    :raises UserError: if one is no callback, or the model knows none
    """
    made = []
    for index, node in enumerate(cfg.callbacks):
        callback = instantiate(node)
        if not isinstance(callback, BaseCallback):
            raise UserError(
                f"callbacks[{index}] must be a callback of SB3's kind, a subclass of "
                f"stable_baselines3.common.callbacks.BaseCallback, got {type(callback).__name__}"
            )
        made.append(callback)
    if made and not isinstance(model, BaseAlgorithm):
        raise UserError(f"callbacks are for algorithms of SB3's kind, not {type(model).__name__}")
    return made
