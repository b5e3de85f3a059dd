"""The composition root: the one place that wires a worker, and a worker's life."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from recsvc.agents.local import LocalShop, OffersCodec, Uses
from recsvc.artifacts.experiment_shelf import KIND as EXPERIMENTS
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.rules_file import KIND as RULES
from recsvc.errors import RecsvcError, RegistryError, StoreUnavailableError
from recsvc.identity import hash_key
from recsvc.server.catalogue_servicer import CatalogueServicer, CatalogueUses
from recsvc.server.customer_servicer import CustomerServicer
from recsvc.server.event_servicer import EventServicer
from recsvc.server.interceptor import MAX_STREAMS
from recsvc.server.model_servicer import ModelServicer
from recsvc.server.recommendation_servicer import RecommendationServicer
from recsvc.server.replays import Replays
from recsvc.server.responses import ResponseCodec
from recsvc.server.server import Health, RecommendationServer, ServerOptions, Servicers
from recsvc.server.tokens import Tokens
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.answers import Answers
from recsvc.service.catalogue import Catalogue
from recsvc.service.customers import Customers
from recsvc.service.defaults import Defaults
from recsvc.service.deliveries import Deliveries
from recsvc.service.events import Events
from recsvc.service.experiments import Experiments
from recsvc.service.inquiries import Circumstances, Inquiries
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.log_gauge import LogGauge
from recsvc.service.model_admin import ModelAdmin
from recsvc.service.models import ModelSlot
from recsvc.service.ports import (
    AnswerStore,
    CatalogueStore,
    EventLog,
    People,
    ResponseCache,
    ServedLists,
)
from recsvc.service.questions import AnswerCodec
from recsvc.service.recalls import Recalls
from recsvc.service.recommendations import Recommendations
from recsvc.service.related import Related
from recsvc.service.served_log import ServedLog
from recsvc.service.shop_rules import ShopRules
from recsvc.service.standing import Standing
from recsvc.service.stock import Stock
from recsvc.service.wording import Wording
from recsvc.settings import ConsentDefault, ServerSettings
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
    InMemoryResponseCache,
    InMemoryServedLists,
)
from recsvc.store.people import RedisPeople
from recsvc.store.response_cache import RedisResponseCache
from recsvc.store.served_lists import RedisServedLists
from recsvc.store.tables import InMemoryTables, RedisTables
from recsvc.supervisor import EXIT_CONFIGURATION, STOP_SIGNALS, signal_pipe, signals_within
from recsvc.telemetry import Logger, Metrics, make_logger

_READY_FD = "RECSVC_READY_FD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the doors of a process stand on, wired.

    Attributes:
        slot: the model.
        standing: recalls, consent and erasures.
        live: what the shop has said of products and stores.
        stock: what is there.
        experiments: those that run.
        rules: the shop's rules.
        circumstances: all of these that lists depend on.
        gauge: watches how full the event log is.
        served: keeps a sample of the lists.
        stores: what is kept between calls.
        metrics: counts.
        key: secret that people's ids are hashed with.
        settings: what it was built from.
        logger: where it says what it does.
    """

    slot: ModelSlot
    standing: Standing
    live: LiveCatalogue
    stock: Stock
    experiments: Experiments
    rules: ShopRules
    circumstances: Circumstances
    gauge: LogGauge
    served: ServedLog
    stores: "Stores"
    metrics: Metrics
    key: bytes
    settings: ServerSettings
    logger: Logger

    def start(self) -> None:
        """Load the current model, if there is one, and all that must be known beside it.

        Raises:
            RegistryError: the ledger cannot be read.
        """
        self.live.follow()
        # First the model: a worker that comes back among others must not turn callers away.
        self.slot.refresh()
        self.rules.refresh()
        self.experiments.refresh()
        try:
            # What was recalled or withdrawn must be known before the first answer.
            self.standing.refresh()
        except OSError as error:
            raise RegistryError(
                f"{self.slot.registry.root}: the ledger cannot be read ({error}); without it "
                "nobody knows what was recalled; check its permissions"
            ) from error

    def watch(self) -> None:
        """Follow what changes, until ``stop``."""
        self.slot.watch(self.settings.poll_interval_seconds)
        self.standing.watch(self.settings.poll_interval_seconds)
        self.live.watch(self.settings.poll_interval_seconds)
        self.experiments.watch(self.settings.poll_interval_seconds)
        self.rules.watch(self.settings.poll_interval_seconds)
        self.gauge.watch()
        self.served.start()

    def stop(self) -> None:
        """Follow nothing any more."""
        self.slot.stop()
        self.standing.stop()
        self.live.stop()
        self.experiments.stop()
        self.rules.stop()
        self.stock.close()
        self.gauge.stop()
        self.served.stop()


@dataclass(frozen=True, slots=True)
class Worker:
    """One server process, wired.

    Attributes:
        server: the gRPC server; its ``port`` is bound already.
        ground: what it stands on.
    """

    server: RecommendationServer
    ground: Ground

    def start(self) -> None:
        """Load the current model, if there is one, and answer.

        Raises:
            RegistryError: the ledger cannot be read.
        """
        self.ground.start()
        self.server.start()
        self.ground.watch()

    def stop(self) -> None:
        """Let running calls end, at most for the grace time."""
        self.server.stop(self.ground.settings.grace_seconds)
        self.ground.stop()


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is kept between calls."""

    cache: ResponseCache
    log: EventLog
    people: People
    served: ServedLists
    answers: AnswerStore
    catalogue: CatalogueStore
    catalogue_reads: CatalogueStore


def build_worker(settings: ServerSettings, logger: Logger, *, shares_port: bool) -> Worker:
    """Wire a server process.

    Args:
        settings: everything that can be set; without a Redis URL all is kept in memory.
        logger: where it says what it does.
        shares_port: other processes listen on the same port.

    Raises:
        SettingsError: the Redis URL, the address or the language cannot be used.
        RegistryError: there is no registry.
    """
    health = Health()
    ground = build_ground(settings, logger, health.model_loaded)
    server = RecommendationServer(
        ServerOptions(
            listen=settings.listen,
            shares_port=shares_port,
            max_threads=settings.max_threads,
            max_concurrent=settings.max_concurrent,
        ),
        servicers=_servicers(ground),
        health=health,
        metrics=ground.metrics,
        logger=logger,
    )
    return Worker(server, ground)


def build_shop(settings: ServerSettings, logger: Logger) -> tuple[LocalShop, Ground]:
    """Wire a shop for the agents' door in this process, and what it stands on.

    Args:
        settings: everything that can be set; without a Redis URL all is kept in memory.
        logger: where it says what it does.

    Raises:
        SettingsError: the Redis URL or the language cannot be used.
        RegistryError: there is no registry.
    """
    ground = build_ground(settings, logger, lambda: None)
    return shop_on(ground), ground


def shop_on(ground: Ground) -> LocalShop:
    """Wire a shop for the agents' door."""
    codec = OffersCodec()
    lists = _lists(ground, codec)
    uses = Uses(
        recommendations=lists.recommendations,
        codec=codec,
        related=lists.related,
        catalogue=Catalogue(ground.slot, ground.standing, ground.live),
        stock=ground.stock,
        events=Events(ground.stores.log, ground.standing, ground.metrics),
        hash_key=ground.key,
    )
    return LocalShop(uses)


def build_ground(
    settings: ServerSettings, logger: Logger, on_first_model: Callable[[], object]
) -> Ground:
    """Wire what the doors of a process stand on.

    Args:
        settings: everything that can be set; without a Redis URL all is kept in memory.
        logger: where it says what it does.
        on_first_model: told when there is a model to answer with.

    Raises:
        SettingsError: the Redis URL or the language cannot be used.
        RegistryError: there is no registry.
    """
    metrics = Metrics(CollectorRegistry())
    registry = Registry.open(settings.registry)
    registry.pointer()  # a wrong path must be said now, not in a second
    given = settings.hash_key.get_secret_value() if settings.hash_key else ""
    key = hash_key(given, registry.secret)
    stores = _stores(settings, metrics, logger)
    rules = ShopRules(registry.documents(RULES), logger=logger, metrics=metrics)
    live = LiveCatalogue(stores.catalogue, stores.catalogue_reads, logger, rules.sell)
    slot = ModelSlot(
        registry,
        logger=logger,
        metrics=metrics,
        on_first_model=on_first_model,
        before_serving=live.dressed,
    )
    standing = Standing(
        registry.ledger,
        consents_by_default=settings.consent_default is ConsentDefault.GRANTED,
        logger=logger,
        now=_now,
    )
    stock = Stock(stores.catalogue, timeout_seconds=settings.redis_timeout_seconds)
    defaults = Defaults.of(settings)
    experiments = Experiments(
        registry.documents(EXPERIMENTS),
        slot,
        rules,
        logger=logger,
        metrics=metrics,
        before_serving=live.keep,
    )
    circumstances = Circumstances(standing, live, stock, experiments, rules, defaults)
    served = ServedLog(
        stores.served, standing, settings.served_sample, metrics=metrics, logger=logger
    )
    gauge = LogGauge(stores.log, metrics, settings.event_log_max, logger)
    return Ground(
        slot=slot,
        standing=standing,
        live=live,
        stock=stock,
        experiments=experiments,
        rules=rules,
        circumstances=circumstances,
        gauge=gauge,
        served=served,
        stores=stores,
        metrics=metrics,
        key=key,
        settings=settings,
        logger=logger,
    )


@dataclass(frozen=True, slots=True)
class _Lists:
    """The use cases that make lists."""

    recommendations: Recommendations
    related: Related


def _lists(ground: Ground, codec: AnswerCodec) -> _Lists:
    cache = AnswerCache(
        ground.stores.cache,
        codec,
        ground.metrics,
        ttl_seconds=ground.settings.cache_ttl_seconds,
        timeout_seconds=ground.settings.redis_timeout_seconds,
    )
    inquiries = Inquiries(ground.slot, ground.circumstances, hash_key=ground.key)
    answers = Answers(Wording.load(ground.settings.language))
    deliveries = Deliveries(ground.slot, ground.metrics, ground.served)
    return _Lists(
        Recommendations(inquiries, answers, cache, codec, deliveries),
        Related(inquiries, answers, cache, deliveries),
    )


def _servicers(ground: Ground) -> Servicers:
    slot, stores, key = ground.slot, ground.stores, ground.key
    standing, live, stock = ground.standing, ground.live, ground.stock
    tokens, replays = Tokens.of(key), Replays(stores.answers, key)
    lists = _lists(ground, ResponseCodec(tokens.pages))
    customers = Customers(slot, standing, stores.log, stores.people, stores.served, hash_key=key)
    return Servicers(
        recommendations=RecommendationServicer(slot, lists.recommendations, lists.related, tokens),
        models=ModelServicer(ModelAdmin(slot, now=_now), key),
        events=EventServicer(
            Events(stores.log, standing, ground.metrics), tokens.consistency, replays, key
        ),
        customers=CustomerServicer(customers, tokens.consistency, replays, now=_now),
        catalogue=CatalogueServicer(
            CatalogueUses(Catalogue(slot, standing, live), live, stock, Recalls(standing)),
            tokens,
            replays,
        ),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _stores(settings: ServerSettings, metrics: Metrics, logger: Logger) -> Stores:
    if settings.redis_url is None:
        profiles = InMemoryProfiles()
        catalogue = TableCatalogueStore(InMemoryTables())
        return Stores(
            InMemoryResponseCache(time.time, profiles),
            InMemoryEventLog(time.time, profiles, max_events=settings.event_log_max),
            InMemoryPeople(profiles),
            InMemoryServedLists(seconds=settings.served_days * 86_400),
            InMemoryAnswerStore(),
            catalogue,
            catalogue,
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
        RedisEventLog(writes, keys, limits, unreadable=unreadable),
        RedisPeople(writes, keys),
        RedisServedLists(writes, keys, days=settings.served_days, unreadable=unreadable),
        RedisAnswerStore(writes, keys),
        TableCatalogueStore(RedisTables(writes, keys)),
        TableCatalogueStore(RedisTables(reads, keys)),
    )


def _redis(settings: ServerSettings, timeout_seconds: float) -> GuardedRedis:
    client = connect(
        str(settings.redis_url),
        connect_timeout_seconds=min(timeout_seconds, settings.redis_timeout_seconds),
        socket_timeout_seconds=timeout_seconds,
        # As many as threads that may call, and some to spare.
        max_connections=2 * settings.max_threads + MAX_STREAMS,
    )
    return GuardedRedis(client, CircuitBreaker())


def run_worker() -> int:
    """Be one worker of a supervisor: serve until SIGTERM, then drain.

    Returns:
        The exit code.
    """
    with signal_pipe() as signals:
        try:
            settings = ServerSettings.load()
            logger = make_logger(settings.log_level, settings.log_format, sys.stderr)
            worker = build_worker(settings, logger, shares_port=True)
            worker.start()
        except RecsvcError as error:
            sys.stderr.write(f"error: {error}\n")
            return EXIT_CONFIGURATION
        _say_ready()
        while not signals_within(None, signals) & STOP_SIGNALS:
            pass  # a child's end is of no interest
        worker.stop()
    return 0


def _say_ready() -> None:
    descriptor = int(os.environ[_READY_FD])
    os.write(descriptor, b"ready\n")
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(run_worker())
