"""Whether torch finds the device that it shall compute on."""

import torch as th

from interface.errors import UserError


def check_device(name: str) -> None:
    """
    Refuse a device that is not there: SB3 would take the CPU without a word.

    :param name: ``auto``, or as torch names it
    :raises UserError: naming what torch says
    """
    if name == "auto":
        return
    try:
        device = th.device(name)
    except RuntimeError as error:
        raise UserError(f"device={name} is no device of torch: {error}") from error
    try:
        th.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first = str(error).splitlines()[0].partition(". ")[0]
        raise UserError(f"device={name} is not there ({first}); auto takes what is") from error
