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

from recsvc.errors import InvalidRequestError, NotYetAvailableError, RecsvcError
from recsvc.server.errors import code_of, to_status
from recsvc.telemetry import Logger, Metrics, collected_facts

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

OWN_METHODS = "/recsvc.v1."


class CountingExecutor(ThreadPoolExecutor):
    """A thread pool that knows how many calls it holds, the waiting ones included."""

    def __init__(self, max_workers: int) -> None:
        super().__init__(max_workers, thread_name_prefix="grpc")
        self._count_lock = threading.Lock()
        self._n_held = 0

    @property
    def n_held(self) -> int:
        """Calls that run or wait for a thread."""
        return self._n_held

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


class OverloadedError(RecsvcError):
    """The process holds more calls than it should; the caller comes back in a moment."""

    default_reason = "OVERLOADED"


class ExpiredError(RecsvcError):
    """The caller has stopped waiting, and never reads this."""

    default_reason = "DEADLINE_EXCEEDED"


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps every method of recsvc; health and reflection pass untouched.

    Args:
        executor: the pool that the server runs on.
        max_concurrent: calls beyond this many are turned away as OVERLOADED.
        metrics: counts and times the calls.
        logger: gets one line a call.
    """

    def __init__(
        self, executor: CountingExecutor, max_concurrent: int, *, metrics: Metrics, logger: Logger
    ) -> None:
        self._executor = executor
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
        behaviour = handler.unary_unary or handler.unary_stream
        if handler.request_streaming:
            behaviour = handler.stream_unary or handler.stream_stream

        def answer(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # any message
            with self._observed(method, request, context):
                return behaviour(request, context)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: ANN401
            with self._observed(method, request, context):
                yield from behaviour(request, context)

        deserialise = handler.request_deserializer
        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        return make(
            stream if handler.response_streaming else answer,
            deserialise if handler.request_streaming else _lenient(deserialise),
            handler.response_serializer,
        )

    @contextmanager
    def _observed(
        self,
        method: str,
        request: Any,  # noqa: ANN401  # any message, or an iterator of them
        context: grpc.ServicerContext,
    ) -> Iterator[None]:
        """Admit a call, watch it, and turn what it raises into a status."""
        started = time.perf_counter()
        self._metrics.in_flight.inc()
        failure: Exception | None = None
        with collected_facts() as facts:
            try:
                self._admit(request, context)
                yield
            except NotImplementedError:  # a generated base class that nobody has filled in yet
                failure = NotYetAvailableError(f"{method} comes in a later version")
            except Exception as error:  # noqa: BLE001  # the boundary: nothing may pass it untranslated
                failure = error
            finally:
                self._metrics.in_flight.dec()
                seconds = time.perf_counter() - started
                self._record(method, _outcome(failure, context), seconds, failure, facts)
        if failure is not None:
            context.abort_with_status(rpc_status.to_status(to_status(failure)))

    def _admit(self, request: object, context: grpc.ServicerContext) -> None:
        if self._executor.n_held > self._max_concurrent:
            raise OverloadedError(
                f"this process holds {self._max_concurrent} calls already; try again in a moment"
            )
        if context.time_remaining() <= 0:
            raise ExpiredError("the deadline passed before the work began")
        if request is _MALFORMED:
            raise InvalidRequestError(
                "request", "is no message of this method; generate the client from these protos"
            )

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


def _outcome(failure: Exception | None, context: grpc.ServicerContext) -> str:
    """Name of the code that the call ends with."""
    if failure is not None:
        return code_of(failure).name
    return "OK" if context.is_active() else "CANCELLED"
