"""Each customer's purchases and home, by hand."""

from math import log

import pytest

from recsvc.core.cells import cell_of
from recsvc.core.places import Level
from recsvc.core.vocabulary import MISSING
from tests.purchases import START, interactions_of
from training.interactions import Interactions
from training.models.histories import fit_histories, homes
from training.settings import TrainingSettings

SETTINGS = TrainingSettings(short_half_life_days=30, long_half_life_days=60)


def home_stores(interactions: Interactions) -> list[str]:
    """The home store of each customer, "" for none."""
    keys = interactions.locations.keys[Level.STORE]
    found = homes(interactions)[:, Level.STORE].tolist()
    return [keys.ids[store] if store != MISSING else "" for store in found]


def test_purchases_decay_and_are_counted() -> None:
    """Both memories count occasions; the weight alone looks at the quantity."""
    histories = fit_histories(
        interactions_of(
            {"customer_id": "a", "product_id": "x", "day": 0, "quantity": 2.0},
            {"customer_id": "a", "product_id": "x", "day": 60},
            {"customer_id": "b", "product_id": "x", "day": 30},
            {"customer_id": "b", "product_id": "w", "day": 60, "quantity": 50.0},
        ),
        SETTINGS,
    )

    anna = histories.profile(0)
    assert anna.items.tolist() == [1]
    assert anna.short.tolist() == pytest.approx([1.25])
    assert anna.long.tolist() == pytest.approx([1.5])
    assert anna.weight.tolist() == pytest.approx([1 + (1 + log(2)) / 2])
    assert anna.n_purchases.tolist() == [2]
    assert anna.first_time.tolist() == [START.timestamp()]
    assert anna.last_time.tolist() == [START.timestamp() + 60 * 86_400]
    ben = histories.profile(1)
    assert ben.items.tolist() == [0, 1]
    assert ben.short.tolist() == pytest.approx([1, 0.5])
    assert ben.weight.tolist() == pytest.approx([3, 2**-0.5])


def test_the_usual_quantity_is_the_lower_median_of_orders() -> None:
    """A quantity that was bought at once, without what came back; parts of a whole stay parts."""
    line = {"customer_id": "a", "product_id": "x"}
    rows = [
        {**line, "day": 1, "order_id": "o1", "quantity": 2.0},
        {**line, "day": 1, "order_id": "o1", "quantity": 4.0},
        {**line, "day": 2, "order_id": "o2", "quantity": 3.0},
        {**line, "day": 3, "order_id": "o3", "quantity": 90.0},
        {**line, "day": 4, "order_id": "o4", "quantity": 1.0},
        {**line, "product_id": "y", "day": 4, "quantity": 0.35},
        {**line, "customer_id": "b", "day": 4, "quantity": 12.0},
    ]

    histories = fit_histories(interactions_of(*rows), SETTINGS)

    assert histories.usual_quantity.tolist() == pytest.approx([3, 0.35, 12])
    assert histories.usual_quantity.dtype == "float32"


def test_a_customer_without_lines_has_an_empty_history() -> None:
    """Whoever bought only after the cut keeps an index and has no profile and no home."""
    interactions = interactions_of(
        {"customer_id": "a", "product_id": "x", "day": 0, "store_id": "s"},
        {"customer_id": "b", "product_id": "x", "day": 9, "store_id": "s"},
    )
    history = interactions.select(interactions.lines["time"] < interactions.end)

    histories = fit_histories(history, SETTINGS)

    assert len(histories) == 2
    assert histories.profile(1).is_empty
    assert histories.homes.tolist() == [[0] + [MISSING] * 4, [MISSING] * 5]


def test_home_is_where_a_customer_goes_most_often() -> None:
    """Visits count, not lines: a big monthly shop elsewhere does not move a home."""
    near = [
        {"customer_id": "a", "product_id": "milk", "day": day, "store_id": "near"}
        for day in (1, 8, 15)
    ]
    far = [
        {"customer_id": "a", "product_id": f"p{n}", "day": day, "store_id": "far"}
        for day in (20, 21)
        for n in range(12)
    ]

    assert home_stores(interactions_of(*near, *far)) == ["near"]


def test_of_two_homes_the_later_counts() -> None:
    """With as many visits to each, home is where the customer has been last."""
    visits = [
        {"customer_id": customer, "product_id": "p", "day": day, "store_id": store}
        for customer, stores in (("a", "oldnew"), ("b", "newold"))
        for day, store in enumerate((stores[:3], stores[3:], stores[:3], stores[3:]))
    ]

    assert home_stores(interactions_of(*visits)) == ["new", "old"]


def test_who_buys_nowhere_has_no_home() -> None:
    """Purchases without a place give no home."""
    assert home_stores(interactions_of({"customer_id": "a", "product_id": "p", "day": 1})) == [""]


def test_a_home_store_may_be_located_a_little_elsewhere_each_time() -> None:
    """Coordinates jitter, and purchases without a place happen: the store is still one store."""
    home = [
        {
            "customer_id": "a",
            "product_id": "p",
            "day": day,
            "store_id": "home",
            "latitude": 53.8 + day / 100,
            "longitude": -1.5,
        }
        for day in range(10)
    ]
    trip = [{"customer_id": "a", "product_id": "p", "day": 20, "store_id": "trip"}]
    online = [{"customer_id": "a", "product_id": "p", "day": day} for day in range(30, 50)]

    assert home_stores(interactions_of(*home, *trip, *online)) == ["home"]


def test_a_home_cell_is_where_the_coordinates_mostly_are() -> None:
    """Fixes of a receiver in one cell are one place, however many digits they have."""
    rows = [
        {"customer_id": "a", "product_id": "p", "day": day, "latitude": lat, "longitude": -1.5}
        for day, lat in enumerate([53.80001, 53.80002, 53.80003, 48.1])
    ]
    interactions = interactions_of(*rows)

    cell = homes(interactions)[0, Level.CELL]

    assert interactions.locations.keys[Level.CELL].ids[int(cell)] == cell_of(53.8, -1.5)
    assert len(interactions.locations.indices) == 2
