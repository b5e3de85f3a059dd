"""One maker of a list at a time: who makes it, who waits, and for how long."""

import threading
from dataclasses import replace

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.places import Location
from recsvc.errors import InvalidRequestError, StoreUnavailableError
from recsvc.service.answer_cache import CLAIM_SECONDS
from recsvc.service.cache_port import CacheKey, Claim, Claimed, Lookup
from recsvc.service.deliveries import Served
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.turns import PATIENCE_SECONDS
from tests.bench import FOREVER, Bench
from tests.serving import wait_until
from tests.shoppers import ANNA, customer
from tests.unit.service.test_recommendation_selling import COLA

OF_ANNA = Question(customer_id="anna")
PATIENCE = 20.0


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def key_of(bench: Bench, question: Question = OF_ANNA) -> CacheKey:
    return bench.recommendations.begin(question, 1e9).cached.key


def claimed_elsewhere(bench: Bench, revision: int = 0) -> Claim:
    """Another process makes the list."""
    claim = Claim(key_of(bench), revision, "another process")
    assert bench.cache.inner.claim(claim, b"", CLAIM_SECONDS) is Claimed.TAKEN
    return claim


def nothing() -> None:
    """Time goes by."""


def waits(bench: Bench, outcome: str) -> float | None:
    return bench.count("recsvc_cache_waits_total", outcome=outcome)


def test_what_nobody_else_makes_is_made(bench: Bench) -> None:
    """With one claim, which ends with the list."""
    assert bench.ask(OF_ANNA).delivery.served_from is ServedFrom.MODEL
    assert bench.cache.claims == [Claimed.TAKEN]
    mark = bench.cache.inner.get(key_of(bench)).mark
    other = Claim(key_of(bench), 0, "another process")
    assert bench.cache.inner.claim(other, mark, 1) is Claimed.TAKEN
    assert waits(bench, "given") is waits(bench, "alone") is None


def test_what_another_process_makes_is_waited_for(bench: Bench) -> None:
    """And given as soon as it is there, with nothing made here."""
    claim = claimed_elsewhere(bench)

    def is_made() -> None:
        bench.cache.inner.put(claim.key, b"theirs", 60, claim=claim)

    bench.meanwhile = [nothing, nothing, is_made]
    served = bench.ask(OF_ANNA, seconds=10)
    assert (served.payload, served.delivery.served_from) == (b"theirs", ServedFrom.CACHE)
    assert served.delivery.compute_seconds == pytest.approx(0.007)  # 1, 2 and 4 ms
    assert served.delivery.degraded_reason == ""
    assert bench.codec.answers == []
    assert waits(bench, "given") == 1


def test_what_was_made_between_look_and_claim_is_given(bench: Bench) -> None:
    """No list is made twice because two processes have looked at the same time."""
    begun = bench.recommendations.begin(OF_ANNA, 1e9)
    bench.recommendations.look_up([begun])
    bench.cache.inner.put(begun.cached.key, b"theirs", 60)
    served = bench.recommendations.finish(begun)
    assert (served.payload, served.delivery.served_from) == (b"theirs", ServedFrom.CACHE)


def test_the_list_of_a_process_that_died_is_made_by_the_next(bench: Bench) -> None:
    """Once its claim is over."""
    claimed_elsewhere(bench)
    served = bench.ask(OF_ANNA, seconds=10)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert served.delivery.compute_seconds == pytest.approx(CLAIM_SECONDS, abs=0.02)
    assert bench.ask(OF_ANNA).delivery.served_from is ServedFrom.CACHE


def test_the_list_of_a_process_that_failed_is_made_by_the_next(bench: Bench) -> None:
    """As soon as it has let go of it."""
    claim = claimed_elsewhere(bench)
    bench.meanwhile = [lambda: bench.cache.inner.release(claim)]
    served = bench.ask(OF_ANNA, seconds=10)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert served.delivery.compute_seconds == pytest.approx(0.001)


@pytest.mark.parametrize("seconds", [1.0, 0.4])
def test_who_has_no_time_to_wait_gets_what_sells(bench: Bench, seconds: float) -> None:
    """In time to send it, and before the store could keep it longer; nothing of it is kept."""
    claimed_elsewhere(bench)
    served = bench.ask(OF_ANNA, seconds=seconds)
    assert served.delivery.served_from is ServedFrom.FALLBACK
    assert served.delivery.degraded_reason == "DEADLINE"
    assert 0.75 * seconds < served.delivery.compute_seconds <= 0.81 * seconds
    assert bench.cache.puts == []
    assert waits(bench, "late") == 1
    # Nothing is known of what the list takes: who has as much time is not turned away.
    bench.now += CLAIM_SECONDS
    assert bench.ask(OF_ANNA, seconds=seconds).delivery.served_from is ServedFrom.MODEL


def test_who_could_not_make_the_list_in_time_does_not_claim_it(bench: Bench) -> None:
    """What sells is given at once, and others find nobody in their way."""
    bench.lists_take(2)
    bench.ask(Question(), seconds=100)  # from now on .2 s are expected
    bench.codec.before = nothing
    bench.cache.claims.clear()
    assert bench.ask(OF_ANNA, seconds=0.3).delivery.served_from is ServedFrom.FALLBACK
    assert bench.cache.claims == []


def test_a_list_that_nobody_has_time_for_comes_back(bench: Bench) -> None:
    """What took long once is tried again, though all who ask are in a hurry."""
    bench.lists_take(2)
    bench.ask(Question(), seconds=100)  # from now on .2 s are expected
    bench.codec.before = nothing
    given = [bench.ask(OF_ANNA, seconds=0.1).delivery.served_from for _ in range(100)]
    assert given[0] is ServedFrom.FALLBACK
    assert given[-1] is ServedFrom.CACHE


@pytest.mark.parametrize("may_wait", [True, False])
def test_a_list_that_came_too_late_to_be_kept_is_no_worse(bench: Bench, *, may_wait: bool) -> None:
    """What the shopper did was read before it was made."""
    bench.lists_take(0.06)
    begun = bench.recommendations.begin(OF_ANNA, bench.monotonic + 0.1)
    delivery = bench.recommendations.finish(begun, may_wait=may_wait).delivery
    assert (delivery.served_from, delivery.degraded_reason) == (ServedFrom.MODEL, "")
    assert bench.cache.puts == []


def test_who_waited_in_vain_says_nothing_of_the_cost(bench: Bench) -> None:
    """However many did: it is as unknown as before."""
    bench.lists_take(2)
    bench.ask(Question(), seconds=100)  # from now on .2 s are expected
    bench.codec.before = nothing
    claim = claimed_elsewhere(bench)
    for _ in range(40):
        bench.now -= 1  # the claim is not over
        assert bench.ask(OF_ANNA, seconds=1).delivery.served_from is ServedFrom.FALLBACK
    bench.cache.inner.release(claim)
    assert bench.ask(OF_ANNA, seconds=0.3).delivery.served_from is ServedFrom.FALLBACK


def test_nobody_waits_for_ever(bench: Bench) -> None:
    """Where others claim the list again and again, and none makes it."""

    def again() -> None:
        bench.cache.inner.claim(Claim(key_of(bench), 0, "another process"), b"", CLAIM_SECONDS)
        bench.meanwhile.append(again)

    claimed_elsewhere(bench)
    bench.meanwhile.append(again)
    served = bench.ask(OF_ANNA)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert served.delivery.compute_seconds == pytest.approx(PATIENCE_SECONDS)
    assert waits(bench, "alone") == 1
    assert bench.cache.puts == [key_of(bench)]


def test_what_the_shopper_does_meanwhile_counts(bench: Bench) -> None:
    """The list that was waited for is of before."""
    claim = claimed_elsewhere(bench)

    def is_made() -> None:
        bench.did("1")
        bench.cache.inner.put(claim.key, b"of before", 60, claim=claim)

    bench.meanwhile = [is_made]
    served = bench.ask(OF_ANNA, seconds=10)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert bench.ask(OF_ANNA).payload == served.payload != b"of before"


def test_what_is_withdrawn_meanwhile_is_not_given(bench: Bench) -> None:
    """The list that was waited for has it."""
    claim = claimed_elsewhere(bench)

    def is_made() -> None:
        bench.standing.withdraw(["milk"])
        bench.cache.inner.put(claim.key, b"milk tea", 60, claim=claim)

    bench.meanwhile = [is_made]
    served = bench.ask(OF_ANNA, seconds=10)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert "milk" not in served.payload.decode().split()


@pytest.mark.parametrize("step", ["claim", "get"])
def test_a_store_that_fails_keeps_nobody_waiting(bench: Bench, step: str) -> None:
    """The list is made, and says so."""
    claim = claimed_elsewhere(bench)

    def fails(*_: object) -> object:
        raise StoreUnavailableError("down")

    def is_made() -> None:
        bench.cache.inner.put(claim.key, b"theirs", 60)
        setattr(bench.cache, step, fails)

    bench.meanwhile = [is_made]
    served = bench.ask(OF_ANNA, seconds=10)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert served.delivery.degraded_reason == "STORE_UNAVAILABLE"


def test_a_claim_that_cannot_be_released_is_no_error(bench: Bench) -> None:
    """The answer is there, or the fault is the one that it was; the claim ends by itself."""

    def dies() -> None:
        bench.cache.is_down = True

    def fails_too() -> None:
        bench.cache.is_down = True
        raise ValueError("a fault of ours")

    bench.codec.before = dies
    assert bench.ask(OF_ANNA).delivery.degraded_reason == "STORE_UNAVAILABLE"
    bench.cache.is_down = False
    bench.now += CLAIM_SECONDS
    bench.codec.before = fails_too
    with pytest.raises(ValueError, match="of ours"):
        bench.ask(OF_ANNA)
    bench.codec.before = nothing
    bench.cache.is_down = False
    assert bench.ask(OF_ANNA, seconds=10).delivery.compute_seconds >= CLAIM_SECONDS - 0.02


def test_in_a_batch_nobody_waits(bench: Bench) -> None:
    """Each would keep all those behind it waiting."""
    claimed_elsewhere(bench)
    begun = bench.recommendations.begin(OF_ANNA, 1e9)
    served = bench.recommendations.finish(begun, may_wait=False)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert bench.cache.claims == []


class Crowd:
    """Threads that ask the same at the same moment, of which one is held up as it makes the list.

    Args:
        bench: whom they ask.
        questions: what each asks.
        fails: what the one that is held up ends with.
        keeps: it is held up as it keeps the list, when it has made it.
    """

    def __init__(
        self,
        bench: Bench,
        *questions: Question,
        fails: Exception | None = None,
        keeps: bool = False,
    ) -> None:
        self._fails = fails
        self.served: list[Served] = []
        self.errors: list[Exception] = []
        self._bench = bench
        self._go = threading.Event()
        self._makes = threading.Semaphore(0)
        if keeps:
            bench.cache.before_put = self._hold_up
        else:
            bench.codec.before = self._hold_up
        self._threads = [threading.Thread(target=self._ask, args=(each,)) for each in questions]
        first, *others = self._threads
        first.start()
        assert self._makes.acquire(timeout=PATIENCE)
        for thread in others:
            thread.start()
        # Those who are to wait have looked, and found nothing.
        wait_until(lambda: len(bench.cache.keys) >= len(questions))

    def _hold_up(self) -> None:
        self._makes.release()
        assert self._go.wait(PATIENCE)
        if self._fails is not None:
            raise self._fails

    def _ask(self, question: Question) -> None:
        try:
            self.served.append(
                self._bench.recommendations.recommend(question, FOREVER, written=b"as written")
            )
        except (ValueError, InvalidRequestError) as error:
            self.errors.append(error)

    def go(self) -> list[ServedFrom]:
        """Let the list be made; say how each answer came about."""
        self._bench.codec.before = nothing
        self._go.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        return sorted(each.delivery.served_from for each in self.served)


def test_callers_of_one_process_ask_the_store_and_the_model_once(bench: Bench) -> None:
    """The others are given what the first one made, as it was kept."""
    crowd = Crowd(bench, *[OF_ANNA] * 4)
    assert crowd.go() == [ServedFrom.CACHE] * 3 + [ServedFrom.MODEL]
    assert len({each.payload for each in crowd.served}) == 1
    assert len({each.delivery.recommendation_id for each in crowd.served}) == 4
    assert bench.cache.claims.count(Claimed.TAKEN) == 1
    assert len(bench.codec.answers) == len(bench.cache.puts) == 1


def test_other_questions_are_not_held_up(bench: Bench) -> None:
    """Nor who asks the same as somebody else: a store that halts halts nobody else's list."""
    crowd = Crowd(bench, OF_ANNA, keeps=True)
    bench.cache.before_put = nothing
    for question in (Question(customer_id="ben"), OF_ANNA._replace(size=3), Question()):
        assert bench.ask(question).delivery.served_from is ServedFrom.MODEL
    bench.did("1")  # what she asks now is another list
    assert bench.ask(OF_ANNA).delivery.served_from is ServedFrom.MODEL
    assert waits(bench, "alone") is None
    assert crowd.go() == [ServedFrom.MODEL]


def test_a_fault_is_its_callers_alone(bench: Bench) -> None:
    """The next one makes the list, for all who still wait."""
    crowd = Crowd(bench, *[OF_ANNA] * 3, fails=ValueError("a fault of ours"))
    assert crowd.go() == [ServedFrom.CACHE, ServedFrom.MODEL]
    assert [str(error) for error in crowd.errors] == ["a fault of ours"]
    assert bench.cache.claims.count(Claimed.TAKEN) == 2
    assert bench.monotonic == 1000  # nobody waited for a claim to be over


def test_a_question_that_cannot_be_answered_is_refused_once_for_all(bench: Bench) -> None:
    """Nobody who asks the same has to find out again; each has an error of their own."""
    fault = InvalidRequestError("filter.brands", "'x' is unknown", reason="FILTER_UNSUPPORTED")
    crowd = Crowd(bench, *[OF_ANNA] * 3, fails=fault)
    assert crowd.go() == []
    told = {(str(error), getattr(error, "reason", "")) for error in crowd.errors}
    assert told == {("filter.brands: 'x' is unknown", "FILTER_UNSUPPORTED")}
    assert len({id(error) for error in crowd.errors}) == 3
    assert bench.cache.claims == [Claimed.TAKEN]
    # It is nothing that would be remembered.
    assert bench.ask(OF_ANNA).delivery.served_from is ServedFrom.MODEL


def test_the_end_ends_the_wait_for_another_process(bench: Bench) -> None:
    """Nobody is there any more to be given the list: none is made."""
    claimed_elsewhere(bench)
    bench.meanwhile = [nothing, bench.recommendations.stop]
    served = bench.ask(OF_ANNA, seconds=100)
    assert served.delivery.served_from is ServedFrom.FALLBACK
    assert served.delivery.compute_seconds == pytest.approx(0.003)  # 1 and 2 ms
    assert waits(bench, "late") == 1
    assert bench.cache.puts == []


def test_the_end_ends_the_wait_for_another_thread(bench: Bench) -> None:
    """Only the one that makes the list goes on."""
    crowd = Crowd(bench, *[OF_ANNA] * 3)
    bench.codec.before = nothing
    bench.recommendations.stop()
    wait_until(lambda: len(crowd.served) == 2)
    assert crowd.go() == [ServedFrom.FALLBACK] * 2 + [ServedFrom.MODEL]
    assert bench.cache.claims == [Claimed.TAKEN]


def test_a_list_of_another_thread_is_kept_with_what_it_holds_on_to(registry: Registry) -> None:
    """As if it had been found in the store."""
    bench = Bench(registry, process_bytes=1_000_000)
    look = bench.cache.get

    def get(key: CacheKey) -> Lookup:
        return look(key)._replace(n_bytes=100_000)

    bench.cache.get = get  # type: ignore[method-assign]  # a shopper who has done much
    assert Crowd(bench, *[OF_ANNA] * 2).go() == [ServedFrom.CACHE, ServedFrom.MODEL]
    kept_bytes = bench.count("recsvc_process_cache_bytes")
    assert kept_bytes is not None
    assert kept_bytes > 100_000


def test_who_may_not_be_given_what_was_made_makes_their_own(bench: Bench) -> None:
    """It has what was withdrawn while it was made."""
    crowd = Crowd(bench, *[OF_ANNA] * 2)
    bench.standing.withdraw(["milk"])
    assert crowd.go() == [ServedFrom.MODEL] * 2
    lists = [each.payload.decode().split() for each in crowd.served]
    assert sorted("milk" in one for one in lists) == [False, True]


def test_what_is_not_kept_is_nobody_elses(bench: Bench) -> None:
    """Nobody watches the stock of the store where the shopper is of late."""
    bench.say("", "bread")
    bench.say("york-1", "tea")
    emil = Question(customer_id="emil", in_stock_only=True)
    bench.did("1", customer("emil"), location=Location(store_id="york-1"))
    crowd = Crowd(bench, *[emil] * 3)
    assert crowd.go() == [ServedFrom.MODEL] * 3
    assert waits(bench, "alone") == 2


def n_behind(bench: Bench) -> int:
    """How many wait for another one of this process; only what is private in both says so."""
    flights = list(bench.recommendations._turns._flights.values())
    waiters = [flight.done._cond._waiters for flight in flights]  # type: ignore[attr-defined]  # private, so no stub has it
    return sum(map(len, waiters))


def test_who_has_waited_in_vain_behind_another_makes_nothing(bench: Bench) -> None:
    """The one of this process gives up on another process, and so do all behind.

    None of those asks the store again, and what sells is put together once for all.
    """
    claimed_elsewhere(bench)
    follows = threading.Event()
    served: list[Served] = []

    def time_flies() -> None:
        assert follows.wait(PATIENCE)
        wait_until(lambda: n_behind(bench) == 2)
        bench.monotonic += 0.96  # too late to ask the store

    def ask() -> None:
        served.append(bench.ask(OF_ANNA, seconds=1))

    bench.meanwhile = [time_flies]
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(bench.cache.keys) == len(threads))
    follows.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert {each.delivery.served_from for each in served} == {ServedFrom.FALLBACK}
    assert waits(bench, "late") == 3
    assert bench.cache.puts == []
    assert bench.cache.claims == [Claimed.HELD]
    assert len(bench.codec.answers) == 1
    assert len({each.delivery.recommendation_id for each in served}) == 3


def test_what_was_withdrawn_is_in_no_list_of_who_waits_in_vain(bench: Bench) -> None:
    """Also where another one who was late has put it together before."""
    crowd = Crowd(bench, OF_ANNA)
    bench.codec.before = nothing
    before = bench.ask(OF_ANNA, seconds=0.06).payload.decode().split()
    bench.standing.withdraw(before[:1])
    after = bench.ask(OF_ANNA, seconds=0.06)
    assert after.delivery.served_from is ServedFrom.FALLBACK
    assert after.payload.decode().split() == before[1:]
    again = bench.ask(OF_ANNA, seconds=0.06)
    assert again.payload is after.payload
    assert crowd.go() == [ServedFrom.MODEL]


def test_who_waits_in_vain_is_given_nothing_of_before_their_last_act(bench: Bench) -> None:
    """Who was late before it may have had what was bought since."""
    served: list[Served] = []
    crowd = Crowd(bench, OF_ANNA, fails=ValueError("a fault of ours"))
    bench.codec.before = nothing
    before = bench.ask(OF_ANNA, seconds=0.06)
    seconds = 2 * CLAIM_SECONDS
    follower = threading.Thread(target=lambda: served.append(bench.ask(OF_ANNA, seconds)))
    follower.start()
    wait_until(lambda: n_behind(bench) == 1)
    bench.cache.inner.put(key_of(bench), b"theirs", 60)  # of before, of another process
    bench.did(before.payload.decode().split()[0])
    look = bench.cache.get

    def look_slowly(key: CacheKey) -> Lookup:
        found = look(key)
        bench.monotonic += 0.99 * seconds
        return found

    bench.cache.get = look_slowly  # type: ignore[method-assign]  # when it is their turn to make it
    assert crowd.go() == []
    follower.join(PATIENCE)
    (after,) = served
    assert after.delivery.served_from is ServedFrom.FALLBACK
    assert len(bench.codec.answers) == 2
    assert after.payload is not before.payload


def test_what_sells_no_more_is_not_given_to_who_waits_in_vain(bench: Bench) -> None:
    """Also where another one who was late had it in time."""
    ends = int(bench.now) + 20
    bench.live.upsert_products([replace(COLA, product_id="milk", available_to=ends)])
    crowd = Crowd(bench, OF_ANNA)
    bench.codec.before = nothing
    assert "milk" in bench.ask(OF_ANNA, seconds=0.06).payload.decode().split()
    bench.now += 25
    bench.monotonic += 25
    late = bench.ask(OF_ANNA, seconds=0.06)
    assert late.delivery.served_from is ServedFrom.FALLBACK
    assert "milk" not in late.payload.decode().split()
    assert crowd.go() == [ServedFrom.MODEL]


def test_what_is_sold_out_elsewhere_is_not_given_to_who_waits_in_vain(bench: Bench) -> None:
    """Nobody watches the stock of the store where the shopper is of late."""
    bench.say("", "bread")
    bench.say("york-1", "tea", "milk")
    emil = Question(customer_id="emil", in_stock_only=True)
    bench.did("1", customer("emil"), location=Location(store_id="york-1"))
    crowd = Crowd(bench, emil)
    bench.codec.before = nothing
    assert bench.ask(emil, seconds=0.06).payload == b"tea milk"
    bench.say("york-1", "tea", is_in_stock=False)
    late = bench.ask(emil, seconds=0.06)
    assert (late.delivery.served_from, late.payload) == (ServedFrom.FALLBACK, b"milk")
    assert crowd.go() == [ServedFrom.MODEL]


def test_in_the_same_process_one_waits_as_long_as_there_is_time(bench: Bench) -> None:
    """Also who could not have made the list in time."""
    crowd = Crowd(bench, OF_ANNA)
    bench.codec.before = nothing
    served = bench.ask(OF_ANNA, seconds=0.06)  # of a clock that stands still: real time goes by
    assert served.delivery.served_from is ServedFrom.FALLBACK
    assert waits(bench, "late") == 1
    assert crowd.go() == [ServedFrom.MODEL]
    assert ANNA.key == bench.cache.puts[0].customer
