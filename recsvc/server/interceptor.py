"""What happens around every call: limits, time, numbers, the log line, and errors as statuses."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from recsvc.errors import (
    NotYetAvailableError,
    OverloadedError,
    RecsvcError,
    StoreUnavailableError,
)
from recsvc.logs import Logger, collected_facts
from recsvc.metrics import Metrics, Totals
from recsvc.server.errors import code_of, to_status
from recsvc.server.executors import MAX_STREAMS, CallExecutor, StreamExecutor
from recsvc.server.fields import no_message
from recsvc.server.gate import Gate
from recsvc.server.gathering import Gathered

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

OWN_METHODS = "/recsvc.v1."


class ExpiredError(RecsvcError):
    """The caller has stopped waiting, and never reads this."""

    default_reason = "DEADLINE_EXCEEDED"


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps every method of recsvc; health and reflection pass untouched.

    Args:
        executor: the pool that the server runs on.
        streams: the pool of the calls that are streams.
        max_concurrent: calls beyond this many are turned away as OVERLOADED.
        metrics: counts and times the calls.
        logger: gets one line a call.
        unread: methods (``Service/Method``) that read the bytes of their requests themselves.
        gathered: streams that are given what has come meanwhile, at most so many messages at once,
            instead of one message after another.
        gate: asks each call for a credential; None, nothing is asked.
    """

    def __init__(
        self,
        executor: CallExecutor,
        streams: StreamExecutor,
        max_concurrent: int,
        *,
        metrics: Metrics,
        logger: Logger,
        unread: Collection[str] = (),
        gathered: Mapping[str, int] | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._executor = executor
        self._unread = unread
        self._gathered = gathered or {}
        self._gate = gate
        self._streams = streams
        self._max_concurrent = max_concurrent
        self._metrics = metrics
        self._logger = logger
        self._wrapped: dict[str, Handler] = {}

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Return the handler of a method, wrapped when it is first called."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = continuation(handler_call_details)
        if handler is None or not method.startswith(OWN_METHODS):
            return handler
        wrapped = self._wrapped[method] = self._wrap(handler, method.removeprefix(OWN_METHODS))
        return wrapped

    def _wrap(self, handler: Any, method: str) -> Handler:  # noqa: ANN401  # grpc's handlers are untyped
        kind = handler.request_streaming, handler.response_streaming
        behaviour, make = {
            (False, False): (handler.unary_unary, grpc.unary_unary_rpc_method_handler),
            (False, True): (handler.unary_stream, grpc.unary_stream_rpc_method_handler),
            (True, False): (handler.stream_unary, grpc.stream_unary_rpc_method_handler),
            (True, True): (handler.stream_stream, grpc.stream_stream_rpc_method_handler),
        }[kind]
        is_stream = handler.request_streaming
        asked = self._reader(method) if is_stream else _checked
        if self._gate is not None:
            behaviour = self._gate.guarded(method, behaviour, asked, is_stream=is_stream)
            asked = _as_it_came
        observer = _Observer(
            method,
            asked,
            self._admit_stream if any(kind) else self._admit,
            self._metrics,
            self._logger,
        )

        def answer(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # any message
            with _Observed(observer, context):
                return behaviour(observer.asked(request), context)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: ANN401  # any message
            with _Observed(observer, context):
                yield from behaviour(observer.asked(request), context)

        wrapped: Any = stream if handler.response_streaming else answer
        if any(kind):
            # Where grpc runs it, by this name.
            wrapped.experimental_thread_pool = self._streams
        read = None if method in self._unread else _lenient(handler.request_deserializer)
        return make(wrapped, read, _sent(handler.response_serializer))

    def _reader(self, method: str) -> Callable[[Iterator[Any]], Iterator[Any]]:
        at_most = self._gathered.get(method)
        if at_most is None:
            return self._read
        return lambda requests: self._read_together(requests, at_most)

    def _read_together(self, requests: Iterator[Any], at_most: int) -> Iterator[list[Any]]:
        """The messages of a stream, in groups; those before a malformed one are given first."""
        groups = Gathered(requests, at_most, _n_bytes, self._streams.idle)
        try:
            for group in groups:
                n_sound = next((n for n, each in enumerate(group) if each is _MALFORMED), None)
                if sound := group[:n_sound]:
                    yield sound
                if n_sound is not None:
                    raise no_message()
        finally:
            groups.close()

    def _read(self, requests: Iterator[Any]) -> Iterator[Any]:
        """The messages of a stream, one after another."""
        while True:
            with self._streams.idle():
                request = next(requests, None)
            if request is None:
                return
            yield _checked(request)

    def _admit_stream(self, context: grpc.ServicerContext) -> None:
        if self._streams.n_held > MAX_STREAMS:
            raise OverloadedError(
                f"this process holds {MAX_STREAMS} streams already; try again in a moment"
            )
        self._admit(context)

    def _admit(self, context: grpc.ServicerContext) -> None:
        if self._executor.n_held > self._max_concurrent:
            raise OverloadedError(
                f"this process holds {self._max_concurrent} calls already; try again in a moment"
            )
        if context.time_remaining() <= 0:
            raise ExpiredError("the deadline passed before the work began")


class _Observer:
    """What watches the calls of one method.

    Args:
        method: its name.
        asked: checks what a call asks, a message or an iterator of them.
        admit: turns away who must not be worked for.
        metrics: counts and times the calls.
        logger: gets one line a call.
    """

    def __init__(
        self,
        method: str,
        asked: Callable[[Any], Any],
        admit: Callable[[grpc.ServicerContext], None],
        metrics: Metrics,
        logger: Logger,
    ) -> None:
        self.method = method
        self.asked = asked
        self.admit = admit
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
        if code == grpc.StatusCode.INTERNAL.name:
            self._logger.error("request", **details, exc_info=failure)
        else:
            self._logger.info("request", **details)


class _Observed:
    """Admits a call, watches it, and turns what it raises into a status.

    A class, since a generator would cost more on the path of every answer than what it does.
    """

    __slots__ = ("_collecting", "_context", "_facts", "_observer", "_started")

    def __init__(self, observer: _Observer, context: grpc.ServicerContext) -> None:
        self._observer = observer
        self._context = context

    def __enter__(self) -> None:
        self._started = time.perf_counter()
        self._observer.in_flight.add()
        self._collecting = collected_facts()
        self._facts = self._collecting.__enter__()
        try:
            self._observer.admit(self._context)
        except RecsvcError as error:
            self._end(error)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        self._end(error)
        return error is not None and isinstance(error, Exception)

    def _end(self, error: BaseException | None) -> None:
        """Leave the call as it is counted, and abort it where it has failed."""
        failure = None if error is None else self._failure(error)
        self._collecting.__exit__()
        self._observer.in_flight.add(-1)
        seconds = time.perf_counter() - self._started
        self._observer.record(_outcome(failure, self._context), seconds, failure, self._facts)
        if failure is not None:
            self._context.abort_with_status(rpc_status.to_status(to_status(failure)))

    def _failure(self, error: BaseException) -> Exception | None:
        """What the caller is told of an error; None where there is nobody to tell."""
        if isinstance(error, NotImplementedError):  # a generated base class, not filled in yet
            return NotYetAvailableError(f"{self._observer.method} comes in a later version")
        if isinstance(error, grpc.RpcError):  # what is read of a stream whose caller has left
            return None
        return error if isinstance(error, Exception) else None


_MALFORMED = object()


def _lenient(deserialise: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Let malformed bytes through as a mark: grpc itself would call them an INTERNAL error."""

    def read(data: bytes) -> Any:  # noqa: ANN401  # any message
        try:
            return deserialise(data)
        except DecodeError:
            return _MALFORMED

    return read


def _as_it_came(request: Any) -> Any:  # noqa: ANN401  # any message
    return request


def _checked(request: Any) -> Any:  # noqa: ANN401  # any message
    if request is _MALFORMED:
        raise no_message()
    return request


def _n_bytes(request: Any) -> int:  # noqa: ANN401  # any message
    return 0 if request is _MALFORMED else request.ByteSize()


def _sent(serialise: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Let an answer pass that is bytes already."""

    def write(answer: Any) -> bytes:  # noqa: ANN401  # any message, or its bytes
        return answer if isinstance(answer, bytes) else serialise(answer)

    return write


def _outcome(failure: Exception | None, context: grpc.ServicerContext) -> str:
    """Name of the code that the call ends with."""
    if failure is not None:
        return code_of(failure).name
    return "OK" if context.is_active() else "CANCELLED"
