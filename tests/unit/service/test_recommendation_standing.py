"""Lists under what people decided: consent, withdrawn products, erased customers."""

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.logs import collected_facts
from recsvc.service.cache_port import ANONYMOUS
from recsvc.service.ledger_state import Consent
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.selling import Written
from recsvc.service.shopping import Line
from tests.bench import Bench
from tests.shoppers import ANNA, visitor


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def test_without_consent_a_list_is_anybodys(bench: Bench) -> None:
    """As of somebody unknown in that place; neither the store nor the model is asked for them."""
    bench.did("filter")
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    for location in (Location(), Location(store_id="york-1")):
        anonymous = bench.answer(Question(location=location, only_new=True))
        bench.cache.keys.clear()
        anna = bench.answer(Question(customer_id="anna", location=location, only_new=True))
        assert anna.warnings == ("NO_CONSENT",)
        assert (anna.items, anna.location) == (anonymous.items, anonymous.location)
        assert {key.customer for key in bench.cache.keys} == {ANONYMOUS}
    bench.standing.set_consent(ANNA.key, Consent.GRANTED)
    assert bench.answer(Question(customer_id="anna")).location.store_id == "leeds-1"


def test_a_visitor_who_is_a_customer_without_consent_is_anybody(bench: Bench) -> None:
    """What they do unnamed is as much theirs; no other visitor is touched by it."""
    guest = visitor("guest")
    bench.did("filter", guest)
    bench.standing.link(guest.key, ANNA.key)
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    bench.cache.keys.clear()
    answer = bench.answer(Question(visitor_id="guest"))
    assert answer.warnings == ("NO_CONSENT",)
    assert answer.items == bench.answer(Question()).items
    assert {key.customer for key in bench.cache.keys} == {ANONYMOUS}
    assert bench.answer(Question(visitor_id="somebody")).warnings == ()


def test_the_log_line_names_nobody_without_consent(bench: Bench) -> None:
    """It names the list as well, which would lead back to them."""
    bench.standing.link(visitor("guest").key, ANNA.key)
    shoppers = (Question(customer_id="anna"), Question(visitor_id="guest"))
    for consent, names in ((Consent.GRANTED, ["customer", "visitor"]), (Consent.WITHDRAWN, [])):
        bench.standing.set_consent(ANNA.key, consent)
        noted = []
        for question in shoppers:
            with collected_facts() as facts:
                bench.answer(question)
            noted += [name for name in ("customer", "visitor") if name in facts]
        assert noted == names


def test_silence_is_taken_as_the_shop_has_set_it(registry: Registry) -> None:
    """Where the law wants consent first, only who gave it is known."""
    bench = Bench(registry, consents_by_default=False)
    assert bench.answer(Question(customer_id="anna")).warnings == ("NO_CONSENT",)
    bench.standing.set_consent(ANNA.key, Consent.GRANTED)
    assert bench.answer(Question(customer_id="anna")).warnings == ()


def test_what_is_withdrawn_is_on_no_list(bench: Bench) -> None:
    """Not on a fresh one, a cached one, one made in a hurry, nor among similar products."""
    question = Question(customer_id="anna")
    assert "espresso" in bench.ids(question)
    bench.standing.withdraw(["espresso"])
    served = bench.ask(question)
    assert served.delivery.served_from is ServedFrom.MODEL  # the cached one may not be given
    assert bench.ask(question).delivery.served_from is ServedFrom.CACHE
    hurried = bench.ask(question, seconds=0.005)
    assert hurried.delivery.served_from is ServedFrom.FALLBACK
    others = bench.similar("filter", Question()).answer.items
    lists = [served.payload.decode().split(), hurried.payload.decode().split()]
    lists += [bench.ids(Question()), [item.product_id for item in others]]
    for products in lists:
        assert products
        assert "espresso" not in products


def test_what_is_restored_is_back_on_the_next_list(bench: Bench) -> None:
    """Though a list without it is cached."""
    question = Question(customer_id="anna")
    bench.standing.withdraw(["espresso"])
    assert "espresso" not in bench.ids(question)
    _, position = bench.standing.restore(["espresso"])
    assert "espresso" in bench.ids(question._replace(must_see=Written(position)))


def test_a_list_from_between_recalls_is_not_given_after_the_next(bench: Bench) -> None:
    """Withdrawn, restored and withdrawn again: the list from between is cached and outdated."""
    question = Question(customer_id="anna")
    for _ in range(2):
        bench.standing.withdraw(["espresso"])
        assert "espresso" not in bench.ask(question).payload.decode().split()
        bench.standing.restore(["espresso"])
        assert "espresso" in bench.ask(question).payload.decode().split()


def test_an_erased_customer_is_unknown_to_an_older_model(bench: Bench) -> None:
    """No cached list of theirs is given, and what they do afterwards is all that counts."""
    question, short = Question(customer_id="anna"), Question(customer_id="anna", size=3)
    bench.ask(short)  # a list of who has done nothing of late, as they have after the erasure
    bench.did("1", act=Act.VIEW, lines=(Line("soap"),))
    known = bench.answer(question)
    bench.log.erase(ANNA.key, 0)
    bench.standing.forget(ANNA.key, ())
    assert bench.answer(short).warnings == ("UNKNOWN_CUSTOMER",)
    erased = bench.answer(question)
    assert erased.warnings == ("UNKNOWN_CUSTOMER",)
    assert erased.items == bench.answer(Question()).items != known.items
    bench.did("2", act=Act.VIEW, lines=(Line("tea"),))
    back = bench.answer(question)
    assert back.items not in {known.items, erased.items}
    assert (back.warnings, back.location) == ((), Location())


def test_a_withdrawn_product_is_in_no_reason(bench: Bench) -> None:
    """Neither in its text nor in its evidence; of similar products neither."""
    question = Question(customer_id="anna", explain=True)
    assert any("espresso" in i.reason.evidence for i in bench.answer(question).items if i.reason)
    bench.standing.withdraw(["espresso"])
    for items in (
        bench.answer(question).items,
        bench.similar("espresso", question).answer.items,
    ):
        assert items
        for item in items:
            assert item.reason is not None
            assert "espresso" not in item.reason.evidence
            assert "Espresso" not in item.reason.text
