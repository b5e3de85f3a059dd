"""How many requests each caller may make."""

from collections.abc import Sequence

import pytest

from recsvc.errors import RateLimitedError, StoreUnavailableError
from recsvc.service.ports import Lease
from recsvc.service.rate_limits import FORGET_SECONDS, MAX_CALLERS, RateLimits
from recsvc.store.rate_store import InMemoryRateStore
from tests.stores import SetClock


class Store:
    """Tokens in memory, which can be out of reach."""

    def __init__(self, clock: SetClock) -> None:
        self._rates = InMemoryRateStore(clock)
        self.is_down = False
        self.asked: list[Sequence[Lease]] = []

    def lease(self, leases: Sequence[Lease]) -> list[float]:
        self.asked.append(leases)
        if self.is_down:
            raise StoreUnavailableError("down")
        return self._rates.lease(leases)


class Bench:
    """Two processes that share a store."""

    def __init__(self) -> None:
        self.clock = SetClock(100.0)
        self.store = Store(self.clock)
        self.processes = [
            RateLimits(self.store, 0.5, monotonic=self.clock, draw=lambda: 0.0) for _ in range(2)
        ]

    def passed(self, process: int, rate: float, n_calls: int, caller: str = "a") -> int:
        """How many of so many calls at one moment pass."""
        n_passed = 0
        for _ in range(n_calls):
            try:
                self.processes[process].take(caller, rate)
                n_passed += 1
            except RateLimitedError:
                continue
        return n_passed

    def renew(self, seconds: float = 0.2) -> None:
        self.clock.now += seconds
        for process in self.processes:
            process.renew()

    def run(self, rate: float, seconds: int, n_calls: tuple[int, int]) -> int:
        """How many pass of so many calls at each process, five times a second."""
        n_passed = 0
        for _ in range(5 * seconds):
            n_passed += sum(self.passed(at, rate, n) for at, n in enumerate(n_calls))
            self.renew()
        return n_passed


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_who_was_quiet_may_ask_for_a_seconds_worth_at_once(bench: Bench) -> None:
    assert bench.passed(0, 10, 50) == 10


def test_one_call_passes_however_low_the_rate(bench: Bench) -> None:
    assert bench.passed(0, 0.1, 3) == 1


@pytest.mark.parametrize("rate", [2, 10, 100])
@pytest.mark.parametrize("n_calls", [(50, 0), (50, 50), (50, 3)])
def test_what_passes_of_all_processes_comes_to_the_rate(
    bench: Bench, rate: float, n_calls: tuple[int, int]
) -> None:
    """Wherever a caller's connections end, and whatever each process gave on credit at first."""
    n_passed = bench.run(rate, 20, n_calls)
    assert 20 * rate <= n_passed <= 20 * rate + 2 * rate + 2


def test_who_stays_below_the_rate_is_never_turned_away(bench: Bench) -> None:
    assert bench.run(20, 20, (2, 1)) == 20 * 5 * 3


def test_each_caller_has_a_rate_of_its_own(bench: Bench) -> None:
    assert bench.passed(0, 5, 9) == 5
    assert bench.passed(0, 5, 9, caller="b") == 5


def test_no_call_waits_for_the_store(bench: Bench) -> None:
    """It is asked by whoever renews, and not at all where nobody calls."""
    bench.passed(0, 5, 9)
    assert not bench.store.asked
    bench.processes[1].renew()
    assert not bench.store.asked


def test_without_the_store_each_process_gives_its_share(bench: Bench) -> None:
    """Half of ten a second, of two."""
    bench.store.is_down = True
    n_passed = bench.run(10, 20, (20, 0))
    assert 100 <= n_passed <= 112


def test_it_goes_on_together_once_the_store_is_back(bench: Bench) -> None:
    bench.store.is_down = True
    bench.run(10, 5, (20, 20))
    bench.store.is_down = False
    bench.run(10, 4, (20, 20))  # what was given on credit is charged
    assert 10 * 20 - 4 <= bench.run(10, 20, (20, 20)) <= 10 * 20 + 4


def test_a_batch_may_take_more_than_there_is_and_owes_it(bench: Bench) -> None:
    """Ninety of a hundred, which are nine seconds; nobody who waits is given credit again."""
    bench.processes[0].take("a", 10, 100)
    for _ in range(44):
        bench.renew()
        assert bench.passed(0, 10, 1) == 0
    for _ in range(4):
        bench.renew()
    assert bench.passed(0, 10, 1) == 1


def test_it_says_when_to_come_back(bench: Bench) -> None:
    """When there will be a token, or the next look at the store if that is later."""
    bench.processes[0].take("a", 10, 50)
    with pytest.raises(RateLimitedError, match="more than 10 requests a second") as raised:
        bench.processes[0].take("a", 10)
    assert raised.value.retry_seconds == pytest.approx(4.1)
    bench.processes[0].take("b", 1000, 1000)
    with pytest.raises(RateLimitedError) as raised:
        bench.processes[0].take("b", 1000)
    assert raised.value.retry_seconds == pytest.approx(0.2)


def test_who_has_gone_gives_back_what_is_held(bench: Bench) -> None:
    """For another process to use, and nothing is remembered here."""
    bench.passed(0, 10, 1)
    bench.renew()
    bench.renew()
    bench.renew(FORGET_SECONDS + 1)
    bench.store.asked.clear()
    bench.renew()
    assert not bench.store.asked


@pytest.mark.parametrize(
    ("before", "n_used", "after", "n_left"),
    [(10, 5, 100, 50), (100, 50, 10, 5), (10, 10, 100, 0), (100, 100, 10, 0)],
)
def test_a_rate_that_changes_holds_at_once(
    bench: Bench, before: float, n_used: int, after: float, n_left: int
) -> None:
    """And what was used stays used: the same share of a second's worth is left."""
    assert bench.passed(0, before, n_used) == n_used
    assert bench.passed(0, after, 200) == n_left


def test_what_a_raised_rate_lends_is_charged(bench: Bench) -> None:
    """Nine tenths of a second's worth at once, and five seconds' in five seconds."""
    assert bench.passed(0, 10, 1) == 1
    bench.renew()  # the store knows who is there
    assert 4_500 <= bench.run(1_000, 5, (1_000, 0)) <= 5_200


def test_what_comes_after_a_rate_was_lowered_is_not_more_than_its_burst(bench: Bench) -> None:
    """As what was asked for at the rate before, which is given back."""
    bench.run(100, 3, (50, 0))
    bench.passed(0, 100, 50)
    bench.clock.now += 0.2
    lease, limits = bench.store.lease, bench.processes[0]

    def lowered(leases: Sequence[Lease]) -> list[float]:
        given = lease(leases)
        bench.passed(0, 5, 1)
        return given

    bench.store.lease = lowered  # type: ignore[method-assign]  # between the asking and the answer
    limits.renew()
    bench.store.lease = lease  # type: ignore[method-assign]  # as before
    assert bench.passed(0, 5, 200) <= 5


def test_there_is_room_for_so_many_callers(bench: Bench) -> None:
    """Who was first here is forgotten first."""
    for number in range(MAX_CALLERS):
        bench.passed(0, 1, 1, caller=str(number))
    assert bench.passed(0, 1, 1, caller="0") == 0
    bench.passed(0, 1, 1, caller="one more")
    assert bench.passed(0, 1, 1, caller="1") == 0
    assert bench.passed(0, 1, 1, caller="0") == 1
