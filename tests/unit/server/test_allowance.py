"""What may be spent on those whom there is no room for."""

import pytest

from recsvc.server.allowance import LEAST_SECONDS, MOST_SECONDS, SHARE, Allowance
from tests.clocks import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def used() -> SetClock:
    """What the thread has had of its core."""
    return SetClock()


@pytest.fixture
def allowance(clock: SetClock, used: SetClock) -> Allowance:
    return Allowance(clock, used)


def spend(allowance: Allowance, used: SetClock, seconds: float) -> None:
    with allowance.spending():
        used.now += seconds


def n_until_none_is_left(allowance: Allowance, used: SetClock, seconds: float) -> int:
    for n in range(1_000):
        if not allowance.is_left:
            return n
        spend(allowance, used, seconds)
    raise AssertionError("it never ends")


def test_it_is_there_from_the_beginning_and_ends(allowance: Allowance, used: SetClock) -> None:
    assert n_until_none_is_left(allowance, used, MOST_SECONDS / 9.5) == 10


def test_a_share_of_the_time_is_saved_up(
    allowance: Allowance, clock: SetClock, used: SetClock
) -> None:
    """What was spent beyond what there was is paid first."""
    spend(allowance, used, MOST_SECONDS + 0.1)
    clock.now += 0.09 / SHARE
    assert not allowance.is_left
    clock.now += 0.02 / SHARE
    assert allowance.is_left


def test_no_more_is_saved_up_than_at_the_beginning(
    allowance: Allowance, clock: SetClock, used: SetClock
) -> None:
    clock.now += 100 * MOST_SECONDS / SHARE
    assert n_until_none_is_left(allowance, used, MOST_SECONDS / 9.5) == 10


def test_however_little_it_takes_something_is_paid(allowance: Allowance, used: SetClock) -> None:
    assert n_until_none_is_left(allowance, used, 0.0) == round(MOST_SECONDS / LEAST_SECONDS)


def test_what_fails_is_paid_as_well(allowance: Allowance, used: SetClock) -> None:
    def fail() -> None:
        with allowance.spending():
            used.now += 2 * MOST_SECONDS
            raise ValueError("no list")

    with pytest.raises(ValueError, match="no list"):
        fail()
    assert not allowance.is_left
