"""How full the event log is, as the metrics say it."""

import threading
from functools import partial

from recsvc.errors import StoreUnavailableError
from recsvc.service.log_gauge import LogGauge
from recsvc.store.memory import InMemoryEventLog, InMemoryProfiles
from tests.serving import Log as Lines
from tests.serving import new_metrics, wait_until
from tests.shoppers import T0, event

QUIET = Lines().logger


class Log(InMemoryEventLog):
    """A log that can be down, and that counts how often it was looked at."""

    is_down = False
    n_looks = 0

    def length(self) -> int:
        self.n_looks += 1
        if self.is_down:
            raise StoreUnavailableError("down")
        return super().length()


def test_the_log_is_looked_at_again_and_again() -> None:
    """A store that is down is waited for, which is told, and the last number stands meanwhile."""
    log = Log(lambda: T0, InMemoryProfiles())
    metrics, numbers = new_metrics()
    gauge = LogGauge(log, metrics, 1_000, QUIET)
    assert numbers.get_sample_value("recsvc_events_waiting_max") == 1_000
    is_down = partial(numbers.get_sample_value, "recsvc_redis_not_answering")
    gauge.watch(0.01)
    for n_events in (1, 2):
        log.append([event(str(n_events))], durable=False, heeds=0)
        wait_until(lambda n=n_events: numbers.get_sample_value("recsvc_events_waiting") == n)  # type: ignore[misc]  # a lambda's default
        assert is_down() == 0
        log.is_down = True
        n_looks = log.n_looks
        wait_until(lambda n=n_looks: log.n_looks > n + 2)  # type: ignore[misc]  # a lambda's default
        assert numbers.get_sample_value("recsvc_events_waiting") == n_events
        assert is_down() == 1
        log.is_down = False
    gauge.stop()
    assert "log-gauge" not in {thread.name for thread in threading.enumerate()}


def test_who_never_watched_can_stop() -> None:
    """A worker whose start failed stops like any other."""
    LogGauge(Log(lambda: T0, InMemoryProfiles()), new_metrics()[0], 1, QUIET).stop()
