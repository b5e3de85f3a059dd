"""Logs and metrics: set-up only. Neither ever holds a customer's id or coordinates."""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from recsvc.errors import SettingsError
from recsvc.settings import LogFormat, LogLevel, join_address, split_address

_LATENCY_SECONDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)  # fmt: skip

_DEBUG, _INFO, _WARNING, _ERROR = 10, 20, 30, 40
_LEVELS = {
    LogLevel.DEBUG: _DEBUG,
    LogLevel.INFO: _INFO,
    LogLevel.WARNING: _WARNING,
    LogLevel.ERROR: _ERROR,
}


class Logger:
    """Writes one line an event to a stream; safe to share between threads.

    A line a call is on the path of every answer, and a chain of processors costs as much as all
    else around a call together: a line is rendered in one step, by structlog only where it is for
    eyes or holds a traceback.

    Args:
        level: what is below it is not written.
        render: makes the line of a level and an event, its name and its time among its fields.
        stream: where to.
        now: unix seconds.
    """

    def __init__(
        self,
        level: LogLevel,
        render: Callable[[str, dict[str, Any]], str],
        stream: TextIO,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._level = _LEVELS[level]
        self._render = render
        self._stream = stream
        self._now = now
        self._lock = threading.Lock()
        self._second = -1, ""

    def debug(self, event: str, **fields: object) -> None:
        """Say what only who looks for a fault wants to read."""
        if self._level <= _DEBUG:
            self._write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Say what happens."""
        if self._level <= _INFO:
            self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Say what somebody should look at."""
        if self._level <= _WARNING:
            self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Say what has failed; ``exc_info`` adds a traceback."""
        self._write("error", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """Say what has failed, with the traceback of the exception that is being handled."""
        self._write("error", event, {"exc_info": True, **fields})

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        fields |= {"event": event, "level": level, "timestamp": self._time()}
        line = self._render(level, fields) + "\n"
        with self._lock:
            self._stream.write(line)
            self._stream.flush()

    def _time(self) -> str:
        """The time as ISO 8601; all but its fraction is written once a second."""
        now = self._now()
        second = int(now)
        known, text = self._second
        if known != second:
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second, text
        return f"{text}.{int(1_000_000 * (now - second)):06}Z"


def make_logger(level: LogLevel, log_format: LogFormat, stream: TextIO) -> Logger:
    """Build a logger that writes one line an event to ``stream``; there is no global one."""
    if log_format is LogFormat.JSON:
        return Logger(level, _as_json, stream)
    console = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        # The default prints local variables: customers' ids and coordinates.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return Logger(level, lambda name, fields: console(None, name, fields), stream)


_encode = json.JSONEncoder(default=repr).encode


def _as_json(level: str, fields: dict[str, Any]) -> str:
    if "exc_info" in fields:
        return _encode(structlog.processors.format_exc_info(None, level, fields))
    return _encode(fields)


_facts: ContextVar[dict[str, Any] | None] = ContextVar("recsvc_facts", default=None)


class CollectedFacts:
    """Collects what :func:`note` is told inside a ``with``, for the one log line of a call.

    A class, since a generator would cost three times as much on the path of every answer.
    """

    __slots__ = ("_token", "facts")

    def __enter__(self) -> dict[str, Any]:
        self.facts: dict[str, Any] = {}
        self._token = _facts.set(self.facts)
        return self.facts

    def __exit__(self, *_: object) -> None:
        _facts.reset(self._token)


def collected_facts() -> CollectedFacts:
    """Collect what :func:`note` is told inside."""
    return CollectedFacts()


def note(**facts: str | float) -> None:
    """Add facts to the log line of the call that is being answered, if there is one."""
    collected = _facts.get()
    if collected is not None:
        collected.update(facts)


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


class Metrics:
    """Every number that the service gives to Prometheus.

    Args:
        registry: where they are registered. In a worker it is thrown away: prometheus_client
            then writes each number to a file that the supervisor's page adds up.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "recsvc_requests", "Calls answered.", ["method", "code"], registry=registry
        )
        self.latency = Histogram(
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
        self.answers = Counter(
            "recsvc_answers", "Lists, by how they were made.", ["served_from"], registry=registry
        )
        self.degraded = Counter(
            "recsvc_degraded_answers", "Degraded lists, by reason.", ["reason"], registry=registry
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
            "Use of the response cache: hit, miss, skipped for want of time, unreadable, error.",
            ["outcome"],
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
            "Waiting events and served lists that cannot be read and were passed over.",
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


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """The Prometheus page over all workers.

    Attributes:
        directory: workers need it as ``PROMETHEUS_MULTIPROC_DIR``.
        address: ``HOST:PORT`` of the page, ``""`` where it is off.
    """

    directory: Path
    address: str

    def forget(self, pid: int) -> None:
        """Leave a dead worker out of the numbers that tell of the present."""
        mark_process_dead(pid, str(self.directory))


@contextmanager
def metrics_page(listen: str) -> Iterator[MetricsPage]:
    """Serve the sum of all workers' metrics over HTTP, from a thread.

    Args:
        listen: ``HOST:PORT``; ``""`` gives the workers their folder and serves nothing.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    with tempfile.TemporaryDirectory(prefix="recsvc-metrics-") as directory:
        if not listen:
            yield MetricsPage(Path(directory), "")
            return
        host, port = split_address(listen)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, directory)
        try:
            server, thread = start_http_server(port, host, registry)
        except OSError as error:
            raise SettingsError(
                f"RECSVC_METRICS_LISTEN / --metrics-listen: cannot listen on {listen} "
                f"({error.strerror}); choose another port, or 'off'"
            ) from error
        try:
            yield MetricsPage(Path(directory), join_address(host, server.server_port))
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
