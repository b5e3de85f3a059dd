"""What is seen of a call: its time, its numbers, its facts, its log line, its error as a status."""

import time
from collections.abc import Iterable
from typing import Any

import grpc

from recsvc.errors import (
    NotYetAvailableError,
    RecsvcError,
    StoreUnavailableError,
)
from recsvc.logs import Logger, collected_facts
from recsvc.metrics import Metrics, Totals
from recsvc.server.errors import code_of, to_grpc_status
from recsvc.server.patience import UnreadError

DEFECT = grpc.StatusCode.INTERNAL.name
"""The code of a call that has met a defect of ours."""


def count_defects(metrics: Metrics, methods: Iterable[str]) -> None:
    """Have the page say from the start that no call has met a defect.

    A number that is not there before its first count has not grown with it, for Prometheus, and
    the alert would only ring for the second.

    Args:
        metrics: count calls.
        methods: each ``Service/Method``.
    """
    for method in methods:
        metrics.requests.labels(method, DEFECT)


class Observer:
    """What watches the calls of one method.

    Args:
        method: its name, ``Service/Method``.
        metrics: counts and times the calls.
        logger: gets one line a call.

    Attributes:
        method: likewise.
        in_flight: counts the calls that have begun and not ended.
    """

    def __init__(self, method: str, metrics: Metrics, logger: Logger) -> None:
        self.method = method
        self.in_flight = metrics.tallies.total(metrics.in_flight.inc)
        self._requests = Totals(metrics.requests, metrics.tallies)
        self._latency = metrics.tallies.tally(metrics.latency.labels(method).observe_all)
        self._logger = logger

    def record(
        self, code: str, seconds: float, failure: BaseException | None, facts: dict[str, Any]
    ) -> None:
        """Count, time and log a call that has ended."""
        self._requests[self.method, code].add()
        self._latency.add(seconds)
        details = {
            "method": self.method,
            "code": code,
            "duration_ms": round(1000 * seconds, 3),
            **facts,
        }
        if failure is None:
            self._logger.info("request", **details)
            return
        if isinstance(failure, RecsvcError):
            details["reason"] = failure.reason
        if isinstance(failure, StoreUnavailableError):
            details["error"] = str(failure)  # of which the caller is told nothing
        if code == DEFECT:
            self._logger.error("request", **details, exc_info=failure)
        else:
            self._logger.info("request", **details)


class Observed:
    """Watches a call while it is entered, and turns what is raised there into a status.

    A class, since a generator would cost more on the path of every answer than what it does.

    Args:
        observer: of its method.
        context: of the call.
    """

    __slots__ = ("_collecting", "_context", "_facts", "_observer", "_started")

    def __init__(self, observer: Observer, context: grpc.ServicerContext) -> None:
        self._observer = observer
        self._context = context

    def __enter__(self) -> None:
        self._started = time.perf_counter()
        self._observer.in_flight.add()
        self._collecting = collected_facts()
        self._facts = self._collecting.__enter__()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        failure = None if error is None else self._failure(error)
        self._collecting.__exit__()
        self._observer.in_flight.add(-1)
        seconds = time.perf_counter() - self._started
        self._observer.record(_outcome(failure, self._context), seconds, failure, self._facts)
        if failure is not None and not isinstance(failure, UnreadError):
            self._context.abort_with_status(to_grpc_status(failure))
        return error is not None and isinstance(error, Exception)

    def _failure(self, error: BaseException) -> Exception | None:
        """What the caller is told of an error; None where there is nobody to tell."""
        if isinstance(error, NotImplementedError):  # a generated base class, not filled in yet
            return NotYetAvailableError(f"{self._observer.method} comes in a later version")
        if isinstance(error, grpc.RpcError):  # what is read of a stream whose caller has left
            return None
        return error if isinstance(error, Exception) else None


def _outcome(failure: Exception | None, context: grpc.ServicerContext) -> str:
    """Name of the code that the call ends with."""
    if failure is not None:
        return code_of(failure).name
    return "OK" if context.is_active() else "CANCELLED"
