"""Lists in the process: what comes there, and what drives it out."""

import math
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recsvc.artifacts import experiment_shelf as shelf
from recsvc.artifacts.journal import Note
from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import Product
from recsvc.core.places import Location
from recsvc.logs import collected_facts
from recsvc.service.inquiries import Moment
from recsvc.service.inquiry import Inquiry
from recsvc.service.ledger_state import Consent
from recsvc.service.ports import Person
from recsvc.service.process_cache import (
    ASKED_BYTES,
    ENTRY_BYTES,
    MAX_SECONDS,
    KeptAnswer,
    ProcessCache,
)
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.selling import Written
from recsvc.service.served_log import ServedLog
from recsvc.store.memory import InMemoryServedLists
from tests.bench import JUST_AFTER, Bench
from tests.experiments import experiment
from tests.serving import NOW, Log, corrupt, new_metrics, new_standing
from tests.shoppers import ANNA, BEN, GUEST
from tests.unit.service.test_shop_rules import pin, ruled

ASKED = b"what anna asks"
OF_ANNA = Question(customer_id="anna")
ROOM = 1_000_000
SIZE = ENTRY_BYTES + ASKED_BYTES + 100
"""Of a list of 100 bytes whose question is one."""


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry, ttl_seconds=300, process_bytes=ROOM)


def ask(bench: Bench, question: Question = OF_ANNA, asked: bytes = ASKED) -> bytes:
    return bench.recommendations.recommend(question, math.inf, written=asked).payload


def kept(bench: Bench, question: Question = OF_ANNA, asked: bytes = ASKED) -> bytes:
    """Ask until the list lies in the process, and return it."""
    payload = [ask(bench, question, asked) for _ in range(2)][1]
    again = bench.recommendations.again(asked)
    assert again is not None
    assert again.payload == payload
    return payload


def is_kept(bench: Bench, asked: bytes = ASKED) -> bool:
    return bench.recommendations.again(asked) is not None


def test_what_is_asked_twice_is_answered_unread(bench: Bench) -> None:
    """The first answer is kept in the store alone: most questions are asked once."""
    assert not is_kept(bench)
    first = ask(bench)
    assert not is_kept(bench)
    second = bench.recommendations.recommend(OF_ANNA, math.inf, written=ASKED)
    bench.now += 5
    bench.monotonic += 5
    n_looks = len(bench.cache.keys)
    with collected_facts() as facts:
        third = bench.recommendations.again(ASKED)
    assert third is not None
    assert third.payload == first
    assert (third.n_items, third.version_id) == (second.n_items, "v1")
    assert third.delivery.served_from is ServedFrom.CACHE
    assert third.delivery.cache_age_seconds == 5
    assert third.delivery.compute_seconds == 0
    assert third.delivery.recommendation_id != second.delivery.recommendation_id
    assert facts == {
        "customer": ANNA.key,
        "recommendation_id": third.delivery.recommendation_id,
        "served_from": "CACHE",
        "degraded_reason": "",
        "n_items": third.n_items,
        "version_id": "v1",
    }
    assert len(bench.cache.keys) == n_looks
    assert bench.count("recsvc_answers_total", served_from="CACHE") == 2
    assert bench.count("recsvc_process_cache_operations_total", outcome="hit") == 1


def test_a_list_of_the_process_belongs_to_its_variant(bench: Bench) -> None:
    """Its name and its counts say so, as those of any other delivery."""
    documents = bench.registry.documents("experiments")
    shelf.activate(documents, experiment(), NOW, Note())
    bench.experiments.refresh()
    question = Question(visitor_id="guest")
    made = bench.recommendations.recommend(question, math.inf, written=b"guest").delivery
    ask(bench, question, b"guest")
    with collected_facts() as facts:
        again = bench.recommendations.again(b"guest")
    assert again is not None
    assert again.delivery.variant_id == made.variant_id != ""
    assert (facts["visitor"], facts["variant_id"]) == (GUEST.key, made.variant_id)


def test_a_sample_of_what_the_process_gives_is_kept_too(registry: Registry) -> None:
    """With the products, and with what the shopper had done."""
    lists = InMemoryServedLists(clock=lambda: JUST_AFTER)
    metrics = new_metrics()[0]
    served = ServedLog(
        lists, new_standing(registry), 1.0, metrics=metrics, logger=Log().logger,
        now=lambda: JUST_AFTER,
    )  # fmt: skip
    bench = Bench(registry, served=served, process_bytes=ROOM)
    bench.did("milk")
    payload = kept(bench)
    again = bench.recommendations.again(ASKED)
    assert again is not None
    served.start()
    served.stop()
    found = lists.find(again.delivery.recommendation_id)
    assert found is not None
    assert " ".join(found.product_ids).encode() == payload
    assert [deed.products for deed in found.live.deeds] == [("milk",)]


@pytest.mark.parametrize(
    "question",
    [
        OF_ANNA._replace(must_see=Written(0, 1)),
        OF_ANNA._replace(include_products=True),
        OF_ANNA._replace(in_stock_only=True),
    ],
)
def test_what_must_be_fresh_is_asked_of_the_store(bench: Bench, question: Question) -> None:
    """What waits for a write, and what depends on stock and prices of a store."""
    for _ in range(3):
        ask(bench, question)
    assert not is_kept(bench)


def test_a_further_page_is_not_kept(bench: Bench) -> None:
    question = OF_ANNA._replace(size=2)
    page = bench.answer(question).next_page
    assert page
    for _ in range(3):
        ask(bench, question._replace(page=page))
    assert not is_kept(bench)


def test_without_bytes_or_room_nothing_is_kept(registry: Registry) -> None:
    """Other doors ask in other ways; and it can be turned off."""
    bench = Bench(registry, process_bytes=ROOM)
    for _ in range(3):
        ask(bench, asked=b"")
    assert not is_kept(bench, b"")
    off = Bench(registry)
    for _ in range(3):
        ask(off)
    off.process.drop(ANNA.key)
    assert not is_kept(off)


def bought(bench: Bench) -> None:
    bench.did("milk")


def moved(bench: Bench) -> None:
    person = Person(home=Location(store_id="york-1"))
    bench.people.put(ANNA.key, person, heeds=bench.standing.position)


def was_erased(bench: Bench) -> None:
    bench.log.erase(ANNA.key, bench.standing.position)


def was_linked(bench: Bench) -> None:
    bench.did("e1", GUEST)
    bench.log.hand_over(GUEST, ANNA, bench.now, bench.standing.position)


def withdrew(bench: Bench) -> None:
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)


def asked_to_be_erased(bench: Bench) -> None:
    bench.standing.forget(ANNA.key, [])


def was_swept(bench: Bench) -> None:
    bench.standing.swept({ANNA.key: 1})


def recalled(bench: Bench) -> None:
    bench.standing.withdraw(["soap"])


def restored(bench: Bench) -> None:
    bench.standing.restore(["soap"])


def promoted(bench: Bench) -> None:
    bench.registry.promote("v2", NOW)
    bench.slot.refresh()


def began_to_sell(bench: Bench) -> None:
    bench.live.upsert_products([Product(product_id="cola")])


def ruled_anew(bench: Bench) -> None:
    ruled(bench, pin("soap"))


def began_to_try(bench: Bench) -> None:
    shelf.activate(bench.registry.documents("experiments"), experiment(), NOW, Note())
    bench.experiments.refresh()


def a_minute_passed(bench: Bench) -> None:
    bench.now += MAX_SECONDS


@pytest.mark.parametrize(
    "happen",
    [
        *(bought, moved, was_erased, was_linked, withdrew, asked_to_be_erased, was_swept),
        *(recalled, restored, promoted, began_to_sell, ruled_anew, began_to_try, a_minute_passed),
    ],
)
def test_a_list_goes_when_anything_happens_that_it_depends_on(
    bench: Bench, happen: Callable[[Bench], None]
) -> None:
    kept(bench)
    happen(bench)
    assert not is_kept(bench)
    assert bench.count("recsvc_process_cache_bytes") == 0


def test_a_list_stays_when_others_do_something(bench: Bench) -> None:
    """Also where they decide something, which everybody hears of."""
    kept(bench)
    bench.did("milk", BEN)
    bench.standing.set_consent(BEN.key, Consent.WITHDRAWN)
    bench.standing.forget(BEN.key, [])
    bench.standing.swept({BEN.key: 1})
    assert is_kept(bench)


def test_several_are_answered_as_each_would_be(bench: Bench) -> None:
    """Those that are known in their places, the others not at all; each with a name of its own."""
    payload = kept(bench)
    of_ben = kept(bench, Question(customer_id="ben"), b"what ben asks")
    bench.now += 5
    bench.monotonic += 5
    asked = [ASKED, b"what nobody asked", b"what ben asks", ASKED]
    with collected_facts():
        first, unknown, second, third = bench.recommendations.all_again(asked, bench.slot.current())
    assert unknown is None
    assert first is not None
    assert second is not None
    assert third is not None
    assert [first.payload, second.payload, third.payload] == [payload, of_ben, payload]
    assert first.delivery.served_from is ServedFrom.CACHE
    assert (first.delivery.cache_age_seconds, first.delivery.compute_seconds) == (5, 0)
    assert len({each.delivery.recommendation_id for each in (first, second, third)}) == 3
    again = bench.recommendations.again(ASKED)
    assert again is not None
    assert (again.n_items, again.version_id) == (first.n_items, first.version_id)
    assert bench.count("recsvc_process_cache_operations_total", outcome="hit") == 6
    assert bench.count("recsvc_process_cache_operations_total", outcome="miss") == 1


def test_several_are_not_given_to_who_decided_otherwise(bench: Bench) -> None:
    """Whoever was erased gets no list from before, the others of the batch keep theirs."""
    kept(bench)
    of_ben = kept(bench, Question(customer_id="ben"), b"what ben asks")
    bench.standing.forget(ANNA.key, [])
    asked = [ASKED, b"what ben asks"]
    anna, ben = bench.recommendations.all_again(asked, bench.slot.current())
    assert anna is None
    assert ben is not None
    assert ben.payload == of_ben
    assert not is_kept(bench)


def test_several_are_not_given_of_another_model(bench: Bench, registry: Registry) -> None:
    """Nor by a service that keeps nothing."""
    kept(bench)
    loaded = bench.slot.current()
    other = replace(loaded)
    assert bench.recommendations.all_again([ASKED], other) == [None]
    nothing = Bench(registry, ttl_seconds=300)
    assert nothing.recommendations.all_again([ASKED], nothing.slot.current()) == [None]


def test_who_consents_again_is_known_again(bench: Bench) -> None:
    """The list that was made of nobody goes, though no shopper is named with it."""
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    kept(bench)
    bench.standing.set_consent(ANNA.key, Consent.GRANTED)
    assert not is_kept(bench)


@pytest.mark.parametrize(
    ("before", "between"),
    [(Consent.GRANTED, Consent.WITHDRAWN), (Consent.WITHDRAWN, Consent.GRANTED)],
)
def test_who_changes_their_mind_twice_meanwhile_gets_no_list_of_between(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, before: Consent, between: Consent
) -> None:
    """It is of somebody else, though before and after it the same was decided."""
    begin = bench.inquiries.open

    def begin_between(*asked: Any) -> Inquiry:
        bench.standing.set_consent(ANNA.key, between)
        inquiry = begin(*asked)
        bench.standing.set_consent(ANNA.key, before)
        return inquiry

    bench.standing.set_consent(ANNA.key, between)
    ask(bench)
    bench.standing.set_consent(ANNA.key, before)
    monkeypatch.setattr(bench.inquiries, "open", begin_between)
    found = bench.recommendations.recommend(OF_ANNA, math.inf, written=ASKED).delivery
    assert found.served_from is ServedFrom.CACHE
    assert not is_kept(bench)


def test_a_list_ends_with_its_time_in_the_store(registry: Registry) -> None:
    """It is no longer true for having been found again."""
    bench = Bench(registry, ttl_seconds=30, process_bytes=ROOM)
    ask(bench)
    bench.now += 20
    assert ask(bench)
    bench.now += 9.5
    assert is_kept(bench)
    bench.now += 0.5
    assert not is_kept(bench)


def test_a_list_ends_when_the_assortment_turns(bench: Bench) -> None:
    soon = Product(product_id="cola", available_from=int(JUST_AFTER) + 10)
    bench.live.upsert_products([soon])
    kept(bench)
    bench.now = JUST_AFTER + 9
    assert is_kept(bench)
    bench.now = JUST_AFTER + 10
    assert not is_kept(bench)


def test_a_list_of_before_an_edge_does_not_come_after_it(bench: Bench) -> None:
    """It was looked up, and the product on it went, before it could be given or kept."""
    edge = int(JUST_AFTER) + 10
    bench.live.upsert_products([Product(product_id="cola", available_to=edge)])
    ask(bench)
    bench.now = edge - 0.1
    begun = bench.recommendations.begin(OF_ANNA, math.inf, written=ASKED)
    bench.recommendations.look_up([begun])
    bench.now = edge + 0.1
    served = bench.recommendations.finish(begun)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert "cola" not in served.payload.decode().split()
    assert bench.count("recsvc_process_cache_bytes") == 0
    bench.now = edge + 50
    assert not is_kept(bench)


def test_a_list_stays_while_a_variant_cannot_be_loaded(bench: Bench) -> None:
    """It is tried again and again, and nothing comes of it."""
    corrupt(bench.registry, "v2")
    began_to_try(bench)
    kept(bench)
    bench.monotonic += 60
    bench.experiments.refresh()
    assert bench.count("recsvc_experiment_failures_total") == 2
    assert is_kept(bench)


@pytest.mark.parametrize("edge", ["start_time", "end_time"])
def test_a_list_ends_where_an_experiment_begins_or_ends(bench: Bench, edge: str) -> None:
    """Nobody need activate it then."""
    moment = datetime.fromtimestamp(bench.now, UTC) + timedelta(seconds=10)
    one = experiment(**{edge: moment.isoformat()})
    shelf.activate(bench.registry.documents("experiments"), one, NOW, Note())
    bench.experiments.refresh()
    kept(bench)
    bench.now += 9
    assert is_kept(bench)
    bench.now += 1
    assert not is_kept(bench)


def test_a_list_ends_with_the_minute_where_rules_look_at_the_clock(bench: Bench) -> None:
    bench.now = JUST_AFTER // 60 * 60 + 50
    ruled(bench, pin("soap", when={"days": ["mon"]}))
    kept(bench)
    bench.now += 9
    assert is_kept(bench)
    bench.now += 1
    assert not is_kept(bench)


def test_another_model_than_the_callers_is_not_given(bench: Bench) -> None:
    """A batch is of one model, though another has been promoted meanwhile."""
    kept(bench)
    before = bench.slot.current()
    assert bench.recommendations.again(ASKED, before) is not None
    promoted(bench)
    assert bench.recommendations.again(ASKED, before) is None


def test_a_list_of_the_model_before_is_not_kept(bench: Bench) -> None:
    """It was taken for the call before another was promoted."""
    before = bench.slot.current()
    ask(bench)
    promoted(bench)
    for _ in range(2):
        bench.recommendations.recommend(OF_ANNA, math.inf, before, ASKED)
    assert not is_kept(bench)


class Shelf:
    """A cache by itself, and a list to keep in it."""

    def __init__(self, bench: Bench, n_answers: int) -> None:
        self.bench = bench
        kept(bench)
        moment = bench.inquiries.moment()
        known = bench.process.get(ASKED, moment, bench.now)
        assert known is not None
        self.answer = replace(known, payload=b"x" * 100, n_bytes=0)
        self.metrics, self.numbers = new_metrics()
        self.now = 0.0
        n_bytes = n_answers * SIZE
        self.cache = ProcessCache(n_bytes, self.metrics, lambda: self.now)
        self.moment: Moment = (object(),)

    def put(self, asked: bytes, answer: KeptAnswer | None = None) -> None:
        ticket = self.cache.ticket(self.moment, ANNA.key, self.bench.now)
        if ticket is not None:
            self.cache.put(asked, answer or self.answer, ticket)

    def has(self, asked: bytes) -> bool:
        return self.cache.get(asked, self.moment, self.bench.now) is not None

    def count(self, name: str, **labels: str) -> float | None:
        return self.numbers.get_sample_value(f"recsvc_process_cache_{name}", labels)


def test_it_holds_no_more_bytes_than_it_may(bench: Bench) -> None:
    """What was asked for longest ago leaves first; what fits nowhere drives nobody out."""
    own = Shelf(bench, n_answers=2)
    own.cache.heard(math.inf)
    own.put(b"a")
    own.put(b"b")
    own.put(b"b")
    assert own.has(b"a")
    own.put(b"c", replace(own.answer, n_bytes=3 * ENTRY_BYTES))
    assert own.count("bytes") == 2 * SIZE
    own.put(b"c")
    assert [own.has(asked) for asked in (b"a", b"b", b"c")] == [True, False, True]
    assert own.count("drops_total", reason="room") == 1
    assert own.count("bytes") == 2 * SIZE


def test_who_has_not_heard_of_the_others_gives_nothing_away(bench: Bench) -> None:
    """Half a second after it was asked, an answer is worth half a second less.

    Nothing is taken either; what lies there holds again once they are heard on the same line.
    """
    own = Shelf(bench, n_answers=2)
    own.put(b"a")
    own.cache.heard(0.0)
    assert not own.has(b"a")
    own.now = 0.5
    own.cache.heard(0.0)
    own.put(b"a")
    assert own.has(b"a")
    own.now = 0.74
    assert own.has(b"a")
    own.now = 0.75
    assert not own.has(b"a")
    assert own.count("operations_total", outcome="deaf") == 1
    own.put(b"b")
    own.cache.heard(own.now)
    assert [own.has(b"a"), own.has(b"b")] == [True, False]


def test_what_was_begun_before_a_change_does_not_come_after_it(bench: Bench) -> None:
    """The store was asked, then the shopper did something: the list is of before."""
    own = Shelf(bench, n_answers=2)
    own.cache.heard(math.inf)
    changes: list[Callable[[], None]] = [lambda: own.cache.drop(ANNA.key), own.cache.lost]
    for change in changes:
        ticket = own.cache.ticket(own.moment, ANNA.key, bench.now)
        assert ticket is not None
        change()
        own.cache.heard(math.inf)
        own.cache.put(b"a", own.answer, ticket)
        assert not own.has(b"a")


def test_what_was_begun_on_a_lost_line_does_not_come_when_it_is_back(bench: Bench) -> None:
    """What the shopper did in between was never told."""
    own = Shelf(bench, n_answers=2)
    own.cache.heard(math.inf)
    own.cache.lost()
    assert own.cache.ticket(own.moment, ANNA.key, bench.now) is None
    own.cache.heard(math.inf)
    assert own.cache.ticket(own.moment, ANNA.key, bench.now) is not None


def test_what_was_read_of_a_long_question_counts(bench: Bench) -> None:
    """As objects its ids are much larger than what was written."""
    excluded = tuple(str(10_000_000 + number) for number in range(1_000))
    asked = b"".join(b"r\x08" + product_id.encode() for product_id in excluded)
    kept(bench, OF_ANNA._replace(excluded=excluded), asked)
    held = len(asked) + sum(sys.getsizeof(each) + 8 for each in excluded)
    counted = bench.count("recsvc_process_cache_bytes")
    assert counted is not None
    assert held < counted < 1.5 * held


def test_a_lost_line_empties_it(bench: Bench) -> None:
    """Until others can be heard again, and of what lay there nothing comes back."""
    own = Shelf(bench, n_answers=2)
    own.cache.heard(math.inf)
    own.put(b"a")
    own.cache.lost()
    assert (own.count("bytes"), own.count("drops_total", reason="lost")) == (0, 1)
    own.put(b"b")
    own.cache.heard(math.inf)
    assert [own.has(b"a"), own.has(b"b")] == [False, False]
    own.put(b"b")
    assert own.has(b"b")


def test_lists_of_another_moment_make_room_for_those_of_this_one(bench: Bench) -> None:
    own = Shelf(bench, n_answers=2)
    own.cache.heard(math.inf)
    own.put(b"a")
    own.moment = (object(),)
    own.put(b"b")
    assert [own.has(b"a"), own.has(b"b")] == [False, True]
    assert own.count("drops_total", reason="outdated") == 1


def test_what_nobody_asks_for_any_more_is_let_go_of(bench: Bench) -> None:
    """With the model that it holds."""
    own = Shelf(bench, n_answers=2)
    own.cache.heard(math.inf)
    own.put(b"a", replace(own.answer, until=10.0))
    own.put(b"b", replace(own.answer, until=20.0))
    own.cache.sweep(10.0)
    assert own.count("bytes") == SIZE
    assert own.count("drops_total", reason="expired") == 1


def test_a_cache_that_was_swept_holds_no_model(bench: Bench) -> None:
    """A worker that nobody asks has room for the next one."""

    class Loaded:
        """A model that can be looked after."""

    own = Shelf(bench, n_answers=2)
    own.cache.heard(math.inf)
    loaded = Loaded()
    is_there = weakref.ref(loaded)
    own.moment = (loaded,)
    own.put(b"a", replace(own.answer, until=10.0))
    own.put(b"b", replace(own.answer, until=20.0))
    own.moment = ()
    del loaded
    own.cache.sweep(10.0)
    assert is_there()
    own.cache.sweep(20.0)
    assert not is_there()
