"""Children that end when their parent does."""

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def ends_with_its_parent(prepare: Callable[[], None] | None = None) -> Callable[[], None]:
    """
    Make a ``preexec_fn`` that has a child end in order should its parent be killed, on Linux.

    :param prepare: called in the child, too
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def before_exec() -> None:
        if prepare is not None:
            prepare()
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return before_exec
