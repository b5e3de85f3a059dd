import threading

import pytest

from recsvc.store.breaker import CircuitBreaker
from tests.clocks import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def breaker(clock: SetClock) -> CircuitBreaker:
    return CircuitBreaker(clock, draw=lambda: 0.0)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.record_failure()


def test_opens_after_consecutive_failures_only(breaker: CircuitBreaker) -> None:
    """A success in between starts the count anew; the third in a row opens."""
    fail(breaker, 2)
    breaker.record_success()
    fail(breaker, 2)
    assert breaker.allow()
    fail(breaker, 1)
    assert breaker.is_open
    assert not breaker.allow()


def test_lets_one_caller_probe_after_the_cool_down(
    breaker: CircuitBreaker, clock: SetClock
) -> None:
    """Of many callers that come at once after the cool-down a single one gets through."""
    fail(breaker, 3)
    clock.now += 0.25
    allowed: list[bool] = []
    threads = [threading.Thread(target=lambda: allowed.append(breaker.allow())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed.count(True) == 1


def test_closes_when_the_probe_succeeds(breaker: CircuitBreaker, clock: SetClock) -> None:
    """One answer is enough to be back."""
    fail(breaker, 3)
    clock.now += 0.25
    assert breaker.allow()
    breaker.record_success()
    assert not breaker.is_open
    assert breaker.allow()


def test_cool_down_doubles_up_to_its_ceiling(breaker: CircuitBreaker, clock: SetClock) -> None:
    """Failed probes come after .25, .5, 1 and again 1 second, and a success starts anew."""
    fail(breaker, 3)
    for cool_down in (0.25, 0.5, 1.0, 1.0):
        clock.now += cool_down - 0.01
        assert not breaker.allow()
        clock.now += 0.01
        assert breaker.allow()
        breaker.record_failure()
    breaker.record_success()
    fail(breaker, 3)
    clock.now += 0.25
    assert breaker.allow()


def test_stragglers_do_not_lengthen_the_cool_down(breaker: CircuitBreaker, clock: SetClock) -> None:
    """Calls that were under way when the breaker opened, and fail after it, change nothing."""
    fail(breaker, 20)
    clock.now += 0.25
    assert breaker.allow()


def test_lost_probe_does_not_keep_it_open(breaker: CircuitBreaker, clock: SetClock) -> None:
    """A probe that never reports only delays the next one by a cool-down."""
    fail(breaker, 3)
    clock.now += 0.25
    assert breaker.allow()
    assert not breaker.allow()
    clock.now += 0.25
    assert breaker.allow()


def test_breakers_that_opened_together_probe_apart(clock: SetClock) -> None:
    """The lot shortens each wait, the first and those after failed probes, by up to a half."""
    breakers = [CircuitBreaker(clock, draw=lambda drawn=drawn: drawn) for drawn in (0.0, 0.5, 1.0)]  # type: ignore[misc]  # a lambda's default
    for breaker in breakers:
        fail(breaker, 3)

    def probes_until(seconds: float) -> list[bool]:
        clock.now = 100.0 + seconds
        return [breaker.allow() for breaker in breakers]

    assert probes_until(0.124) == [False, False, False]
    assert probes_until(0.125) == [False, False, True]
    breakers[2].record_failure()
    assert probes_until(0.1875) == [False, True, False]
    breakers[1].record_success()
    assert probes_until(0.25) == [True, True, False]
    assert probes_until(0.375) == [False, True, True]


def give_up(breaker: CircuitBreaker, clock: SetClock, after: float) -> None:
    """A caller who waits so long, where others wait two seconds."""
    began = clock.now
    clock.now += after
    breaker.record_given_up(began, 2.0)


def test_who_gives_up_early_opens_nothing(breaker: CircuitBreaker, clock: SetClock) -> None:
    """However many they are, as long as somebody is answered."""
    give_up(breaker, clock, 1.9)
    breaker.record_success()
    for _ in range(7):
        give_up(breaker, clock, 0.25)
    assert not breaker.is_open


def test_a_store_that_answers_nobody_is_down(breaker: CircuitBreaker, clock: SetClock) -> None:
    """For as long as one who is patient would have waited; then those count as failures."""
    for _ in range(9):
        give_up(breaker, clock, 0.25)
    assert breaker.allow()
    give_up(breaker, clock, 0.25)
    assert breaker.is_open
    breaker.record_success()
    for _ in range(9):
        give_up(breaker, clock, 0.25)
    assert breaker.allow()


def test_who_hardly_waits_learns_nothing(breaker: CircuitBreaker, clock: SetClock) -> None:
    """Else a caller without any patience would close the store to the others."""
    for _ in range(1_000):
        give_up(breaker, clock, 0.01)
    assert not breaker.is_open
