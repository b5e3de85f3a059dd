"""Places: which are meant, which have evidence, and how their shares are shrunk."""

from dataclasses import replace

import h3
import numpy as np
import pytest
from scipy.sparse import csr_array

from recsvc.core.level_statistics import LevelStatistics
from recsvc.core.places import (
    ANYWHERE,
    PLACE_LEVELS,
    Level,
    Location,
    Place,
    Places,
    PurchaseCount,
)
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING, StringTable, Vocabulary
from tests.samples import STORES, tiny_model

LEEDS, YORK, PORTO = STORES


@pytest.fixture
def places() -> Places:
    """Three stores in two countries."""
    return tiny_model().places


def statistics(counts: dict[str, list[float]], n_items: int = 2) -> LevelStatistics:
    """Return a level whose places sold each product so often, none of it long ago."""
    dense = np.array(list(counts.values()), np.float32).reshape(-1, n_items)
    rows = SparseRows.from_csr(csr_array(dense))
    ever = rows.values.copy()
    return LevelStatistics(Vocabulary.from_ids(list(counts)), rows, ever, ever, dense.sum(axis=1))


def by_hand() -> Places:
    """Return a store of 4 purchases in a country of 40, and a store without any."""
    return Places(
        (
            statistics({"shop": [3, 1], "new-shop": [0, 0]}),
            statistics({}),
            statistics({}),
            statistics({"XX-1": [0, 0]}),
            statistics({"XX": [10, 30]}),
        ),
        np.array([[0, -1, -1, 0, 0], [1, -1, -1, -1, 0]], np.int32),
        StringTable.from_strings(["", ""]),
        np.array([0.5, 0.5], np.float32),
        np.array([20, 40], np.float32),
        np.array([2, 4], np.float32),
        10.0,
    )


BOTH = np.array([0, 1], np.int32)


@pytest.mark.parametrize(
    ("location", "keys"),
    [
        (Location(), ("", "", "", "", "")),
        (Location(store_id=" leeds-1 "), ("leeds-1", "", "", "", "")),
        (Location(postal_code="ls1 4dy", country_code="gb"), ("", "GB|LS14DY", "", "", "GB")),
        (Location(postal_code="4000-069"), ("", "|4000-069", "", "", "")),
        (Location(cell=" 861942C5FFFFFFF"), ("", "", "861942c5fffffff", "", "")),
        (Location(subdivision_code="gb-eng"), ("", "", "", "GB-ENG", "GB")),
    ],
)
def test_keys_are_canonical(location: Location, keys: tuple[str, ...]) -> None:
    """Letter case and blanks do not make another place; a postal code holds its country."""
    assert location.keys() == keys


def test_a_location_is_true_when_anything_is_given() -> None:
    """Blanks alone are nothing given."""
    assert not Location()
    assert not Location(store_id=" ", country_code=" ")
    assert Location(subdivision_code="PT-13")


def test_the_level_of_a_place_is_its_finest() -> None:
    """The finest level with an index counts; without any it is everywhere."""
    assert Place((MISSING, MISSING, 0, MISSING, 2)).level == Level.CELL
    assert Place((0, 0, 0, 0, 0)).level == Level.STORE
    assert ANYWHERE.level == Level.EVERYWHERE


def test_a_store_lends_what_was_left_empty(places: Places) -> None:
    """A store alone stands for its postal code, cell, subdivision and country."""
    found = places.describe(places.resolve(Location(store_id="leeds-1")))
    assert found == Location(
        store_id="leeds-1",
        postal_code="LS14DY",
        cell=LEEDS.cell,
        subdivision_code="GB-ENG",
        country_code="GB",
    )


def test_a_store_without_coordinates_has_no_cell(places: Places) -> None:
    """What a store does not have it does not lend."""
    place = places.resolve(Location(store_id="porto-1"))
    assert place.indices[Level.CELL] == MISSING
    assert places.describe(place).country_code == "PT"


def test_what_the_caller_gave_is_not_overruled(places: Places) -> None:
    """A country beside a store of another stays, and an unknown one is not replaced."""
    foreign = places.describe(places.resolve(Location(store_id="leeds-1", country_code="PT")))
    assert (foreign.country_code, foreign.subdivision_code) == ("PT", "GB-ENG")
    unknown = places.resolve(Location(store_id="leeds-1", country_code="FR"))
    assert unknown.indices[Level.COUNTRY] == MISSING


def test_an_unknown_store_backs_off(places: Places) -> None:
    """The finest level that is known answers for a store that is not."""
    place = places.resolve(Location(store_id="no-such", subdivision_code="PT-13"))
    assert place.level == Level.SUBDIVISION
    assert places.resolve(Location(store_id="no-such")) == ANYWHERE


def test_a_level_backs_off_alone(places: Places) -> None:
    """Postal code, cell and country resolve without a store."""
    postal = Location(postal_code="yo1 8sa", country_code="GB")
    assert places.describe(places.resolve(postal)).postal_code == "YO18SA"
    assert places.resolve(Location(cell=YORK.cell)).level == Level.CELL
    assert places.resolve(Location(country_code="pt")).level == Level.COUNTRY


def test_the_same_postal_code_abroad_is_another_place(places: Places) -> None:
    """A code of one country is not found in another."""
    abroad = Location(postal_code="4000-069", country_code="GB")
    assert places.resolve(abroad).level == Level.COUNTRY


def test_a_postal_code_alone_is_that_of_the_only_country_that_has_it(places: Places) -> None:
    """A caller who knows only the postal code is still placed; an unknown one is not."""
    place = places.resolve(Location(postal_code="4000-069"))
    assert places.describe(place).country_code == "PT"
    assert place.level == Level.POSTAL_CODE
    assert place.indices[Level.COUNTRY] != MISSING
    assert places.resolve(Location(postal_code="99999")) == ANYWHERE
    assert (
        places.resolve(Location(store_id="porto-1", postal_code="4000-069")).indices[
            Level.POSTAL_CODE
        ]
        == place.indices[Level.POSTAL_CODE]
    )


def test_a_postal_code_tells_its_country(places: Places) -> None:
    """Where the country itself is not resolved, the postal code's is described."""
    postal = places.levels[Level.POSTAL_CODE].keys.index(PORTO.postal_code)
    place = Place((MISSING, postal, MISSING, MISSING, MISSING))
    assert places.describe(place) == Location(postal_code="4000-069", country_code="PT")


def test_a_store_without_purchases_lends_its_country() -> None:
    """A new store has no evidence of its own and speaks with its country's voice."""
    places = by_hand()
    place = places.resolve(Location(store_id="new-shop"))
    assert place.level == Level.COUNTRY
    assert places.describe(place) == Location(country_code="XX")


def test_a_level_without_purchases_is_no_evidence() -> None:
    """Neither a given nor a lent place counts without a purchase."""
    places = by_hand()
    assert places.resolve(Location(subdivision_code="YY-1")) == ANYWHERE
    assert places.resolve(Location(subdivision_code="XX-1")).level == Level.COUNTRY
    lent = places.resolve(Location(store_id="shop"))
    assert lent.indices == (0, MISSING, MISSING, MISSING, 0)


def test_shares_shrink_level_by_level() -> None:
    """A wider place's shares count as ``shrinkage`` purchases in the narrower one."""
    places = by_hand()
    country = [(10 + 10 * 0.5) / 50, (30 + 10 * 0.5) / 50]
    store = [(3 + 10 * country[0]) / 14, (1 + 10 * country[1]) / 14]
    at_country = places.shares_at(places.resolve(Location(country_code="XX")), BOTH)
    at_store = places.shares_at(places.resolve(Location(store_id="shop")), BOTH)
    assert at_country == pytest.approx(country)
    assert at_store == pytest.approx(store)
    assert at_store.sum() == pytest.approx(1)
    assert at_store.dtype == np.float32


def test_shares_anywhere_are_those_of_everywhere() -> None:
    """Without a place the shares are the overall ones, for the items asked, in their order."""
    shares = tiny_model().places.shares_at(ANYWHERE, np.array([3, 0], np.int32))
    assert shares == pytest.approx(tiny_model().places.shares[[3, 0]])


def test_evidence_is_at_the_finest_level_that_sold(places: Places) -> None:
    """Each product is borne out by the finest level of the place that sold it."""
    items = np.array([0, 5, 8, 9], np.int32)  # espresso, bread, punch, bag
    found = places.evidence_levels(places.resolve(Location(store_id="leeds-1")), items)
    assert found.tolist() == [
        Level.STORE,
        Level.SUBDIVISION,  # sold at York, in the same England
        Level.EVERYWHERE,  # sold in Portugal
        Level.EVERYWHERE,  # never sold
    ]


def test_evidence_outlives_decay() -> None:
    """A purchase so old that its decayed count is 0 is evidence still."""
    places = by_hand()
    places.levels[Level.STORE].counts.values[:] = 0
    place = places.resolve(Location(store_id="shop"))
    assert place.level == Level.STORE
    assert places.evidence_levels(place, BOTH).tolist() == [Level.STORE, Level.STORE]


def test_purchases_are_counted_where_asked(places: Places) -> None:
    """Counts are the purchases of one product at one level, ever and of late."""
    place = places.resolve(Location(store_id="leeds-1"))

    def count(item: int, level: Level) -> PurchaseCount:
        return places.purchases(place, item, level)

    assert count(0, Level.STORE) == PurchaseCount(Level.STORE, "leeds-1", 4, 2)
    assert count(3, Level.STORE) == PurchaseCount(Level.STORE, "leeds-1", 1, 1)
    assert count(3, Level.COUNTRY) == PurchaseCount(Level.COUNTRY, "GB", 2, 2)
    assert count(3, Level.EVERYWHERE) == PurchaseCount(Level.EVERYWHERE, "", 3, 3)
    assert count(9, Level.STORE) == PurchaseCount(Level.STORE, "leeds-1", 0, 0)


@pytest.mark.parametrize(
    ("store_id", "name"),
    [("leeds-1", "Leeds Station"), ("porto-1", "porto-1"), ("", ""), ("no-such", "")],
)
def test_a_store_is_called_by_its_name_else_its_id(
    places: Places, store_id: str, name: str
) -> None:
    """A place without a known store has no store name."""
    assert places.store_name(places.resolve(Location(store_id=store_id))) == name


def test_places_come_back_from_their_arrays(places: Places) -> None:
    """Restored places resolve, count and share alike."""
    restored = Places.from_arrays(places.to_arrays("p"), "p", {"place_shrinkage": 5.0})
    items = np.arange(10, dtype=np.int32)
    for store in STORES:
        place = places.resolve(Location(store_id=store.store_id))
        assert restored.resolve(Location(store_id=store.store_id)) == place
        assert restored.shares_at(place, items).tolist() == places.shares_at(place, items).tolist()
        assert restored.store_name(place) == places.store_name(place)
        for level in PLACE_LEVELS:
            if place.indices[level] != MISSING:
                expected = places.purchases(place, 0, level)
                assert restored.purchases(place, 0, level) == expected


# Where nothing was bought yet.


def with_cells(counts: dict[str, list[float]]) -> Places:
    """Return places of which only the cells differ."""
    made = by_hand()
    levels = list(made.levels)
    levels[Level.CELL] = statistics(counts)
    return replace(made, levels=tuple(levels))


def ring(steps: int) -> list[str]:
    """Return the cells that far from that of Leeds, by their names."""
    return sorted(map(str, h3.grid_ring(LEEDS.cell, steps)))


def test_a_known_cell_is_itself(places: Places) -> None:
    """Where something was bought nothing is borrowed, nor where no cell is given."""
    assert places.known_cell(LEEDS.cell) == LEEDS.cell
    assert places.known_cell("") == ""


def test_an_unknown_cell_borrows_from_the_nearest() -> None:
    """The nearest ring goes first, in it the first name; a cell that sold nothing lends none."""
    sold, empty = [2.0, 1.0], [0.0, 0.0]
    near, far = ring(1), ring(3)
    assert (
        with_cells({far[5]: sold, near[4]: sold, near[2]: sold}).known_cell(LEEDS.cell) == near[2]
    )
    assert with_cells({far[5]: sold, near[2]: empty}).known_cell(LEEDS.cell) == far[5]
    assert with_cells({LEEDS.cell: empty, near[0]: sold}).known_cell(LEEDS.cell) == near[0]


@pytest.mark.parametrize("steps", [0, 4])
def test_a_cell_far_from_all_stays(steps: int) -> None:
    """Beyond three rings nothing is near, and a cell without purchases may stand alone."""
    places = with_cells({cell: [float(steps), 0.0] for cell in ring(steps)})
    assert places.known_cell(LEEDS.cell) == LEEDS.cell


def test_without_cells_none_is_near() -> None:
    """Data without coordinates leaves every cell as it is, even one that is none."""
    assert by_hand().known_cell(LEEDS.cell) == LEEDS.cell
    assert by_hand().known_cell("no cell") == "no cell"
