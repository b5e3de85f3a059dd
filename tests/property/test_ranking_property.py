"""The rules of every list, over any purchases, products, stores and questions."""

from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, CatalogueFilter
from recsvc.core.claims import Claim, ReasonCode
from recsvc.core.explanation import explain
from recsvc.core.lists import Ranking
from recsvc.core.model import Model
from recsvc.core.places import PLACE_LEVELS, Level, Location
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.related_reasons import explain_again, explain_similar, explain_together
from recsvc.core.sources import Strategy
from recsvc.core.vocabulary import MISSING
from recsvc.service.answers import Explain
from recsvc.service.wording import Wording
from tests.counting import DATA_END, DAY, Item, Purchase, Shop, Shopping, model_of
from tests.pairs import counted_baskets
from tests.rankers import Stump, grow, weigh
from tests.samples import STORES as SAMPLE_STORES

pytestmark = pytest.mark.usefixtures("unmeasured")

CELLS = [shop.cell for shop in SAMPLE_STORES if shop.cell]
SUMMER = int(DATA_END) + 90 * DAY
FACTORS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.9, 0.2, 0.0, 0.0),
    (0.2, 0.9, 0.0, -0.4),
    (0.0, 0.0, 0.9, 0.2),
    (-0.4, 0.2, 0.2, 0.9),
)


class Asked(NamedTuple):
    """One question to one model, and what both were made of."""

    shopping: Shopping
    model: Model
    customer_id: str
    location: Location
    query: Query


# Built once: hypothesis takes longer to check a strategy than to draw from it.
ITEMS = st.lists(
    st.builds(
        Item,
        product_id=st.just(""),
        title=st.sampled_from(["", "Title"]),
        category_path=st.sampled_from(["", "A", "A > B", "C"]),
        brand=st.sampled_from(["", "X", "Y"]),
        price=st.sampled_from([None, 1.0, 2.5]),
        factors=st.sampled_from(FACTORS),
        available_from=st.sampled_from([ALWAYS_FROM, ALWAYS_FROM, SUMMER]),
        available_to=st.sampled_from([ALWAYS_TO, ALWAYS_TO, SUMMER]),
    ),
    min_size=1,
    max_size=12,
).map(lambda items: [item._replace(product_id=f"p{i}") for i, item in enumerate(items)])

STORES = st.lists(
    st.builds(
        Shop,
        store_id=st.just(""),
        name=st.sampled_from(["", "Name"]),
        postal_code=st.sampled_from(["", "GB|1", "PT|1"]),
        cell=st.sampled_from(["", *CELLS]),
        subdivision_code=st.sampled_from(["", "GB-ENG", "PT-13"]),
        country_code=st.sampled_from(["", "GB", "PT"]),
    ),
    max_size=3,
).map(lambda shops: [shop._replace(store_id=f"s{i}") for i, shop in enumerate(shops)])

# Products and stores by number, whichever of them there are.
LINES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 11),
        st.integers(0, 3),
        st.sampled_from([0.0, 3.0, 30.0, 400.0]),
        st.sampled_from([1.0, 3.0]),
    ),
    max_size=25,
)
BASKETS = st.none() | st.lists(st.sets(st.integers(0, 11), min_size=1), min_size=1, max_size=6)
PAIRS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 11), st.sampled_from([0.1, 0.5])), max_size=10
)
SOME_ITEMS = st.lists(st.integers(0, 11), unique=True, max_size=5)
WEIGHTS = st.lists(st.sampled_from([0.0, 0.125, 1.0, 3.0]), min_size=12, max_size=12)
LIMITS = st.sampled_from([-1.0, -0.25, 0.0, 0.5, 30.0])
LEAVES = st.sampled_from([-1.0, 0.0, 0.25, 1.0])
FILTERS = st.none() | st.builds(
    CatalogueFilter,
    category_paths=st.sampled_from([(), ("A",), ("A > B", "C")]),
    brands=st.sampled_from([(), ("x",)]),
    price_min=st.sampled_from([None, 2.0]),
    currency=st.sampled_from(["GBP", "EUR"]),
)
LOCATIONS = st.builds(
    Location,
    store_id=st.sampled_from(["", "no-such", "s0", "s1", "s2"]),
    postal_code=st.sampled_from(["", "1"]),
    cell=st.sampled_from(["", CELLS[0]]),
    subdivision_code=st.sampled_from(["", "PT-13"]),
    country_code=st.sampled_from(["", "gb", "FR"]),
)


def shopping_of(draw: st.DrawFn) -> Shopping:
    """Draw purchases by up to four customers; there may be none at all."""
    products, shops = draw(ITEMS), draw(STORES)
    ids = [p.product_id for p in products]
    store_ids = ["", *(s.store_id for s in shops)]
    purchases = [
        Purchase(f"c{c}", ids[i % len(ids)], store_ids[s % len(store_ids)], days, quantity)
        for c, i, s, days, quantity in draw(LINES)
    ]
    similarity = [
        (ids[one], ids[other], value)
        for one, other, value in draw(PAIRS)
        if one != other and max(one, other) < len(ids)
    ]
    return Shopping(products, shops, purchases, similarity)


def model_drawn(draw: st.DrawFn, shopping: Shopping) -> Model:
    """Draw a model, with any sources left out and any weights, with baskets or without."""
    model = model_of(shopping)
    n_items, baskets = len(model.catalogue), draw(BASKETS)
    if baskets is not None:
        there = [{item % n_items for item in basket} for basket in baskets]
        model = replace(model, baskets=counted_baskets(there, model.catalogue.category))
    left_out = draw(st.sets(st.sampled_from([s.name for s in model.sources[:-1]])))
    model = replace(
        model,
        sources=tuple(s for s in model.sources if s.name not in left_out),
        without=frozenset(draw(st.sets(st.sampled_from(["levels", "place", "price"])))),
        n_candidates=draw(st.integers(1, 6)),
    )
    recommender = Recommender(model)
    weights = {
        task: dict(zip(recommender.panel(task).scores, draw(WEIGHTS), strict=False))
        for task in Task
    }
    model = weigh(model, weights)
    for task in draw(st.sets(st.sampled_from(Task))):
        names = st.sampled_from(recommender.panel(task).features.names)
        stumps = st.builds(Stump, names, LIMITS, LEAVES, LEAVES)
        model = grow(model, task, *draw(st.lists(stumps, max_size=3)))
    return model


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    """Draw any question to any model."""
    shopping = shopping_of(draw)
    model = model_drawn(draw, shopping)
    customer_id = draw(st.sampled_from(["stranger", "c0", "c1", "c2", "c3"]))
    location = draw(LOCATIONS)
    customer = model.customers.index(customer_id)

    def some_items() -> NDArray[np.int32]:
        return np.array([i for i in draw(SOME_ITEMS) if i < len(model.catalogue)], np.int32)

    query = Query(
        customer=customer,
        place=Recommender(model).place(customer, location),
        size=draw(st.integers(0, 15)),
        now=draw(st.sampled_from([DATA_END, float(SUMMER)])),
        only_new=draw(st.booleans()),
        catalogue_filter=draw(FILTERS),
        excluded=some_items(),
        basket=some_items(),
        session=some_items(),
    )
    return Asked(shopping, model, customer_id, location, query)


def bought(asked: Asked) -> set[str]:
    """Return what the customer has bought."""
    return {p.product_id for p in asked.shopping.purchases if p.customer_id == asked.customer_id}


def allowed(asked: Asked) -> set[int]:
    """Return the products that the rules leave, one by one from their descriptions."""
    query, wanted = asked.query, asked.query.catalogue_filter
    left = set()
    for index, item in enumerate(asked.shopping.products):
        passes = item.available_from <= query.now < item.available_to
        passes &= index not in query.excluded.tolist()
        passes &= index not in query.basket.tolist()
        passes &= not (query.only_new and item.product_id in bought(asked))
        if wanted is not None and wanted.category_paths:
            passes &= item.category_path != "" and any(
                f"{item.category_path} > ".startswith(f"{path} > ")
                for path in wanted.category_paths
            )
        if wanted is not None and wanted.brands:
            passes &= item.brand.lower() in wanted.brands
        if wanted is not None and wanted.price_min is not None:
            passes &= item.price is not None and item.price >= wanted.price_min
            passes &= wanted.currency == "GBP"
        if passes:
            left.add(index)
    return left


def lists(asked: Asked) -> list[Ranking]:
    """Return every kind of list for the question; similar products are those of the first."""
    recommender = Recommender(asked.model)
    return [
        recommender.recommend(asked.query),
        recommender.popular(asked.query),
        recommender.similar(0, asked.query),
        recommender.together(asked.query),
    ]


@given(questions())
def test_lists_are_distinct_sorted_and_within_their_size(asked: Asked) -> None:
    """No product twice, no score above the one before, no more than asked for."""
    for ranking in lists(asked):
        n = len(ranking.items)
        assert n <= asked.query.size
        assert len(set(ranking.items.tolist())) == n
        assert (np.diff(ranking.scores) <= 0).all()
        assert np.isfinite(ranking.scores).all()
        columns: list[NDArray[np.generic]] = [ranking.scores, ranking.strategies, ranking.levels]
        assert [len(column) for column in columns] == [n, n, n]


@given(questions())
def test_nothing_forbidden_is_on_a_list(asked: Asked) -> None:
    """Nothing excluded, out of season, filtered out or, if only new, bought before."""
    for ranking in lists(asked):
        assert set(ranking.items.tolist()) <= allowed(asked)
    assert 0 not in Recommender(asked.model).similar(0, asked.query).items


@given(questions())
def test_what_is_needed_again_was_bought_and_is_allowed(asked: Asked) -> None:
    """All of it if the list is long enough, each once, the soonest due first."""
    recommender = Recommender(asked.model)
    found = recommender.again(asked.query)
    own = {i for i, p in enumerate(asked.shopping.products) if p.product_id in bought(asked)}
    listed = found.ranking.items.tolist()
    assert len(listed) == len(set(listed)) == min(asked.query.size, len(own & allowed(asked)))
    assert set(listed) <= own & allowed(asked)
    assert (np.diff(found.due_time) >= 0).all()
    columns = (found.due_time, found.interval_seconds, found.quantity, found.ranking.strategies)
    assert {len(column) for column in columns} == {len(listed)}


@given(questions())
def test_lists_are_as_long_as_can_be(asked: Asked) -> None:
    """A list is short only where too little is allowed, and never empty without reason."""
    expected = min(asked.query.size, len(allowed(asked)))
    recommender = Recommender(asked.model)
    assert len(recommender.recommend(asked.query).items) == expected
    assert len(recommender.popular(asked.query).items) == expected


@given(questions())
def test_ties_are_in_the_order_of_popularity(asked: Asked) -> None:
    """Of two products with one score the more popular comes first."""
    ranks = np.argsort(asked.model.popularity.order)
    for ranking in lists(asked):
        tied = np.diff(ranking.scores) == 0
        assert (np.diff(ranks[ranking.items])[tied] > 0).all()


@given(questions())
def test_a_short_list_heads_a_long_one(asked: Asked) -> None:
    """Within the candidates that are asked for anyway, a longer list only goes on."""
    long = replace(asked.query, size=asked.model.n_candidates)
    short = replace(asked.query, size=asked.model.n_candidates // 2)
    recommender = Recommender(asked.model)
    expected = recommender.recommend(long).items[: short.size].tolist()
    assert recommender.recommend(short).items.tolist() == expected


@given(questions())
def test_lists_are_deterministic(asked: Asked) -> None:
    """The same question has the same answer, of the same model restored as well."""
    restored = Model.from_arrays(asked.model.to_arrays(), asked.model.to_parameters())
    for one, other in zip(lists(asked), lists(asked._replace(model=restored)), strict=True):
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tolist() == other.scores.tolist()
        assert one.strategies.tolist() == other.strategies.tolist()


@given(questions())
def test_levels_are_truthful(asked: Asked) -> None:
    """A product's level is the finest place of the question where somebody bought it."""
    keys = {s.store_id: (s.store_id, *s[2:]) for s in asked.shopping.stores}
    statistics, place = asked.model.places.levels, asked.query.place
    for ranking in lists(asked):
        assert ranking.place == place
        for item, level in zip(ranking.items.tolist(), ranking.levels.tolist(), strict=True):
            product_id = asked.shopping.products[item].product_id
            sold_at = [
                keys[p.store_id]
                for p in asked.shopping.purchases
                if p.product_id == product_id and p.store_id
            ]
            sold = [
                here
                for here in PLACE_LEVELS
                if (index := place.indices[here]) != MISSING
                and statistics[here].keys.ids[index] in {key[here] for key in sold_at}
            ]
            assert level == min(sold, default=Level.EVERYWHERE)


def speaks_for(asked: Asked) -> set[tuple[str, str]]:
    """Return the pairs of products of which the one speaks for the other: alike, or next."""
    alike = asked.shopping.similarity
    return {
        *((one, other) for one, other, _ in alike),
        *((other, one) for one, other, _ in alike),
        *(
            (earlier.product_id, later.product_id)
            for earlier, later in permutations(asked.shopping.purchases, 2)
            if earlier.customer_id == later.customer_id and earlier.days_ago > later.days_ago
        ),
    }


def bought_by_like_customers(asked: Asked) -> set[str]:
    """Return what others bought who have a product in common with the customer."""
    own = bought(asked)
    others = {p.customer_id for p in asked.shopping.purchases if p.product_id in own}
    others -= {asked.customer_id}
    return {p.product_id for p in asked.shopping.purchases if p.customer_id in others}


@given(questions())
def test_strategies_are_truthful(asked: Asked) -> None:
    """No source is credited with a product that it has no reason to show."""
    sources = {source.name for source in asked.model.sources}
    ranking = Recommender(asked.model).recommend(asked.query)
    looked_at = [*asked.query.session.tolist(), *asked.query.basket.tolist()]
    seen = {asked.shopping.products[i].product_id for i in looked_at}
    pairs = speaks_for(asked)
    names = asked.model.catalogue.items.ids.take(ranking.items)
    strategies = [Strategy(s) for s in ranking.strategies.tolist()]
    for name, strategy, level in zip(names, strategies, ranking.levels.tolist(), strict=True):
        if strategy is Strategy.BUY_AGAIN:
            assert "own" in sources
            assert name in bought(asked)
        elif strategy is Strategy.SIMILAR:
            assert {"neighbours", "transitions"} & sources
            assert any((own, name) in pairs for own in (bought(asked) | seen) - {name})
        elif strategy is Strategy.COLLABORATIVE:
            assert {"collaborative", "like_customers"} & sources
            assert bought(asked) | seen
        elif strategy is Strategy.POPULAR_NEARBY:
            assert "place" in sources
            assert level != Level.EVERYWHERE


@given(questions())
def test_reasons_are_truthful(asked: Asked) -> None:
    """Each product has one reason, and what is said to be bought was bought."""
    recommender = Recommender(asked.model)
    ranking = recommender.recommend(asked.query)
    reasons = explain(asked.model, Assortment.learnt(asked.model.catalogue), ranking)
    own, pairs = bought(asked), speaks_for(asked)
    for item, reason in zip(ranking.items.tolist(), reasons, strict=True):
        name = asked.shopping.products[item].product_id
        evidence = asked.model.catalogue.items.ids.take(reason.evidence)
        if reason.code is ReasonCode.BOUGHT_BEFORE:
            assert reason.evidence == (item,)
            assert set(evidence) <= own
        if reason.claim is Claim.ALSO_BOUGHT:
            assert [(one, name) in pairs for one in evidence] == [True]
        if reason.claim is Claim.FITS_BOUGHT:
            assert set(evidence) <= own
        if reason.claim is Claim.LIKE_CUSTOMERS:
            assert own
            assert name in bought_by_like_customers(asked)


WORDING = Wording.load()


@given(questions(), SOME_ITEMS, st.sampled_from(["de", "en"]))
def test_reasons_are_sentences_that_hide_what_must_be_hidden(
    asked: Asked, hidden: list[int], language: str
) -> None:
    """On every surface, in every language: one line, nothing left open, and no hidden product."""
    model, assortment = asked.model, Assortment.learnt(asked.model.catalogue)
    unnamed = np.array([i for i in hidden if i < len(assortment)], np.int32)
    recommender, query = Recommender(model), asked.query
    lists: list[tuple[Explain, Ranking]] = [
        (explain, recommender.recommend(query)),
        (partial(explain_similar, 0), recommender.similar(0, query)),
        (explain_together, recommender.together(query)),
        (explain_again, recommender.again(query).ranking),
    ]
    voice = WORDING.voice(language)
    for explained, ranking in lists:
        reasons = explained(model, assortment, ranking, unnamed)
        assert len(reasons) == len(ranking.items)
        for reason in reasons:
            text = voice.say(reason, assortment)
            assert text.endswith(".")
            assert not set("{}\n") & set(text)
            assert not set(reason.evidence) & set(unnamed.tolist())


@given(questions(), st.sampled_from([None, *Task]))
def test_features_are_numbers(asked: Asked, task: Task | None) -> None:
    """One number a candidate and name, never NaN or infinite, whatever the task."""
    case = Recommender(asked.model).candidates(asked.query, task)
    features = case.panel.features
    table = features.of(case)
    assert table.shape == (len(case.items), len(features.names))
    assert np.isfinite(table).all()


@given(questions())
def test_places_back_off_without_end(asked: Asked) -> None:
    """Whatever place is named, its shares are positive and add up to 1 over all products."""
    place = asked.model.places.resolve(asked.location)
    every = np.arange(len(asked.model.catalogue), dtype=np.int32)
    shares = asked.model.places.shares_at(place, every)
    assert (shares > 0).all()
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    assert asked.model.places.describe(place).keys()
