"""The signals that ask a process to end in order."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def on_signals(handle: Callable[[str], None]) -> None:
    """
    Call something on Ctrl-C, SIGTERM, and when the terminal is closed.

    A SIGHUP that is ignored, as below ``nohup``, stays ignored.

    :param handle: given the name of the signal; only the main thread may ask for this
    """

    def received(number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _forget_terminal()
        handle(signal.Signals(number).name)

    for number in _NUMBERS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, received)


@contextmanager
def handled_signals(handle: Callable[[str], None]) -> Iterator[None]:
    """
    Do as ``on_signals`` within the block, and as before after it.

    :param handle: given the name of the signal
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    on_signals(handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def ignore_signals() -> None:
    """Leave it to the parent process to hear them."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def _forget_terminal() -> None:
    """Write nowhere instead of to a terminal that is gone, which would be an error."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and stream.isatty():
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
