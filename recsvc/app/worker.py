"""A worker: one process that serves gRPC, and its life under a supervisor."""

import gc
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from recsvc.app.access import Access, build_access
from recsvc.app.descriptors import open_as_many_as_allowed
from recsvc.app.ground import Ground, build_ground
from recsvc.app.lists import lists_on
from recsvc.app.numbers import shared_numbers, writer
from recsvc.app.scheduling import let_threads_run_on
from recsvc.errors import RecsvcError, RegistryError
from recsvc.logs import Logger, make_logger
from recsvc.server.catalogue_servicer import CatalogueServicer, CatalogueUses
from recsvc.server.customer_servicer import CustomerServicer
from recsvc.server.event_servicer import EventServicer
from recsvc.server.health import Health
from recsvc.server.model_servicer import ModelServicer
from recsvc.server.rates import Rates
from recsvc.server.recommendation_servicer import RecommendationServicer
from recsvc.server.replays import Replays
from recsvc.server.response_codec import ResponseCodec
from recsvc.server.server import RecommendationServer, ServerOptions, Servicers
from recsvc.server.tls import server_credentials
from recsvc.server.tokens import Tokens
from recsvc.service.catalogue import Catalogue
from recsvc.service.customers import Customers
from recsvc.service.events import Events
from recsvc.service.model_admin import ModelAdmin
from recsvc.service.poller import Poller
from recsvc.service.rate_limits import RENEW_SECONDS, RateLimits
from recsvc.service.recalls import Recalls
from recsvc.service.stopping import stop_all
from recsvc.settings.server import Scheduling, ServerSettings
from recsvc.signals import EXIT_CONFIGURATION, STOP_SIGNALS, signal_pipe, signals_within

_READY_FD, _REPLACES = "RECSVC_READY_FD", "RECSVC_WORKER_REPLACES"

_COLLECT_AFTER = 20_000
"""So many new objects, beyond those that are gone, have the collector look for circles among them.
A log line that waits is a few; after the 700 that Python starts with it looks ten times for each
that is written, and takes 3 % of a list that lies in the process. Calls make no circles."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One server process, wired.

    Attributes:
        server: the gRPC server.
        ground: what it stands on.
        access: who may call it.
        limits: how often.
        leases: renews what callers are left.
    """

    server: RecommendationServer
    ground: Ground
    access: Access
    limits: RateLimits
    leases: Poller

    def start(self, *, needs_model: bool = False) -> None:
        """Load the current model, if there is one, and answer.

        Args:
            needs_model: whether nothing is answered without one.

        Raises:
            RegistryError: the ledger cannot be read, or there is no model that can be loaded and
                must be.
            SettingsError: the address cannot be listened on.
        """
        self.ground.start()
        if needs_model and self.ground.slot.loaded is None:
            raise RegistryError(
                f"{self.ground.settings.registry}: no current model can be loaded, and a worker "
                "takes the place of another one only with a model; promote one that is whole"
            )
        self.access.start(self.ground.settings.poll_interval_seconds, self.ground.metrics)
        self.leases.start(self.limits.renew, RENEW_SECONDS)
        self.server.start()
        self.ground.watch()

    def stop(self) -> None:
        """Let running calls end, at most for the grace time."""
        self.server.stop(self.ground.settings.grace_seconds)
        stop_all([self.leases.stop, self.access.stop])
        self.ground.stop()


def build_worker(settings: ServerSettings, logger: Logger, *, shares_port: bool) -> Worker:
    """Wire a server process.

    Args:
        settings: everything that can be set; without a Redis URL all is kept in memory.
        logger: where it says what it does.
        shares_port: other processes listen on the same port.

    Raises:
        SettingsError: the Redis URL, the language, or what says who may call cannot be
            used.
        RegistryError: there is no registry.
    """
    access = build_access(settings, logger)
    health = Health()
    ground = build_ground(settings, logger, health.model_loaded)
    limits = RateLimits(ground.stores.rates, 1 / settings.workers)
    rates = Rates(limits, settings.rate_limit, ground.metrics)
    server = RecommendationServer(
        ServerOptions(
            listen=settings.listen,
            shares_port=shares_port,
            max_threads=settings.max_threads,
            max_concurrent=settings.max_concurrent,
            max_wait_seconds=settings.max_wait_ms / 1000,
            stream_idle_seconds=settings.stream_idle_seconds,
            tls=None if access.identity is None else server_credentials(access.identity),
        ),
        servicers=_servicers(ground),
        health=health,
        metrics=ground.metrics,
        logger=logger,
        gate=access.gate(rates, settings.rate_limit),
    )
    return Worker(server, ground, access, limits, Poller("rate-leases", logger))


def _servicers(ground: Ground) -> Servicers:
    slot, stores, key = ground.slot, ground.stores, ground.key
    standing, live, stock = ground.standing, ground.live, ground.stock
    tokens, replays = Tokens.of(key), Replays(stores.answers, key)
    now = partial(datetime.now, UTC)
    lists = lists_on(ground, ResponseCodec(tokens.pages))
    customers = Customers(slot, standing, stores.log, stores.people, stores.served, hash_key=key)
    return Servicers(
        recommendations=RecommendationServicer(slot, lists.recommendations, lists.related, tokens),
        models=ModelServicer(ModelAdmin(slot, now=now), key),
        events=EventServicer(
            Events(stores.log, standing, ground.metrics), tokens.consistency, replays, key
        ),
        customers=CustomerServicer(customers, tokens.consistency, replays, now=now),
        catalogue=CatalogueServicer(
            CatalogueUses(Catalogue(slot, standing, live), live, stock, Recalls(standing)),
            tokens,
            replays,
        ),
    )


def run_worker() -> int:
    """Be one worker of a supervisor: serve until SIGTERM, then drain.

    Returns:
        The exit code.
    """
    with signal_pipe() as signals:
        open_as_many_as_allowed()
        try:
            settings = ServerSettings.load()
            if settings.scheduling is Scheduling.BATCH:
                let_threads_run_on()  # before there are any but this one
            logger = make_logger(settings.log_level, settings.log_format, sys.stderr)
            numbers = shared_numbers(logger)  # before there are any
            worker = build_worker(settings, logger, shares_port=True)
            worker.start(needs_model=bool(os.environ.get(_REPLACES)))
        except RecsvcError as error:
            sys.stderr.write(f"error: {error}\n")
            return EXIT_CONFIGURATION
        gc.set_threshold(_COLLECT_AFTER)
        metrics = worker.ground.metrics
        with logger.lingering(), metrics.tallies.lingering(writer(numbers, metrics, logger)):
            _say_ready()
            while not signals_within(None, signals) & STOP_SIGNALS:
                pass  # a child's end is of no interest, nor what its supervisor should have got
            worker.stop()
    return 0


def _say_ready() -> None:
    descriptor = int(os.environ[_READY_FD])
    os.write(descriptor, b"ready\n")
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(run_worker())
