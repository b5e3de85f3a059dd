"""How long a call will wait."""

from collections.abc import Callable

import pytest

from recsvc.server.backlog import Backlog
from tests.clocks import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def backlog(clock: SetClock) -> Backlog:
    """Of two threads."""
    return Backlog(2, clock)


@pytest.fixture
def end(clock: SetClock, backlog: Backlog) -> Callable[[float], None]:
    """A call ends so many seconds later."""

    def end(seconds: float) -> None:
        clock.now += seconds
        backlog.end()

    return end


def begin(backlog: Backlog, n_calls: int) -> None:
    for _ in range(n_calls):
        backlog.begin()


def test_who_has_a_thread_does_not_wait(backlog: Backlog) -> None:
    begin(backlog, 2)
    assert (backlog.n_held, backlog.n_waiting) == (2, 0)
    begin(backlog, 3)
    assert (backlog.n_held, backlog.n_waiting) == (5, 3)


def test_the_wait_is_all_that_is_held_at_the_pace_of_late(
    backlog: Backlog, end: Callable[[float], None]
) -> None:
    """Nothing is known of it before each thread may have ended a call of the jam."""
    begin(backlog, 6)
    end(5.0)
    assert backlog.wait_seconds == 0
    end(0.75)
    assert (backlog.n_waiting, backlog.wait_seconds) == (2, 0)
    end(0.25)
    assert backlog.wait_seconds == pytest.approx(1.5)  # three are held; 0.25 and 0.75 are 0.5
    begin(backlog, 3)
    assert backlog.wait_seconds == pytest.approx(3.0)


def test_a_pace_that_changes_is_learnt(backlog: Backlog, end: Callable[[float], None]) -> None:
    begin(backlog, 200)
    for _ in range(50):
        end(1.0)
    for _ in range(100):
        end(0.1)
    assert backlog.wait_seconds == pytest.approx(backlog.n_held * 0.1, rel=0.01)


def test_a_time_without_a_jam_says_nothing_of_the_pace(
    backlog: Backlog, end: Callable[[float], None]
) -> None:
    """Threads that had nothing to do were not slow."""
    begin(backlog, 5)
    end(1.0)
    end(0.5)
    end(0.5)
    end(0.5)
    end(60.0)  # since the one before a thread had nothing to do
    begin(backlog, 3)
    end(60.0)
    begin(backlog, 1)
    assert (backlog.n_waiting, backlog.wait_seconds) == (1, 1.5)


def test_a_pace_that_was_slow_is_unlearnt_by_who_waits_for_nobody(
    backlog: Backlog, end: Callable[[float], None]
) -> None:
    """Since nobody is let in to wait at such a pace."""
    begin(backlog, 4)
    for _ in range(4):
        end(10.0)
    for _ in range(60):
        begin(backlog, 3)
        for _ in range(3):
            end(0.1)
    begin(backlog, 3)
    assert backlog.wait_seconds == pytest.approx(0.3, rel=0.1)


def test_a_jam_lasts_from_the_first_who_waits_to_the_last(
    backlog: Backlog, clock: SetClock, end: Callable[[float], None]
) -> None:
    begin(backlog, 2)
    clock.now += 1.0
    assert backlog.jam_seconds == 0
    begin(backlog, 2)
    end(1.0)
    assert backlog.jam_seconds == 1.0
    begin(backlog, 1)
    end(1.0)
    assert backlog.jam_seconds == 2.0
    end(1.0)
    assert backlog.jam_seconds == 0
