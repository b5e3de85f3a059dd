"""Metrics: every number that a process has. None tells of a single customer."""

import threading
from bisect import bisect_left
from collections import Counter as Tallied
from collections.abc import Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from recsvc.tallies import Tallies, Tally

_LATENCY_SECONDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)  # fmt: skip

NOT_SHARED = "recsvc_metrics_not_shared"
WHAT_IS_NOT_SHARED = "1 where a process cannot write its numbers, so that some are missing here."

_Child = TypeVar("_Child", bound=MetricWrapperBase)


class Children(dict[str | tuple[str, ...], _Child]):
    """The children of a metric by their labels, each looked up once.

    Args:
        family: the metric.
    """

    def __init__(self, family: _Child) -> None:
        super().__init__()
        self._family = family

    def __missing__(self, labels: str | tuple[str, ...]) -> _Child:
        """Look a child up: by the only label, or by all of them in order."""
        names = (labels,) if isinstance(labels, str) else labels
        child = self[labels] = self._family.labels(*names)
        return child


class Totals(dict[str | tuple[str, ...], Tally]):
    """What calls add to the children of a counter, by their labels.

    Args:
        family: the counter.
        tallies: of this process.
    """

    def __init__(self, family: Counter, tallies: Tallies) -> None:
        super().__init__()
        self._children = Children(family)
        self._tallies = tallies

    def __missing__(self, labels: str | tuple[str, ...]) -> Tally:
        """The tally of a child: by the only label, or by all of them in order."""
        total = self[labels] = self._tallies.total(self._children[labels].inc)
        return total


class Switch:
    """A gauge that is 0 or 1, written only when it changes; safe to share between threads.

    What is looked at several times a second would else have an idle process write as often.

    Args:
        gauge: it; None, nobody is told.
    """

    def __init__(self, gauge: Gauge | None) -> None:
        self._gauge = gauge
        self._is_on = False
        self._lock = threading.Lock()

    def turn(self, *, on: bool) -> None:
        """Have it say so."""
        if self._gauge is None or on == self._is_on:
            return
        with self._lock:  # or of two threads one might be right, and the other one heard
            self._is_on = on
            self._gauge.set(on)


class ManyHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observe all of them; costs little more than one."""
        buckets = Tallied(bisect_left(self._upper_bounds, amount) for amount in amounts)
        for bucket, n_amounts in buckets.items():
            self._buckets[bucket].inc(n_amounts)
        self._sum.inc(sum(amounts))


class Metrics:
    """Every number that the service gives to Prometheus.

    Args:
        registry: where they are registered. In a worker it is thrown away: each number is then
            in a file that the supervisor's page adds up (``recsvc.shared_numbers``).
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tallies = Tallies()
        self.not_shared = Gauge(  # the first: where room for a number is scarce it has some
            NOT_SHARED, WHAT_IS_NOT_SHARED, multiprocess_mode="livemax", registry=registry
        )
        self.requests = Counter(
            "recsvc_requests", "Calls answered.", ["method", "code"], registry=registry
        )
        self.latency = ManyHistogram(
            "recsvc_request_seconds",
            "Time from the start of the work on a call to its answer.",
            ["method"],
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "recsvc_requests_in_flight",
            "Calls being worked on.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.turned_away = Counter(
            "recsvc_turned_away",
            "Calls that were not worked on: wait (they would have waited too long), full (too many "
            "held), streams (too many open), watches (too many, of the health), rate (their caller "
            "has used up its own), expired (their deadline passed while they waited).",
            ["reason"],
            registry=registry,
        )
        self.cheap_answers = Counter(
            "recsvc_cheap_answers",
            "Calls that would have waited too long, given what sells instead of being turned away.",
            registry=registry,
        )
        self.streams_ended = Counter(
            "recsvc_streams_ended",
            "Streams and calls ended for what their callers did not do: idle (nothing was "
            "asked on a stream), unread (answers were not taken), silent (a call sent no message).",
            ["reason"],
            registry=registry,
        )
        self.certificate_expiry = Gauge(
            "recsvc_certificate_expiry_timestamp_seconds",
            "When the first certificate ends, unix seconds: server (of what it shows), client_ca "
            "(of the clients' roots).",
            ["certificate"],
            multiprocess_mode="livemin",
            registry=registry,
        )
        self.access_files_unusable = Gauge(
            "recsvc_access_files_unusable",
            "Files of who may call that have changed and cannot be used; what they said before "
            "holds.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.token_keys_not_fetched = Gauge(
            "recsvc_token_keys_not_fetched",
            "1 where the last try to fetch the keys of tokens has failed.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.ledger_unreadable = Gauge(
            "recsvc_ledger_unreadable",
            "1 where the last look at the ledger has failed: new recalls, consents and erasures "
            "are not seen.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.ledger_write_failures = Counter(
            "recsvc_ledger_write_failures",
            "Recalls, consents, links and erasures that could not be written to the ledger.",
            registry=registry,
        )
        self.catalogue_unreadable = Gauge(
            "recsvc_catalogue_unreadable",
            "1 where the last look at what the shop says of products and stores has failed.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.redis_not_answering = Gauge(
            "recsvc_redis_not_answering",
            "1 where the last look at the event log, every few seconds, got no answer.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.answers = Counter(
            "recsvc_answers", "Lists, by how they were made.", ["served_from"], registry=registry
        )
        self.degraded = Counter(
            "recsvc_degraded_answers", "Degraded lists, by reason.", ["reason"], registry=registry
        )
        self.last_resorts = Counter(
            "recsvc_last_resort_answers",
            "Lists of what was just bought or is in the basket, as nothing else is allowed.",
            registry=registry,
        )
        self.experiment_answers = Counter(
            "recsvc_experiment_answers",
            "Lists, by experiment and variant.",
            ["experiment", "variant"],
            registry=registry,
        )
        self.experiment_failures = Counter(
            "recsvc_experiment_failures",
            "Models and rules of variants, and lists of experiments, that could not be loaded.",
            registry=registry,
        )
        self.experiment_lacking = Gauge(
            "recsvc_experiment_lacking",
            "Models and rules of variants that cannot be loaded now.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.rules_failures = Counter(
            "recsvc_rules_failures",
            "Versions of the shop's rules that could not be read.",
            registry=registry,
        )
        self.served_lists = Counter(
            "recsvc_served_lists",
            "Lists of the sample that is kept: kept, dropped for want of room, failed, forgotten.",
            ["outcome"],
            registry=registry,
        )
        self.cache = Counter(
            "recsvc_cache_operations",
            "Use of the response cache: hit, stale, miss, skipped for want of time, unreadable, "
            "error.",
            ["outcome"],
            registry=registry,
        )
        self.waits = Counter(
            "recsvc_cache_waits",
            "Lists that somebody else was making already: given, late (the fallback was given), "
            "alone (made all the same).",
            ["outcome"],
            registry=registry,
        )
        self.refreshes = Counter(
            "recsvc_cache_refreshes",
            "Lists that were to be made again behind their callers' backs: done, elsewhere "
            "(another process is at it), outdated (nobody needs it any more), failed, dropped "
            "(no room).",
            ["outcome"],
            registry=registry,
        )
        self.process_cache = Counter(
            "recsvc_process_cache_operations",
            "Looks for a list in the process: hit, miss, deaf (the others cannot be heard).",
            ["outcome"],
            registry=registry,
        )
        self.process_cache_drops = Counter(
            "recsvc_process_cache_drops",
            "Lists that left the process: told (its shopper did something), outdated, expired, "
            "room, lost (the others could not be heard).",
            ["reason"],
            registry=registry,
        )
        self.process_cache_bytes = Gauge(
            "recsvc_process_cache_bytes",
            "What the lists in the processes take, about.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.events = Counter(
            "recsvc_events", "Events taken in, by outcome.", ["outcome"], registry=registry
        )
        self.events_waiting = Gauge(
            "recsvc_events_waiting",
            "Events in the log that no collect has drained yet.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self.events_waiting_max = Gauge(
            "recsvc_events_waiting_max",
            "Events that the log has room for; at it events are refused.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self.unreadable = Counter(
            "recsvc_unreadable_entries",
            "Waiting events, served lists and linked visitors' profiles that cannot be read, "
            "damaged or of a newer version, each time that one was passed over or dropped.",
            registry=registry,
        )
        self.model_workers = Gauge(
            "recsvc_model_workers",
            "Processes that serve this version.",
            ["model_id", "version_id"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.model_generation = Gauge(
            "recsvc_model_generation",
            "The registry's generation that is served; the lowest of all processes.",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self.model_load_seconds = Histogram(
            "recsvc_model_load_seconds",
            "Time to load, check and warm a model.",
            buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
            registry=registry,
        )
        self.model_load_failures = Counter(
            "recsvc_model_load_failures", "Models that could not be loaded.", registry=registry
        )
