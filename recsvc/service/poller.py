"""A thread that does one thing again and again, until it is stopped."""

import threading
from collections.abc import Callable

from recsvc.telemetry import Logger

STOP_SECONDS = 2.0


class Poller:
    """Calls a function at an interval.

    Args:
        name: of the thread.
        work: what is done.
        logger: told of what it raises; the next turn comes all the same.
    """

    def __init__(self, name: str, work: Callable[[], object], logger: Logger) -> None:
        self._work = work
        self._name = name
        self._logger = logger
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, interval_seconds: float, *, at_once: bool = False) -> None:
        """Begin, with the first call at once or after one interval."""
        arguments = (0.0 if at_once else interval_seconds, interval_seconds)
        self._thread = threading.Thread(
            target=self._poll, args=arguments, name=self._name, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End; a call that is running is waited for a moment."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _poll(self, first_seconds: float, interval_seconds: float) -> None:
        wait = first_seconds
        while not self._stopping.wait(wait):
            try:
                self._work()
            except (
                Exception
            ) as error:  # a thread that ended would leave the process behind for good
                self._logger.exception(
                    "background_work_failed", thread=self._name, error=str(error)
                )
            wait = interval_seconds
