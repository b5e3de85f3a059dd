"""Which way a call goes: worked on, given what costs little, or told to come again."""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import grpc

from recsvc.logs import Logger, note
from recsvc.metrics import Metrics
from recsvc.server.admission import Admission
from recsvc.server.executors import (
    MAX_STREAMS,
    AtOnce,
    Lane,
    StreamExecutor,
    waited_seconds,
)
from recsvc.server.gate import Behaviour, Guard
from recsvc.server.observer import Observed, Observer
from recsvc.server.patience import Patience
from recsvc.server.prospects import Prospects
from recsvc.server.reading import Asked, StreamReader, as_it_came, checked, lenient

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Admit: TypeAlias = Callable[[grpc.ServicerContext], None]
"""Turns away who must not be worked for."""

_Codec: TypeAlias = "tuple[Callable[[bytes], Any] | None, Callable[[Any], bytes]]"
"""What reads a request, None where that is left to its method, and what writes an answer."""

OWN_METHODS = "/recsvc.v1."


class Cheap(NamedTuple):
    """An answer of one method for a fraction of what its own costs, for which nothing is waited.

    Attributes:
        give: gives it, called as the method.
        is_for: whether a request may have it; of some methods all may.
    """

    give: Behaviour
    is_for: Callable[[Any], bool] = lambda _: True


class _Beside(NamedTuple):
    """What is given to calls of one method for which there is no thread.

    Attributes:
        handler: gives it.
        may_be_had: whether it is worth a try now.
    """

    handler: Handler
    may_be_had: Callable[[], bool]


class _Ways(NamedTuple):
    """What may become of a call of one method.

    Attributes:
        worked_on: it is.
        is_hurried: whether it must not wait long for that.
        beside: it is given what costs little; None, there is nothing of that kind.
        turned_away: it is told to come again; None, it never is before a thread has begun with it.
    """

    worked_on: Handler
    is_hurried: bool = False
    beside: "_Beside | None" = None
    turned_away: "Handler | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What is peculiar to some methods, each named ``Service/Method``.

    Attributes:
        unread: they read the bytes of their requests themselves.
        hurried: beginnings of the names of those whose callers cannot wait long.
        kept: of those that are unread, what gives the answer to a request where that lies in the
            process already; None where it does not.
        cheap: what is given where nothing lies there, as long as the allowance lasts.
        gathered: streams that are given what has come meanwhile, at most so many messages at once,
            instead of one message after another.
    """

    unread: Collection[str] = ()
    hurried: tuple[str, ...] = ()
    kept: Mapping[str, Callable[[bytes], bytes | None]] = field(default_factory=dict)
    cheap: Mapping[str, Cheap] = field(default_factory=dict)
    gathered: Mapping[str, int] = field(default_factory=dict)


class CallInterceptor(grpc.ServerInterceptor):
    """Wraps every method of recsvc; health and reflection pass untouched.

    Args:
        admission: says who is worked for.
        streams: the pool of the calls that are streams.
        lane: the pool of those that are turned away unless an answer costs little.
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
        self._streams = streams
        self._lane = lane
        self._at_once = AtOnce()
        self._prospects = Prospects()
        self._given_cheaply = metrics.tallies.total(metrics.cheap_answers.inc)
        self._patient = patient
        self._traits = traits or Traits()
        self._requests = StreamReader(streams, self._traits.gathered)
        self._gate = gate
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
        if ways.beside is None or self._lane.is_full or not ways.beside.may_be_had():
            return ways.turned_away
        return ways.beside.handler

    def _wrap(self, handler: Any, method: str) -> _Ways:  # noqa: ANN401  # grpc's handlers are untyped
        observer = Observer(method, self._metrics, self._logger)
        if handler.request_streaming or handler.response_streaming:
            return _Ways(self._streaming(handler, observer))
        is_hurried = method.startswith(self._traits.hurried)
        return _Ways(
            self._working(handler, observer, is_hurried=is_hurried),
            is_hurried,
            self._giving_cheaply(handler, observer),
            self._turning_away(observer),
        )

    def _streaming(self, handler: Any, observer: Observer) -> Handler:  # noqa: ANN401  # grpc's handlers are untyped
        """The handler of calls with a stream on either side."""
        method, is_stream = observer.method, handler.request_streaming
        asked = self._requests.of(method, is_stream=is_stream)
        if not handler.response_streaming:
            behaviour, asked = self._guarded(method, handler.stream_unary, asked, is_stream=True)
            answer = _answering(observer, self._admit_stream, asked, behaviour)
            make = grpc.stream_unary_rpc_method_handler
        else:
            behaviour = handler.stream_stream if is_stream else handler.unary_stream
            behaviour, asked = self._guarded(method, behaviour, asked, is_stream=is_stream)
            patience = self._streams.patience
            answer = _streaming(observer, self._admit_stream, asked, behaviour, patience)
            # As a stream also where one message is asked, since gRPC would wait for that as long as
            # the caller likes.
            make = grpc.stream_stream_rpc_method_handler
        return make(_on(self._streams, answer), *self._codec(handler, method))

    def _working(self, handler: Any, observer: Observer, *, is_hurried: bool) -> Handler:  # noqa: ANN401  # grpc's handlers are untyped
        """The handler of calls with one message each way."""
        method = observer.method
        behaviour, asked = self._guarded(method, handler.unary_unary, checked)
        admit = self._admit_hurried if is_hurried else self._admit
        answer = _answering(observer, admit, asked, behaviour)
        if self._patient is not None and not is_hurried:
            answer = _on(self._patient, answer)
        return grpc.unary_unary_rpc_method_handler(answer, *self._codec(handler, method))

    def _giving_cheaply(self, handler: Any, observer: Observer) -> _Beside | None:  # noqa: ANN401  # grpc's handlers are untyped
        """What is at hand for calls for which no thread is free; None for those of other methods.

        An answer that lies in the process goes first; after it what little there is to spend.
        """
        method = observer.method
        kept, cheap = self._traits.kept.get(method), self._traits.cheap.get(method)
        allowance = self._admission.allowance
        if kept is None and cheap is None:
            return None

        def may_give(request: Any) -> bool:  # noqa: ANN401  # any message
            # Others may have come to the lane since this one was sent there.
            has_means = allowance.is_left and not self._lane.is_full
            return cheap is not None and has_means and cheap.is_for(request)

        def read(request: Any) -> Any:  # noqa: ANN401  # any message
            message = checked(request)
            if kept is None and not may_give(message):  # before it counts against their rate
                raise self._admission.refused()
            return message

        def give(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # any message
            answer = None
            if kept is not None:
                answer = kept(request)
                self._prospects.learn(found=answer is not None)
            if answer is not None:
                return answer
            if cheap is None or not may_give(request):
                raise self._admission.refused()
            self._given_cheaply.add()
            note(is_cheap=True)
            with allowance.spending():
                return cheap.give(request, context)

        behaviour, asked = self._guarded(method, give, read)
        answer = _answering(observer, self._admit, asked, behaviour)
        codec = self._codec(handler, method)
        given = grpc.unary_unary_rpc_method_handler(_on(self._lane, answer), *codec)

        def may_be_had() -> bool:
            has_means = cheap is not None and allowance.is_left
            return has_means or (kept is not None and self._prospects.are_good())

        return _Beside(given, may_be_had)

    def _turning_away(self, observer: Observer) -> Handler:
        """The handler of calls for which no thread is free.

        It runs on the thread that takes calls in, which costs half of what a change of threads
        would. gRPC must not wait there for the message, as it does for that of a single request:
        that thread is the one that would bring it. Of a stream it waits for nothing.
        """

        def refuse(_: object, __: grpc.ServicerContext) -> bytes:
            raise self._admission.refused()

        answer = _answering(observer, self._admit, as_it_came, refuse)
        return grpc.stream_unary_rpc_method_handler(_on(self._at_once, answer))

    def _guarded(
        self, method: str, behaviour: Behaviour, asked: Asked, *, is_stream: bool = False
    ) -> tuple[Behaviour, Asked]:
        """A behaviour behind the gate, which reads what is asked itself, for who may pass."""
        if self._gate is None:
            return behaviour, asked
        return self._gate.guarded(method, behaviour, asked, is_stream=is_stream), as_it_came

    def _codec(self, handler: Any, method: str) -> _Codec:  # noqa: ANN401  # grpc's handlers are untyped
        read = None if method in self._traits.unread else lenient(handler.request_deserializer)
        return read, _sent(handler.response_serializer)

    def _admit_stream(self, context: grpc.ServicerContext) -> None:
        if self._streams.n_held > MAX_STREAMS:
            raise self._admission.streams_refused(MAX_STREAMS)
        if self._admission.is_full:
            raise self._admission.refused()
        self._admit(context)

    def _admit(self, context: grpc.ServicerContext) -> None:
        self._admission.begins(context.time_remaining())

    def _admit_hurried(self, context: grpc.ServicerContext) -> None:
        seconds_left = context.time_remaining()
        self._admission.deadlines.learn(seconds_left + waited_seconds())
        self._admission.begins(seconds_left)


def _answering(observer: Observer, admit: _Admit, asked: Asked, behaviour: Behaviour) -> Behaviour:
    """What gRPC calls for one answer."""

    def answer(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # any message
        with Observed(observer, context):
            admit(context)
            return behaviour(asked(request), context)

    return answer


def _streaming(
    observer: Observer, admit: _Admit, asked: Asked, behaviour: Behaviour, patience: Patience
) -> Behaviour:
    """What gRPC calls for a stream of answers."""

    def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: ANN401  # any message
        with Observed(observer, context):
            admit(context)
            yield from patience.taken(behaviour(asked(request), context), context)

    return stream


def _on(pool: ThreadPoolExecutor, behaviour: Any) -> Any:  # noqa: ANN401  # a function, with an attribute
    """Have gRPC run a behaviour on a pool of its own, which it finds by this name."""
    behaviour.experimental_thread_pool = pool
    return behaviour


def _sent(serialise: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Let an answer pass that is bytes already."""

    def write(answer: Any) -> bytes:  # noqa: ANN401  # any message, or its bytes
        return answer if isinstance(answer, bytes) else serialise(answer)

    return write
