"""Says how full the event log is, before it is full, and whether its store answers at all."""

from recsvc.errors import StoreUnavailableError
from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.service.poller import Poller
from recsvc.service.ports import EventLog
from recsvc.service.stopping import STOP_SECONDS

INTERVAL_SECONDS = 5.0


class LogGauge:
    """Looks at the log every few seconds, from a thread of its own.

    Args:
        log: what is watched.
        metrics: told of it.
        max_events: events that it has room for.
        logger: told of what goes wrong.
    """

    def __init__(self, log: EventLog, metrics: Metrics, max_events: int, logger: Logger) -> None:
        self._log = log
        self._metrics = metrics
        self._poller = Poller("log-gauge", logger)
        metrics.events_waiting_max.set(max_events)

    def watch(self, interval_seconds: float = INTERVAL_SECONDS) -> None:
        """Begin."""
        self._poller.start(self._look, interval_seconds, at_once=True)

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """End; what it is at is waited for so long."""
        self._poller.stop(wait_seconds)

    def _look(self) -> None:
        # Calls say so too, where there are any; a shop that sleeps is to be told all the same.
        try:
            n_waiting = self._log.length()
        except StoreUnavailableError:
            self._metrics.redis_not_answering.set(1)
        else:
            self._metrics.redis_not_answering.set(0)
            self._metrics.events_waiting.set(n_waiting)
