"""Let signals end a run in order, whatever it is doing."""

from collections.abc import Iterator
from contextlib import contextmanager

from util.signals import handled_signals


class Interrupts:
    """Remembers the first signal; ``received`` is its name, None as long as there was none."""

    def __init__(self) -> None:
        self.received: str | None = None

    def handle(self, name: str) -> None:
        """
        Take a signal: the first one is remembered, the second one ends the process at once.

        :param name: of the signal
        """
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = name


@contextmanager
def caught_interrupts() -> Iterator[Interrupts]:
    """Remember signals within the block, and handle them as before after it."""
    interrupts = Interrupts()
    with handled_signals(interrupts.handle):
        yield interrupts
