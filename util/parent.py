"""Processes that must not outlive the one that started them."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """
    Have Linux send a signal to this process when its parent ends; elsewhere do nothing.

    :param parent: its process id, in case it has ended already
    :param number: of the signal
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def ends_with_its_parent(prepare: Callable[[], None] | None = None) -> Callable[[], None]:
    """
    Make a ``preexec_fn`` that has a child end in order should this process be killed, on Linux.

    :param prepare: called in the child, too
    """
    parent = os.getpid()

    def before_exec() -> None:
        if prepare is not None:
            prepare()
        end_with_parent(parent, signal.SIGTERM)

    return before_exec
