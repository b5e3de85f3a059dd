"""Lists that have grown old: who is given one, who never is, and what makes it again."""

import math
from collections.abc import Callable

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import Product
from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.service.cache_port import Claim, Claimed
from recsvc.service.ledger_state import Consent
from recsvc.service.ports import Person
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.refreshes import Refreshed
from tests.bench import Bench
from tests.serving import NOW
from tests.shoppers import ANNA

TTL, STALE = 60.0, 30.0
OF_ANNA = Question(customer_id="anna")


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry, ttl_seconds=TTL, stale_seconds=STALE, process_bytes=1_000_000)


def aged(bench: Bench, seconds: float, question: Question = OF_ANNA) -> str:
    """Ask for a list, let time go by, and return the list."""
    payload = bench.ask(question).payload.decode()
    bench.now += seconds
    bench.monotonic += seconds
    return payload


def test_an_old_list_is_given_at_once_and_made_again_behind(bench: Bench) -> None:
    """With its age and no word of degradation; the next caller has the new one."""
    old = aged(bench, TTL)
    for _ in range(3):
        served = bench.ask(OF_ANNA)
        assert served.payload.decode() == old
        assert served.delivery.served_from is ServedFrom.STALE_CACHE
        assert (served.delivery.cache_age_seconds, served.delivery.degraded_reason) == (TTL, "")
    assert len(bench.codec.answers) == 1
    assert bench.count("recsvc_answers_total", served_from="STALE_CACHE") == 3
    assert bench.count("recsvc_cache_operations_total", outcome="stale") == 3
    assert bench.refreshes.run() == [Refreshed.DONE]
    assert len(bench.codec.answers) == 2
    served = bench.ask(OF_ANNA)
    assert served.delivery.served_from is ServedFrom.CACHE
    assert served.delivery.cache_age_seconds == 0
    assert bench.count("recsvc_answers_total", served_from="MODEL") == 1  # given to a caller


def test_others_are_made_while_it_is_kept(bench: Bench) -> None:
    """A store that halts halts no other list."""
    aged(bench, TTL)
    bench.ask(OF_ANNA)
    given: list[ServedFrom] = []

    def ask_meanwhile() -> None:
        bench.cache.before_put = lambda: None
        ben = Question(customer_id="ben")
        given.append(bench.ask(ben, seconds=1.0).delivery.served_from)

    bench.cache.before_put = ask_meanwhile
    assert bench.refreshes.run() == [Refreshed.DONE]
    assert given == [ServedFrom.MODEL]


@pytest.mark.parametrize(
    ("stale", "age", "served_from"),
    [
        (STALE, TTL - 1, ServedFrom.CACHE),
        (STALE, TTL + STALE - 1, ServedFrom.STALE_CACHE),
        (STALE, TTL + STALE, ServedFrom.MODEL),
        (0.0, TTL, ServedFrom.MODEL),
        # Who wants lists of a minute at most does not mean an hour.
        (3600.0, 2 * TTL - 1, ServedFrom.STALE_CACHE),
        (3600.0, 2 * TTL, ServedFrom.MODEL),
    ],
)
def test_it_is_given_a_while_and_no_longer(
    registry: Registry, stale: float, age: float, served_from: ServedFrom
) -> None:
    """As long as is set, and at most as long again as it was fresh."""
    bench = Bench(registry, ttl_seconds=TTL, stale_seconds=stale)
    aged(bench, age)
    assert bench.ask(OF_ANNA).delivery.served_from is served_from


def test_a_list_is_made_again_shortly_before_its_end(bench: Bench) -> None:
    """By few of those who ask; they are given the list as it is, and so is everybody else."""
    bench.lists_take(2)
    aged(bench, TTL - 3)
    bench.drawn = 0.7  # 1.2 costs
    assert bench.ask(OF_ANNA).delivery.served_from is ServedFrom.CACHE
    assert bench.refreshes.run() == []
    bench.drawn = 0.8  # 1.6 costs
    assert bench.ask(OF_ANNA).delivery.served_from is ServedFrom.CACHE
    assert bench.refreshes.run() == [Refreshed.DONE]
    assert bench.ask(OF_ANNA).delivery.cache_age_seconds == 0
    assert bench.refreshes.run() == []


def withdraws_a_product(bench: Bench) -> None:
    bench.standing.withdraw([bench.codec.answers[0].items[0].product_id])


def does_something(bench: Bench) -> None:
    bench.did("1", act=Act.VIEW)


def moves(bench: Bench) -> None:
    bench.people.put(ANNA.key, Person(home=Location(store_id="york-1")), heeds=0)


def promotes(bench: Bench) -> None:
    bench.registry.promote("v2", NOW)
    bench.slot.refresh()


def withdraws_consent(bench: Bench) -> None:
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)


def is_erased(bench: Bench) -> None:
    _, position, _ = bench.standing.forget(ANNA.key, [])
    bench.log.erase(ANNA.key, position)


def changes_the_catalogue(bench: Bench) -> None:
    bench.live.upsert_products([Product(product_id="cola")])


CHANGES = [
    withdraws_a_product, does_something, moves, promotes, withdraws_consent, is_erased,
    changes_the_catalogue,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_a_list_ends_an_old_one_too(
    bench: Bench, change: Callable[[Bench], None]
) -> None:
    """It is given neither as fresh nor as stale."""
    aged(bench, TTL)
    change(bench)
    assert bench.ask(OF_ANNA).delivery.served_from is ServedFrom.MODEL


def test_an_old_list_goes_by_the_stock_of_now(bench: Bench) -> None:
    """Stock that has changed since, or that cannot be read."""
    question = OF_ANNA._replace(in_stock_only=True)
    bench.say("leeds-1", "milk", "tea")
    aged(bench, TTL, question)
    assert bench.ask(question).delivery.served_from is ServedFrom.STALE_CACHE
    bench.say("leeds-1", "milk", is_in_stock=False)
    assert bench.ask(question).payload == b"tea"
    bench.now += TTL
    bench.tables.is_down = True
    bench.monotonic += TTL
    bench.cache.claims.clear()
    served = bench.ask(question).delivery
    assert (served.served_from, served.degraded_reason) == (ServedFrom.MODEL, "STORE_UNAVAILABLE")
    assert bench.cache.claims == []  # nobody else could be given it


@pytest.mark.parametrize("edge", [TTL - 10, TTL + 10])
def test_no_list_is_given_past_the_window_of_a_product(bench: Bench, edge: float) -> None:
    """Neither fresh nor stale, also where it was looked up a moment before."""
    bench.live.upsert_products([Product(product_id="cola", available_to=int(bench.now + edge))])
    assert "cola" in aged(bench, edge - 1).split()
    begun = bench.recommendations.begin(OF_ANNA, math.inf)
    bench.recommendations.look_up([begun])
    bench.now += 1
    served = [bench.ask(OF_ANNA), bench.recommendations.finish(begun)]
    assert ["cola" in each.payload.decode().split() for each in served] == [False, False]
    assert served[0].delivery.served_from is ServedFrom.MODEL


def test_a_list_that_ends_with_a_window_is_not_made_earlier(bench: Bench) -> None:
    """The new one would end no later."""
    bench.lists_take(2)
    bench.live.upsert_products([Product(product_id="cola", available_to=int(bench.now + 20))])
    aged(bench, 17.5)
    bench.drawn = 0.99
    assert bench.ask(OF_ANNA).delivery.served_from is ServedFrom.CACHE
    assert bench.refreshes.run() == []


def test_an_old_list_does_not_come_into_the_process(bench: Bench) -> None:
    """A fresh one does, until it is old."""

    def ask() -> ServedFrom:
        written = b"anna"
        again = bench.recommendations.again(written)
        served = again or bench.recommendations.recommend(OF_ANNA, math.inf, written=written)
        return served.delivery.served_from

    aged(bench, TTL - 5)
    assert ask() is ServedFrom.CACHE
    assert bench.recommendations.again(b"anna") is not None
    bench.now += 5
    assert bench.recommendations.again(b"anna") is None
    assert [ask(), ask()] == [ServedFrom.STALE_CACHE] * 2
    assert bench.recommendations.again(b"anna") is None


@pytest.mark.parametrize("change", CHANGES[1:])
def test_what_nobody_would_be_given_is_not_made_again(
    bench: Bench, change: Callable[[Bench], None]
) -> None:
    """What was decided, done or changed since it was left counts."""
    aged(bench, TTL)
    bench.ask(OF_ANNA)
    change(bench)
    assert bench.refreshes.run() == [Refreshed.OUTDATED]
    assert len(bench.codec.answers) == 1


def test_what_another_process_makes_again_is_left_to_it(bench: Bench) -> None:
    """While it is at it, and once it is done."""
    aged(bench, TTL)
    bench.ask(OF_ANNA)
    key = bench.cache.keys[-1]
    other = Claim(key, 0, "other")
    assert bench.cache.claim(other, bench.cache.inner.get(key).mark, 2) is Claimed.TAKEN
    assert bench.refreshes.run() == [Refreshed.ELSEWHERE]
    bench.ask(OF_ANNA)
    bench.cache.put(key, b"theirs", TTL, claim=other)
    assert bench.refreshes.run() == [Refreshed.OUTDATED]
    assert bench.ask(OF_ANNA).payload == b"theirs"
    assert len(bench.codec.answers) == 1


def test_what_comes_while_it_is_claimed_is_seen(bench: Bench) -> None:
    """Between the look and the claim."""
    aged(bench, TTL)
    bench.ask(OF_ANNA)
    real = bench.cache.inner.claim

    def late(claim: Claim, mark: bytes, seconds: float) -> Claimed:
        bench.cache.inner.put(claim.key, b"theirs", TTL)
        return real(claim, mark, seconds)

    bench.cache.inner.claim = late  # type: ignore[method-assign]  # a lever of this test
    assert bench.refreshes.run() == [Refreshed.OUTDATED]
    assert len(bench.codec.answers) == 1


@pytest.mark.parametrize("step", ["get", "claim", "put"])
def test_a_store_that_fails_leaves_the_old_list(bench: Bench, step: str) -> None:
    """It is tried again, and nothing stays claimed."""
    aged(bench, TTL)
    bench.ask(OF_ANNA)
    real = getattr(bench.cache, step)

    def dies(*args: object, **kwargs: object) -> object:
        bench.cache.is_down = True
        return real(*args, **kwargs)

    setattr(bench.cache, step, dies)
    assert bench.refreshes.run() == [Refreshed.FAILED]
    setattr(bench.cache, step, real)
    bench.cache.is_down = False
    bench.now += 2  # a claim that could not be released
    assert bench.ask(OF_ANNA).delivery.served_from is ServedFrom.STALE_CACHE
    assert bench.refreshes.run() == [Refreshed.DONE]


def test_without_its_stock_no_list_is_made_again(bench: Bench) -> None:
    """It would not be kept."""
    question = OF_ANNA._replace(in_stock_only=True)
    bench.say("leeds-1", "milk")
    aged(bench, TTL, question)
    bench.ask(question)
    bench.tables.is_down = True
    bench.monotonic += TTL
    assert bench.refreshes.run() == [Refreshed.FAILED]


def test_a_fault_while_it_is_made_releases_the_claim(bench: Bench) -> None:
    """Another process may have more luck."""
    aged(bench, TTL)
    bench.ask(OF_ANNA)

    def fails() -> None:
        raise ValueError("a fault of ours")

    bench.codec.before = fails
    with pytest.raises(ValueError, match="of ours"):
        bench.refreshes.run()
    key = bench.cache.keys[-1]
    other = Claim(key, 0, "other")
    assert bench.cache.claim(other, bench.cache.inner.get(key).mark, 2) is Claimed.TAKEN


def test_in_a_batch_old_lists_are_given_and_made_again_too(bench: Bench) -> None:
    """Looked up together."""
    questions = [OF_ANNA, Question(customer_id="ben")]
    for question in questions:
        aged(bench, 0, question)
    bench.now += TTL
    begun = [bench.recommendations.begin(question, math.inf) for question in questions]
    bench.recommendations.look_up(begun)
    served = [bench.recommendations.finish(each, may_wait=False) for each in begun]
    assert {each.delivery.served_from for each in served} == {ServedFrom.STALE_CACHE}
    assert bench.refreshes.run() == [Refreshed.DONE, Refreshed.DONE]
