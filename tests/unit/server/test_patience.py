"""Streams whose answers nobody takes."""

import math
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from recsvc.logs import collected_facts, note
from recsvc.metrics import Metrics
from recsvc.server.patience import UNREAD_SECONDS, Patience, UnreadError
from tests.stores import SetClock

SECONDS = 10.0


class Context:
    """As much of a ``ServicerContext`` as every release of gRPC has."""

    n_cancelled = 0

    def cancel(self) -> None:
        self.n_cancelled += 1


class Bench:
    def __init__(self) -> None:
        self.numbers, self.clock, self.context = CollectorRegistry(), SetClock(0.0), Context()
        self.patience = Patience(SECONDS, Metrics(self.numbers), self.clock)

    def stream(self) -> Iterator[int]:
        context: Any = self.context
        return self.patience.taken(self.answers(), context)

    def answers(self) -> Generator[int, None, None]:
        with collected_facts():
            yield from range(3)

    def n_ended(self, reason: str) -> float | None:
        return self.numbers.get_sample_value("recsvc_streams_ended_total", {"reason": reason})


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_who_reads_in_time_is_let_go_on(bench: Bench) -> None:
    """However long the stream lasts, and the service takes to answer."""
    for _ in bench.stream():
        bench.clock.now += SECONDS - 1
        bench.patience.sweep()
    bench.clock.now = math.inf
    bench.patience.sweep()
    assert bench.context.n_cancelled == 0


def test_an_answer_that_is_not_taken_is_seen_before_its_stream_is_ended(bench: Bench) -> None:
    """The end of a process waits for who reads, not for who does not."""
    stream = bench.stream()
    assert next(stream) == 0
    bench.clock.now = UNREAD_SECONDS - 1
    assert bench.patience.n_unread == 0
    bench.clock.now = UNREAD_SECONDS
    assert bench.patience.n_unread == 1
    assert next(stream) == 1
    assert bench.patience.n_unread == 0
    assert [*stream] == [2]
    bench.clock.now = math.inf
    assert bench.patience.n_unread == 0


def test_who_does_not_read_is_ended_once(bench: Bench) -> None:
    """Where a release of gRPC takes no words, without any."""
    stream = bench.stream()
    assert next(stream) == 0
    bench.clock.now = SECONDS
    for _ in range(2):
        bench.patience.sweep()
    assert bench.context.n_cancelled == 1
    assert bench.n_ended("unread") == 1
    with pytest.raises(UnreadError, match="was not read for 10 s"):
        next(stream)


def test_a_stream_that_is_let_go_of_says_why(bench: Bench) -> None:
    """One that was ended; who hangs up has a reason of their own."""
    ended, left = bench.stream(), bench.stream()
    assert next(ended) == 0
    bench.clock.now = SECONDS
    bench.patience.sweep()
    assert next(left) == 0
    with pytest.raises(UnreadError):
        ended.close()  # type: ignore[attr-defined]  # it is a generator
    left.close()  # type: ignore[attr-defined]  # likewise
    assert bench.n_ended("unread") == 1


def test_what_answers_has_ended_before_what_stands_around_it(bench: Bench) -> None:
    """Or the facts that it collects for itself would go on hiding those of the call."""
    with collected_facts() as facts:
        stream = bench.stream()
        assert next(stream) == 0
        bench.clock.now = SECONDS
        bench.patience.sweep()
        with pytest.raises(UnreadError) as raised:
            next(stream)
        note(n_items=1)
    assert facts == {"n_items": 1}
    assert raised.traceback  # holds on to the stream
