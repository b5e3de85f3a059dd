"""The stores of one shop, in memory and in Redis."""

import math
import os
import signal
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import redis

from recsvc.errors import StoreUnavailableError
from recsvc.service.cache_port import ResponseCache
from recsvc.service.ports import AnswerStore, EventLog, People, ServedLists
from recsvc.service.selling import Changes
from recsvc.store.answers import RedisAnswerStore
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey
from recsvc.store.event_log import RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.memory import (
    InMemoryAnswerStore,
    InMemoryEventLog,
    InMemoryPeople,
    InMemoryProfiles,
    InMemoryServedLists,
)
from recsvc.store.memory_responses import InMemoryResponseCache
from recsvc.store.people import RedisPeople
from recsvc.store.response_cache import RedisResponseCache
from recsvc.store.served_lists import RedisServedLists
from recsvc.store.tables import InMemoryTables, Kept, RedisTables, Row, Tables

ROOM = 10
"""Events that these logs have room for, of one partition of shoppers."""

SERVED_DAYS = 2
"""These stores keep served lists so long."""


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class FailingTables(InMemoryTables):
    """Tables of one process that can be down.

    Attributes:
        is_down: whether nothing can be read or written.
        says: what is told then.
        n_reads: how often changes were asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.says = "down"
        self.n_reads = 0

    def put(self, table: str, rows: Sequence[Row]) -> tuple[list[bool], int]:
        """Write rows."""
        self._check()
        return super().put(table, rows)

    def get(
        self, table: str, names: Sequence[str], deadline: float = math.inf
    ) -> list[Kept | None]:
        """Read rows."""
        self._check()
        return super().get(table, names, deadline)

    def changes(self, table: str, known: int, deadline: float) -> Changes[Kept]:
        """Read what has been written since a revision."""
        self.n_reads += 1
        self._check()
        found = super().changes(table, known, deadline)
        if known <= found.revision:
            return found
        return replace(super().changes(table, 0, deadline), is_whole=True)

    def empty(self) -> None:
        """Lose everything, as a Redis does that comes back without its disk."""
        self._rows.clear()
        self._changes.clear()

    def _check(self) -> None:
        if self.is_down:
            raise StoreUnavailableError(self.says)


@dataclass(frozen=True)
class Stores:
    """What belongs together."""

    cache: ResponseCache
    log: EventLog
    people: People
    served: ServedLists
    answers: AnswerStore
    tables: Tables


def in_memory(clock: Callable[[], float]) -> Stores:
    """Return empty stores of this process."""
    profiles = InMemoryProfiles()
    return Stores(
        InMemoryResponseCache(clock, profiles),
        InMemoryEventLog(clock, profiles, max_events=ROOM),
        InMemoryPeople(profiles),
        InMemoryServedLists(profiles, max_lists=64, seconds=SERVED_DAYS * 86_400, clock=clock),
        InMemoryAnswerStore(),
        InMemoryTables(),
    )


def in_redis(client: redis.Redis, clock: Callable[[], float]) -> Stores:
    """Return empty stores in a Redis; a namespace of their own stands in for an empty one."""
    keys = KeySchema(f"test-{uuid.uuid4().hex}")
    guarded = GuardedRedis(client, CircuitBreaker())
    return Stores(
        RedisResponseCache(guarded, keys, clock=clock),
        RedisEventLog(guarded, keys, LogLimits(max_events=64 * ROOM)),
        RedisPeople(guarded, keys),
        RedisServedLists(guarded, keys, days=SERVED_DAYS, max_an_hour=128, clock=clock),
        RedisAnswerStore(guarded, keys),
        RedisTables(guarded, keys),
    )


@contextmanager
def running_valkey(directory: Path) -> Iterator[EmbeddedValkey]:
    """Run an embedded Valkey."""
    server = EmbeddedValkey(directory)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def valkey_client(directory: Path) -> Iterator[redis.Redis]:
    """Run an embedded Valkey, and connect to it."""
    with (
        running_valkey(directory) as server,
        # A busy machine may take its time: what the time-out does is tested elsewhere.
        connect(server.url, socket_timeout_seconds=5.0) as client,
    ):
        yield client


@contextmanager
def stopped(client: redis.Redis) -> Iterator[None]:
    """A store that answers nobody."""
    info = client.info("server")
    assert isinstance(info, dict)
    os.kill(info["process_id"], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(info["process_id"], signal.SIGCONT)
