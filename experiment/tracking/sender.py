"""The thread that empties a journal, and never gives up while the run lasts."""

import logging
import threading
import time
from collections.abc import Callable

from experiment.tracking.delivery import Delivery, first_line
from experiment.tracking.store import StoreAwayError
from interface.errors import UserError

log = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 30.0


class Sender(threading.Thread):
    """
    The thread that empties a journal.

    :param delivery: of the journal
    :param interval_seconds: pause between two batches
    :param every_interval: called before each batch, e.g. to sample the machine's load
    :param on_open: called when the store has answered for the first time
    """

    def __init__(
        self,
        delivery: Delivery,
        interval_seconds: float,
        every_interval: Callable[[], None],
        on_open: Callable[[], object],
    ) -> None:
        super().__init__(name="tracking", daemon=True)
        self._delivery = delivery
        self._interval_seconds = interval_seconds
        self._every_interval = every_interval
        self._on_open = on_open
        self._tried = threading.Event()
        self._refusal: UserError | None = None
        self._finishing = threading.Event()
        self._abandoned = False
        self.cpu_seconds = 0.0
        """Time that this thread has computed."""

    def start_within(self, timeout_seconds: float) -> None:
        """
        Start, and wait for the store's first answer; a store that is away is no error.

        :param timeout_seconds: longest wait
        :raises UserError: if the store can never be used
        """
        self.start()
        if not self._tried.wait(timeout_seconds):
            log.warning("the tracking store has not answered yet; training begins")
        if self._refusal is not None:
            raise self._refusal

    def run(self) -> None:
        """Open the store, then send until told to finish and nothing is left."""
        behind = not self._open()
        self._tried.set()
        if self._refusal is not None:
            return
        pause = self._interval_seconds
        while True:
            finishing = self._finishing.wait(pause)
            if self._abandoned:
                return
            if not finishing:  # the journal may be closed
                self._every_interval()
            try:
                done = self._delivery.send_some()
            except Exception as error:  # noqa: BLE001 (any failure of the store; told once, retried)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                if not behind:
                    _tell(error)
                behind = True
            else:
                pause = self._interval_seconds if done else 0.0
                if behind:
                    log.info("tracking has caught up again")
                behind = False
                if done and finishing:
                    return
            finally:
                self.cpu_seconds = time.thread_time()

    def _open(self) -> bool:
        """Try to open the store; tell whether it answered."""
        try:
            self._delivery.open()
            self._on_open()
        except StoreAwayError as error:
            _tell(error)
            return False
        except UserError as error:
            self._refusal = error
            return False
        except Exception as error:  # noqa: BLE001 (any failure of the store; told once, retried)
            _tell(error)
            return False
        return True

    def finish(self, timeout_seconds: float) -> None:
        """
        Send what is left and end.

        :param timeout_seconds: longest wait
        """
        self._finishing.set()
        self.join(timeout_seconds)

    def abandon(self, timeout_seconds: float) -> None:
        """
        End with what is being sent, and send nothing more.

        :param timeout_seconds: longest wait
        """
        self._abandoned = True
        self.finish(timeout_seconds)


def _tell(error: Exception) -> None:
    log.warning("tracking is behind, training goes on: %s", first_line(error))
