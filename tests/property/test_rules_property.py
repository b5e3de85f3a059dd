"""The shop's rules over any candidates: what they promise holds, whatever else is asked."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.conditions import Occasion
from recsvc.core.diversity import Diversity
from recsvc.core.lists import Ranking
from recsvc.core.places import ANYWHERE
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.rules import Effect, Rule, Rulebook, Selection
from recsvc.core.ruling import PreparedRules
from recsvc.core.vocabulary import MISSING
from tests.counting import DATA_END
from tests.samples import PRODUCTS, item_indices, tiny_model

pytestmark = pytest.mark.usefixtures("unmeasured")

NAMES = [item.product_id for item in PRODUCTS]
CUSTOMERS = ["stranger", "anna", "ben", "clara", "dora"]
RECOMMENDER = Recommender(tiny_model())

SOME = st.lists(st.sampled_from(NAMES), max_size=3, unique=True)
SELECTIONS = st.one_of(
    st.builds(Selection, product_ids=st.lists(st.sampled_from(NAMES), min_size=1).map(tuple)),
    st.builds(
        Selection,
        wanted=st.builds(CatalogueFilter, brands=st.sampled_from([("Alta",), ("Meadow", "Leaf")])),
    ),
)
RULES = st.lists(
    st.one_of(
        st.builds(
            Rule,
            rule_id=st.just("x"),
            effect=st.just(Effect.PIN),
            selection=SELECTIONS,
            position=st.integers(1, 6),
        ),
        st.builds(
            Rule,
            rule_id=st.just("x"),
            effect=st.sampled_from([Effect.BOOST, Effect.BURY]),
            selection=SELECTIONS,
            factor=st.sampled_from([1.5, 3.0, 100.0]),
        ),
        st.builds(
            Rule,
            rule_id=st.just("x"),
            effect=st.just(Effect.AT_MOST),
            selection=st.just(Selection()),
            limit=st.integers(1, 2),
            first=st.integers(1, 8),
            per=st.sampled_from(["brand", "category:1", "category"]),
        ),
        st.builds(Rule, rule_id=st.just("x"), effect=st.just(Effect.EXCLUDE), selection=SELECTIONS),
    ),
    max_size=5,
).map(lambda rules: [_renamed(rule, number) for number, rule in enumerate(rules)])


def _renamed(rule: Rule, number: int) -> Rule:
    return Rule(
        rule_id=f"{rule.effect.value}-{number}",
        effect=rule.effect,
        selection=rule.selection,
        position=rule.position,
        factor=rule.factor,
        limit=rule.limit,
        first=rule.first,
        per=rule.per,
    )


class Asked(NamedTuple):
    """A question under rules."""

    rules: PreparedRules
    query: Query


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    """Draw any question under any rules."""
    book = Rulebook(rules=tuple(draw(RULES)))
    rules = PreparedRules.of(book, RECOMMENDER.assortment)
    query = Query(
        customer=RECOMMENDER.model.customers.index(draw(st.sampled_from(CUSTOMERS))),
        place=ANYWHERE,
        size=draw(st.integers(0, 8)),
        now=DATA_END,
        only_new=draw(st.booleans()),
        excluded=item_indices(tiny_model(), *draw(SOME)),
        shown=item_indices(tiny_model(), *draw(SOME)),
        diversity=draw(st.sampled_from(Diversity)),
        ruling=rules.ruling(Occasion(now=DATA_END)),
    )
    return Asked(rules, query)


def lists(asked: Asked) -> list[Ranking]:
    """Every kind of list on which all rules act."""
    return [
        RECOMMENDER.recommend(asked.query),
        RECOMMENDER.popular(asked.query),
        RECOMMENDER.similar(0, asked.query),
    ]


@given(questions())
def test_lists_are_distinct_within_their_size_and_hold_nothing_forbidden(asked: Asked) -> None:
    """Nor does a pin bring back what is excluded, was shown, or is not new where that is asked."""
    query = asked.query
    excluded = [each.items for each in query.ruling.exclusions]
    gone = np.concatenate([query.excluded, query.shown, *excluded])
    profile = RECOMMENDER.model.histories.profile(query.customer)
    for ranking in lists(asked):
        assert len(ranking.items) <= query.size
        assert len(set(ranking.items.tolist())) == len(ranking.items)
        assert not np.isin(ranking.items, gone).any()
        if query.only_new:
            assert not np.isin(ranking.items, profile.purchased).any()


@given(questions())
def test_pins_are_where_they_should_be(asked: Asked) -> None:
    """At its place, later where that was taken, or last on a list that ends before."""
    n_shown = len(asked.query.shown)
    positions = {each.rule.rule_id: each.rule.position for each in asked.query.ruling.pins}
    for ranking in lists(asked):
        pinned = [ranking.rules[place][0] for place in ranking.picked]
        assert len(pinned) == len(set(pinned))
        for place, rule_id in zip(ranking.picked, pinned, strict=True):
            pin = next(p for p in asked.query.ruling.pins if p.rule.rule_id == rule_id)
            assert ranking.items[place] in pin.items
            wanted = positions[rule_id] - 1 - n_shown
            is_later = place > wanted and all(p in ranking.picked for p in range(wanted, place))
            is_last = place < wanted and all(
                p in ranking.picked for p in range(place, len(ranking.items))
            )
            assert place == wanted or is_later or is_last


@given(questions())
def test_caps_hold(asked: Asked) -> None:
    """With what was shown before; only pins may break them."""
    for ranking in lists(asked):
        free = [item for i, item in enumerate(ranking.items.tolist()) if i not in ranking.picked]
        for cap in asked.query.ruling.caps:
            n_shown = len(asked.query.shown)
            first = ranking.items[: max(cap.rule.first - n_shown, 0)].tolist()
            shown = asked.query.shown[: cap.rule.first].tolist()
            counts = Counter(cap.codes[[*shown, *first]].tolist() if shown or first else [])
            for item in set(first) & set(free):
                kind = int(cap.codes[item])
                assert kind == MISSING or counts[kind] <= cap.rule.limit


@given(questions())
def test_a_list_says_only_what_rules_did(asked: Asked) -> None:
    """Every rule that is named holds, and every product's rules are among those of the list."""
    ruling = asked.query.ruling
    every = {e.rule.rule_id for e in (*ruling.pins, *ruling.factors, *ruling.caps)}
    every |= {e.rule.rule_id for e in ruling.exclusions}
    for ranking in lists(asked):
        assert set(ranking.applied) <= every
        assert {name for names in ranking.rules for name in names} <= set(ranking.applied)
        assert len(ranking.rules) == (len(ranking.items) if ruling else 0)
