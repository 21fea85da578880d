"""Notice that training has produced NaN or infinity."""

import math

import torch as th

from interface.learner import Learner, moment_of


class DivergedError(RuntimeError):
    """Losses or weights are no longer finite."""


def check_losses(model: Learner) -> None:
    """
    Look at the losses that were logged last.

    :param model: in training
    :raises DivergedError: naming the loss and the step
    """
    for key, value in model.logger.name_to_value.items():
        if key.startswith("train/") and isinstance(value, float) and not math.isfinite(value):
            raise DivergedError(f"{key} is {value} at {moment_of(model)}")


def check_weights(model: Learner) -> None:
    """
    Look at all weights.

    :param model: in training
    :raises DivergedError: naming the weights and the step
    """
    for module, state in model.get_parameters().items():
        for name, value in state.items():
            if isinstance(value, th.Tensor) and not th.isfinite(value).all():
                raise DivergedError(f"{module}.{name} is not finite at {moment_of(model)}")


def diverged_weights(model: Learner) -> DivergedError | None:
    """
    Tell whether an error of another kind comes from weights that are not finite.

    :param model: in training
    """
    try:
        check_weights(model)
    except DivergedError as error:
        return error
    return None
