"""What rules do with a list."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.conditions import Conditions, Occasion
from recsvc.core.diversity import Diversity, Likeness
from recsvc.core.query import Query
from recsvc.core.recommendation_id import Surface
from recsvc.core.recommender import Recommender
from recsvc.core.reranking import Form, Listed, Reranker
from recsvc.core.rules import Effect, Rule, Rulebook, Selection
from recsvc.core.ruling import PreparedRules, Ruling, selected, unknown_names
from tests.counting import DATA_END
from tests.samples import PRODUCTS, item_indices, tiny_model

N = len(PRODUCTS)
EVERY = np.arange(N, dtype=np.int32)
FALLING = np.linspace(1, 0, N, dtype=np.float32)
NAMES = [item.product_id for item in PRODUCTS]
"""espresso, filter, tea, milk, butter, bread, jam, soap, punch, bag: the order of the scores."""

LEARNT = Assortment.learnt(tiny_model().catalogue)
NOON = Occasion(now=0.0)


def products(*names: str) -> Selection:
    return Selection(product_ids=names)


def wanting(**wanted: tuple[str, ...]) -> Selection:
    return Selection(wanted=CatalogueFilter(**wanted))  # type: ignore[arg-type]  # tuples of names


def pin(position: int, *names: str, rule_id: str = "pin") -> Rule:
    return Rule(rule_id=rule_id, effect=Effect.PIN, selection=products(*names), position=position)


def turn(effect: Effect, factor: float, *names: str) -> Rule:
    return Rule(rule_id=effect.value, effect=effect, selection=products(*names), factor=factor)


def at_most(limit: int, first: int, per: str, selection: Selection | None = None) -> Rule:
    return Rule(
        rule_id="at-most",
        effect=Effect.AT_MOST,
        selection=selection or Selection(),
        limit=limit,
        first=first,
        per=per,
    )


def ruling(*rules: Rule, assortment: Assortment = LEARNT) -> Ruling:
    return PreparedRules.of(Rulebook(rules=rules), assortment).ruling(NOON)


def made(
    *rules: Rule,
    size: int = 4,
    shown: Sequence[str] = (),
    without: Sequence[str] = (),
    diversity: Diversity = Diversity.NONE,
    assortment: Assortment = LEARNT,
) -> Listed:
    """The list of what is not shown yet, with scores that fall in the order of the catalogue."""
    likeness = Likeness.of(assortment.catalogue, None, np.zeros(N, np.float32))
    form = Form(
        size=size,
        shown=item_indices(tiny_model(), *shown),
        diversity=diversity,
        ruling=ruling(*rules, assortment=assortment),
    )
    left = np.setdiff1d(EVERY, item_indices(tiny_model(), *shown, *without)).astype(np.int32)
    found = Reranker(assortment, likeness, EVERY).listed(left, FALLING[left], form)
    best = left[found.best]
    return Listed(best.astype(np.intp), found.rules, found.picked, found.applied)


def names(listed: Listed) -> list[str]:
    return [NAMES[item] for item in listed.best.tolist()]


# Pins.


def test_a_pin_has_its_place() -> None:
    """The others follow in their order, and the response can say who put it there."""
    listed = made(pin(2, "soap"))
    assert names(listed) == ["espresso", "soap", "filter", "tea"]
    assert listed.rules == ((), ("pin",), (), ())
    assert (listed.picked, listed.applied) == ((1,), ("pin",))


def test_a_pin_takes_the_best_of_what_it_selects() -> None:
    """A selection stands for the one of its products that suits the shopper best."""
    best = Rule(rule_id="pin", effect=Effect.PIN, selection=wanting(brands=("Alta",)), position=3)
    assert names(made(best)) == ["filter", "tea", "espresso", "milk"]


def test_a_pin_of_what_may_not_be_there_is_no_pin() -> None:
    """Withdrawn, filtered out, excluded: it is no candidate then."""
    listed = made(pin(1, "soap"), without=["soap"])
    assert names(listed) == ["espresso", "filter", "tea", "milk"]
    assert (listed.picked, listed.applied) == ((), ())


def test_no_product_is_pinned_twice() -> None:
    """The second pin takes the next best, and has no place where there is none."""
    both = made(pin(1, "soap", rule_id="a"), pin(2, "soap", "jam", rule_id="b"))
    assert names(both) == ["soap", "jam", "espresso", "filter"]
    alone = made(pin(1, "soap", rule_id="a"), pin(2, "soap", rule_id="b"))
    assert names(alone) == ["soap", "espresso", "filter", "tea"]
    assert alone.applied == ("a",)


def test_pins_to_one_place_stand_one_after_another() -> None:
    """The first rule of the file first."""
    pins = pin(1, "bag", rule_id="z"), pin(1, "jam", rule_id="a"), pin(2, "tea", rule_id="c")
    listed = made(*pins)
    assert names(listed) == ["bag", "jam", "tea", "espresso"]


def test_a_pin_waits_for_the_page_of_its_place() -> None:
    """On the pages before it the product is not; on its own it is, and on later ones it was."""
    rule = pin(3, "espresso")
    assert names(made(rule, size=2)) == ["filter", "tea"]
    assert names(made(rule, size=2, shown=["filter", "tea"])) == ["espresso", "milk"]
    third = made(rule, size=2, shown=["filter", "tea", "espresso", "milk"])
    assert (names(third), third.applied) == (["butter", "bread"], ())


def test_where_a_list_ends_early_the_pin_is_last() -> None:
    """A short list does not lose it."""
    listed = made(pin(9, "espresso"), without=NAMES[3:], size=10)
    assert names(listed) == ["filter", "tea", "espresso"]
    assert listed.picked == (2,)


def test_a_pin_leaves_no_room_for_its_variants() -> None:
    """A list shows one of a group, and the pin is that one."""
    variants = [Product(product_id=name, group_id="coffee") for name in ("espresso", "filter")]
    grouped = LEARNT.with_products(variants)
    assert names(made(pin(1, "filter"), assortment=grouped)) == ["filter", "tea", "milk", "butter"]


# Boosts and buries.


@pytest.mark.parametrize(("factor", "place"), [(1.5, 5), (2, 4), (4, 2), (7.5, 1), (1000, 0)])
def test_a_boost_lets_a_product_stand_after_the_one_at_a_share_of_its_rank(
    factor: float, place: int
) -> None:
    """Soap is 8th: boosted by 2 it comes after the 4th, by 4 after the 2nd."""
    listed = made(turn(Effect.BOOST, factor, "soap"), size=N)
    assert names(listed).index("soap") == place
    assert listed.rules[place] == ("boost",)
    assert listed.applied == ("boost",)
    assert listed.picked == ()


@pytest.mark.parametrize(("factor", "place"), [(2, 1), (4, 3), (1000, 9)])
def test_a_bury_does_the_opposite(factor: float, place: int) -> None:
    """Espresso is first: buried by 4 it comes after the 4th."""
    listed = made(turn(Effect.BURY, factor, "espresso"), size=N)
    assert names(listed).index("espresso") == place
    assert listed.rules[place] == ("bury",)


def test_what_a_bury_takes_off_the_list_is_told() -> None:
    """Though no product on it says so."""
    listed = made(turn(Effect.BURY, 100, "espresso"))
    assert names(listed) == ["filter", "tea", "milk", "butter"]
    assert (listed.rules, listed.applied) == (((),) * 4, ("bury",))


def test_a_boost_that_moves_nothing_is_not_told() -> None:
    """What stands first stays there."""
    listed = made(turn(Effect.BOOST, 3, "espresso"))
    assert (names(listed)[0], listed.applied) == ("espresso", ())


def test_nothing_is_boosted_where_there_is_nothing() -> None:
    """No candidates, no list, whatever the rules."""
    assert names(made(turn(Effect.BOOST, 3, "soap"), without=NAMES)) == []


def test_rules_for_one_product_multiply() -> None:
    """A boost and a bury by the same factor leave it where it was."""
    both = turn(Effect.BOOST, 3, "soap"), turn(Effect.BURY, 3, "soap")
    assert names(made(*both, size=N)) == NAMES


# At most.


def test_at_most_so_many_of_a_kind_within_the_first() -> None:
    """What is kept back comes after them, in its order."""
    listed = made(at_most(1, 3, "category:1"), size=5)
    assert names(listed) == ["espresso", "milk", "soap", "filter", "tea"]
    assert listed.applied == ("at-most",)


@pytest.mark.parametrize(
    ("per", "expected"),
    [
        ("brand", ["espresso", "tea", "milk", "bread", "jam"]),
        ("category", ["espresso", "tea", "milk", "bread", "jam"]),
        ("category:2", ["espresso", "tea", "milk", "bread", "jam"]),
        ("category:9", ["espresso", "filter", "tea", "milk", "butter"]),
        ("attribute:roast", ["espresso", "filter", "tea", "milk", "butter"]),
        ("attribute:label", ["espresso", "filter", "milk", "butter", "bread"]),
        ("attribute:size", ["espresso", "filter", "tea", "milk", "butter"]),
        ("", ["espresso"]),
    ],
)
def test_kinds(per: str, expected: list[str]) -> None:
    """What has no brand, category or attribute is of no kind; without a kind all count together."""
    assert names(made(at_most(1, 5, per), size=5)) == expected


def test_a_cap_of_some_products_lets_the_others_be() -> None:
    """Two brands share one place."""
    selection = wanting(brands=("Alta", "Meadow"))
    listed = made(at_most(1, 10, "", selection), size=5)
    assert names(listed) == ["espresso", "tea", "bread", "jam", "punch"]


def test_a_cap_goes_on_over_pages() -> None:
    """What was shown before counts, until the first places are past."""
    rule = at_most(1, 4, "category:1")
    assert names(made(rule, size=2, shown=["espresso", "milk"])) == ["soap"]
    assert names(made(rule, size=2, shown=["espresso", "milk", "soap", "bag"])) == ["filter", "tea"]


def test_a_pin_counts_before_all_others() -> None:
    """Wherever it stands among the first; further down it does not count."""
    listed = made(at_most(1, 4, "category:1"), pin(3, "tea"), size=4)
    assert names(listed) == ["milk", "soap", "tea"]
    later = made(at_most(1, 3, "category:1"), pin(4, "tea"), size=4)
    assert names(later) == ["espresso", "milk", "soap", "tea"]


def test_a_cap_holds_in_a_varied_list() -> None:
    """Both act together."""
    listed = made(at_most(2, 10, "category:1"), size=10, diversity=Diversity.HIGH)
    first = [PRODUCTS[item].category_path.partition(" > ")[0] for item in listed.best.tolist()]
    assert {name: first.count(name) for name in first} == {"Drinks": 2, "Food": 2, "Household": 2}


def test_two_caps_of_one_kind() -> None:
    """The narrower one holds within its first places."""
    tight = at_most(1, 2, "category:1")
    loose = Rule(rule_id="loose", effect=Effect.AT_MOST, limit=2, first=9, per="category:1")
    assert names(made(tight, loose, size=5)) == ["espresso", "milk", "filter", "butter", "soap"]


def test_a_cap_that_keeps_nothing_back_is_not_told() -> None:
    """It has touched nothing."""
    assert made(at_most(9, 9, "brand"), size=5).applied == ()


# Which products, and when.


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), NAMES),
        (products("tea", "nothing", "milk"), ["tea", "milk"]),
        (wanting(category_paths=("Food > Dairy",)), ["milk", "butter"]),
        (Selection(product_ids=("tea", "milk"), wanted=CatalogueFilter(brands=("Leaf",))), ["tea"]),
    ],
)
def test_a_selection_is_of_all_that_is_given(selection: Selection, expected: list[str]) -> None:
    """Unknown products select nothing."""
    assert [NAMES[item] for item in selected(selection, LEARNT).tolist()] == expected


def test_unknown_names_are_told_by_field() -> None:
    """Those alone, so that who writes rules sees what is misspelt."""
    wanted = CatalogueFilter(
        category_paths=("Food", "Fod"), brands=("alta", "Alto"), attributes={"rost": ("dark",)}
    )
    selection = Selection(product_ids=("tea", "te"), wanted=wanted)
    assert unknown_names(selection, LEARNT) == {
        "product_ids": ["te"],
        "categories": ["Fod"],
        "brands": ["Alto"],
        "attributes": ["rost"],
    }
    assert unknown_names(Selection(), LEARNT) == {}


def test_rules_that_do_not_hold_are_no_part_of_it() -> None:
    """And the state tells where others may."""
    conditions = Conditions(surfaces=frozenset({Surface.SIMILAR}))
    rule = Rule(
        rule_id="x", effect=Effect.EXCLUDE, selection=products("tea"), conditions=conditions
    )
    nothing = pin(1, "unknown")
    prepared = PreparedRules.of(Rulebook(version_id="v", rules=(rule, nothing)), LEARNT)
    similar = Occasion(now=0.0, surface=Surface.SIMILAR)
    assert not prepared.ruling(NOON)
    assert [each.rule for each in prepared.ruling(similar).exclusions] == [rule]
    assert prepared.state(lambda: NOON) != prepared.state(lambda: similar)
    assert PreparedRules.of(Rulebook(version_id="v"), LEARNT).state(lambda: NOON) == "v"


def test_a_shop_may_remind_of_nothing_sensitive() -> None:
    """On lists of what is needed again, and there alone; unless it says so, all are on them."""
    model = tiny_model()
    milk = Product(product_id="milk", is_sensitive=True)
    recommender = Recommender(model).selling(LEARNT.with_products([milk]))
    anna = Query(customer=model.customers.index("anna"), now=DATA_END, size=N)
    again = Occasion(now=DATA_END, surface=Surface.AGAIN)

    def needed(book: Rulebook) -> set[str]:
        ruling = PreparedRules.of(book, recommender.assortment).ruling(again)
        found = recommender.again(replace(anna, ruling=ruling)).ranking
        return {NAMES[item] for item in found.items.tolist()}

    discreet = Rulebook(sensitive_again=False)
    assert needed(Rulebook()) == {"espresso", "milk", "bread"}
    assert needed(discreet) == {"espresso", "bread"}
    elsewhere = PreparedRules.of(discreet, recommender.assortment).ruling(NOON)
    found = recommender.recommend(replace(anna, ruling=elsewhere))
    assert "milk" in {NAMES[item] for item in found.items.tolist()}


def test_pins_bring_their_products_along() -> None:
    """Those that are allowed; of many the most popular."""
    many = Rule(rule_id="p", effect=Effect.PIN, selection=Selection(), position=1)
    allowed = np.ones(N, np.bool_)
    allowed[0] = False
    assert ruling(pin(1, "espresso", "soap")).pinned(allowed, EVERY).tolist() == [7]
    assert ruling(many).pinned(allowed, EVERY).tolist() == list(range(1, N))
    assert len(ruling().pinned(allowed, EVERY)) == 0


def test_of_many_products_of_a_pin_the_popular_ones_come_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More would cost more than they are worth."""
    monkeypatch.setattr("recsvc.core.ruling.MAX_ADDED", 3)
    many = Rule(rule_id="p", effect=Effect.PIN, selection=Selection(), position=1)
    ranks = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], np.int32)
    found = ruling(many).pinned(np.ones(N, np.bool_), ranks)
    assert sorted(found.tolist()) == [7, 8, 9]


def test_what_is_pinned_makes_its_like_wait() -> None:
    """A varied list is unlike its pins too."""
    listed = made(pin(1, "espresso"), size=3, diversity=Diversity.HIGH)
    assert names(listed) == ["espresso", "tea", "milk"]


def test_what_is_needed_again_keeps_its_order_under_rules() -> None:
    """Only at-mosts and exclusions act on it; pins and boosts do not turn what is due.

    An at-most keeps what is bought most, of what is left: anna's espresso, not bread.
    """
    recommender = Recommender(tiny_model())
    query = Query(customer=recommender.model.customers.index("anna"), now=DATA_END, size=5)
    due = recommender.again(query).ranking.items.tolist()
    assert len(due) > 1
    turned = ruling(turn(Effect.BOOST, 9, NAMES[due[-1]]), pin(1, NAMES[due[-1]]))
    assert recommender.again(replace(query, ruling=turned)).ranking.items.tolist() == due
    only_one = ruling(
        at_most(1, 9, ""),
        Rule(rule_id="no", effect=Effect.EXCLUDE, selection=products(NAMES[due[0]])),
    )
    capped = recommender.again(replace(query, ruling=only_one))
    assert [NAMES[item] for item in due] == ["milk", "espresso", "bread"]
    assert [NAMES[item] for item in capped.ranking.items] == ["espresso"]
    assert len(capped.due_time) == 1
    assert "no" in capped.ranking.applied
