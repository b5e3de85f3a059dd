"""What goes with products, and what is needed again: the rules that hold for every such list."""

from dataclasses import replace
from functools import partial

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.live import Act
from recsvc.core.places import Level, Location
from recsvc.core.sources import Strategy
from recsvc.errors import InvalidRequestError, NotFoundError
from recsvc.service.deliveries import Computed, Needed
from recsvc.service.ledger_state import Consent
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.selling import Written
from recsvc.service.shopping import Line
from tests.bench import JUST_AFTER, Bench
from tests.counting import DAY
from tests.shoppers import ANNA, customer, visitor

ANNA_ASKS = Question(customer_id="anna")
ANYBODY = Question()
LEEDS = Location(store_id="leeds-1")


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def ids(found: Computed | Needed) -> list[str]:
    return [item.product_id for item in found.answer.items]


def test_what_goes_with_products_is_none_of_them(bench: Bench) -> None:
    """Nor in any basket: the one that is sent along, or the one that was filled of late."""
    assert {"filter", "soap"} <= set(ids(bench.together(["espresso"], ANNA_ASKS)))
    assert "milk" in ids(bench.together(["espresso"], ANYBODY))
    bench.did("1", act=Act.ADD_TO_CART, lines=(Line("filter"),))
    found = ids(bench.together(["espresso", "tea"], ANNA_ASKS._replace(basket=("butter",))))
    assert "soap" in found
    assert not {"espresso", "tea", "butter", "filter"} & set(found)


def test_what_goes_with_products_is_no_variant_of_what_lies_in_a_basket(bench: Bench) -> None:
    """Named, sent along or filled of late; an excluded product alone is one."""
    assert {"milk", "bread", "soap"} <= set(ids(bench.together(["tea"], ANYBODY)))
    catalogue = bench.slot.current().assortment.catalogue
    groups = {"tea": "hot", "soap": "hot", "butter": "fat", "milk": "fat", "jam": "x", "bread": "x"}
    described = [catalogue.product(item) for item in catalogue.items.indices(groups)]
    bench.live.upsert_products([replace(one, group_id=groups[one.product_id]) for one in described])
    bench.did("1", act=Act.ADD_TO_CART, lines=(Line("jam"),))
    found = ids(bench.together(["tea"], ANNA_ASKS._replace(basket=("butter",))))
    assert found
    assert not {"tea", "soap", "butter", "milk", "jam", "bread"} & set(found)
    assert "milk" in ids(bench.together(["tea"], ANYBODY._replace(excluded=("butter",))))


def test_the_basket_that_is_sent_along_does_not_ask(bench: Bench) -> None:
    """The list is about the products that are named, whatever else lies in the basket."""
    alone = bench.together(["tea"], ANYBODY._replace(excluded=("espresso",)))
    beside = bench.together(["tea"], ANYBODY._replace(basket=("espresso",)))
    assert beside.answer.items == alone.answer.items
    assert bench.together(["espresso"], ANYBODY).answer.items != alone.answer.items


def test_of_products_that_nobody_knows_the_others_are_asked(bench: Bench) -> None:
    """They are an error only where no other is left, and one that fits a line."""
    found = bench.together(["?", "espresso", "x" * 256], ANYBODY)
    assert found.answer.items == bench.together(["espresso"], ANYBODY).answer.items
    with pytest.raises(
        NotFoundError, match=r"product '\?' is not .*, nor is any other of the 2"
    ) as caught:
        bench.together(["?", "x" * 256], ANYBODY)
    assert caught.value.reason == "PRODUCT_NOT_FOUND"
    assert len(str(caught.value)) < 200


def test_the_soonest_due_comes_first(bench: Bench) -> None:
    """Of what the customer has bought alone, each with when, how often and how much."""
    found = bench.again(ANNA_ASKS)
    assert set(ids(found)) == {"espresso", "milk", "bread"}
    assert {item.strategy for item in found.answer.items} == {Strategy.BUY_AGAIN}
    assert [item.rank for item in found.answer.items] == [1, 2, 3]
    due = [need.due_time for need in found.needs]
    assert due == sorted(due)
    espresso = found.needs[ids(found).index("espresso")]
    assert espresso.interval_seconds > 0
    quantities = [need.quantity for need in found.needs]
    assert dict(zip(ids(found), quantities, strict=True)) == {"espresso": 1, "milk": 2, "bread": 1}
    assert found.answer.level is Level.STORE
    assert found.delivery.served_from is ServedFrom.MODEL
    assert bench.cache.puts == []


def test_what_was_bought_of_late_is_needed_again_too(bench: Bench) -> None:
    """By who the model has never seen, customer or visitor."""
    for who, question in (
        (customer("stranger"), Question(customer_id="stranger")),
        (visitor("guest"), Question(visitor_id="guest")),
    ):
        assert ids(bench.again(question)) == []
        bench.did(who.shopper_id, who, time=bench.now - 30 * DAY, lines=(Line("espresso", 0.35),))
        found = bench.again(question)
        assert ids(found) == ["espresso"]
        assert [need.quantity for need in found.needs] == [0.35]
        assert found.answer.warnings == ()


def test_who_buys_more_of_late_needs_more(bench: Bench) -> None:
    """Bought more often since than the model has learnt, it is what was bought since."""
    for n, usual in enumerate((2, 5), 1):
        bench.did(f"{n}", time=bench.now - n * DAY, lines=(Line("milk", 5.0),))
        found = bench.again(ANNA_ASKS)
        assert found.needs[ids(found).index("milk")].quantity == usual


def test_who_is_not_known_needs_nothing_again(bench: Bench) -> None:
    """An empty list that says why, and no error."""
    stranger = bench.again(Question(customer_id="stranger"))
    assert (stranger.answer.items, stranger.needs) == ((), ())
    assert stranger.answer.warnings == ("UNKNOWN_CUSTOMER",)
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    silent = bench.again(ANNA_ASKS)
    assert (silent.answer.items, silent.answer.warnings) == ((), ("NO_CONSENT",))


def test_somebody_must_need_it(bench: Bench) -> None:
    """Nobody in particular needs nothing again, which only a caller's mistake can ask."""
    with pytest.raises(InvalidRequestError) as caught:
        bench.again(ANYBODY)
    assert (caught.value.field, caught.value.reason) == ("shopper", "FIELD_INVALID")


def test_what_is_new_is_not_needed_again(bench: Bench) -> None:
    """A filter that can leave nothing is refused, and not ignored."""
    with pytest.raises(InvalidRequestError) as caught:
        bench.again(ANNA_ASKS._replace(only_new=True))
    assert caught.value.field == "filter.exclude_purchased"
    assert caught.value.reason == "FILTER_UNSUPPORTED"


def test_filters_recalls_and_windows_hold_on_every_list(bench: Bench) -> None:
    """Category, what is excluded, what was withdrawn, and what is not sold now."""
    food = ANNA_ASKS._replace(
        catalogue_filter=CatalogueFilter(category_paths=("Food",)), excluded=("butter",)
    )
    assert set(ids(bench.again(food))) == {"milk", "bread"}
    anybody = food._replace(customer_id="")
    assert set(ids(bench.together(["espresso"], anybody))) == {"milk", "bread", "jam"}
    bench.standing.withdraw(["bread"])
    assert ids(bench.again(food)) == ["milk"]
    assert set(ids(bench.together(["espresso"], anybody))) == {"milk", "jam"}
    dora, summer = Question(customer_id="dora"), JUST_AFTER + 60 * DAY
    assert ids(bench.again(dora)) == ["punch"]
    assert ids(bench.again(dora._replace(as_of_time=summer))) == []
    assert "punch" in ids(bench.together(["soap"], ANYBODY))
    assert "punch" not in ids(bench.together(["soap"], ANYBODY._replace(as_of_time=summer)))


def test_stock_holds_on_every_list(bench: Bench) -> None:
    """At the store of the question or of the customer's home; unknown stock is said."""
    there = ANNA_ASKS._replace(in_stock_only=True)
    for found in (bench.again(there), bench.together(["tea"], there)):
        assert (found.answer.items, found.answer.warnings) == ((), ("STOCK_UNKNOWN",))
    bench.say("leeds-1", "milk", "soap")
    assert ids(bench.again(there)) == ["milk"]
    assert "soap" in ids(bench.together(["tea"], there))
    assert set(ids(bench.together(["tea"], there._replace(location=LEEDS, customer_id="")))) == {
        "milk",
        "soap",
    }
    away = there._replace(location=Location(store_id="york-1"))
    assert bench.again(away).answer.items == ()


def test_every_list_says_what_it_lacks(bench: Bench) -> None:
    """The time to ask the store, the store itself, or what a token stands for."""
    for ask in (bench.again, partial(bench.together, ["tea"])):
        assert ask(ANNA_ASKS, seconds=0.04).delivery.degraded_reason == "DEADLINE"
        bench.cache.is_down = True
        assert ask(ANNA_ASKS).delivery.degraded_reason == "STORE_UNAVAILABLE"
        bench.cache.is_down = False
        assert ask(ANNA_ASKS).delivery.degraded_reason == ""
        unmet = ask(ANNA_ASKS._replace(must_see=Written(1)))
        assert unmet.answer.warnings == ("CONSISTENCY_UNMET",)


def test_every_list_gives_reasons_and_products_if_asked(bench: Bench) -> None:
    """The catalogue's own product, and no reason that names what was withdrawn."""
    asked = ANNA_ASKS._replace(explain=True, include_products=True)
    bench.standing.withdraw(["espresso"])
    for found in (bench.again(asked), bench.together(["filter"], asked)):
        assert found.answer.items
        for item in found.answer.items:
            assert item.product is not None
            assert item.product.product_id == item.product_id
            assert item.reason is not None
            assert "Espresso" not in item.reason.text


def test_a_price_that_the_caller_does_not_show_is_said(bench: Bench) -> None:
    """Where products are told at all; a list of one currency needs no warning."""
    for currency, warnings in (("GBP", ()), ("EUR", ("PRICE_CURRENCY",)), ("", ())):
        asked = ANNA_ASKS._replace(currency=currency)
        assert bench.again(asked).answer.warnings == ()
        assert bench.again(asked._replace(include_products=True)).answer.warnings == warnings


def test_similar_products_suit_a_shopper_alone(bench: Bench) -> None:
    """In the order of who is known and has agreed to it; the place is told where it counted."""
    everybodys = bench.similar("espresso", ANYBODY).answer
    assert (everybodys.level, everybodys.location) == (None, Location())
    assert {item.level for item in everybodys.items} == {None}
    hers = bench.similar("espresso", ANNA_ASKS).answer
    assert hers.level is Level.STORE
    assert hers.location.store_id == "leeds-1"
    assert [item.score for item in hers.items] != [item.score for item in everybodys.items]
    assert {i.product_id for i in hers.items} == {i.product_id for i in everybodys.items}
    for question in (ANYBODY._replace(location=LEEDS), Question(customer_id="stranger")):
        assert bench.similar("espresso", question).answer.items == everybodys.items
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    assert bench.similar("espresso", ANNA_ASKS).answer.items == everybodys.items
