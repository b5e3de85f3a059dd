"""A thread that does one thing again and again, until it is stopped."""

import threading
from collections.abc import Callable

from recsvc.logs import Logger
from recsvc.service.stopping import STOP_SECONDS


class Poller:
    """Calls a function at an interval.

    Args:
        name: of the thread.
        logger: told of what the work raises; the next turn comes all the same.
    """

    def __init__(self, name: str, logger: Logger) -> None:
        self._name = name
        self._logger = logger
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(
        self, work: Callable[[], object], interval_seconds: float, *, at_once: bool = False
    ) -> None:
        """Begin, with the first call at once or after one interval.

        The work is the thread's alone: an owner that never begins is in no circle with its poller,
        and what it holds (a model's files) is let go of with it.
        """
        arguments = (work, 0.0 if at_once else interval_seconds, interval_seconds)
        self._thread = threading.Thread(
            target=self._poll, args=arguments, name=self._name, daemon=True
        )
        self._thread.start()

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """End; a call that is running is waited for so long."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(wait_seconds)

    def _poll(
        self, work: Callable[[], object], first_seconds: float, interval_seconds: float
    ) -> None:
        wait = first_seconds
        while not self._stopping.wait(wait):
            try:
                work()
            except (
                Exception
            ) as error:  # a thread that ended would leave the process behind for good
                self._logger.exception(
                    "background_work_failed", thread=self._name, error=str(error)
                )
            wait = interval_seconds
