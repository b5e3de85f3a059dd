"""From purchases to indices, weights and places."""

import math

import numpy as np
import pytest

from recsvc.core.cells import cell_of
from recsvc.core.live import MAX_QUANTITY_WEIGHT
from recsvc.core.places import Level
from recsvc.core.vocabulary import MISSING
from tests.purchases import START, interactions_of, stores_of
from training.interactions import Interactions, ids

LEEDS = (53.795, -1.547)


def bought(customer: str = "c", product: str = "p", **more: object) -> dict[str, object]:
    return {"customer_id": customer, "product_id": product, **more}


def keys_at(interactions: Interactions, level: Level) -> list[str]:
    """The place of each line at one level."""
    locations = interactions.locations
    indices = locations.indices[interactions.lines["location"].to_numpy(), level]
    return [locations.keys[level].ids[i] if i != MISSING else "" for i in indices.tolist()]


@pytest.mark.parametrize(
    ("quantity", "weight"),
    [
        (1, 1.0),
        (2, 1 + math.log(2)),
        (7, 1 + math.log(7)),
        (0.4, 1.0),
        (20, MAX_QUANTITY_WEIGHT),
        (1e9, MAX_QUANTITY_WEIGHT),
    ],
)
def test_quantity_weighs_by_its_logarithm_up_to_a_cap(quantity: float, weight: float) -> None:
    """One piece weighs 1, more weigh 1 + ln(quantity), and never more than the cap."""
    lines = interactions_of(bought(quantity=float(quantity))).lines

    assert lines["weight"].to_list() == pytest.approx([weight])


def test_ids_become_indices_in_their_order() -> None:
    """Customers and products are numbered in ascending order of their ids."""
    interactions = interactions_of(
        bought("zoe", "tea", day=1), bought("adam", "tea", day=2), bought("zoe", "milk", day=3)
    )

    assert list(ids(interactions.customers)) == ["adam", "zoe"]
    assert list(ids(interactions.items)) == ["milk", "tea"]
    assert interactions.lines.select("customer", "item").rows() == [(1, 1), (0, 1), (1, 0)]


def test_only_purchases_count() -> None:
    """Views and clicks are no purchases, and name no products."""
    interactions = interactions_of(
        bought("a", "x", day=1),
        bought("b", "y", day=1, event_type="VIEW"),
        bought("b", "y", day=2, event_type="CLICK"),
    )

    assert interactions.lines.height == 1
    assert list(ids(interactions.customers)) == ["a"]
    assert list(ids(interactions.items)) == ["x"]


def test_no_purchase_at_all_is_empty() -> None:
    """Events without a purchase give no lines, not an error."""
    interactions = interactions_of(bought(event_type="VIEW", day=1))

    assert interactions.lines.height == 0
    assert (len(interactions.customers), len(interactions.items)) == (0, 0)
    assert interactions.end == 0
    assert not interactions.has_times


def test_lines_of_one_order_are_one_interaction() -> None:
    """A product on two lines of an order is bought once: the quantities' sum, the later time."""
    interactions = interactions_of(
        bought(order_id="o1", day=1.0, quantity=1.0),
        bought(order_id="o1", day=1.5, quantity=2.0),
        bought(order_id="o2", day=1.5, quantity=1.0),
    )

    at = START.timestamp() + 1.5 * 86_400
    rows = interactions.lines.select("time", "quantity", "weight").rows()
    assert sorted(rows) == [(at, 1, pytest.approx(1.0)), (at, 3, pytest.approx(1 + math.log(3)))]


def test_lines_without_an_order_are_told_apart_by_their_time() -> None:
    """Without order ids, two moments are two purchases and one moment is one."""
    interactions = interactions_of(bought(day=1), bought(day=1), bought(day=4))

    assert interactions.lines.height == 2


def test_orders_are_told_apart() -> None:
    """Lines of one order share what names it, whatever their product; other orders do not."""
    interactions = interactions_of(
        bought("a", "x", order_id="o1", day=1),
        bought("a", "y", order_id="o1", day=1),
        bought("a", "x", order_id="o2", day=1),
        bought("a", "x", day=2),
        bought("a", "y", day=2),
        bought("a", "x", day=3),
    )

    lines = interactions.lines.sort("time", "order")
    assert lines["order"].n_unique() == 4
    assert lines.group_by("order").len()["len"].sort().to_list() == [1, 1, 2, 2]


def test_a_line_keeps_the_price_of_one_unit() -> None:
    """The mean over the rows of an order that name one; unknown stays unknown."""
    interactions = interactions_of(
        bought("a", "x", order_id="o1", day=1, unit_price=2.0),
        bought("a", "x", order_id="o1", day=1, unit_price=4.0),
        bought("a", "x", order_id="o1", day=1),
        bought("a", "y", order_id="o1", day=2),
    )

    assert interactions.lines["price"].to_list() == [3.0, None]


def test_without_times_everything_is_equally_old() -> None:
    """Data without times has no recency: every line counts fully."""
    interactions = interactions_of(bought("a"), bought("a"), bought("b", order_id="o"))

    assert not interactions.has_times
    assert interactions.lines.height == 3  # with nothing to tell them apart, each row is one
    assert interactions.lines["time"].to_list() == [0, 0, 0]
    assert interactions.decayed(30).tolist() == [1, 1, 1]


def test_lines_are_in_order_of_time() -> None:
    """Lines ascend in time, whatever the order of the events."""
    interactions = interactions_of(bought("a", day=5), bought("b", day=1), bought("c", day=3))

    assert interactions.lines["time"].is_sorted()
    assert interactions.lines["customer"].to_list() == [1, 2, 0]
    assert interactions.end == START.timestamp() + 5 * 86_400


def test_weight_halves_every_half_life() -> None:
    """The newest line counts 1, one a half-life older 1/2, two half-lives older 1/4."""
    interactions = interactions_of(bought(day=40), bought(day=70), bought(day=100))

    assert interactions.decayed(30).tolist() == pytest.approx([0.25, 0.5, 1.0])


def test_matrix_sums_the_lines_of_a_pair() -> None:
    """The matrix has customers for rows, products for columns and sums what repeats."""
    interactions = interactions_of(
        bought("a", "x", day=1), bought("a", "x", day=2), bought("b", "y", day=3)
    )

    matrix = interactions.matrix(np.array([1, 2, 4], np.float32))

    assert matrix.toarray().tolist() == [[3, 0], [0, 4]]


def test_a_part_of_the_lines_keeps_the_indices() -> None:
    """Selecting lines leaves vocabularies and places as they are."""
    interactions = interactions_of(bought("a", "x", day=1), bought("b", "y", day=2))

    part = interactions.select(interactions.lines["time"] > START.timestamp() + 1.5 * 86_400)

    assert part.lines.select("customer", "item").rows() == [(1, 1)]
    assert part.customers is interactions.customers
    assert part.locations is interactions.locations


def test_a_store_lends_its_place_to_its_purchases() -> None:
    """What a purchase does not say of its place it takes from its store."""
    stores = stores_of(
        [
            {
                "store_id": "s1",
                "name": "One",
                "country_code": "GB",
                "subdivision_code": "GB-ENG",
                "postal_code": "LS1 4DY",
                "latitude": LEEDS[0],
                "longitude": LEEDS[1],
            }
        ]
    )
    interactions = interactions_of(bought(store_id="s1", day=1), stores=stores)

    assert [keys_at(interactions, level) for level in list(Level)[:5]] == [
        ["s1"],
        ["GB|LS14DY"],
        [cell_of(*LEEDS)],
        ["GB-ENG"],
        ["GB"],
    ]
    assert interactions.locations.store_names == ["One"]


def test_what_a_purchase_says_is_not_overruled_by_its_store() -> None:
    """A purchase's own postal code stands; the store fills the rest."""
    stores = stores_of([{"store_id": "s1", "country_code": "GB", "postal_code": "LS1 4DY"}])
    interactions = interactions_of(bought(store_id="s1", postal_code="YO1 7LA"), stores=stores)

    assert keys_at(interactions, Level.POSTAL_CODE) == ["GB|YO17LA"]
    assert keys_at(interactions, Level.COUNTRY) == ["GB"]


def test_coordinates_become_a_cell() -> None:
    """A latitude and longitude is kept as its cell alone; near points share one."""
    interactions = interactions_of(
        bought("a", latitude=LEEDS[0], longitude=LEEDS[1]),
        bought("b", latitude=LEEDS[0] + 0.001, longitude=LEEDS[1]),
        bought("c"),
    )

    assert keys_at(interactions, Level.CELL) == [cell_of(*LEEDS)] * 2 + [""]
    assert keys_at(interactions, Level.STORE) == ["", "", ""]
    assert len(interactions.locations.keys[Level.CELL]) == 1


def test_stores_come_from_purchases_and_from_their_file() -> None:
    """A store without a row has no name; one that has sold nothing yet knows its country."""
    interactions = interactions_of(
        bought("a", store_id="s1"),
        bought("b", store_id="s2"),
        stores=stores_of(
            [
                {"store_id": "s2", "name": "Two"},
                {"store_id": "s3", "name": "Three", "country_code": "GB"},
            ]
        ),
    )

    assert list(ids(interactions.locations.keys[Level.STORE])) == ["s1", "s2", "s3"]
    assert interactions.locations.store_names == ["", "Two", "Three"]
    assert interactions.locations.store_parents[2, Level.COUNTRY] == 0
    assert keys_at(interactions, Level.STORE) == ["s1", "s2"]


def test_a_store_lies_where_most_of_its_purchases_were_made() -> None:
    """Purchases that disagree on a store's place are outvoted; levels only some name count."""
    interactions = interactions_of(
        *(bought(store_id="s", postal_code="A1", country_code="GB", day=d) for d in range(3)),
        *(bought(store_id="s", postal_code="B2", country_code="GB", day=d) for d in (5, 6)),
        bought(store_id="s", subdivision_code="GB-ENG", day=9),
        bought(store_id="t", day=9),
    )

    s, t = interactions.locations.store_parents.tolist()
    level_keys = interactions.locations.keys
    assert level_keys[Level.POSTAL_CODE].ids[s[Level.POSTAL_CODE]] == "GB|A1"
    assert level_keys[Level.SUBDIVISION].ids[s[Level.SUBDIVISION]] == "GB-ENG"
    assert level_keys[Level.COUNTRY].ids[s[Level.COUNTRY]] == "GB"
    assert s[Level.CELL] == MISSING
    assert t == [1, MISSING, MISSING, MISSING, MISSING]


def shopping(n_again: int, n: int = 100) -> Interactions:
    """A customer a purchase, of whom ``n_again`` come back a month later."""
    firsts = [bought(f"c{i:03}", day=1) for i in range(n)]
    return interactions_of(*firsts, *(bought(f"c{i:03}", day=31) for i in range(n_again)))


@pytest.mark.parametrize(("n_again", "expected"), [(0, False), (1, False), (2, True), (50, True)])
def test_customers_buy_again_where_a_hundredth_of_the_purchases_says_so(
    n_again: int, *, expected: bool
) -> None:
    """One of a hundred and one is a slip; a part of the data says what all of it says."""
    interactions = shopping(n_again)

    assert interactions.buys_again is expected
    assert interactions.select(interactions.lines["time"] < 0).buys_again is expected


@pytest.mark.parametrize(("quantity", "expected"), [(None, False), (1.0, False), (2.0, True)])
def test_without_times_a_number_may_be_of_many_purchases(
    quantity: float | None, *, expected: bool
) -> None:
    """With times it is of one."""
    rows = [bought(f"c{i}", quantity=quantity) for i in range(20)]

    assert interactions_of(*rows).buys_again is expected
    assert interactions_of(*(row | {"day": 1} for row in rows)).buys_again is False


def test_without_times_the_same_line_twice_is_bought_twice() -> None:
    """Each row is an order of its own."""
    assert interactions_of(bought(), bought()).buys_again
