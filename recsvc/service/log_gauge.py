"""Says how full the event log is, before it is full."""

import threading
from contextlib import suppress

from recsvc.errors import StoreUnavailableError
from recsvc.service.ports import EventLog
from recsvc.telemetry import Metrics

INTERVAL_SECONDS = 5.0


class LogGauge:
    """Looks at the log every few seconds, from a thread of its own.

    Args:
        log: what is watched.
        metrics: told of it.
        max_events: events that it has room for.
    """

    def __init__(self, log: EventLog, metrics: Metrics, max_events: int) -> None:
        self._log = log
        self._metrics = metrics
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="log-gauge", daemon=True)
        metrics.events_waiting_max.set(max_events)

    def watch(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _poll(self) -> None:
        while True:
            with suppress(StoreUnavailableError):  # every call that needs the log says so
                self._metrics.events_waiting.set(self._log.length())
            if self._stopping.wait(INTERVAL_SECONDS):
                return
