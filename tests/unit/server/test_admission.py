"""Who is worked for, and what the others are told."""

from collections.abc import Callable, Iterator
from itertools import cycle

import pytest
from google.rpc.error_details_pb2 import RetryInfo

from recsvc.server.admission import (
    MAX_RETRY_SECONDS,
    MIN_RETRY_SECONDS,
    Admission,
    ExpiredError,
)
from recsvc.server.backlog import Backlog
from recsvc.server.errors import to_status
from tests.serving import new_metrics


class Bench:
    """One thread that a call takes a second of, and a clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0
        self.backlog = Backlog(1, lambda: self.now)
        self.backlog.learn(1.0)
        self.n_beside = 0
        self.draws: Iterator[float] = cycle([0.0, 0.5, 1.0])
        metrics, self.numbers = new_metrics()
        self.admission = Admission(
            self.backlog,
            max_held=12,
            max_wait_seconds=5.0,
            metrics=metrics,
            draw=lambda: next(self.draws),
            n_beside=lambda: self.n_beside,
        )

    def hold(self, n_calls: int) -> None:
        while self.backlog.n_held < n_calls:
            self.backlog.begin()

    def slow_with(self, n_calls: int) -> bool:
        self.hold(n_calls)
        return self.admission.is_slow

    def counted(self, reason: str) -> float | None:
        return self.numbers.get_sample_value("recsvc_turned_away_total", {"reason": reason})


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_queue_that_comes_may_be_long(bench: Bench) -> None:
    """As long as the longest wait, for all that is held."""
    slow = [bench.slow_with(n_calls) for n_calls in (5, 6)]
    assert slow == [False, True]


def test_a_queue_that_stays_must_be_short(bench: Bench) -> None:
    """It does no more for being long, and is a short one's wait for everybody.

    It stays once it has been there for as long as those wait who come.
    """
    bench.hold(4)
    bench.now += 12.0
    slow = [bench.admission.is_slow]
    bench.now += 1.0
    slow.append(bench.admission.is_slow)
    for _ in range(2):
        bench.backlog.end()
    slow.append(bench.admission.is_slow)
    assert slow == [False, True, False]


@pytest.mark.parametrize(("seconds_left", "n_calls"), [(20.0, 11), (1e6, 41), (1.0, 6)])
def test_who_gives_more_time_may_wait_longer(
    bench: Bench, seconds_left: float, n_calls: int
) -> None:
    """Seven tenths of what is beyond the usual, and eight times the setting at most."""
    bench.admission.deadlines.learn(seconds_left)
    slow = [bench.slow_with(n_calls + more) for more in (-1, 0)]
    assert slow == [False, True]


def test_where_nobody_waits_nobody_is_turned_away(bench: Bench) -> None:
    """However slow the calls are."""
    bench.backlog.learn(1e6)
    bench.hold(1)
    assert not bench.admission.is_slow


def test_there_is_room_for_so_many(bench: Bench) -> None:
    full = []
    for n_calls in (11, 12):
        bench.hold(n_calls)
        full.append(bench.admission.is_full)
    assert full == [False, True]


def test_what_other_threads_hold_takes_room_and_no_turn(bench: Bench) -> None:
    """A list waits for the threads of lists alone."""
    bench.hold(1)
    bench.n_beside = 10
    assert (bench.admission.is_full, bench.admission.is_slow) == (False, False)
    bench.n_beside = 11
    assert (bench.admission.is_full, bench.admission.is_slow) == (True, False)


def test_what_has_lasted_will_last_as_long_again(bench: Bench) -> None:
    """And not all of them come back at once."""
    bench.hold(8)
    bench.now += 2.0
    delays = [bench.admission.refused().retry_seconds for _ in range(3)]
    assert delays == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("lasted", "told"), [(0.0, MIN_RETRY_SECONDS), (1e6, MAX_RETRY_SECONDS)])
def test_the_delay_has_bounds(bench: Bench, lasted: float, told: float) -> None:
    bench.draws = cycle([0.5])
    bench.hold(8)
    bench.now += lasted
    assert bench.admission.refused().retry_seconds == told


def test_the_delay_is_in_the_status(bench: Bench) -> None:
    bench.draws = cycle([0.5])
    bench.hold(8)
    bench.now += 1.5
    info = RetryInfo()
    assert any(detail.Unpack(info) for detail in to_status(bench.admission.refused()).details)
    assert info.retry_delay.ToMilliseconds() == 1500


@pytest.mark.parametrize(
    ("reason", "refuse"),
    [
        ("wait", lambda bench: bench.admission.refused()),
        ("full", lambda bench: (bench.hold(12), bench.admission.refused())),
        ("streams", lambda bench: bench.admission.streams_refused(64)),
    ],
)
def test_each_is_counted_by_what_it_was_for(
    bench: Bench, reason: str, refuse: Callable[[Bench], object]
) -> None:
    refuse(bench)
    assert bench.counted(reason) == 1


def test_who_has_gone_is_not_worked_for(bench: Bench) -> None:
    bench.admission.begins(0.001)
    assert bench.counted("expired") in (None, 0)
    with pytest.raises(ExpiredError, match="before the work began"):
        bench.admission.begins(0.0)
    assert bench.counted("expired") == 1
