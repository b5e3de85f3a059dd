"""Popularity by place, by hand."""

import numpy as np
import pytest

from recsvc.core.places import ANYWHERE, Level, Location, Places
from tests.purchases import interactions_of, stores_of
from training.models.place_popularity import fit_places
from training.models.popularity import UNSEEN
from training.settings import TrainingSettings

SETTINGS = TrainingSettings(place_half_life_days=30, recent_days=28, place_shrinkage=2)
STORES = stores_of(
    [
        {"store_id": "leeds", "name": "Leeds", "country_code": "GB"},
        {"store_id": "york", "country_code": "GB"},
    ]
)


@pytest.fixture(scope="module")
def places() -> Places:
    interactions = interactions_of(
        {"customer_id": "a", "product_id": "x", "day": 0, "store_id": "leeds"},
        {"customer_id": "a", "product_id": "x", "day": 30, "store_id": "leeds"},
        {"customer_id": "b", "product_id": "x", "day": 30, "store_id": "york"},
        {"customer_id": "b", "product_id": "y", "day": 30, "store_id": "york"},
        {"customer_id": "c", "product_id": "y", "day": 30},
        stores=STORES,
    )
    return fit_places(interactions, SETTINGS)


def test_every_level_counts_its_own(places: Places) -> None:
    """Stores and the country above them count what was bought there, decayed and not."""
    stores, countries = places.levels[Level.STORE], places.levels[Level.COUNTRY]
    both = np.array([0, 1], np.int32)

    assert stores.counts.at(0, both).tolist() == pytest.approx([1.5, 0])
    assert stores.counts.at(1, both).tolist() == pytest.approx([1, 1])
    assert countries.counts.at(0, both).tolist() == pytest.approx([2.5, 1])
    assert stores.totals.tolist() == pytest.approx([1.5, 2])
    assert countries.totals.tolist() == pytest.approx([3.5])
    # leeds: x; york: x, y.
    assert stores.n_purchases.tolist() == [2, 1, 1]
    assert stores.n_recent.tolist() == [1, 1, 1]
    assert len(places.levels[Level.CELL].keys) == 0


def test_everywhere_counts_all(places: Places) -> None:
    """Purchases without a place count everywhere; every product has a share."""
    total = 4.5 + 2 * UNSEEN

    assert places.shares.tolist() == pytest.approx([(2.5 + UNSEEN) / total, (2 + UNSEEN) / total])
    assert places.n_purchases.tolist() == [3, 2]
    assert places.n_recent.tolist() == [2, 2]
    assert places.store_name(places.resolve(Location(store_id="leeds"))) == "Leeds"


def test_shares_of_a_store_are_shrunk_to_its_country(places: Places) -> None:
    """Each place averages its counts with the wider place's shares, two purchases' worth."""
    everywhere = places.shares[0]
    country = (2.5 + 2 * everywhere) / (3.5 + 2)
    store = (1.5 + 2 * country) / (1.5 + 2)
    x = np.array([0], np.int32)

    leeds = places.resolve(Location(store_id="leeds"))

    assert places.shares_at(leeds, x).tolist() == pytest.approx([store])
    assert places.shares_at(ANYWHERE, x).tolist() == pytest.approx([everywhere])


def test_without_times_nothing_is_recent() -> None:
    """Data that does not tell when has no purchases "of the last weeks"."""
    places = fit_places(
        interactions_of({"customer_id": "a", "product_id": "x", "store_id": "leeds"}), SETTINGS
    )

    assert places.n_recent.tolist() == [0]
    assert places.levels[Level.STORE].n_recent.tolist() == [0]
    assert places.n_purchases.tolist() == [1]
