"""What is looked up once for all who ask: never another question's answer."""

import numpy as np

from recsvc.core.histories import SECONDS_A_DAY, Profile
from recsvc.core.owned import MAX_DAYS, UNKNOWN
from recsvc.core.places import ANYWHERE, Level, Location
from recsvc.core.sources import Moment
from tests.samples import tiny_model

DAY = int(SECONDS_A_DAY)
NOW = 1_000.0 * DAY


def bought(*days_ago: int) -> Profile:
    """A profile of products 2, 4, 6 and so on, each bought so many days ago."""
    n = len(days_ago)
    ones, times = np.ones(n, np.float32), int(NOW) - DAY * np.array(days_ago, np.int64)
    items = np.arange(2, 2 * n + 2, 2, dtype=np.int32)
    return Profile(items, ones, ones, ones, np.arange(1, n + 1, dtype=np.int32), times, times, ones)


def moment(*days_ago: int) -> Moment:
    """Somebody with such a profile, anywhere."""
    return Moment(bought(*days_ago), ANYWHERE, np.ones(9, np.bool_), NOW)


def test_columns_are_read_where_the_profile_has_the_product() -> None:
    """What it does not have was never bought; what is long ago is as long ago as can be told."""
    owned = moment(3, 400).owned(np.array([4, 1, 2, 8], np.int32))
    assert owned.n_purchases.tolist() == [2, 0, 1, 0]
    assert owned.days_since.tolist() == [MAX_DAYS, UNKNOWN, 3, UNKNOWN]


def test_what_was_bought_after_the_moment_was_bought_just_now() -> None:
    """A list as of an earlier moment counts no days backwards."""
    assert moment(-5).owned(np.array([2], np.int32)).days_since.tolist() == [0]


def test_nothing_is_owned_of_an_empty_profile() -> None:
    """Nobody has bought anything, whatever is asked."""
    owned = moment().owned(np.array([2, 4], np.int32))
    assert owned.n_purchases.tolist() == [0, 0]
    assert owned.days_since.tolist() == [UNKNOWN, UNKNOWN]


def test_other_items_get_their_own_answer() -> None:
    """Asked in turn about two arrays of one length, each is answered for itself."""
    asked, few, others = moment(3, 4), np.array([2, 4], np.int32), np.array([4, 5], np.int32)
    for _ in range(2):
        assert asked.owned(few).n_purchases.tolist() == [1, 2]
        assert asked.owned(others).n_purchases.tolist() == [2, 0]


def test_other_items_and_places_have_their_own_sales() -> None:
    """Asked in turn about items and places, each is answered as the places themselves do."""
    places = tiny_model().places
    stores = places.levels[Level.STORE].keys.ids
    asked = moment()
    sales_at = asked.sales(places)
    arrays = [np.array(items, np.int32) for items in ([0, 1], [1, 2])]
    for _ in range(2):
        for store in stores:
            index = places.resolve(Location(store_id=store)).indices[Level.STORE]
            for items in arrays:
                found = sales_at(Level.STORE, index, items)
                alone = places.sales(Level.STORE, index, items)
                assert found.counts.tolist() == alone.counts.tolist()
                assert found.n_purchases.tolist() == alone.n_purchases.tolist()
                assert found.n_recent.tolist() == alone.n_recent.tolist()
