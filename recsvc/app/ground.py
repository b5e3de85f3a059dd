"""What every door of a process stands on: the model, what must be known beside it, the stores."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from prometheus_client import CollectorRegistry

from recsvc.app.stores import Stores, build_stores
from recsvc.artifacts.experiment_shelf import KIND as EXPERIMENTS
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.rules_file import KIND as RULES
from recsvc.errors import RegistryError
from recsvc.identity import hash_key
from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.service.defaults import Defaults
from recsvc.service.experiments import Experiments
from recsvc.service.inquiries import Circumstances
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.log_gauge import LogGauge
from recsvc.service.models import ModelSlot
from recsvc.service.poller import Poller
from recsvc.service.process_cache import ProcessCache
from recsvc.service.refreshes import Refreshes
from recsvc.service.served_log import ServedLog
from recsvc.service.shop_rules import ShopRules
from recsvc.service.standing import Standing
from recsvc.service.stock import Stock
from recsvc.service.stopping import stop_all
from recsvc.settings.server import ConsentDefault, ServerSettings

SWEEP_SECONDS = 10.0
"""So often lists are let go of that may no longer be given, with the models that they hold."""


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
        process: lists that are kept in this process.
        sweeper: lets go of those that nobody asks for any more.
        refreshes: makes lists again, behind their callers' backs.
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
    stores: Stores
    process: ProcessCache
    sweeper: Poller
    refreshes: Refreshes
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
        if self.stores.changes is not None:
            self.stores.changes.start()
        if self.process.is_on:
            self.sweeper.start(lambda: self.process.sweep(time.time()), SWEEP_SECONDS)

    def stop(self) -> None:
        """Follow nothing any more."""
        self.stock.close()
        stops = [
            self.refreshes.stop,
            self.slot.stop,
            self.standing.stop,
            self.live.stop,
            self.experiments.stop,
            self.rules.stop,
            self.gauge.stop,
            self.served.stop,
            self.sweeper.stop,
        ]
        if self.stores.changes is not None:
            stops.append(self.stores.changes.stop)
        stop_all(stops)


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
    process = ProcessCache(settings.process_cache_mib * 1024 * 1024, metrics)
    stores = build_stores(settings, key, process, metrics, logger)
    rules = ShopRules(registry.documents(RULES), logger=logger, metrics=metrics)
    live = LiveCatalogue(stores.catalogue, stores.catalogue_reads, logger, rules.sell, metrics)
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
        now=partial(datetime.now, UTC),
        metrics=metrics,
    )
    stock = Stock(
        stores.catalogue,
        stores.catalogue_reads,
        timeout_seconds=settings.redis_timeout_seconds,
    )
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
        process=process,
        sweeper=Poller("process-cache-sweeper", logger),
        refreshes=Refreshes(metrics, logger),
        metrics=metrics,
        key=key,
        settings=settings,
        logger=logger,
    )
