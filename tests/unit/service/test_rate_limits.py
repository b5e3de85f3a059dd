"""How many requests each caller may make."""

from collections.abc import Callable, Sequence

import pytest

from recsvc.errors import RateLimitedError, StoreUnavailableError, UnansweredError
from recsvc.service.ports import MAX_LEASES, Lease
from recsvc.service.rate_limits import FORGET_SECONDS, MAX_CALLERS, RateLimits
from recsvc.store.rate_store import InMemoryRateStore
from tests.stores import SetClock


class Store:
    """Tokens in memory, which can be out of reach."""

    def __init__(self, clock: SetClock) -> None:
        self._rates = InMemoryRateStore(clock)
        self.is_down = False
        self.n_answers: int | None = None  # and then it is down; None for no end
        self.is_slow = False
        self.refused: set[str] = set()
        self.asked: list[Sequence[Lease]] = []
        self.charged: dict[str, float] = {}

    def lease(self, leases: Sequence[Lease]) -> list[float | None]:
        assert 0 < len(leases) <= MAX_LEASES
        self.asked.append(leases)
        if self.is_down or self.n_answers == 0:
            raise StoreUnavailableError("down")
        if self.n_answers is not None:
            self.n_answers -= 1
        taken = [lease for lease in leases if lease.caller not in self.refused]
        for lease in taken:
            self.charged[lease.caller] = self.charged.get(lease.caller, 0) + lease.owed
        given = iter(self._rates.lease(taken))
        if self.is_slow:
            raise UnansweredError("it took too long")
        return [None if each.caller in self.refused else next(given) for each in leases]


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


def renew_meanwhile(bench: Bench, caller: str, meanwhile: Callable[[], object]) -> None:
    """Renew, and do something between the asking for a caller and the answer."""
    lease = bench.store.lease

    def answer(leases: Sequence[Lease]) -> list[float | None]:
        given = lease(leases)
        if caller in {each.caller for each in leases}:
            meanwhile()
        return given

    bench.store.lease = answer  # type: ignore[method-assign]  # until the line below
    bench.processes[0].renew()
    bench.store.lease = lease  # type: ignore[method-assign]  # as before


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
    renew_meanwhile(bench, "a", lambda: bench.passed(0, 5, 1))
    assert bench.passed(0, 5, 200) <= 5


def crowd(bench: Bench, rate: float, name: str = "", n_callers: int = MAX_CALLERS) -> None:
    """So many others make a call each."""
    for number in range(n_callers):
        bench.processes[0].take(f"{name}{number}", rate)


def told(bench: Bench, caller: str) -> list[Lease]:
    """What the store is told of a caller, in all."""
    return [lease for leases in bench.store.asked for lease in leases if lease.caller == caller]


def test_who_has_used_up_its_rate_stays_known_among_many(bench: Bench) -> None:
    """However many others come, who have some left: those go."""
    n_passed = 0
    for number in range(5):
        n_passed += bench.passed(0, 5, 10, caller="heavy")
        crowd(bench, 5, f"{number}-")
        bench.renew(seconds=0)
    assert n_passed == 5


def test_of_whom_there_is_no_room_the_store_is_told(bench: Bench) -> None:
    """What they have used, once."""
    assert bench.passed(0, 5, 4, caller="anna") == 4
    crowd(bench, 5)
    bench.renew()
    assert told(bench, "anna") == [Lease("anna", 5, 4.0, 0.0)]
    bench.renew()
    assert len(told(bench, "anna")) == 1


def test_who_comes_back_before_the_store_is_told_has_what_it_had(bench: Bench) -> None:
    """Where all have used up theirs somebody has to go, and has no more for it."""
    crowd(bench, 1)
    bench.passed(0, 1, 1, caller="one more")
    assert sum(bench.passed(0, 1, 1, caller=str(number)) for number in range(MAX_CALLERS)) == 0
    bench.store.is_down = True
    bench.processes[0].renew()
    bench.store.is_down = False
    bench.store.asked.clear()
    bench.processes[0].renew()
    assert bench.store.charged == {str(number): 1.0 for number in range(MAX_CALLERS)} | {
        "one more": 1.0
    }
    assert bench.passed(1, 1, 1, caller="0") == 1  # on credit: it is asked for at once
    bench.renew(seconds=1)
    assert bench.passed(1, 1, 1, caller="0") == 0


def test_who_comes_back_while_the_store_is_told_is_charged_once(bench: Bench) -> None:
    """And has what it had."""
    assert bench.passed(0, 5, 2, caller="anna") == 2
    crowd(bench, 5)
    renew_meanwhile(bench, "anna", lambda: bench.passed(0, 5, 3, caller="anna"))
    assert bench.passed(0, 5, 1, caller="anna") == 0
    bench.processes[0].renew()
    assert sum(lease.owed for lease in told(bench, "anna")) == 5


def test_who_goes_while_the_store_is_asked_gives_back_what_comes(bench: Bench) -> None:
    """What was asked for it may be used elsewhere."""
    assert bench.passed(0, 5, 3, caller="anna") == 3
    bench.processes[0].renew()
    bench.passed(0, 5, 1, caller="anna")  # one is left here, and none in the bucket
    bench.clock.now += 0.6
    # Two of the three that came in are given.
    renew_meanwhile(bench, "anna", lambda: crowd(bench, 5))
    bench.processes[0].renew()
    assert told(bench, "anna")[-1].owed == pytest.approx(-3)
    assert bench.store.lease([Lease("anna", 5, 0.0, 10.0)]) == [pytest.approx(4)]


def test_what_is_kept_of_callers_is_bounded(bench: Bench) -> None:
    """Also while the store does not answer."""
    bench.store.is_down = True
    crowd(bench, 1, n_callers=3 * MAX_CALLERS)
    bench.renew()
    bench.store.is_down = False
    bench.renew()
    assert len(bench.store.charged) == 2 * MAX_CALLERS


def test_a_store_that_does_not_answer_is_asked_once_a_renewal(bench: Bench) -> None:
    """However many callers there are; all have this process's share meanwhile."""
    crowd(bench, 2, n_callers=2 * MAX_LEASES)
    bench.store.is_down = True
    bench.renew(seconds=1)
    assert len(bench.store.asked) == 1
    assert all(bench.passed(0, 2, 3, caller=str(n)) == 1 for n in range(2 * MAX_LEASES))


def test_what_the_store_has_charged_it_is_not_told_again(bench: Bench) -> None:
    """Where it answers for some callers and not for the next ones, again and again."""
    crowd(bench, 1, n_callers=3 * MAX_LEASES)
    for _ in range(3):
        bench.store.n_answers = 1
        bench.renew(seconds=0)
    bench.store.n_answers = None
    bench.renew(seconds=0)
    assert bench.store.charged == {str(number): 1.0 for number in range(3 * MAX_LEASES)}


def test_what_the_store_gives_counts_though_it_does_not_answer_for_others(bench: Bench) -> None:
    """Who was answered has no share of their rate beside it."""
    crowd(bench, 4, n_callers=2 * MAX_LEASES)
    for number in range(2 * MAX_LEASES):
        bench.passed(0, 4, 3, caller=str(number))
    bench.renew(seconds=0)
    bench.store.n_answers = 1
    bench.renew(seconds=0.5)
    n_passed = [bench.passed(0, 4, 9, caller=str(n)) for n in (0, 2 * MAX_LEASES - 1)]
    assert n_passed == [2, 1]  # all that has come in, and half of that


def test_who_has_gone_is_told_of_in_pieces_too(bench: Bench) -> None:
    """Those of whom the store knows are told of no more, though it failed after them."""
    crowd(bench, 1, n_callers=MAX_CALLERS + MAX_LEASES + 1)
    bench.store.n_answers = MAX_CALLERS // MAX_LEASES + 1
    bench.renew(seconds=0)
    bench.store.n_answers = None
    bench.store.asked.clear()
    bench.renew(seconds=0)
    assert [lease.owed for lease in bench.store.asked[-1]] == [1.0]
    assert sum(bench.store.charged.values()) == MAX_CALLERS + MAX_LEASES + 1


def test_a_store_that_is_slow_gives_no_credit_again(bench: Bench) -> None:
    """Who has gone and comes back while it is has what they had."""
    bench.store.is_slow = True
    assert bench.passed(0, 100, 100) == 100
    for _ in range(8):
        bench.renew(seconds=1)
    assert bench.passed(0, 100, 100) <= 50  # its share, which has grown meanwhile


def test_a_store_that_is_slow_is_given_back_no_token_twice(bench: Bench) -> None:
    """Or who is quiet at one process could have bursts at another, as often as one is slow."""
    assert bench.passed(0, 10, 1) == 1
    bench.renew(seconds=1)
    held = 10 - 1 + bench.store.charged["a"]
    bench.store.is_slow = True
    bench.renew(seconds=FORGET_SECONDS + 1)
    for _ in range(20):
        bench.renew(seconds=1)
    assert bench.store.charged["a"] >= -held


def test_who_asks_for_little_may_ask_for_much_all_at_once(bench: Bench) -> None:
    """As long as it stays below its rate: a share is at hand, while the store is slow too."""
    assert bench.passed(0, 1000, 1000) == 1000
    bench.renew(seconds=1)  # that was on credit
    for _ in range(10):
        bench.renew(seconds=1)
        assert bench.passed(0, 1000, 4) == 4
    assert bench.passed(0, 1000, 490) == 490


def test_who_is_refused_costs_nobody_else(bench: Bench) -> None:
    """The others are charged once, and who is refused has its share until it is not."""
    bench.store.refused = {"bad"}
    for caller in ("good", "bad"):
        assert bench.passed(0, 10, 10, caller=caller) == 10
    for _ in range(5):
        bench.processes[0].renew()
    assert bench.store.charged == {"good": 10}
    bench.renew(seconds=0.2)
    assert bench.passed(0, 10, 3, caller="good") == 2
    assert bench.passed(0, 10, 3, caller="bad") == 1
    bench.store.refused.clear()
    bench.renew()
    assert bench.store.charged == {"good": 10, "bad": 10}


def test_who_comes_while_the_store_is_slow_is_charged_once(bench: Bench) -> None:
    """Whether it has done what it was told nobody knows, and it is not told again."""
    bench.store.is_slow = True
    assert bench.passed(0, 10, 10) == 10
    for _ in range(20):
        bench.processes[0].renew()
    assert bench.store.charged == {"a": 10}
    bench.store.is_slow = False
    bench.renew(seconds=1)
    assert bench.passed(0, 10, 10) > 0
