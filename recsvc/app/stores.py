"""What is kept between calls: in Redis, or in memory where there is none."""

import math
import time
from dataclasses import dataclass

from recsvc.errors import StoreUnavailableError
from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.server.executors import MAX_STREAMS
from recsvc.service.cache_port import ResponseCache
from recsvc.service.ports import (
    AnswerStore,
    CatalogueStore,
    EventLog,
    People,
    RateStore,
    ServedLists,
)
from recsvc.service.process_cache import ProcessCache
from recsvc.settings.server import ServerSettings
from recsvc.store.answers import RedisAnswerStore
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.catalogue_store import TableCatalogueStore
from recsvc.store.connection import connect, redacted
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
from recsvc.store.rate_store import InMemoryRateStore, RedisRateStore
from recsvc.store.response_cache import RedisResponseCache
from recsvc.store.served_lists import RedisServedLists
from recsvc.store.shopper_changes import RedisShopperChanges
from recsvc.store.tables import InMemoryTables, RedisTables


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is kept between calls.

    Attributes:
        cache: answers that may be given again, and live profiles beside them.
        log: live events.
        people: what callers have set of customers.
        served: lists that were served.
        answers: what was answered to changes, for those that are sent again.
        catalogue: what the shop has said of products, stores and stock.
        catalogue_reads: the same for whoever only reads, and waits less for it.
        rates: how much callers may still ask for.
        changes: tells this process what the others write; None where there are none.
    """

    cache: ResponseCache
    log: EventLog
    people: People
    served: ServedLists
    answers: AnswerStore
    catalogue: CatalogueStore
    catalogue_reads: CatalogueStore
    rates: RateStore
    changes: RedisShopperChanges | None = None


def build_stores(
    settings: ServerSettings, key: bytes, process: ProcessCache, metrics: Metrics, logger: Logger
) -> Stores:
    """Connect to Redis, or keep all in memory where no URL is set.

    A Redis that does not answer is told, and nothing more: it may come back.

    Args:
        settings: the URL, the time-outs, and how much is kept.
        key: secret that names are hashed with.
        process: told of each shopper of whom something else holds.
        metrics: counts what cannot be read.
        logger: told of that, and of a Redis that does not answer.

    Raises:
        SettingsError: the Redis URL cannot be used.
    """
    if settings.redis_url is None:
        profiles = InMemoryProfiles(changed=process.drop)
        process.heard(math.inf)  # nobody else writes
        catalogue = TableCatalogueStore(InMemoryTables())
        return Stores(
            InMemoryResponseCache(time.time, profiles),
            InMemoryEventLog(time.time, profiles, max_events=settings.event_log_max),
            InMemoryPeople(profiles),
            InMemoryServedLists(profiles, seconds=settings.served_days * 86_400),
            InMemoryAnswerStore(),
            catalogue,
            catalogue,
            InMemoryRateStore(time.monotonic),
        )
    keys = KeySchema(settings.namespace)
    reads = _redis(settings, settings.redis_timeout_seconds)
    # What must not be lost may take longer than what can be done without.
    writes = _redis(settings, settings.redis_write_timeout_ms / 1000)
    cache = RedisResponseCache(reads, keys)
    limits = LogLimits(
        max_events=settings.event_log_max,
        durable_seconds=settings.redis_write_timeout_ms / 1000 / 2,
    )
    try:
        cache.check()
    except StoreUnavailableError as error:
        logger.warning(
            "redis_unavailable",
            url=redacted(settings.redis_url),
            error=str(error),
            hint="lists are computed, and marked as degraded, until it answers",
        )

    def unreadable(where: str) -> None:
        metrics.unreadable.inc()
        logger.error("entry_unreadable", where=where)

    return Stores(
        cache,
        RedisEventLog(writes, keys, limits, unreadable=unreadable, changed=process.drop),
        RedisPeople(writes, keys, process.drop),
        RedisServedLists(writes, keys, days=settings.served_days, unreadable=unreadable),
        RedisAnswerStore(writes, keys),
        TableCatalogueStore(RedisTables(writes, keys)),
        TableCatalogueStore(RedisTables(reads, keys)),
        RedisRateStore(reads, keys, key),
        _changes(settings, keys, process, logger),
    )


def _changes(
    settings: ServerSettings, keys: KeySchema, process: ProcessCache, logger: Logger
) -> RedisShopperChanges | None:
    if not process.is_on:
        return None
    client = connect(str(settings.redis_url), max_connections=1)
    return RedisShopperChanges(client, keys, process, logger)


def _redis(settings: ServerSettings, timeout_seconds: float) -> GuardedRedis:
    client = connect(
        str(settings.redis_url),
        connect_timeout_seconds=min(timeout_seconds, settings.redis_timeout_seconds),
        socket_timeout_seconds=timeout_seconds,
        # As many as threads that may call, and some to spare.
        max_connections=2 * settings.max_threads + MAX_STREAMS,
    )
    return GuardedRedis(client, CircuitBreaker())
