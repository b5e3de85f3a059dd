"""Calls that wait for their messages, on a server of one thread and a clock that is set."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from recsvc.server import arrivals as arrivals_module
from recsvc.server.arrivals import MANY_SECONDS, MANY_SILENT, Arrivals
from recsvc.server.executors import CallExecutor
from recsvc.server.handing_over import known_insides
from tests.serving import Log, new_metrics, refused, wait_until
from tests.stores import SetClock

SECONDS = 60.0
LATEST = 30.0
METHOD = "/a.Service/Ask"
WRONG = b"wrong"
"""What begins so cannot be decoded."""


def _decoded(message: bytes) -> bytes:
    if message.startswith(WRONG):
        raise ValueError("it is no message")
    return message


class Bench:
    def __init__(self, stack: ExitStack) -> None:
        self.clock, self.gate, self.may_end = SetClock(0.0), threading.Event(), threading.Event()
        self.asked: list[bytes] = []
        metrics, self.numbers = new_metrics()
        self.n_worked_on = 0
        self.arrivals = Arrivals(
            SECONDS,
            100,
            metrics,
            insides=known_insides(),
            n_worked_on=lambda: self.n_worked_on,
            monotonic=self.clock,
            draw=lambda: 0.25,
        )
        self.executor = CallExecutor(1, Log().logger, self.arrivals)
        pool: Any = self.executor
        server = grpc.server(pool)
        method: Any = grpc.unary_unary_rpc_method_handler(self._answer, _decoded)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("a.Service", {"Ask": method})]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
        stack.callback(self.executor.shutdown)
        stack.callback(lambda: server.stop(0).wait())
        stack.callback(self.gate.set)
        stack.callback(self.may_end.set)
        grpc.channel_ready_future(self.channel).result(LATEST)

    def _answer(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        self.asked.append(request[:5])
        assert self.may_end.wait(LATEST)
        return b"!"

    def ask(self, message: bytes) -> Any:  # noqa: ANN401  # a call and a future in one
        stub: Any = self.channel.unary_unary(METHOD)
        return stub.future(message, timeout=LATEST)

    def silent(self, n: int = 1) -> list[Any]:
        """Calls that say what they are when the gate is opened; they are expected already."""
        before = self.arrivals.n_held
        stub: Any = self.channel.stream_unary(METHOD)
        calls = [stub.future(self._after_the_gate(), timeout=LATEST) for _ in range(n)]
        wait_until(lambda: self.arrivals.n_held == before + n)
        return calls

    def _after_the_gate(self) -> Iterator[bytes]:
        self.gate.wait()
        yield b"late"

    def n(self, name: str, reason: str) -> float | None:
        return self.numbers.get_sample_value(f"recsvc_{name}_total", {"reason": reason})


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack)


def test_what_has_no_message_is_not_held(bench: Bench) -> None:
    """Neither queue nor thread knows of it, until it is there."""
    (call,) = bench.silent()
    assert bench.executor.n_held == 0
    bench.gate.set()
    wait_until(lambda: bench.asked == [b"late"])
    assert (bench.executor.n_held, bench.arrivals.n_held) == (1, 0)
    bench.may_end.set()
    assert call.result() == b"!"


def test_who_is_silent_for_too_long_is_told_so(bench: Bench) -> None:
    (first,) = bench.silent()
    bench.clock.now = 1.0
    (second,) = bench.silent()
    bench.clock.now = SECONDS
    bench.arrivals.sweep()
    told = refused(first.exception())
    assert (told.code, told.info.reason) == (grpc.StatusCode.ABORTED, "STREAM_IDLE")
    assert told.message == "no message came for 60 s; send it with the call"
    assert not second.done()
    assert bench.n("streams_ended", "silent") == 1


def test_a_message_that_comes_after_the_end_is_not_worked_on(bench: Bench) -> None:
    calls = bench.silent(2)
    bench.clock.now = SECONDS
    bench.arrivals.sweep()
    bench.gate.set()
    assert {call.code() for call in calls} == {grpc.StatusCode.ABORTED}
    bench.may_end.set()
    assert bench.ask(b"next").result() == b"!"
    assert bench.asked == [b"next"]


def test_of_many_the_eldest_make_room_after_a_moment(bench: Bench) -> None:
    """A burst is silent for a moment; whoever comes then finds too many, and so does the sweep."""
    eldest = bench.silent(3)
    bench.clock.now = MANY_SECONDS / 2
    others = bench.silent(MANY_SILENT)
    bench.arrivals.sweep()
    assert not any(call.done() for call in eldest)
    bench.clock.now = MANY_SECONDS
    bench.may_end.set()
    assert bench.ask(b"one").result() == b"!"
    told = refused(eldest[0].exception())
    assert (told.code, told.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert (told.has_retry, bench.n("turned_away", "full")) == (True, 1)
    bench.arrivals.sweep()
    assert bench.arrivals.n_held == MANY_SILENT
    assert {call.code() for call in eldest[1:]} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert not any(call.done() for call in others)


def test_where_all_room_is_taken_the_eldest_makes_some(bench: Bench) -> None:
    """Those that are worked on count as well."""
    eldest, other = bench.silent(2)
    bench.n_worked_on = 98
    bench.may_end.set()
    assert bench.ask(b"one").result() == b"!"
    assert eldest.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not other.done()


def test_who_has_gone_while_they_waited_for_a_thread_is_not_worked_for(bench: Bench) -> None:
    first, gone = bench.ask(b"one"), bench.ask(b"gone")
    wait_until(lambda: bench.executor.n_held == 2)
    gone.cancel()
    late = bench.silent()  # the server has read on
    bench.may_end.set()
    assert first.result() == b"!"
    assert bench.ask(b"last").result() == b"!"
    assert bench.asked == [b"one", b"last"]
    assert not late[0].done()


def test_large_messages_that_wait_for_a_thread_have_a_bound(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones wait all the same, and large ones again when there is room."""
    monkeypatch.setattr(arrivals_module, "LARGE_BYTES", 1_000)
    monkeypatch.setattr(arrivals_module, "MAX_LARGE_BYTES", 5_000)
    worked_on = bench.ask(b"first" * 900)
    wait_until(lambda: bench.asked == [b"first"])
    waiting = [bench.ask(b"other" * 900)]
    wait_until(lambda: bench.executor.n_held == 2)
    waiting.append(bench.ask(b"small"))
    wait_until(lambda: bench.executor.n_held == 3)
    told = refused(bench.ask(b"third" * 900).exception())
    assert (told.code, told.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert "too many large messages" in told.message
    assert told.has_retry
    bench.may_end.set()
    for call in (worked_on, *waiting):
        assert call.result() == b"!"
    assert bench.ask(b"again" * 900).result() == b"!"  # there is room once the others are taken up
    assert bench.asked == [b"first", b"other", b"small", b"again"]


def test_large_messages_that_cannot_be_decoded_leave_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever sends some would keep all others from sending large ones for good."""
    monkeypatch.setattr(arrivals_module, "LARGE_BYTES", 1_000)
    monkeypatch.setattr(arrivals_module, "MAX_LARGE_BYTES", 5_000)
    bench.may_end.set()
    for _ in range(3):
        assert bench.ask(WRONG * 900).code() is grpc.StatusCode.INTERNAL
    assert bench.ask(b"right" * 900).result() == b"!"
