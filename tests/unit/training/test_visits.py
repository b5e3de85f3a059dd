"""Each customer's usual places, by hand."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.cells import cell_of
from recsvc.core.places import Level
from recsvc.core.visits import Visits
from tests.purchases import interactions_of
from training.interactions import Interactions
from training.models.visits import N_PLACES, fit_visits
from training.settings import TrainingSettings

HALF_LIFE_DAYS = 60
SETTINGS = TrainingSettings(long_half_life_days=HALF_LIFE_DAYS)


def visit(day: float, store: str = "", customer: str = "a", **more: object) -> dict[str, object]:
    """One line of one order, at ``store`` if there is one."""
    place = {"store_id": store} if store else {}
    return {"customer_id": customer, "product_id": "p", "day": day, **place, **more}


def shares(visits: Visits, interactions: Interactions, customer: int = 0) -> Mapping[str, float]:
    """The customer's shares by the keys of the places."""
    keys = interactions.locations.keys[visits.level].ids
    places, values = visits.places.row(customer)
    return {keys[int(place)]: float(value) for place, value in zip(places, values, strict=True)}


def shares_of(*lines: Mapping[str, object], customer: int = 0) -> Mapping[str, float]:
    interactions = interactions_of(*lines)
    return shares(fit_visits(interactions, SETTINGS), interactions, customer)


def test_late_visits_count_more() -> None:
    """An order a half-life before the last one counts half, one two half-lives before a quarter."""
    found = shares_of(visit(0, "old"), visit(60, "both"), visit(120, "both"))

    # 1/4 against 1/2 + 1
    assert found == pytest.approx({"old": 1 / 7, "both": 6 / 7})


def test_each_customer_has_shares_of_their_own() -> None:
    """The rows are customers in their order; the newest line of all is where decay begins."""
    interactions = interactions_of(
        visit(60, "x", "c"), visit(60, "y", "b"), visit(0, "x"), visit(0, "y", "c")
    )

    visits = fit_visits(interactions, SETTINGS)

    assert len(visits.places) == 3
    assert shares(visits, interactions, 0) == {"x": 1.0}
    assert shares(visits, interactions, 1) == {"y": 1.0}
    assert shares(visits, interactions, 2) == pytest.approx({"x": 2 / 3, "y": 1 / 3})


@pytest.mark.parametrize("n_places", [1, 2, N_PLACES])
def test_shares_add_up_to_one(n_places: int) -> None:
    """Of a customer with no more places than are kept every visit is in the shares."""
    found = shares_of(*(visit(day, f"s{day % n_places}") for day in range(0, 70, 7)))

    assert len(found) == n_places
    assert sum(found.values()) == pytest.approx(1)


def test_the_most_visited_places_are_kept() -> None:
    """Of seven places the five with the most visits stay, with their shares of all visits."""
    # One visit to the first place, seven to the last: 28 on one day, so that none has decayed.
    lines = [
        visit(0, f"s{place}", order_id=f"{place}-{number}")
        for place in range(1, 8)
        for number in range(place)
    ]

    found = shares_of(*lines)

    assert N_PLACES == 5
    assert found == pytest.approx({f"s{place}": place / 28 for place in (3, 4, 5, 6, 7)})


def test_of_equal_places_the_first_are_kept() -> None:
    """With as many visits to each, the order of the keys decides: runs agree."""
    lines = [visit(0, f"s{place}", order_id=str(place)) for place in reversed(range(8))]

    assert list(shares_of(*lines)) == ["s0", "s1", "s2", "s3", "s4"]


@pytest.mark.parametrize("order_id", ["big", None])
def test_an_order_counts_once(order_id: str | None) -> None:
    """Ten lines of one order, by its id or by its moment, are one visit."""
    big = [visit(0, "far", product_id=f"p{n}", order_id=order_id) for n in range(10)]

    found = shares_of(*big, visit(0, "near", order_id="small"))

    assert found == pytest.approx({"far": 0.5, "near": 0.5})


def test_an_order_id_tells_orders_of_one_customer_apart() -> None:
    """Two customers with the same order id have an order each."""
    lines = [visit(0, "x", customer, order_id="1") for customer in "ab"]

    assert shares_of(*lines, customer=0) == shares_of(*lines, customer=1) == {"x": 1.0}


def test_purchases_without_a_place_are_left_out() -> None:
    """What was bought online takes no share, and hides no store of the same order."""
    online = [visit(day) for day in range(5)]
    mixed = [visit(9, product_id="a", order_id="m"), visit(9, "x", product_id="b", order_id="m")]

    assert shares_of(*online, *mixed) == {"x": 1.0}


def test_who_buys_nowhere_has_no_places() -> None:
    """A customer of online orders has an empty row; without any place in the data all have."""
    assert shares_of(visit(0), visit(0, "x", "b")) == {}

    nowhere = fit_visits(interactions_of(visit(0), visit(1, customer="b")), SETTINGS)

    assert nowhere.level is Level.COUNTRY
    assert len(nowhere.places) == 2
    assert not len(nowhere.places.values)


PLACE = {
    "store_id": "york",
    "postal_code": "YO1 7LA",
    "latitude": 53.959,
    "longitude": -1.081,
    "subdivision_code": "GB-ENG",
    "country_code": "GB",
}


@pytest.mark.parametrize(
    ("left_out", "level", "key"),
    [
        ((), Level.STORE, "york"),
        (("store_id",), Level.POSTAL_CODE, "GB|YO17LA"),
        (("store_id", "postal_code"), Level.CELL, cell_of(53.959, -1.081)),
        (("store_id", "postal_code", "latitude", "longitude"), Level.SUBDIVISION, "GB-ENG"),
        (tuple(PLACE.keys() - {"country_code"}), Level.COUNTRY, "GB"),
    ],
)
def test_the_finest_level_of_the_data_is_used(
    left_out: tuple[str, ...], level: Level, key: str
) -> None:
    """Shares are of stores where there are any, else of the next wider level that there is."""
    known = {name: value for name, value in PLACE.items() if name not in left_out}
    interactions = interactions_of({"customer_id": "a", "product_id": "p", "day": 0, **known})

    visits = fit_visits(interactions, SETTINGS)

    assert visits.level is level
    assert shares(visits, interactions) == {key: 1.0}


def test_a_wider_place_is_not_mixed_with_a_finer_one() -> None:
    """Where the data has stores, a purchase that names a country alone has no place."""
    found = shares_of(visit(0, "york", country_code="GB"), visit(1, country_code="GB"))

    assert found == {"york": 1.0}


def test_a_visit_decayed_to_nothing_leaves_no_share() -> None:
    """Visits so old that nothing is left of them give an empty row, not a division by 0."""
    interactions = interactions_of(visit(0, "x"), visit(400, "y", "b"))

    # 400 half-lives: less than the smallest number of 32 bits.
    visits = fit_visits(interactions, replace(SETTINGS, long_half_life_days=1.0))

    assert shares(visits, interactions, 0) == {}
    assert shares(visits, interactions, 1) == {"y": 1.0}
    assert np.isfinite(visits.places.values).all()


def test_fitted_visits_come_back_from_their_arrays() -> None:
    """What an artifact holds is what was fitted."""
    interactions = interactions_of(visit(0, "old"), visit(60, "new"), visit(60, customer="b"))
    fitted = fit_visits(interactions, SETTINGS)

    arrays = fitted.to_arrays("visits")
    restored = Visits.from_arrays(arrays, "visits", {"visits_level": fitted.level.name})

    assert restored.level is Level.STORE
    assert shares(restored, interactions, 0) == pytest.approx({"old": 1 / 3, "new": 2 / 3})
    assert shares(restored, interactions, 1) == {}


def test_one_store_leaves_nobody_else_nowhere() -> None:
    """The level is one that most purchases have: here the country, though one names a store."""
    found = shares_of(
        visit(0, "york", country_code="GB"), *(visit(60 * n, country_code="PT") for n in (1, 2))
    )

    # 1/4 against 1/2 + 1
    assert found == pytest.approx({"GB": 1 / 7, "PT": 6 / 7})
