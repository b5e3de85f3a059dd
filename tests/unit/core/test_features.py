"""Every feature of the trees, counted again from the purchases."""

from collections.abc import Sequence
from dataclasses import replace

import h3
import numpy as np
import pytest

from recsvc.core.case import Case
from recsvc.core.features import (
    FADED,
    MAX_AGE_DAYS,
    MAX_PURCHASES,
    N_NEAR,
    Features,
)
from recsvc.core.histories import Histories
from recsvc.core.model import Model
from recsvc.core.owned import MAX_DAYS
from recsvc.core.places import Level, Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from tests.counting import (
    DATA_END,
    RECENT_DAYS,
    SHRINKAGE,
    Purchase,
    Shop,
    Shopping,
    decay,
    model_of,
)
from tests.samples import PRODUCTS, PURCHASES, STORES, item_indices, tiny_model

LEEDS, YORK, PORTO = STORES
GROUPS = {
    "scores",
    "levels",
    "own_history",
    "gaps",
    "trend",
    "place",
    "distance",
    "affinity",
    "price",
}

Column = dict[str, float]


@pytest.fixture(scope="module")
def model() -> Model:
    """The small model."""
    return tiny_model()


def case_of(
    model: Model, customer: str = "anna", store: str = "", session: Sequence[str] = ()
) -> Case:
    """Return all products as the candidates of a customer at a store, else at home."""
    recommender = Recommender(model)
    index = model.customers.index(customer)
    place = recommender.place(index, Location(store_id=store))
    seen = item_indices(model, *session)
    query = Query(customer=index, place=place, now=DATA_END, session=seen, size=50)
    case = recommender.candidates(query)
    assert len(case.items) == len(PRODUCTS)
    return case


def columns(
    model: Model, customer: str = "anna", store: str = "", session: Sequence[str] = ()
) -> dict[str, Column]:
    """Return each feature of each product."""
    features = Recommender(model).features
    table = features.of(case_of(model, customer, store, session)).T.tolist()
    ids = [product.product_id for product in PRODUCTS]
    return {
        name: dict(zip(ids, column, strict=True))
        for name, column in zip(features.names, table, strict=True)
    }


def bought(
    product_id: str = "", customer_id: str = "", where: Sequence[str] = ()
) -> list[Purchase]:
    """Return the purchases of a product, by a customer, at some stores; all where not given."""
    return [
        p
        for p in PURCHASES
        if product_id in {"", p.product_id}
        and customer_id in {"", p.customer_id}
        and (not where or p.store_id in where)
    ]


def decayed(purchases: Sequence[Purchase]) -> float:
    """Return what purchases count together."""
    return sum(decay(p.days_ago) for p in purchases)


def histories(model: Model, **changes: float) -> Histories:
    """Return the small model's histories with columns of one value."""
    known = model.histories
    filled = {name: np.full_like(getattr(known, name), value) for name, value in changes.items()}
    return replace(known, **filled)


# What there is, and what is left out.


def test_every_column_has_a_name(model: Model) -> None:
    """Names are distinct, those of the groups in their order, one a column."""
    recommender = Recommender(model)
    features = recommender.features
    assert set(features.groups) == GROUPS
    assert features.names == tuple(n for names in features.groups.values() for n in names)
    assert len(set(features.names)) == len(features.names)
    table = features.of(case_of(model))
    assert table.shape == (len(PRODUCTS), len(features.names))
    assert table.dtype == np.float32


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_a_group_may_be_left_out(model: Model, group: str) -> None:
    """Without a group its columns are gone, and all others are what they were."""
    less = replace(model, without=frozenset({group}))
    left = columns(less)
    gone = set(Recommender(model).features.groups[group])
    assert left == {name: c for name, c in columns(model).items() if name not in gone}


def test_all_groups_may_be_left_out(model: Model) -> None:
    """Nothing to compute is a table without columns."""
    features = Recommender(replace(model, without=frozenset(GROUPS))).features
    assert features.names == ()
    assert features.of(case_of(model)).shape == (len(PRODUCTS), 0)


def test_groups_need_their_data() -> None:
    """Without stores, categories, brands and prices no column speaks of them."""
    bare = [product._replace(category_path="", brand="", price=None) for product in PRODUCTS]
    online = [p._replace(store_id="") for p in PURCHASES]
    model = model_of(Shopping(bare, (), online, ()))
    assert set(Recommender(model).features.groups) == GROUPS - {
        "place",
        "distance",
        "affinity",
        "price",
    }
    assert "lift_0" not in columns(model)


def test_a_model_without_place_has_no_features_of_it() -> None:
    """Who trains without place, trains without lifts and distances."""
    groups = Recommender(tiny_model(leave_out=["place"])).features.groups
    assert set(groups) == GROUPS - {"place", "distance"}


def test_places_without_coordinates_have_no_distance() -> None:
    """Where stores have no cell there are lifts of the levels that they have."""
    stores = [Shop(s.store_id, s.name, "", "", "", s.country_code) for s in STORES]
    model = model_of(Shopping(PRODUCTS, stores, PURCHASES, ()))
    groups = Recommender(model).features.groups
    assert "distance" not in groups
    lifts = [name for name in groups["place"] if name.startswith("lift_")]
    assert lifts == ["lift_store", "lift_country"]


def test_no_candidates_are_no_rows(model: Model) -> None:
    """Where nothing is allowed there is nothing to compute."""
    recommender = Recommender(model)
    nothing = np.arange(len(PRODUCTS), dtype=np.int32)
    case = recommender.candidates(Query(now=DATA_END, excluded=nothing))
    assert recommender.features.of(case).shape == (0, len(recommender.features.names))


@pytest.mark.parametrize("session", [(), ("tea", "bag")])
@pytest.mark.parametrize("store", ["", "york-1", "porto-1", "no-such"])
@pytest.mark.parametrize("customer", ["anna", "dora", "emil", "stranger"])
def test_every_feature_is_a_number(
    model: Model, customer: str, store: str, session: tuple[str, ...]
) -> None:
    """Known or unknown, whoever asks from wherever: nothing is NaN or infinite."""
    case = case_of(model, customer, store, session)
    assert np.isfinite(Recommender(model).features.of(case)).all()


def test_nothing_bought_yet_is_no_error() -> None:
    """In a model without a purchase all features are numbers, too."""
    model = model_of(Shopping(PRODUCTS, STORES, (), ()))
    recommender = Recommender(model)
    place = model.places.resolve(Location(store_id="leeds-1"))
    session = np.array([0], np.int32)
    case = recommender.candidates(Query(now=DATA_END, place=place, session=session))
    assert np.isfinite(recommender.features.of(case)).all()


# What the sources say.


def test_scores_come_as_they_are_and_standardised(model: Model) -> None:
    """The first columns are the sources' scores, the next the same within this list."""
    case, found = case_of(model), columns(model)
    for at, name in enumerate(Recommender(model).scores):
        assert list(found[name].values()) == case.scores[:, at].tolist()
        assert list(found[f"{name}_level"].values()) == case.standardised[:, at].tolist()


# The shopper's own purchases.


def test_own_history_is_counted(model: Model) -> None:
    """How often and how long ago Anna bought a product, and how she buys at all."""
    found = columns(model)
    assert {n: v for n, v in found["n_purchases"].items() if v} == {
        "espresso": 3,
        "milk": 1,
        "bread": 1,
    }
    assert {n: v for n, v in found["days_since"].items() if v != -1} == {
        "espresso": 3,
        "milk": 3,
        "bread": 45,
    }
    assert set(found["shopper_days_since"].values()) == {3}
    assert set(found["n_items"].values()) == {3}
    total = decayed(bought(customer_id="anna"))
    assert list(found["shopper_long"].values()) == pytest.approx([total] * len(PRODUCTS))


def test_nobody_has_no_history(model: Model) -> None:
    """An unknown shopper has bought nothing, and nobody knows when."""
    found = columns(model, "stranger")
    expected = {
        "n_purchases": 0,
        "days_since": -1,
        "shopper_days_since": -1,
        "n_items": 0,
        "shopper_long": 0,
    }
    for name, value in expected.items():
        assert set(found[name].values()) == {value}


def test_what_was_only_seen_was_never_bought(model: Model) -> None:
    """A session adds neither purchases nor their times, alone or to a history."""
    for customer in ("anna", "stranger"):
        before, after = columns(model, customer), columns(model, customer, session=("tea",))
        for name in ("n_purchases", "days_since", "shopper_days_since", "due", "own_interval"):
            assert after[name] == before[name]


def test_long_histories_are_capped(model: Model) -> None:
    """What happened very often or very long ago is the same as often or long ago."""
    old = histories(model, n_purchases=10**6, first_time=1, last_time=2)
    found = columns(replace(model, histories=old, data_end=float(10**12)))
    assert found["n_purchases"]["milk"] == MAX_PURCHASES
    assert found["days_since"]["milk"] == MAX_DAYS
    assert found["shopper_days_since"]["milk"] == MAX_DAYS
    assert found["days_since"]["tea"] == -1
    age = np.full(len(PRODUCTS), 10**6, np.float32)
    ancient = replace(model, statistics=replace(model.statistics, age_days=age))
    assert set(columns(ancient)["age_days"].values()) == {MAX_AGE_DAYS}


def test_faded_products_are_not_counted(model: Model) -> None:
    """What was bought so long ago that it counts nothing any more is no product of the shopper."""
    faded = histories(model, long=float(FADED) / 2)
    assert set(columns(replace(model, histories=faded))["n_items"].values()) == {0}


# When it is time again.


def test_intervals_are_those_between_purchases(model: Model) -> None:
    """Anna's espresso every 28.5 days, Clara's tea every 7; others were bought once."""
    anna, clara = columns(model), columns(model, "clara")
    assert {n: v for n, v in anna["own_interval"].items() if v != -1} == {"espresso": 28.5}
    assert {n: v for n, v in clara["own_interval"].items() if v != -1} == {"tea": 7}
    usual = {"espresso": 28.5, "tea": 7.0}
    mean = sum(usual.values()) / 2
    expected = [usual.get(product.product_id, 0) / mean for product in PRODUCTS]
    assert list(anna["item_interval"].values()) == pytest.approx(expected)


def test_what_is_due_is_told_by_the_interval(model: Model) -> None:
    """3 days of 28.5 have passed for Anna's espresso; nobody knows for her milk."""
    anna, ben = columns(model), columns(model, "ben")
    assert anna["due"]["espresso"] == pytest.approx(3 / 28.5)
    assert anna["item_due"]["espresso"] == pytest.approx(3 / 28.5)
    assert anna["due"]["milk"] == anna["item_due"]["milk"] == -1
    assert anna["due"]["tea"] == anna["item_due"]["tea"] == -1
    # Ben bought it once, so that only the product's own interval says anything.
    assert ben["due"]["espresso"] == -1
    assert ben["item_due"]["espresso"] == pytest.approx(5 / 28.5)


def test_twice_in_a_day_is_due_after_a_day() -> None:
    """No interval is shorter than a day, so that nothing is divided by 0."""
    twice = [Purchase("anna", "milk", "", 6), Purchase("anna", "milk", "", 6)]
    found = columns(model_of(Shopping(PRODUCTS, STORES, twice, ())))
    assert found["own_interval"]["milk"] == 0
    assert found["due"]["milk"] == 6


def test_data_without_times_has_no_intervals(model: Model) -> None:
    """Purchases that nobody knows the time of are neither long ago nor due."""
    timeless = replace(model, histories=histories(model, first_time=0, last_time=0))
    found = columns(timeless)
    for name in ("days_since", "shopper_days_since", "due", "item_due"):
        assert set(found[name].values()) == {-1}
    assert found["n_purchases"]["espresso"] == 3


def test_repeat_rates_are_relative_to_the_mean_product(model: Model) -> None:
    """One of two buyers bought espresso again, the one of tea did; none of anything else."""
    rates = {"espresso": 0.5, "tea": 1.0}
    mean = sum(rates.values()) / len(PRODUCTS)
    expected = [rates.get(product.product_id, 0) / mean for product in PRODUCTS]
    assert list(columns(model)["repeat_rate"].values()) == pytest.approx(expected)


# The product alone.


def test_trend_and_age_are_the_products_own(model: Model) -> None:
    """Tea is bought of late; espresso is 60 days old; milk has three of six customers."""
    found = columns(model)
    assert list(found["trend"].values()) == model.statistics.trend.tolist()
    assert found["trend"]["tea"] > 0 > found["trend"]["punch"]
    assert found["age_days"]["espresso"] == 60
    assert found["log_buyers"]["milk"] == pytest.approx(np.log(4 / 7))
    assert found["log_buyers"]["bag"] == pytest.approx(np.log(1 / 7))


# The place.


def lift(model: Model, product_id: str, where: Sequence[str]) -> float:
    """Return the logarithm of a product's share at some stores over its share everywhere."""
    item = model.catalogue.items.index(product_id)
    everywhere = float(model.places.shares[item])
    here, total = decayed(bought(product_id, where=where)), decayed(bought(where=where))
    return float(np.log((here / everywhere + SHRINKAGE) / (total + SHRINKAGE)))


@pytest.mark.parametrize("product_id", ["espresso", "bread", "tea", "bag"])
def test_lifts_are_those_of_each_level(model: Model, product_id: str) -> None:
    """Leeds and York share England and nothing below; each level counts its own stores."""
    found = columns(model, "stranger", "leeds-1")
    england = [LEEDS.store_id, YORK.store_id]
    for level in ("store", "postal_code", "cell"):
        value = found[f"lift_{level}"][product_id]
        assert value == pytest.approx(lift(model, product_id, [LEEDS.store_id]), abs=1e-5)
    for level in ("subdivision", "country"):
        value = found[f"lift_{level}"][product_id]
        assert value == pytest.approx(lift(model, product_id, england), abs=1e-5)


def test_the_finest_place_counts_its_purchases(model: Model) -> None:
    """Purchases of a product in the store, decayed ones and those of the last weeks."""
    found = columns(model, "stranger", "leeds-1")
    for product in PRODUCTS:
        here = bought(product.product_id, where=[LEEDS.store_id])
        assert found["n_here"][product.product_id] == pytest.approx(decayed(here))
        recent = [p for p in here if p.days_ago <= RECENT_DAYS]
        assert found["n_recent"][product.product_id] == len(recent)


def test_a_level_without_evidence_lifts_nothing(model: Model) -> None:
    """Porto has no cell; an unknown place has nothing at all."""
    porto = columns(model, "stranger", "porto-1")
    assert set(porto["lift_cell"].values()) == {0}
    assert porto["lift_store"]["punch"] > 0
    nowhere = columns(model, "stranger", "no-such")
    for name in (*(f"lift_{level.name.lower()}" for level in Level if level < 5), "n_here"):
        assert set(nowhere[name].values()) == {0}
    for name in ("n_recent", "surplus_here"):
        assert set(nowhere[name].values()) == {0}


def surplus(sold: float, expected: float) -> float:
    """Return how much more was sold than expected, half a purchase added to both."""
    return float(np.log((sold + 0.5) / (expected + 0.5)))


@pytest.mark.parametrize("product_id", ["espresso", "jam", "bag"])
def test_a_place_sells_more_or_less_than_expected(model: Model, product_id: str) -> None:
    """Of all purchases in Leeds as many should be of a product as of all everywhere."""
    found = columns(model, "stranger", "leeds-1")["surplus_here"][product_id]
    here = [LEEDS.store_id]
    expected = len(bought(where=here)) * len(bought(product_id)) / len(PURCHASES)
    value = surplus(len(bought(product_id, where=here)), expected)
    assert found == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("product_id", ["espresso", "jam", "bag"])
def test_the_usual_places_are_where_the_shopper_buys(model: Model, product_id: str) -> None:
    """Anna buys in Leeds and sometimes in York: both count, wherever she is now."""
    visits = {
        store: decayed(bought(customer_id="anna", where=[store]))
        for store in (LEEDS.store_id, YORK.store_id)
    }
    share = len(bought(product_id)) / len(PURCHASES)
    sold = expected = 0.0
    for store, visited in visits.items():
        weight = visited / sum(visits.values())
        sold += weight * len(bought(product_id, where=[store]))
        expected += weight * len(bought(where=[store])) * share
    for store in ("", "porto-1"):
        found = columns(model, "anna", store)
        value = found["surplus_usual"][product_id]
        assert value == pytest.approx(surplus(sold, expected), abs=1e-5)
        assert found["expected_usual"][product_id] == pytest.approx(np.log1p(expected), abs=1e-5)


@pytest.mark.parametrize("customer", ["emil", "stranger"])
def test_nobody_knows_where_they_buy(model: Model, customer: str) -> None:
    """Online customers and unknown ones have no usual place: nothing is expected there."""
    found = columns(model, customer, "leeds-1")
    for name in ("surplus_usual", "expected_usual"):
        assert set(found[name].values()) == {0}


# How far away it is bought.

APART = 1_000 * h3.great_circle_distance(
    h3.cell_to_latlng(LEEDS.cell), h3.cell_to_latlng(YORK.cell), unit="rads"
)
NEAR = 0.001
"""6 m: what single precision leaves of a difference."""


def test_distances_are_between_towns(model: Model) -> None:
    """Filter coffee sells in Leeds alone, tea in York alone; nobody knows where punch does."""
    leeds, york = columns(model, "stranger", "leeds-1"), columns(model, "stranger", "york-1")
    assert leeds["distance_here"]["filter"] == pytest.approx(0, abs=NEAR)
    assert leeds["distance_here"]["tea"] == pytest.approx(APART, abs=NEAR)
    assert york["distance_here"]["filter"] == pytest.approx(APART, abs=NEAR)
    assert 0 < leeds["distance_here"]["milk"] < APART
    assert leeds["distance_here"]["punch"] == leeds["distance_here"]["bag"] == -1


@pytest.mark.parametrize("store", ["porto-1", "no-such"])
def test_a_place_without_a_cell_is_at_no_distance(model: Model, store: str) -> None:
    """Where the shopper is nowhere on the map, no product is near or far."""
    assert set(columns(model, "stranger", store)["distance_here"].values()) == {-1}


def test_own_products_stand_for_the_usual_area(model: Model) -> None:
    """Clara buys what sells in York: what sells in Leeds is far from it, wherever she is."""
    for store in ("", "leeds-1", "porto-1"):
        found = columns(model, "clara", store)["distance_own"]
        assert found["tea"] == pytest.approx(0, abs=NEAR)
        assert found["filter"] == pytest.approx(APART, abs=NEAR)
        assert found["bag"] == -1


@pytest.mark.parametrize("customer", ["dora", "stranger"])
def test_who_buys_nothing_on_the_map_has_no_area(model: Model, customer: str) -> None:
    """Dora's punch has no place, and strangers have no products."""
    assert set(columns(model, customer)["distance_own"].values()) == {-1}


def test_the_weightiest_products_make_the_area() -> None:
    """Of a large household's products those with the largest weights are looked at alone."""
    things = [PRODUCTS[0]._replace(product_id=f"p{i}") for i in range(N_NEAR + 1)]
    often = [Purchase("anna", f"p{i}", LEEDS.store_id, 1) for i in range(N_NEAR)]
    once = Purchase("anna", f"p{N_NEAR}", YORK.store_id, 300)
    model = model_of(Shopping(things, STORES, (*often, once), ()))
    recommender = Recommender(model)
    case = recommender.candidates(Query(customer=0, now=DATA_END, size=50))
    at = recommender.features.names.index("distance_own")
    assert recommender.features.of(case)[-1, at] == pytest.approx(APART, abs=NEAR)


# The shopper's taste.


@pytest.mark.parametrize(
    ("customer", "product_id", "of_category", "of_brand"),
    [
        ("anna", "filter", ["espresso"], ["espresso"]),
        ("anna", "butter", ["milk"], ["milk"]),
        ("ben", "espresso", ["espresso", "filter"], ["espresso", "filter", "soap"]),
        ("clara", "jam", ["jam"], ["jam"]),
        ("clara", "espresso", [], []),
    ],
)
def test_affinity_is_the_share_of_the_kind(
    model: Model,
    customer: str,
    product_id: str,
    of_category: list[str],
    of_brand: list[str],
) -> None:
    """Shares of category and brand in the own purchases; what has no brand is a kind as well."""
    found, own = columns(model, customer), bought(customer_id=customer)
    for at, kind in enumerate((of_category, of_brand)):
        expected = sum(decayed(bought(name, customer)) for name in kind) / decayed(own)
        assert found[f"share_{at}"][product_id] == pytest.approx(expected)


def test_affinity_is_lifted_over_everybodys(model: Model) -> None:
    """Anna's coffee against everybody's, as if she had bought three times more like them."""
    own = decayed(bought("espresso", "anna"))
    total = decayed(bought(customer_id="anna"))
    coffee = float(model.places.shares[item_indices(model, "espresso", "filter")].sum())
    found = columns(model)["lift_0"]
    expected = np.log((own + 3 * coffee) / ((total + 3) * coffee))
    assert found["espresso"] == found["filter"] == pytest.approx(expected, abs=1e-5)
    assert found["soap"] == pytest.approx(np.log(3 / (total + 3)), abs=1e-5)


def test_nobody_has_no_taste(model: Model) -> None:
    """An unknown shopper, even one with a session, is taken for everybody."""
    for session in ((), ("tea",)):
        found = columns(model, "stranger", session=session)
        for at in (0, 1):
            assert set(found[f"share_{at}"].values()) == {0}
            assert list(found[f"lift_{at}"].values()) == pytest.approx([0] * 10, abs=1e-5)


def test_brands_alone_are_a_kind() -> None:
    """Where products have no category their brands are the first kind, and the only one."""
    bare = [product._replace(category_path="") for product in PRODUCTS]
    model = model_of(Shopping(bare, STORES, PURCHASES, ()))
    assert Recommender(model).features.groups["affinity"] == ("share_0", "lift_0")
    espresso = decayed(bought("espresso", "anna")) / decayed(bought(customer_id="anna"))
    assert columns(model)["share_0"]["soap"] == pytest.approx(espresso)  # both are Alta's


# The price.


def test_prices_are_relative_to_what_the_shopper_pays(model: Model) -> None:
    """Logarithms of the price, and of its ratio to the usual price of the own products."""
    prices = {product.product_id: product.price for product in PRODUCTS}
    own = bought(customer_id="anna")
    usual = sum(
        decay(p.days_ago) * np.log(price)
        for p in own
        if (price := prices[p.product_id]) is not None
    ) / decayed(own)
    found, unknown = columns(model), columns(model, "stranger")
    for name in ("espresso", "milk", "bag"):
        price = prices[name]
        assert price is not None
        assert found["log_price"][name] == pytest.approx(np.log(price))
        assert found["relative_price"][name] == pytest.approx(np.log(price) - usual, abs=1e-5)
        assert unknown["relative_price"][name] == 0  # nobody knows what a stranger pays
    unpriced = [product.product_id for product in PRODUCTS if product.price is None]
    assert unpriced
    for name in unpriced:
        assert found["log_price"][name] == found["relative_price"][name] == 0


def test_features_are_made_for_one_model(model: Model) -> None:
    """Who asks for them directly gets what the recommender has."""
    recommender = Recommender(model)
    features = Features(model, recommender.scores)
    assert features.names == recommender.features.names
    assert features.model is model
    case = case_of(model)
    assert np.array_equal(features.of(case), recommender.features.of(case))
