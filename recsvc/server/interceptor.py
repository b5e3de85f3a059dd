"""What happens around every call: limits, time, numbers, the log line, and errors as statuses."""

import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from recsvc.errors import (
    NotYetAvailableError,
    RecsvcError,
    StoreUnavailableError,
)
from recsvc.logs import Logger, collected_facts
from recsvc.metrics import Metrics, Totals
from recsvc.server.admission import Admission
from recsvc.server.errors import code_of, to_status
from recsvc.server.executors import MAX_STREAMS, AtOnce, Lane, StreamExecutor
from recsvc.server.fields import no_message
from recsvc.server.gate import Behaviour, Guard
from recsvc.server.gathering import Gathered
from recsvc.server.patience import UnreadError

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

OWN_METHODS = "/recsvc.v1."


class _Ways(NamedTuple):
    """What may become of a call of one method.

    Attributes:
        worked_on: it is.
        is_hurried: whether it must not wait long for that.
        kept: it is given what lies in the process; None, there is no such method.
        turned_away: it is told to come again; None, it never is before a thread has begun with it.
    """

    worked_on: Handler
    is_hurried: bool = False
    kept: "Handler | None" = None
    turned_away: "Handler | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is peculiar to some methods, each named ``Service/Method``.

    Attributes:
        unread: they read the bytes of their requests themselves.
        hurried: beginnings of the names of those whose callers cannot wait long.
        kept: of those that are unread, what gives the answer to a request where that lies in the
            process already; None where it does not.
        gathered: streams that are given what has come meanwhile, at most so many messages at once,
            instead of one message after another.
    """

    unread: Collection[str] = ()
    hurried: tuple[str, ...] = ()
    kept: Mapping[str, Callable[[bytes], bytes | None]] = field(default_factory=dict)
    gathered: Mapping[str, int] = field(default_factory=dict)


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps every method of recsvc; health and reflection pass untouched.

    Args:
        admission: says who is worked for.
        streams: the pool of the calls that are streams.
        lane: the pool of those that are turned away unless their answer lies in the process.
        metrics: counts and times the calls.
        logger: gets one line a call.
        traits: what is peculiar to some methods.
        gate: stands before every method; None, nothing does.
        patient: the pool of the calls that are neither streams nor hurried; None, the server's own.
    """

    def __init__(
        self,
        admission: Admission,
        streams: StreamExecutor,
        lane: Lane,
        *,
        metrics: Metrics,
        logger: Logger,
        traits: Traits | None = None,
        gate: Guard | None = None,
        patient: Lane | None = None,
    ) -> None:
        self._admission = admission
        self._patient = patient
        self._traits = traits or Traits()
        self._gate = gate
        self._streams = streams
        self._lane = lane
        self._at_once = AtOnce()
        self._metrics = metrics
        self._logger = logger
        self._ways: dict[str, _Ways] = {}

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Return the handler of a method, wrapped when it is first called."""
        method = handler_call_details.method
        ways = self._ways.get(method)
        if ways is None:
            handler = continuation(handler_call_details)
            if handler is None or not method.startswith(OWN_METHODS):
                return handler
            ways = self._ways[method] = self._wrap(handler, method.removeprefix(OWN_METHODS))
        if ways.turned_away is None:
            return ways.worked_on
        if not self._admission.is_full and not (ways.is_hurried and self._admission.is_slow):
            return ways.worked_on
        if ways.kept is not None and not self._lane.is_full:
            return ways.kept
        return ways.turned_away

    def _wrap(self, handler: Any, method: str) -> _Ways:  # noqa: ANN401  # grpc's handlers are untyped
        kind = handler.request_streaming, handler.response_streaming
        behaviour, make = {
            (False, False): (handler.unary_unary, grpc.unary_unary_rpc_method_handler),
            # As a stream, since gRPC would wait for its message as long as the caller likes.
            (False, True): (handler.unary_stream, grpc.stream_stream_rpc_method_handler),
            (True, False): (handler.stream_unary, grpc.stream_unary_rpc_method_handler),
            (True, True): (handler.stream_stream, grpc.stream_stream_rpc_method_handler),
        }[kind]
        is_stream = handler.request_streaming
        asked = self._reader(method, kind)
        patience = self._streams.patience
        if self._gate is not None:
            behaviour = self._gate.guarded(method, behaviour, asked, is_stream=is_stream)
            asked = _as_it_came
        observer = self._observer(method, asked, self._admit_stream if any(kind) else self._admit)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: ANN401  # any message
            with _Observed(observer, context):
                yield from patience.taken(behaviour(observer.asked(request), context), context)

        wrapped = stream if handler.response_streaming else _answering(observer, behaviour)
        read = None if method in self._traits.unread else _lenient(handler.request_deserializer)
        if any(kind):
            return _Ways(
                make(_on(self._streams, wrapped), read, _sent(handler.response_serializer))
            )
        is_hurried = method.startswith(self._traits.hurried)
        if self._patient is not None and not is_hurried:
            wrapped = _on(self._patient, wrapped)
        return _Ways(
            make(wrapped, read, _sent(handler.response_serializer)),
            is_hurried,
            self._giving_kept(method) if method in self._traits.kept else None,
            self._turning_away(method),
        )

    def _giving_kept(self, method: str) -> Handler:
        """The handler of calls for which no thread is free, and whose answer may be at hand."""
        kept = self._traits.kept[method]

        def give(request: Any, _: grpc.ServicerContext) -> bytes:  # noqa: ANN401  # its bytes
            answer = kept(request)
            if answer is None:
                raise self._admission.refused()
            return answer

        behaviour: Behaviour = give
        if self._gate is not None:
            behaviour = self._gate.guarded(method, give, _as_it_came, is_stream=False)
        observer = self._observer(method, _as_it_came, self._admit)
        return grpc.unary_unary_rpc_method_handler(_on(self._lane, _answering(observer, behaviour)))

    def _turning_away(self, method: str) -> Handler:
        """The handler of calls for which no thread is free.

        It runs on the thread that takes calls in, which costs half of what a change of threads
        would. gRPC must not wait there for the message, as it does for that of a single request:
        that thread is the one that would bring it. Of a stream it waits for nothing.
        """

        def refuse(_: object, __: grpc.ServicerContext) -> bytes:
            raise self._admission.refused()

        observer = self._observer(method, _as_it_came, self._admit)
        answer = _on(self._at_once, _answering(observer, refuse))
        return grpc.stream_unary_rpc_method_handler(answer)

    def _observer(
        self,
        method: str,
        asked: Callable[[Any], Any],
        admit: Callable[[grpc.ServicerContext], None],
    ) -> "_Observer":
        return _Observer(method, asked, admit, self._metrics, self._logger)

    def _reader(self, method: str, kind: tuple[bool, bool]) -> Callable[[Any], Any]:
        """What reads what is asked by a method, whose requests and responses may be streams."""
        if not any(kind):
            return _checked
        if kind == (False, True):
            return self._read_one
        at_most = self._traits.gathered.get(method)
        if at_most is None:
            return self._read
        return lambda requests: self._read_together(requests, at_most)

    def _read_together(self, requests: Iterator[Any], at_most: int) -> Iterator[list[Any]]:
        """The messages of a stream, in groups; those before a malformed one are given first."""
        patience = self._streams.patience
        size = _n_bytes if at_most > 1 else _uncounted  # where one waits at most, it may be large
        groups = Gathered(
            requests, at_most, size, self._streams.idle, patience.seconds, patience.idle
        )
        try:
            for group in groups:
                n_sound = next((n for n, each in enumerate(group) if each is _MALFORMED), None)
                if sound := group[:n_sound]:
                    yield sound
                if n_sound is not None:
                    raise no_message()
        finally:
            groups.close()

    def _read(self, requests: Iterator[Any]) -> Generator[Any, None, None]:
        """The messages of a stream, one after another."""
        for group in self._read_together(requests, 1):
            yield from group

    def _read_one(self, requests: Iterator[Any]) -> Any:  # noqa: ANN401  # any message
        """The only message of a call with a stream of answers."""
        with closing(self._read(requests)) as messages:
            request = next(messages, _MALFORMED)
        return _checked(request)

    def _admit_stream(self, context: grpc.ServicerContext) -> None:
        if self._streams.n_held > MAX_STREAMS:
            raise self._admission.streams_refused(MAX_STREAMS)
        if self._admission.is_full:
            raise self._admission.refused()
        self._admit(context)

    def _admit(self, context: grpc.ServicerContext) -> None:
        if context.time_remaining() <= 0:
            raise self._admission.expired()


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
        if failure is not None and not isinstance(failure, UnreadError):
            self._context.abort_with_status(rpc_status.to_status(to_status(failure)))

    def _failure(self, error: BaseException) -> Exception | None:
        """What the caller is told of an error; None where there is nobody to tell."""
        if isinstance(error, NotImplementedError):  # a generated base class, not filled in yet
            return NotYetAvailableError(f"{self._observer.method} comes in a later version")
        if isinstance(error, grpc.RpcError):  # what is read of a stream whose caller has left
            return None
        return error if isinstance(error, Exception) else None


def _answering(observer: _Observer, behaviour: Behaviour) -> Behaviour:
    """A behaviour, watched."""

    def answer(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # any message
        with _Observed(observer, context):
            return behaviour(observer.asked(request), context)

    return answer


def _on(pool: ThreadPoolExecutor, behaviour: Any) -> Any:  # noqa: ANN401  # a function, with an attribute
    """Have gRPC run a behaviour on a pool of its own, which it finds by this name."""
    behaviour.experimental_thread_pool = pool
    return behaviour


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


def _uncounted(_request: object) -> int:
    return 0


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
