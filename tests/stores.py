"""The stores of one shop, in memory and in Redis."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from recsvc.service.ports import AnswerStore, EventLog, People, ResponseCache
from recsvc.store.answers import RedisAnswerStore
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.embedded import EmbeddedValkey
from recsvc.store.event_log import LogLimits, RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.memory import (
    InMemoryAnswerStore,
    InMemoryEventLog,
    InMemoryPeople,
    InMemoryProfiles,
    InMemoryResponseCache,
)
from recsvc.store.people import RedisPeople
from recsvc.store.response_cache import RedisResponseCache

ROOM = 10
"""Events that these logs have room for, of one partition of shoppers."""


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Stores:
    """What belongs together."""

    cache: ResponseCache
    log: EventLog
    people: People
    answers: AnswerStore


def in_memory(clock: Callable[[], float]) -> Stores:
    """Return empty stores of this process."""
    profiles = InMemoryProfiles()
    return Stores(
        InMemoryResponseCache(clock, profiles),
        InMemoryEventLog(clock, profiles, max_events=ROOM),
        InMemoryPeople(),
        InMemoryAnswerStore(),
    )


def in_redis(client: redis.Redis, clock: Callable[[], float]) -> Stores:
    """Return empty stores in a Redis; a namespace of their own stands in for an empty one."""
    keys = KeySchema(f"test-{uuid.uuid4().hex}")
    guarded = GuardedRedis(client, CircuitBreaker())
    return Stores(
        RedisResponseCache(guarded, keys, clock=clock),
        RedisEventLog(guarded, keys, LogLimits(max_events=64 * ROOM)),
        RedisPeople(guarded, keys),
        RedisAnswerStore(guarded, keys),
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
