"""Let SIGINT and SIGTERM end a run in order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Remembers the first signal; ``received`` is its name, None as long as there was none."""

    def __init__(self) -> None:
        self.received: str | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """
        Take a signal: the first one is remembered, the second one ends the process at once.

        :param number: of the signal
        :param frame: not used
        """
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = signal.Signals(number).name


@contextmanager
def caught_interrupts() -> Iterator[Interrupts]:
    """Handle signals within the block, and as before after it."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts  # only the main thread may handle signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupts.handle) for number in numbers]
    try:
        yield interrupts
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
