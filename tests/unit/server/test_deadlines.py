"""How long callers wait."""

import pytest

from recsvc.server.deadlines import Deadlines
from tests.clocks import SetClock

OF_GRPC = 9.2e18
"""What it says is left where there is no deadline."""


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def deadlines(clock: SetClock) -> Deadlines:
    return Deadlines(0.25, 1.25, clock)


@pytest.mark.parametrize(
    ("lefts", "seconds"),
    [
        ((), 0.25),
        ((1.0,), 1.0),
        ((1e6,), 1.25),
        ((0.001,), 0.25),
        ((-1.0,), 0.25),
        ((OF_GRPC,), 0.25),
        ((OF_GRPC, 1.0, OF_GRPC), 1.0),
    ],
)
def test_the_first_says_all_within_bounds(
    deadlines: Deadlines, lefts: tuple[float, ...], seconds: float
) -> None:
    """Who has no deadline says nothing."""
    for left in lefts:
        deadlines.learn(left)
    assert deadlines.seconds == seconds


def test_who_is_in_a_hurry_is_soon_reckoned_with(deadlines: Deadlines) -> None:
    """As far as they are, and no further."""
    deadlines.learn(1.0)
    for _ in range(7):
        deadlines.learn(0.3)
    assert deadlines.seconds == 0.3


def test_who_gives_nearly_as_much_takes_nearly_nothing_off(deadlines: Deadlines) -> None:
    """A second less the way is seen as .98 to 1, and means one."""
    for given in (1.0, 0.98, 0.99):
        deadlines.learn(given)
    assert deadlines.seconds == 0.98


def test_it_rises_with_time_and_not_with_calls(clock: SetClock, deadlines: Deadlines) -> None:
    """As far as they have: it doubles in a minute."""
    deadlines.learn(0.3)
    for _ in range(6_000):
        clock.now += 0.01
        deadlines.learn(1.0)
    assert deadlines.seconds == pytest.approx(0.6)
    clock.now += 600
    deadlines.learn(1.0)
    assert deadlines.seconds == 1.0


def test_a_few_pages_are_heard_beside_a_job(clock: SetClock, deadlines: Deadlines) -> None:
    """Six of them a minute, beside a hundred calls a second."""
    deadlines.learn(60.0)
    most = 0.0
    for second in range(1_200):
        for _ in range(100):
            clock.now += 0.01
            deadlines.learn(60.0)
        if second % 10 == 0:
            deadlines.learn(0.25)
        if second > 600:
            most = max(most, deadlines.seconds)
    assert most < 0.3


def test_a_weekend_without_a_call_is_no_error(clock: SetClock, deadlines: Deadlines) -> None:
    deadlines.learn(0.3)
    clock.now += 3 * 86_400
    deadlines.learn(1.0)
    assert deadlines.seconds == 1.0
