"""Products that the model has not learnt: where they stand on a list, and by which rules."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import pytest

from recsvc.core.assortment import Assortment, Shelf
from recsvc.core.candidates import N_STAND_IN
from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.claims import Claim
from recsvc.core.conditions import Occasion
from recsvc.core.explanation import explain
from recsvc.core.lists import Ranking
from recsvc.core.live import Act
from recsvc.core.model import Model
from recsvc.core.newcomers import MAX_RANKED
from recsvc.core.places import Level, Location
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.rules import Effect, Rule, Rulebook, Selection
from recsvc.core.ruling import PreparedRules
from recsvc.core.sources import Strategy
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING
from tests.acts import Did, acts_of, added, bought, moment, rated, removed, returned, viewed
from tests.counting import DATA_END, DAY
from tests.rankers import Stump, grow, weigh_alike
from tests.samples import tiny_model

ALL_IDS = {"espresso", "filter", "tea", "milk", "butter", "bread", "jam", "soap", "punch", "bag"}
FIRST, SECOND = 10, 11
"""Indices of the first two newcomers."""


class New(NamedTuple):
    """A newcomer, and how like it is to learnt products, by their ids."""

    product: Product
    near: Mapping[str, float]


def new(product_id: str, near: Mapping[str, float], **fields: Any) -> New:
    """Return a newcomer."""
    return New(Product(product_id=product_id, **fields), near)


def selling(model: Model, *newcomers: New) -> Recommender:
    """Return a recommender that ranks newcomers as well."""
    items = model.catalogue.items
    near = [{items.index(name): share for name, share in n.near.items()} for n in newcomers]
    rows = [
        (np.array(sorted(row), np.int32), np.array([row[i] for i in sorted(row)], np.float32))
        for row in near
    ]
    catalogue = model.catalogue.with_products([n.product for n in newcomers])
    assortment = Assortment(catalogue, len(model.catalogue), SparseRows.from_rows(rows))
    return Recommender(model).selling(assortment)


def popular(*newcomers: New) -> Recommender:
    """Return a recommender by popularity alone, whoever asks."""
    return selling(weigh_alike(tiny_model(), popularity=1), *newcomers)


def ask(recommender: Recommender, customer: str = "", store: str = "", **query: Any) -> Query:
    """Return a question for a long list by external ids; without a store, at home."""
    index = recommender.model.customers.index(customer)
    place = recommender.place(index, Location(store_id=store))
    return Query(**{"customer": index, "place": place, "now": DATA_END, "size": 50, **query})


def after(recommender: Recommender, *did: Did, **query: Any) -> Query:
    """Return a question two days after the model learnt, after these acts."""
    return ask(recommender, **{"now": moment(2), "acts": acts_of(*did), **query})


def ids(recommender: Recommender, ranking: Ranking) -> list[str]:
    """Return the product ids of a list."""
    return recommender.assortment.catalogue.items.ids.take(ranking.items)


def scores(recommender: Recommender, query: Query) -> dict[str, float]:
    """Return the scores of a shopper's list by product id."""
    ranking = recommender.recommend(query)
    return dict(zip(ids(recommender, ranking), ranking.scores.tolist(), strict=True))


def lists(recommender: Recommender, query: Query, like: int = 3) -> list[list[str]]:
    """Return both kinds of list for one question; the last of products like milk."""
    rankings = recommender.recommend(query), recommender.similar(like, query)
    return [ids(recommender, ranking) for ranking in rankings]


# Where they stand.


def test_selling_leaves_the_recommender_alone() -> None:
    """Another assortment is another recommender, with the same model; each has its own lists."""
    plain = Recommender(tiny_model())
    catalogue = plain.model.catalogue.with_products([Product(product_id="oat")])
    oat = SparseRows.from_rows([(np.array([3], np.int32), np.ones(1, np.float32))])
    one = plain.selling(Assortment(catalogue, 10, oat))
    none = one.selling(Assortment.learnt(plain.model.catalogue))
    assert one.model is plain.model
    assert set(scores(one, ask(one))) == ALL_IDS | {"oat"}
    for other in (plain, none):
        assert set(scores(other, ask(other))) == ALL_IDS
        assert len(other.assortment) == 10


@pytest.mark.parametrize(
    ("customer", "store", "only_new"),
    [
        ("anna", "", False),
        ("anna", "york-1", False),
        ("anna", "", True),
        ("", "york-1", False),
        ("", "", False),
    ],
)
def test_everybody_is_shown_newcomers(customer: str, store: str, *, only_new: bool) -> None:
    """Known, away, after new things or unknown: they stand among products ordered as before."""
    model = tiny_model()
    plain = Recommender(model)
    recommender = selling(model, new("oat", {"milk": 0.9, "butter": 0.3}), new("odd", {}))
    query = ask(recommender, customer, store, only_new=only_new)
    expected = scores(plain, query)
    found = scores(recommender, query)
    assert {name: found[name] for name in expected} == expected
    assert [name for name in found if name in expected] == list(expected)
    assert set(found) == set(expected) | {"oat", "odd"}
    assert list(found)[-1] == "odd"
    assert min(expected.values()) <= found["oat"] < max(expected.values())
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_a_newcomer_is_similar_and_nowhere_sold() -> None:
    """It is there for what it is like, whatever the place; the others keep their own reasons."""
    recommender = selling(tiny_model(), new("ristretto", {"espresso": 0.9}))
    ranking = recommender.recommend(ask(recommender, "anna"))
    names = ids(recommender, ranking)
    strategies = dict(zip(names, ranking.strategies.tolist(), strict=True))
    levels = dict(zip(names, ranking.levels.tolist(), strict=True))
    assert strategies["ristretto"] == Strategy.SIMILAR
    assert levels["ristretto"] == Level.EVERYWHERE
    assert (strategies["espresso"], levels["espresso"]) == (Strategy.BUY_AGAIN, Level.STORE)
    assert levels["tea"] == Level.SUBDIVISION
    assert len(ranking.items) == len(ranking.levels) == len(ranking.strategies) == 11


def test_a_newcomer_has_the_mean_of_what_it_is_like() -> None:
    """Weighed by the likeness; one that is like nothing comes last."""
    recommender = popular(
        new("near-milk", {"milk": 0.2}),
        new("odd", {}),
        new("between", {"milk": 0.6, "bag": 0.2}),
    )
    plain = scores(Recommender(recommender.model), ask(recommender))
    assert np.std(list(plain.values())) == pytest.approx(1)
    found = scores(recommender, ask(recommender))
    assert found["near-milk"] == pytest.approx(plain["milk"], abs=1e-5)
    mean = (3 * plain["milk"] + plain["bag"]) / 4
    assert found["between"] == pytest.approx(mean, abs=1e-5)
    assert found["odd"] == pytest.approx(min(plain.values()) - 1)


def test_a_newcomer_stands_no_lower_than_the_last() -> None:
    """What is like the least popular product ties with it, and a tie goes to what was bought."""
    recommender = popular(new("bag-2", {"bag": 1}), new("bag-3", {"bag": 0.1}))
    found = scores(recommender, ask(recommender))
    assert list(found)[-3:] == ["bag", "bag-2", "bag-3"]
    assert found["bag"] == found["bag-2"] == found["bag-3"]


def test_the_scale_is_that_of_the_list() -> None:
    """Four times the weight is four times the score."""
    one = popular(new("near-milk", {"milk": 1}))
    four = selling(weigh_alike(tiny_model(), popularity=4), new("near-milk", {"milk": 1}))
    expected = 4 * scores(one, ask(one))["near-milk"]
    assert scores(four, ask(four))["near-milk"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("excluded", [0, 10])
def test_similar_newcomers_suit_who_asks(excluded: int) -> None:
    """Beside learnt products, or by themselves: those like what anna buys move up."""
    recommender = selling(
        tiny_model(), new("oat", {"espresso": 0.9}), new("soy", {"soap": 0.8}), new("odd", {})
    )
    query = ask(recommender, "anna", excluded=np.arange(excluded, dtype=np.int32))
    filter_coffee = int(recommender.model.catalogue.items.index("filter"))
    hers = recommender.similar(filter_coffee, query)
    everybodys = recommender.similar(filter_coffee, replace(query, customer=MISSING))
    found, plain = (
        dict(zip(ids(recommender, one), one.scores.tolist(), strict=True))
        for one in (hers, everybodys)
    )
    assert found.keys() == plain.keys() >= {"oat", "soy"}
    moved = {name: found[name] - plain[name] for name in found}
    assert moved["oat"] > moved["soy"]


def test_nobody_buys_a_newcomer_again() -> None:
    """Anna's own espresso speaks for itself, and not for what is like it."""
    model = weigh_alike(tiny_model(), own_long=1)
    recommender = selling(model, new("ristretto", {"espresso": 1}))
    found = scores(recommender, ask(recommender, "anna"))
    assert next(iter(found)) == "espresso"
    assert found["ristretto"] == found["bag"] == min(found.values())
    assert list(found)[-1] == "ristretto"


def test_a_newcomer_takes_its_place_where_trees_rank() -> None:
    """It stands where as many candidates are below it as by the weights that place it."""
    model = weigh_alike(tiny_model(), popularity=1)
    learnt = grow(model, Task.COLD, Stump("popularity", -2.5, 3, 7), Stump("log_price", 1, 0, 1))
    by_weights = sorted(scores(Recommender(model), ask(Recommender(model))).values())
    by_trees = sorted(scores(Recommender(learnt), ask(Recommender(learnt))).values())
    recommender = selling(learnt, new("between", {"milk": 0.5, "bag": 0.5}))
    number = (by_weights[0] + by_weights[-1]) / 2
    at = next(i for i, (low, high) in enumerate(pairwise(by_weights)) if low <= number <= high)
    share = (number - by_weights[at]) / (by_weights[at + 1] - by_weights[at])
    expected = by_trees[at] + share * (by_trees[at + 1] - by_trees[at])
    found = scores(recommender, ask(recommender))
    assert set(by_trees) == {3, 4, 7, 8}
    assert found["between"] == pytest.approx(expected, abs=1e-4)
    assert found["between"] != pytest.approx(number, abs=0.5)


def test_newcomers_alone_are_ordered_among_themselves() -> None:
    """Where nothing else is allowed they are the list, ordered by what they are like."""
    recommender = popular(
        new("near-bag", {"bag": 0.25}), new("near-milk", {"milk": 0.5}), new("same", {"milk": 1})
    )
    learnt = np.arange(10, dtype=np.int32)
    found = scores(recommender, ask(recommender, "anna", excluded=learnt))
    assert list(found) == ["near-milk", "same", "near-bag"]
    # Two of one number and one of another: 1, 1 and -2, over their deviation.
    assert list(found.values()) == pytest.approx([1 / sqrt(2), 1 / sqrt(2), -sqrt(2)], abs=1e-5)
    first = ask(recommender, excluded=learnt, size=1)
    assert ids(recommender, recommender.popular(first)) == ["near-milk"]


def test_a_newcomer_alone_is_a_list_of_one() -> None:
    """It stands out from nothing; nor does one that is like nothing."""
    for near in ({"milk": 0.5}, {}):
        recommender = popular(new("oat", near, brand="Oatly"))
        query = ask(recommender, catalogue_filter=CatalogueFilter(brands=("oatly",)))
        assert scores(recommender, query) == {"oat": 0}


def test_the_latest_are_ranked() -> None:
    """Of more newcomers than a list is made from, those that came first are left out."""
    many = [new(f"new-{i}", {"milk": 1}) for i in range(MAX_RANKED + 1)]
    recommender = popular(*many)
    query = ask(recommender, size=2 * MAX_RANKED)
    latest = {f"new-{i}" for i in range(1, MAX_RANKED + 1)}
    assert set(scores(recommender, query)) == ALL_IDS | latest
    gone = replace(query, excluded=np.array([FIRST + 5], np.int32))
    assert set(scores(recommender, gone)) == (ALL_IDS | latest | {"new-0"}) - {"new-5"}


# Which of them are allowed.

OAT = new("oat", {"milk": 1}, category_path="Food > Oat", brand="Oatly", price=1.95, currency="EUR")
CREAM = new("cream", {"milk": 1}, category_path="Food > Dairy", price=3.5, currency="GBP")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (CatalogueFilter(category_paths=("Food > Oat",)), {"oat"}),
        (CatalogueFilter(category_paths=("Food > Dairy",)), {"milk", "butter", "cream"}),
        (CatalogueFilter(brands=("OATLY", "Leaf")), {"oat", "tea"}),
        (CatalogueFilter(price_max=2, currency="EUR"), {"oat"}),
        (CatalogueFilter(price_min=3, price_max=4, currency="GBP"), {"cream", "tea", "soap"}),
        (CatalogueFilter(brands=("No such",)), set()),
    ],
)
def test_filters_hold_for_newcomers(wanted: CatalogueFilter, expected: set[str]) -> None:
    """Category, brand and price are asked of all products alike."""
    recommender = selling(tiny_model(), OAT, CREAM)
    query = ask(recommender, "anna", catalogue_filter=wanted)
    found = lists(recommender, query)
    assert set(found[0]) == expected
    assert set(found[1]) <= expected - {"milk"}
    assert {"oat", "cream"} & set(found[1]) == {"oat", "cream"} & expected


def test_windows_hold_for_newcomers() -> None:
    """A newcomer is sold from its first second on, when the list is for, until its last."""
    start = round(DATA_END + DAY)
    summer = new("summer", {"milk": 1}, available_from=start, available_to=start + DAY)
    recommender = selling(tiny_model(), summer)
    for sold_at, is_sold in (
        (None, False),
        (start - 0.5, False),
        (start, True),
        (start + DAY - 0.5, True),
        (start + DAY, False),
    ):
        found = lists(recommender, ask(recommender, "anna", sold_at=sold_at))
        assert ["summer" in names for names in found] == [is_sold] * 2


def test_what_is_replaced_follows_its_new_window() -> None:
    """A learnt product that is not sold any more is on no list."""
    model = tiny_model()
    gone = replace(model.catalogue.product(4), available_to=round(DATA_END))
    catalogue = model.catalogue.with_products([gone])
    recommender = Recommender(model).selling(Assortment.learnt(catalogue))
    for names in lists(recommender, ask(recommender, "anna")):
        assert "butter" not in names
    assert "butter" in lists(Recommender(model), ask(recommender, "anna"))[0]


@pytest.mark.parametrize(
    "did",
    [
        [added(FIRST, 1.9)],
        [bought(FIRST, 1.9)],
        [bought(FIRST, -300)],
        [rated(FIRST, 1, rating=1)],
        [viewed(FIRST, 1.9), bought(FIRST, 1.95)],
    ],
)
@pytest.mark.parametrize("customer", ["anna", ""])
def test_some_newcomers_are_not_wanted(customer: str, did: list[Did]) -> None:
    """In the basket, bought at any time, or disliked: no list holds it; the other is there."""
    recommender = selling(tiny_model(), OAT, CREAM)
    for names in lists(recommender, after(recommender, *did, customer=customer)):
        assert "oat" not in names
        assert "cream" in names


@pytest.mark.parametrize(
    "did",
    [
        [viewed(FIRST, 1.9)],
        [added(FIRST, 1.8), removed(FIRST, 1.9)],
        [rated(FIRST, 1, rating=1), rated(FIRST, 1.5, rating=5)],
        [Did(act, FIRST, 2.1, rating=1) for act in Act],
        [bought(MISSING, 1.9), bought(SECOND, 1.9)],
    ],
)
@pytest.mark.parametrize("customer", ["anna", ""])
def test_others_may_be_shown(customer: str, did: list[Did]) -> None:
    """A look, a change of mind, what lies ahead, and other products do not take it away."""
    recommender = selling(tiny_model(), OAT, CREAM)
    for names in lists(recommender, after(recommender, *did, customer=customer)):
        assert "oat" in names


def test_excluded_newcomers_are_left_out() -> None:
    """What the caller excludes is on no kind of list."""
    recommender = selling(tiny_model(), OAT, CREAM)
    query = ask(recommender, "anna", excluded=np.array([0, SECOND], np.int32))
    for names in lists(recommender, query):
        assert not {"espresso", "cream"} & set(names)
        assert "oat" in names


# What is there at the store.


def shelf(prices: Mapping[str, float], there: set[str], recommender: Recommender) -> Shelf:
    """Return a shelf with the prices, in pounds, of some products; all others have none."""
    catalogue = recommender.assortment.catalogue
    price, currency = np.full(len(catalogue), np.nan), np.full(len(catalogue), MISSING, np.int32)
    in_stock = np.zeros(len(catalogue), np.bool_)
    for name, amount in prices.items():
        price[catalogue.items.index(name)] = amount
        currency[catalogue.items.index(name)] = catalogue.currencies.index("GBP")
    in_stock[[catalogue.items.index(name) for name in there]] = True
    return Shelf(in_stock, price, currency, catalogue.currencies)


def test_only_what_is_there() -> None:
    """Learnt or new, what the store has not is left out where the caller wants that."""
    recommender = selling(tiny_model(), OAT, CREAM)
    there = shelf({}, {"bread", "butter", "oat"}, recommender)
    query = ask(recommender, "anna", shelf=there, in_stock_only=True)
    found = lists(recommender, query)
    assert [set(names) for names in found] == [{"bread", "butter", "oat"}] * 2
    both = replace(query, catalogue_filter=CatalogueFilter(category_paths=("Food > Dairy",)))
    assert lists(recommender, both) == [["butter"]] * 2
    every = lists(recommender, replace(query, in_stock_only=False))
    assert set(every[0]) == ALL_IDS | {"oat", "cream"}


def test_where_nobody_knows_what_is_there_nothing_is() -> None:
    """Without a shelf no product is known to be there."""
    recommender = selling(tiny_model(), OAT)
    query = ask(recommender, "anna", in_stock_only=True)
    assert lists(recommender, query) == [[], []]
    assert all(lists(recommender, replace(query, in_stock_only=False)))


def test_prices_are_those_of_the_store() -> None:
    """A price bound holds for what a product costs there, not for what it costs elsewhere."""
    recommender = selling(tiny_model(), OAT, CREAM)
    there = shelf({"milk": 9, "butter": 1, "oat": 1.2}, set(), recommender)
    wanted = CatalogueFilter(price_max=2, currency="GBP")
    query = ask(recommender, "anna", shelf=there, catalogue_filter=wanted)
    assert set(scores(recommender, query)) == {"butter", "oat"}
    assert set(scores(recommender, replace(query, shelf=None))) == {"milk", "bag"}


# What a look at one of them says.


def test_a_look_at_a_newcomer_shapes_the_list() -> None:
    """Who looked at another tea is shown what goes with tea, and the new tea itself."""
    model = weigh_alike(tiny_model(), neighbours=1)
    recommender = selling(model, new("oolong", {"tea": 0.5}), new("odd", {}))
    query = after(recommender, viewed(FIRST, 1.9))
    ranking = recommender.recommend(query)
    assert ids(recommender, ranking)[:2] == ["jam", "bread"]
    assert "oolong" in ids(recommender, ranking)
    assert ranking.profile.items.tolist() == [2]
    assert ranking.profile.purchased.tolist() == []
    given = replace(query, acts=acts_of(), session=np.array([FIRST], np.int32))
    basket = replace(query, acts=acts_of(added(FIRST, 1.9)))
    for same in (given, basket):
        assert ids(recommender, recommender.recommend(same))[:2] == ["jam", "bread"]
    odd = recommender.recommend(after(recommender, viewed(SECOND, 1.9)))
    assert odd.profile.is_empty


def test_the_most_like_stand_in_for_a_newcomer() -> None:
    """Of many products that it is like the nearest, each once, beside what else was looked at."""
    like = {"espresso": 0.3, "filter": 0.2, "tea": 0.1, "milk": 0.9, "butter": 0.8, "jam": 0.7}
    recommender = selling(tiny_model(), new("first", like), new("second", {"jam": 1, "punch": 0.1}))
    assert len(like) == N_STAND_IN + 1
    for did, expected in (
        ([viewed(FIRST, 1)], [0, 1, 3, 4, 6]),
        ([viewed(FIRST, 1), viewed(SECOND, 1)], [0, 1, 3, 4, 6, 8]),
        ([viewed(9, 1), viewed(SECOND, 1)], [6, 8, 9]),
    ):
        ranking = recommender.recommend(after(recommender, *did, now=moment(1.5)))
        assert ranking.profile.items.tolist() == expected


# Products like one of them, and they like others.

COSINE = (0.9 * 0.8 + 0.2 * 0.3) / sqrt(0.9**2 + 0.2**2) / sqrt(0.8**2 + 0.3**2)
"""Of the factors of espresso and of filter coffee."""


def similar(recommender: Recommender, item: int, **query: Any) -> dict[str, float]:
    """Return the scores of the products like one."""
    ranking = recommender.similar(item, Query(now=DATA_END, **query))
    assert set(ranking.strategies.tolist()) <= {Strategy.SIMILAR}
    return dict(zip(ids(recommender, ranking), ranking.scores.tolist(), strict=True))


def test_newcomers_are_like_what_is_like_theirs() -> None:
    """As like espresso as what it is like is, in the mean, and as far as it is like that."""
    recommender = selling(
        tiny_model(),
        new("half", {"espresso": 0.5}),
        new("both", {"espresso": 0.2, "filter": 0.4}),
        new("odd", {}),
        new("other", {"bag": 1}),
    )
    found = similar(recommender, 0)
    assert found["filter"] == pytest.approx(COSINE + 1)
    # Nothing is more like espresso than itself, nor is less like it than filter.
    assert found["half"] == pytest.approx(0.5 * (COSINE + 1))
    assert found["both"] == pytest.approx(0.4 * (COSINE + 1))
    assert not {"odd", "other", "espresso"} & set(found)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert list(similar(recommender, 0, size=3)) == list(found)[:3]


def test_products_like_a_newcomer() -> None:
    """What is like its likes, by how like those are, and those themselves; not itself."""
    model = tiny_model(leave_out=["collaborative"])
    recommender = selling(
        model, new("drip", {"filter": 0.5}), new("brew", {"filter": 0.8, "bag": 0.1})
    )
    expected = {"filter": 0.5, "espresso": 0.5 * 0.6 / 0.6, "milk": 0.5 * 0.3 / 0.6}
    expected |= {"soap": 0.5 * 0.2 / 0.6, "brew": 0.8 * (0.8 * 0.5 + 0.1 * 0) / 0.9}
    found = similar(recommender, FIRST)
    assert found == pytest.approx(expected)
    assert list(found)[2:] == ["brew", "milk", "soap"]


def test_what_is_like_two_products_adds_them_up() -> None:
    """Milk is a neighbour of both; without neighbours of its own, bag says that it is like."""
    model = tiny_model(leave_out=["collaborative"])
    recommender = selling(model, new("mix", {"espresso": 0.5, "filter": 0.2, "bag": 0.3}))
    found = similar(recommender, FIRST)
    assert found["milk"] == pytest.approx(0.5 * 0.4 / 0.6 + 0.2 * 0.3 / 0.6)
    assert found["espresso"] == pytest.approx(0.5 + 0.2)
    assert found["filter"] == pytest.approx(0.2 + 0.5)
    assert found["bag"] == pytest.approx(0.3)


def test_nothing_is_like_what_is_like_nothing() -> None:
    """A newcomer without any likeness has an empty list."""
    recommender = selling(tiny_model(), new("odd", {}), OAT)
    assert similar(recommender, FIRST) == {}


def test_similar_newcomers_were_nowhere_sold() -> None:
    """At a store the learnt products tell where they were sold, newcomers nothing."""
    recommender = selling(tiny_model(), new("drip", {"filter": 0.5}), new("brew", {"filter": 0.8}))
    query = ask(recommender, store="leeds-1")
    ranking = recommender.similar(FIRST, query)
    levels = dict(zip(ids(recommender, ranking), ranking.levels.tolist(), strict=True))
    assert (levels["filter"], levels["tea"]) == (Level.STORE, Level.SUBDIVISION)
    assert levels["brew"] == Level.EVERYWHERE
    assert ranking.place == query.place


def test_questions_do_not_change_the_assortment() -> None:
    """After every kind of question the likeness and what is sold are as they were."""
    recommender = selling(tiny_model(), OAT, CREAM)
    near = recommender.assortment.near.values.copy()
    before = lists(recommender, ask(recommender, "anna"), FIRST)
    lists(recommender, after(recommender, bought(FIRST, 1), viewed(SECOND, 1.9), customer="anna"))
    everything = shelf({}, {*ALL_IDS, "oat"}, recommender)
    lists(
        recommender,
        ask(recommender, shelf=everything, in_stock_only=True, excluded=np.array([0], np.int32)),
    )
    assert everything.in_stock.sum() == 11
    assert recommender.assortment.near.values.tolist() == near.tolist()
    assert lists(recommender, ask(recommender, "anna"), FIRST) == before


def test_a_copy_of_a_product_is_most_like_it() -> None:
    """Also where no factors say that a product is like itself."""
    recommender = selling(
        tiny_model(leave_out=["collaborative"]),
        new("copy", {"bag": 1}),
        new("other", {"milk": 0.9}),
    )
    bag = recommender.model.catalogue.items.index("bag")
    assert similar(recommender, bag) == {"copy": 1}


def test_a_newcomer_that_came_back_is_shown_again() -> None:
    """As of what was bought and returned whole; of two one is still there."""
    recommender = popular(new("oat", {"milk": 1}))
    for quantity, is_shown in ((1, True), (2, False)):
        did = (bought(FIRST, 1, quantity=quantity), returned(FIRST, 1.5))
        found = scores(recommender, after(recommender, *did))
        assert ("oat" in found) is is_shown


def test_what_stands_in_was_not_looked_at() -> None:
    """Nobody is told to have shown interest in what is only like what they looked at."""
    recommender = selling(tiny_model(), new("oolong", {"tea": 0.9}))
    ranking = recommender.recommend(after(recommender, viewed(FIRST, 1.9)))
    tea = recommender.model.catalogue.items.index("tea")
    assert ranking.stand_ins.tolist() == [tea]
    told = explain(recommender.model, recommender.assortment, ranking)
    claims = {one.claim for one in told}
    assert not claims & {Claim.SEEN, Claim.FITS_SEEN, Claim.FITS_BOUGHT}
    assert Claim.FITS_NOW in claims


def test_where_all_numbers_are_alike_newcomers_come_last() -> None:
    """Though trees tell the candidates apart, nothing says where a newcomer stands among them."""
    model = grow(
        weigh_alike(tiny_model(), neighbours=1), Task.COLD, Stump("popularity", -2.5, 3, 7)
    )
    recommender = selling(model, new("sack", {"bag": 1}))
    found = scores(recommender, ask(recommender))
    assert found["sack"] == min(found.values())


def test_in_a_hurry_nothing_new_is_looked_at() -> None:
    """Unless there is nothing else to list."""
    recommender = popular(new("oat", {"milk": 1}, brand="Oatly"))
    assert "oat" not in ids(recommender, recommender.popular(ask(recommender)))
    only = ask(recommender, catalogue_filter=CatalogueFilter(brands=("Oatly",)))
    assert ids(recommender, recommender.popular(only)) == ["oat"]


def test_a_list_shows_one_of_a_group() -> None:
    """The best of the variants, of learnt products and of new ones."""
    recommender = popular(new("oat", {"milk": 1}), new("soy", {"milk": 0.9}))
    catalogue = recommender.assortment.catalogue
    milks = [
        replace(catalogue.product(catalogue.items.index(name)), group_id="milks")
        for name in ("milk", "oat", "soy")
    ]
    catalogue = catalogue.with_products(milks)
    grouped = recommender.selling(replace(recommender.assortment, catalogue=catalogue))
    found = ids(grouped, grouped.recommend(ask(grouped)))
    assert set(found) == ALL_IDS
    butter = recommender.model.catalogue.items.index("butter")
    similar_to = ids(grouped, grouped.similar(butter, ask(grouped)))
    assert len(set(similar_to) & {"milk", "oat", "soy"}) == 1


def test_variants_of_the_product_in_view_are_not_like_it() -> None:
    """Who looks at one has the other sizes before them, learnt ones and new ones."""
    recommender = popular(new("oat", {"milk": 1}))
    catalogue = recommender.assortment.catalogue
    names = ("espresso", "filter", "oat")
    coffees = [
        replace(catalogue.product(catalogue.items.index(name)), group_id="coffees")
        for name in names
    ]
    grouped = recommender.selling(
        replace(recommender.assortment, catalogue=catalogue.with_products(coffees))
    )
    espresso = catalogue.items.index("espresso")
    before = ids(recommender, recommender.similar(espresso, ask(recommender)))
    after = ids(grouped, grouped.similar(espresso, ask(grouped)))
    assert "filter" in before
    assert after == [name for name in before if name not in names]


def test_many_newcomers_do_not_crowd_out_what_is_bought() -> None:
    """A newcomer that is like many is no more like a product than those are."""
    crowd = [new(f"new-{n}", dict.fromkeys(ALL_IDS - {"bag"}, 0.9)) for n in range(20)]
    recommender = selling(tiny_model(), *crowd)
    assert ids(recommender, recommender.similar(0, ask(recommender)))[0] == "filter"


def test_a_pin_finds_a_newcomer_of_any_age() -> None:
    """Though newer ones are more than a list is made from, and no more are than before.

    In a hurry as well, when no others are looked at.
    """
    names = [f"new-{n}" for n in range(MAX_RANKED + 2)]
    recommender = selling(tiny_model(), *(new(name, {}) for name in names))
    pin = Rule(
        rule_id="pin", effect=Effect.PIN, selection=Selection(product_ids=(names[0],)), position=2
    )
    rules = PreparedRules.of(Rulebook(rules=(pin,)), recommender.assortment)
    query = ask(recommender, "anna", ruling=rules.ruling(Occasion(now=DATA_END)))

    assert ids(recommender, recommender.recommend(query))[1] == names[0]
    hurried = ids(recommender, recommender.popular(query))
    assert hurried[1] == names[0]
    assert set(hurried) == ALL_IDS | {names[0]}
    kept = FIRST + recommender.candidates(query).newcomers
    assert len(kept) == MAX_RANKED
    assert set(kept.tolist()) == {FIRST, *range(FIRST + 3, FIRST + MAX_RANKED + 2)}
