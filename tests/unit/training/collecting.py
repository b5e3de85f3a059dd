"""What ``dying_writer`` does of ``collect``: drains a log into a folder."""

from pathlib import Path

from recsvc.service.shopping import Event, Link
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.event_log import RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.streams import Logged, Unreadable
from training.collect import collect
from training.drain import SETTLED_MILLISECONDS


class Later:
    """A log whose clock is ahead, so that nothing has to settle."""

    def __init__(self, inner: RedisEventLog) -> None:
        self.inner = inner
        self.may_trim = True

    def read(
        self, partition: int, after: str, count: int
    ) -> list[Logged[Event | Link | Unreadable]]:
        return self.inner.read(partition, after, count)

    def trim(self, partition: int, until: str) -> None:
        if not self.may_trim:
            raise KeyboardInterrupt
        self.inner.trim(partition, until)

    def now(self) -> int:
        return self.inner.now() + 2 * SETTLED_MILLISECONDS


def log_at(url: str) -> RedisEventLog:
    """The log of a service."""
    client = connect(url, socket_timeout_seconds=10)
    return RedisEventLog(GuardedRedis(client, CircuitBreaker()), KeySchema("recsvc"), LogLimits())


def collect_all(root: Path, url: str) -> None:
    """Drain a log into the folder of a history, below a folder that may not be there either."""
    collect(Later(log_at(url)), root / "live")
