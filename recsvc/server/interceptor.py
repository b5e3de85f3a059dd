"""What happens around every call: limits, time, numbers, the log line, and errors as statuses."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from recsvc.errors import (
    InvalidRequestError,
    NotYetAvailableError,
    OverloadedError,
    RecsvcError,
    StoreUnavailableError,
)
from recsvc.server.errors import code_of, to_status
from recsvc.telemetry import Logger, Metrics, collected_facts

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

OWN_METHODS = "/recsvc.v1."

MAX_STREAMS = 64
"""A stream holds a thread for as long as its caller likes. On the threads of the other calls a
few callers who say nothing would keep everybody else waiting, so streams have their own."""


class CountingExecutor(ThreadPoolExecutor):
    """A thread pool that knows how many calls it holds, the waiting ones included."""

    def __init__(self, max_workers: int, name: str = "grpc") -> None:
        super().__init__(max_workers, thread_name_prefix=name)
        self._count_lock = threading.Lock()
        self._n_held = 0
        self._n_idle = 0

    @property
    def n_held(self) -> int:
        """Calls that run or wait for a thread."""
        return self._n_held

    @property
    def n_busy(self) -> int:
        """Those of them that do not wait for their own callers."""
        return self._n_held - self._n_idle

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Wait for a caller, in a call that this pool holds."""
        with self._count_lock:
            self._n_idle += 1
        try:
            yield
        finally:
            with self._count_lock:
                self._n_idle -= 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401  # the base's signature
        """Run ``fn`` when a thread is free."""
        with self._count_lock:
            self._n_held += 1
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: Future[Any]) -> None:
        with self._count_lock:
            self._n_held -= 1


class ExpiredError(RecsvcError):
    """The caller has stopped waiting, and never reads this."""

    default_reason = "DEADLINE_EXCEEDED"


def stream_executor() -> CountingExecutor:
    """The pool of the streams, with one thread more, so that there is always one to refuse with."""
    return CountingExecutor(MAX_STREAMS + 1, "streams")


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps every method of recsvc; health and reflection pass untouched.

    Args:
        executor: the pool that the server runs on.
        streams: the pool of the calls that are streams.
        max_concurrent: calls beyond this many are turned away as OVERLOADED.
        metrics: counts and times the calls.
        logger: gets one line a call.
    """

    def __init__(
        self,
        executor: CountingExecutor,
        streams: CountingExecutor,
        max_concurrent: int,
        *,
        metrics: Metrics,
        logger: Logger,
    ) -> None:
        self._executor = executor
        self._streams = streams
        self._max_concurrent = max_concurrent
        self._metrics = metrics
        self._logger = logger

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Return the handler of a method, wrapped."""
        handler = continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(OWN_METHODS):
            return handler
        return self._wrapped(handler, method.removeprefix(OWN_METHODS))

    def _wrapped(self, handler: Any, method: str) -> Handler:  # noqa: ANN401  # grpc's handlers are untyped
        kind = handler.request_streaming, handler.response_streaming
        behaviour, make = {
            (False, False): (handler.unary_unary, grpc.unary_unary_rpc_method_handler),
            (False, True): (handler.unary_stream, grpc.unary_stream_rpc_method_handler),
            (True, False): (handler.stream_unary, grpc.stream_unary_rpc_method_handler),
            (True, True): (handler.stream_stream, grpc.stream_stream_rpc_method_handler),
        }[kind]

        def asked(request: Any) -> Any:  # noqa: ANN401  # any message, or an iterator of them
            return self._read(request) if handler.request_streaming else request

        def answer(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # any message
            with self._observed(method, request, context, is_stream=any(kind)):
                return behaviour(asked(request), context)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: ANN401
            with self._observed(method, request, context, is_stream=any(kind)):
                yield from behaviour(asked(request), context)

        wrapped: Any = stream if handler.response_streaming else answer
        if any(kind):
            # Where grpc runs it, by this name.
            wrapped.experimental_thread_pool = self._streams
        return make(wrapped, _lenient(handler.request_deserializer), handler.response_serializer)

    def _read(self, requests: Iterator[Any]) -> Iterator[Any]:
        """The messages of a stream."""
        while True:
            with self._streams.idle():
                request = next(requests, None)
            if request is None:
                return
            _refuse_malformed(request)
            yield request

    @contextmanager
    def _observed(
        self,
        method: str,
        request: Any,  # noqa: ANN401  # any message, or an iterator of them
        context: grpc.ServicerContext,
        *,
        is_stream: bool,
    ) -> Iterator[None]:
        """Admit a call, watch it, and turn what it raises into a status."""
        started = time.perf_counter()
        self._metrics.in_flight.inc()
        failure: Exception | None = None
        with collected_facts() as facts:
            try:
                self._admit(context, is_stream=is_stream)
                _refuse_malformed(request)
                yield
            except NotImplementedError:  # a generated base class that nobody has filled in yet
                failure = NotYetAvailableError(f"{method} comes in a later version")
            except grpc.RpcError:  # what is read of a stream whose caller has left
                pass
            except Exception as error:  # noqa: BLE001  # the boundary: nothing may pass it untranslated
                failure = error
            finally:
                self._metrics.in_flight.dec()
                seconds = time.perf_counter() - started
                self._record(method, _outcome(failure, context), seconds, failure, facts)
        if failure is not None:
            context.abort_with_status(rpc_status.to_status(to_status(failure)))

    def _admit(self, context: grpc.ServicerContext, *, is_stream: bool) -> None:
        if is_stream and self._streams.n_held > MAX_STREAMS:
            raise OverloadedError(
                f"this process holds {MAX_STREAMS} streams already; try again in a moment"
            )
        if self._executor.n_held > self._max_concurrent:
            raise OverloadedError(
                f"this process holds {self._max_concurrent} calls already; try again in a moment"
            )
        if context.time_remaining() <= 0:
            raise ExpiredError("the deadline passed before the work began")

    def _record(
        self,
        method: str,
        code: str,
        seconds: float,
        failure: Exception | None,
        facts: dict[str, Any],
    ) -> None:
        self._metrics.requests.labels(method, code).inc()
        self._metrics.latency.labels(method).observe(seconds)
        details = {
            "method": method,
            "code": code,
            "duration_ms": round(1000 * seconds, 3),
            **facts,
        }
        if isinstance(failure, RecsvcError):
            details["reason"] = failure.reason
        if isinstance(failure, StoreUnavailableError):
            details["error"] = str(failure)  # of which the caller is told nothing
        if code == grpc.StatusCode.INTERNAL.name:
            self._logger.error("request", **details, exc_info=failure)
        else:
            self._logger.info("request", **details)


_MALFORMED = object()


def _lenient(deserialise: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Let malformed bytes through as a mark: grpc itself would call them an INTERNAL error."""

    def read(data: bytes) -> Any:  # noqa: ANN401  # any message
        try:
            return deserialise(data)
        except DecodeError:
            return _MALFORMED

    return read


def _refuse_malformed(request: object) -> None:
    if request is _MALFORMED:
        raise InvalidRequestError(
            "request", "is no message of this method; generate the client from these protos"
        )


def _outcome(failure: Exception | None, context: grpc.ServicerContext) -> str:
    """Name of the code that the call ends with."""
    if failure is not None:
        return code_of(failure).name
    return "OK" if context.is_active() else "CANCELLED"
