"""Where customers usually buy: what is sold there, and what would be expected."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsvc.core.level_statistics import LevelStatistics
from recsvc.core.places import Level, Places
from recsvc.core.sparse import SparseRows
from recsvc.core.visits import Visits
from recsvc.core.vocabulary import MISSING, StringTable, Vocabulary

BOTH = np.array([0, 1], np.int32)


def rows(dense: list[list[float]]) -> SparseRows:
    return SparseRows.from_csr(csr_array(np.array(dense, np.float32)))


def statistics(sold: dict[str, list[float]]) -> LevelStatistics:
    """Return a level whose places sold each of two products so often; by now all has decayed."""
    dense = np.array(list(sold.values()), np.float32).reshape(-1, 2)
    ever = SparseRows.from_csr(csr_array(dense))
    decayed = SparseRows(ever.indptr, ever.indices, ever.values / np.float32(100))
    nothing = np.zeros_like(ever.values)
    keys = Vocabulary.from_ids(list(sold))
    return LevelStatistics(keys, decayed, ever.values, nothing, dense.sum(axis=1) / 100)


@pytest.fixture
def places() -> Places:
    """Two shops of four purchases each in one country; of 40 everywhere a quarter is product 0."""
    return Places(
        (
            statistics({"near": [3, 1], "far": [0, 4]}),
            statistics({}),
            statistics({}),
            statistics({}),
            statistics({"XX": [7, 13]}),
        ),
        np.array([[0, -1, -1, -1, 0], [1, -1, -1, -1, 0]], np.int32),
        StringTable.from_strings(["", ""]),
        np.array([0.5, 0.5], np.float32),
        np.array([10, 30], np.float32),
        np.zeros(2, np.float32),
        10.0,
    )


SHOPPERS = Visits(Level.STORE, rows([[0.75, 0.25], [0, 1], [0, 0]]))
"""One goes to the near shop three times out of four, one to the far one only, one nowhere."""


@pytest.mark.parametrize(
    ("customer", "sold", "expected"),
    [
        # .75 x 3 and .75 x 1 + .25 x 4; four purchases a shop, of which .25 and .75.
        (0, [2.25, 1.75], [1, 3]),
        (1, [0, 4], [1, 3]),
    ],
)
def test_what_is_sold_where_a_customer_buys(
    places: Places, customer: int, sold: list[float], expected: list[float]
) -> None:
    """Purchases of all time at each place count by the visits, and so do those expected."""
    found = SHOPPERS.sold(customer, places, BOTH)

    assert [values.tolist() for values in found] == [sold, expected]
    assert [values.dtype for values in found] == [np.float32, np.float32]


def test_products_are_answered_in_the_order_asked(places: Places) -> None:
    """Each product has its own numbers wherever it stands among those asked for."""
    sold, expected = SHOPPERS.sold(0, places, np.array([1, 0, 1], np.int32))

    assert sold.tolist() == [1.75, 2.25, 1.75]
    assert expected.tolist() == [3, 1, 3]


@pytest.mark.parametrize("customer", [2, 3, MISSING])
def test_where_nobody_knows_the_places_nothing_is_expected(places: Places, customer: int) -> None:
    """A customer without a place, one that came later and an unknown one have zeros."""
    found = SHOPPERS.sold(customer, places, BOTH)

    assert [values.tolist() for values in found] == [[0, 0], [0, 0]]


def test_the_level_says_whose_statistics_count(places: Places) -> None:
    """Visits to countries are answered from what the countries sold."""
    visits = Visits(Level.COUNTRY, rows([[1]]))

    sold, expected = visits.sold(0, places, BOTH)

    assert sold.tolist() == [7, 13]
    assert expected.tolist() == [5, 15]  # of 20 purchases


def test_visits_come_back_from_their_arrays(places: Places) -> None:
    """Restored visits have the level that the parameters name, and every share."""
    arrays = SHOPPERS.to_arrays("visits")

    restored = Visits.from_arrays(arrays, "visits", {"visits_level": "STORE"})

    assert restored.level is Level.STORE
    assert len(restored.places) == 3
    for customer in range(3):
        indices, shares = restored.places.row(customer)
        assert indices.tolist() == SHOPPERS.places.row(customer)[0].tolist()
        assert shares.tolist() == SHOPPERS.places.row(customer)[1].tolist()
    assert restored.sold(0, places, BOTH)[0].tolist() == [2.25, 1.75]
    country = Visits.from_arrays(arrays, "visits", {"visits_level": "COUNTRY"})
    assert country.level is Level.COUNTRY
