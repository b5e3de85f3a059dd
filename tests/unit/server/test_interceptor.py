"""Which way a call goes, without a network."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

import grpc
import pytest
from google.protobuf.message import DecodeError
from prometheus_client import CollectorRegistry

from recsvc.errors import CredentialError
from recsvc.metrics import Metrics
from recsvc.server.admission import Admission
from recsvc.server.allowance import MOST_SECONDS, Allowance
from recsvc.server.executors import MAX_STREAMS, CallExecutor, Lane, StreamExecutor
from recsvc.server.gate import Behaviour, Guard
from recsvc.server.interceptor import CallInterceptor, Cheap, Traits
from recsvc.server.patience import Patience
from recsvc.server.prospects import ONE_OF
from recsvc.server.reading import Asked
from tests.calls import AbortedError, Context
from tests.clocks import SetClock
from tests.serving import Log, wait_until

METHOD = "RecommendationService/Recommend"
SIMILAR = "RecommendationService/ListSimilarProducts"
BATCH = "RecommendationService/BatchRecommend"
RECALL = "CatalogService/WithdrawProducts"
MAX_HELD = 4


class CallDetails:
    """Names a method."""

    def __init__(self, method: str) -> None:
        self.method = method


class Bench:
    """An interceptor, and what it leaves behind."""

    def __init__(self) -> None:
        self.log = Log()
        self.numbers = CollectorRegistry()
        self.executor = CallExecutor(1, self.log.logger)
        metrics = Metrics(self.numbers)
        self.streams = StreamExecutor(Patience(60.0, metrics), self.log.logger)
        self.lane = Lane(self.log.logger)
        self.kept: dict[bytes, bytes] = {}
        self.popular: dict[Any, bytes] = {}
        self.seconds = 0.0
        self.admission = admission = Admission(
            self.executor.backlog, max_held=MAX_HELD, max_wait_seconds=0.1, metrics=metrics
        )
        self.used = SetClock()
        admission.allowance = Allowance(SetClock(), self.used)
        self._metrics = metrics
        self.interceptor = self.interceptor_with(None)

    def interceptor_with(self, gate: Guard | None) -> CallInterceptor:
        popular = Cheap(self._popular, self.popular.__contains__)
        return CallInterceptor(
            self.admission,
            self.streams,
            self.lane,
            metrics=self._metrics,
            logger=self.log.logger,
            traits=Traits(
                hurried=("Recommendation",),
                kept={METHOD: self.kept.get},
                cheap=dict.fromkeys((METHOD, BATCH), popular),
            ),
            gate=gate,
        )

    def _popular(self, asked: object, _: grpc.ServicerContext) -> bytes:
        self.used.now += self.seconds
        return self.popular[asked]

    def wrapped(self, handler: Any, method: str = f"/recsvc.v1.{METHOD}") -> Any:  # noqa: ANN401  # grpc's handlers are untyped
        details: Any = CallDetails(method)
        return self.interceptor.intercept_service(lambda _: handler, details)

    def call(self, behaviour: Callable[[Any, Any], Any], context: Context) -> object:
        handler: Any = grpc.unary_unary_rpc_method_handler(behaviour)
        return self.wrapped(handler).unary_unary("question", context)

    def turned_away(self, reason: str) -> float | None:
        return self.numbers.get_sample_value("recsvc_turned_away_total", {"reason": reason})

    def line(self) -> dict[str, Any]:
        (line,) = self.log.lines("request")
        return line


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.executor.shutdown()
    bench.lane.stop()
    bench.streams.stop()


def test_a_call_that_nobody_waits_for_is_not_worked_on(bench: Bench) -> None:
    """Its deadline passed while it waited for a thread."""
    worked: list[object] = []
    context = Context(seconds=0)
    with pytest.raises(AbortedError):
        bench.call(lambda request, _: worked.append(request), context)
    assert not worked
    assert context.status.code is grpc.StatusCode.DEADLINE_EXCEEDED


class Jam(Protocol):
    """Has the bench hold so many calls, of which each takes so many seconds."""

    def __call__(self, n_calls: int, seconds: float = 1.0) -> None: ...


@pytest.fixture
def jam(bench: Bench) -> Iterator[Jam]:
    """Far too slow, unless told otherwise; they are let go at the end."""
    gate, backlog = threading.Event(), bench.executor.backlog

    def hold(n_calls: int, seconds: float = 1.0) -> None:
        for _ in range(n_calls):
            bench.executor.submit(gate.wait)
        backlog.learn(seconds)

    yield hold
    gate.set()


def test_who_would_wait_too_long_is_turned_away_at_once(bench: Bench, jam: Jam) -> None:
    """On the thread that takes calls in, with nothing read, and told when to come again."""
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    name = f"/recsvc.v1.{SIMILAR}"
    jam(1)
    assert bench.wrapped(handler, name).unary_unary("question", Context()) == "question"
    jam(1)
    away, context = bench.wrapped(handler, name).stream_unary, Context()
    pool = away.experimental_thread_pool
    assert pool.submit(threading.get_ident).done()
    with pytest.raises(AbortedError):
        pool.submit(away, iter(()), context)
    assert context.status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    *_, line = bench.log.lines("request")
    assert (line["method"], line["reason"]) == (SIMILAR, "OVERLOADED")
    assert bench.turned_away("wait") == 1


def test_how_long_is_too_long_is_what_callers_of_lists_say(bench: Bench, jam: Jam) -> None:
    """Who asks for something else has no say in it."""
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    name = f"/recsvc.v1.{SIMILAR}"
    of_lists, other = bench.wrapped(handler, name), bench.wrapped(handler, f"/recsvc.v1.{RECALL}")
    jam(2, 0.1)
    for each, is_let_in in ((other, False), (of_lists, True)):
        each.unary_unary("question", Context(seconds=60))
        assert (bench.wrapped(handler, name) is of_lists) is is_let_in


def test_what_a_caller_gives_is_told_with_what_they_have_waited(bench: Bench) -> None:
    """Or a queue would take callers for hurried who only stood in it."""
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    method, gate = bench.wrapped(handler, f"/recsvc.v1.{SIMILAR}").unary_unary, threading.Event()
    bench.executor.submit(gate.wait)
    bench.executor.submit(method, "question", Context(seconds=0.26))
    gate.wait(0.1)
    gate.set()
    bench.executor.shutdown()
    assert bench.admission.deadlines.seconds >= 0.36


def test_who_changes_something_may_wait(bench: Bench, jam: Jam) -> None:
    """As long as there is room: a recall must get through where lists do not."""
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    name, context = f"/recsvc.v1.{RECALL}", Context()
    jam(MAX_HELD - 1)
    assert bench.wrapped(handler, name).unary_unary("recall", context) == "recall"
    jam(1)
    with pytest.raises(AbortedError):
        bench.wrapped(handler, name).stream_unary(iter(()), context)
    assert context.status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert bench.turned_away("full") == 1


def test_what_lies_in_the_process_is_given_all_the_same(bench: Bench, jam: Jam) -> None:
    """By a thread of its own; who asks for something else is turned away there."""
    bench.kept[b"hot"] = b"list"
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    jam(2)
    kept = bench.wrapped(handler).unary_unary
    assert kept.experimental_thread_pool is bench.lane
    assert kept(b"hot", Context()) == b"list"
    context = Context()
    with pytest.raises(AbortedError):
        kept(b"cold", context)
    assert context.status.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("method", [METHOD, BATCH])
def test_who_may_not_wait_is_given_what_costs_little(bench: Bench, jam: Jam, method: str) -> None:
    """As long as there is something to spend; where it cannot be had they are turned away."""
    bench.popular["question"] = b"what sells"
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    name = f"/recsvc.v1.{method}"
    jam(2)
    cheap = bench.wrapped(handler, name).unary_unary
    assert cheap.experimental_thread_pool is bench.lane
    assert cheap("question", Context()) == b"what sells"
    with pytest.raises(AbortedError):
        cheap("another", Context())
    bench.seconds = MOST_SECONDS
    assert cheap("question", Context()) == b"what sells"
    *_, line = bench.log.lines("request")
    assert line["is_cheap"] is True
    with pytest.raises(AbortedError):
        cheap("question", Context())
    assert bench.turned_away("wait") == 2
    assert bench.numbers.get_sample_value("recsvc_cheap_answers_total") == 2


def test_for_who_comes_to_a_full_lane_nothing_is_made(bench: Bench, jam: Jam) -> None:
    """They may have been sent there together, before their messages had come."""
    bench.popular["question"] = b"what sells"
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    jam(2)
    cheap, gate = bench.wrapped(handler).unary_unary, threading.Event()
    while not bench.lane.is_full:
        bench.lane.submit(gate.wait)
    with pytest.raises(AbortedError):
        cheap("question", Context())
    gate.set()


class Turnstile:
    """A gate that lets pass one caller, and remembers what was counted against their rate."""

    def __init__(self) -> None:
        self.counted: list[object] = []

    def admit(self, context: grpc.ServicerContext) -> None: ...

    def guarded(
        self, method: str, behaviour: Behaviour, asked: Asked, *, is_stream: bool
    ) -> Behaviour:
        del method, is_stream

        def guarded(request: Any, context: Any) -> Any:  # noqa: ANN401  # any message
            if context.bearer != "key":
                raise CredentialError("who is that?", reason="CREDENTIAL_INVALID")
            message = asked(request)
            self.counted.append(message)
            return behaviour(message, context)

        return guarded


class Caller(Context):
    """A call of somebody."""

    def __init__(self, bearer: str) -> None:
        super().__init__()
        self.bearer = bearer


@pytest.mark.parametrize("method", [METHOD, BATCH])
def test_what_costs_little_is_for_who_may_ask_and_counts(
    jam: Jam, bench: Bench, method: str
) -> None:
    turnstile = Turnstile()
    guarded = bench.interceptor_with(turnstile)
    bench.popular["question"] = b"what sells"
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    details: Any = CallDetails(f"/recsvc.v1.{method}")
    jam(2)
    way: Any = guarded.intercept_service(lambda _: handler, details)
    assert way.unary_unary.experimental_thread_pool is bench.lane
    assert way.unary_unary("question", Caller("key")) == b"what sells"
    assert turnstile.counted == ["question"]
    stranger = Caller("nobody's")
    with pytest.raises(AbortedError):
        way.unary_unary("question", stranger)
    assert stranger.status.code is grpc.StatusCode.UNAUTHENTICATED
    # Of one that is read before it is known to be too dear, nothing is counted.
    with pytest.raises(AbortedError):
        way.unary_unary("dear", Caller("key"))
    assert turnstile.counted == ["question"] + ["dear"] * (method == METHOD)


def test_without_anything_to_spend_a_batch_is_turned_away_at_once(bench: Bench, jam: Jam) -> None:
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    name = f"/recsvc.v1.{BATCH}"
    jam(2)
    assert bench.wrapped(handler, name).unary_unary is not None
    spend_all(bench)
    assert bench.wrapped(handler, name).unary_unary is None


def spend_all(bench: Bench) -> None:
    """Leave nothing of what may be spent on those who may not wait."""
    with bench.admission.allowance.spending():
        bench.used.now += 1


def test_nobody_looks_for_long_where_nothing_is_found(bench: Bench, jam: Jam) -> None:
    """But now and then, and always again once some are; one of fifty is enough."""
    spend_all(bench)
    bench.kept[b"hot"] = b"list"
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    jam(2)

    def n_looked_for(n_calls: int) -> int:
        return sum(bench.wrapped(handler).unary_unary is not None for _ in range(n_calls))

    kept = bench.wrapped(handler).unary_unary

    def miss(n_calls: int) -> None:
        for _ in range(n_calls):
            with pytest.raises(AbortedError):
                kept(b"cold", Context())

    for _ in range(40):
        miss(49)
        kept(b"hot", Context())
    assert n_looked_for(100) == 100
    miss(500)
    assert n_looked_for(10 * ONE_OF) == 10
    for _ in range(3):
        kept(b"hot", Context())
    assert n_looked_for(10) == 10


def test_a_full_lane_is_waited_for_by_nobody(bench: Bench, jam: Jam) -> None:
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    jam(2)
    gate = threading.Event()
    while not bench.lane.is_full:
        bench.lane.submit(gate.wait)
    assert bench.wrapped(handler).unary_unary is None
    gate.set()


def test_a_stream_begins_only_where_there_is_room(bench: Bench, jam: Jam) -> None:
    handler: Any = grpc.stream_stream_rpc_method_handler(lambda requests, _: requests)
    method, context = bench.wrapped(handler).stream_stream, Context()
    jam(MAX_HELD)
    with pytest.raises(AbortedError):
        list(method(iter("a"), context))
    assert context.status.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_bytes_that_are_no_message_are_refused(bench: Bench) -> None:
    """The deserialiser's error is the caller's, not ours."""
    handler: Any = grpc.unary_unary_rpc_method_handler(
        lambda request, _: request, request_deserializer=refuse
    )
    wrapped, context = bench.wrapped(handler), Context()
    with pytest.raises(AbortedError):
        wrapped.unary_unary(wrapped.request_deserializer(b"x"), context)
    assert context.status.code is grpc.StatusCode.INVALID_ARGUMENT


def refuse(_: bytes) -> str:
    raise DecodeError("no")


def test_an_answer_that_is_bytes_is_sent_as_it_is(bench: Bench) -> None:
    """It was serialised when it was made."""
    handler: Any = grpc.unary_unary_rpc_method_handler(
        lambda request, _: request, response_serializer=str.encode
    )
    wrapped = bench.wrapped(handler)
    assert wrapped.response_serializer(b"\xff") == b"\xff"
    assert wrapped.response_serializer("a") == b"a"


def test_a_message_of_a_stream_that_is_none_is_refused(bench: Bench) -> None:
    """What came before it in the stream was taken."""
    taken: list[object] = []
    handler: Any = grpc.stream_stream_rpc_method_handler(
        lambda requests, _: map(taken.append, requests), request_deserializer=refuse
    )
    wrapped, context = bench.wrapped(handler), Context()
    with pytest.raises(AbortedError):
        list(wrapped.stream_stream(iter(["good", wrapped.request_deserializer(b"x")]), context))
    assert taken == ["good"]
    assert context.status.code is grpc.StatusCode.INVALID_ARGUMENT


def test_streams_have_threads_of_their_own_and_a_limit(bench: Bench) -> None:
    """Beyond it they are turned away; those that wait for their callers hold up no end."""
    gate, opened = threading.Event(), threading.Barrier(MAX_STREAMS + 1)

    def one_then_wait() -> Iterator[str]:
        opened.wait(10)
        gate.wait(10)
        yield "a"

    handler: Any = grpc.stream_stream_rpc_method_handler(lambda requests, _: requests)
    method = bench.wrapped(handler).stream_stream
    assert method.experimental_thread_pool is bench.streams

    answers: list[list[str]] = []

    def call(requests: Iterator[str], context: Context) -> None:
        with suppress(AbortedError):  # of the one beyond
            answers.append(list(method(requests, context)))

    for _ in range(MAX_STREAMS):
        bench.streams.submit(call, one_then_wait(), Context())
    opened.wait(10)
    context = Context()
    bench.streams.submit(call, iter("a"), context)
    wait_until(lambda: (bench.streams.n_held, bench.streams.n_busy) == (MAX_STREAMS, 0))
    gate.set()
    bench.streams.stop()
    assert answers == [["a"]] * MAX_STREAMS
    assert context.status.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (bench.streams.n_held, bench.streams.n_busy) == (0, 0)


@pytest.mark.parametrize("name", ["unary_stream", "stream_unary", "stream_stream"])
def test_every_kind_of_method_is_wrapped(bench: Bench, name: str) -> None:
    """Streams answer through it and are logged as one call; what is streamed is asked likewise."""
    is_stream = name.endswith("_stream")
    make = getattr(grpc, f"{name}_rpc_method_handler")
    handler = make((lambda *_: iter("ab")) if is_stream else (lambda *_: "ab"))
    way = "stream_stream" if is_stream else name
    answer = getattr(bench.wrapped(handler), way)(iter("q"), Context())
    assert "".join(answer) == "ab"
    assert bench.line()["code"] == "OK"


def test_methods_of_others_pass_untouched(bench: Bench) -> None:
    """Health and reflection, and what does not exist."""
    handler = object()
    assert bench.wrapped(handler, "/grpc.health.v1.Health/Check") is handler
    assert bench.wrapped(None) is None
