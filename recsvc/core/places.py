"""Place: what is bought where, and how thin evidence backs off to wider places."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.cells import around, position_of
from recsvc.core.level_statistics import LevelStatistics, Sales
from recsvc.core.vocabulary import MISSING, Arrays, StringTable


class Level(IntEnum):
    """Levels of place, finest first; a larger value is a wider place."""

    STORE = 0
    POSTAL_CODE = 1
    CELL = 2
    SUBDIVISION = 3
    COUNTRY = 4
    EVERYWHERE = 5


PLACE_LEVELS = (Level.STORE, Level.POSTAL_CODE, Level.CELL, Level.SUBDIVISION, Level.COUNTRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place as a caller names it; any subset may be given, ``""`` is not given.

    ``cell`` is an H3 cell of resolution 6: coordinates are reduced to it before they
    get here, so that nothing in this package ever holds anything finer.
    """

    store_id: str = ""
    postal_code: str = ""
    cell: str = ""
    subdivision_code: str = ""
    country_code: str = ""

    def keys(self) -> tuple[str, ...]:
        """The key of every level in :data:`PLACE_LEVELS`, ``""`` where not given.

        Postal codes repeat between countries, so theirs holds the country as well; an
        ISO 3166-2 subdivision (GB-ENG) tells its country.
        """
        subdivision = self.subdivision_code.strip().upper()
        country = self.country_code.strip().upper() or subdivision.rpartition("-")[0]
        postal = "".join(self.postal_code.split()).upper()
        return (
            self.store_id.strip(),
            f"{country}|{postal}" if postal else "",
            self.cell.strip().lower(),
            subdivision,
            country,
        )

    def completed(self, known: Self) -> Self:
        """The same, with what ``known`` has at the levels that are not given."""
        names = ("store_id", "postal_code", "cell", "subdivision_code", "country_code")
        lent = {name: getattr(known, name) for name in names if not getattr(self, name)}
        return replace(self, **lent)

    def __bool__(self) -> bool:
        # As any of the keys, which take far longer to make.
        named = self.store_id.strip() or self.postal_code.strip() or self.cell.strip()
        return bool(named or self.subdivision_code.strip() or self.country_code.strip())


@dataclass(frozen=True, slots=True)
class Place:
    """A location resolved against the statistics of one model.

    Attributes:
        indices: index within each of :data:`PLACE_LEVELS`, :data:`MISSING` where the
            level was not given or has no evidence.
    """

    indices: tuple[int, ...]

    @property
    def level(self) -> Level:
        """The finest level with evidence."""
        known = (level for level in PLACE_LEVELS if self.indices[level] != MISSING)
        return next(known, Level.EVERYWHERE)


ANYWHERE = Place((MISSING,) * len(PLACE_LEVELS))


@dataclass(frozen=True, slots=True)
class PurchaseCount:
    """How often one product was bought at one place.

    Attributes:
        level: the level that was counted.
        key: the place's key, ``""`` for everywhere.
        n_purchases: over all the data.
        n_recent: in its last weeks.
    """

    level: Level
    key: str
    n_purchases: int
    n_recent: int


SalesAt = Callable[[Level, int, NDArray[np.int32]], Sales]
"""What the place of an index at a level has sold of some items."""


@dataclass(frozen=True, slots=True)
class Places:
    """Statistics of all levels, and what each store lends to the levels above it.

    Attributes:
        levels: one entry a level of :data:`PLACE_LEVELS`.
        store_parents: int32, shape ``(n_stores, 5)``: for every store its index at
            each level (its own at STORE), :data:`MISSING` where it has none.
        store_names: name of every store, ``""`` where there is none.
        shares: float32, shape ``(n_items,)``: share of a product in all purchases
            everywhere, decayed; positive for every product.
        n_purchases: float32, shape ``(n_items,)``: purchases everywhere, undecayed.
        n_recent: float32, shape ``(n_items,)``: those of the last weeks of the data.
        shrinkage: purchases that the wider place's shares count for in a narrower one.
        usual_shares: float32, shape ``(n_items,)``: share of a product in all purchases of all
            time; divided when the statistics are made.
    """

    levels: tuple[LevelStatistics, ...]
    store_parents: NDArray[np.int32]
    store_names: StringTable
    shares: NDArray[np.float32]
    n_purchases: NDArray[np.float32]
    n_recent: NDArray[np.float32]
    shrinkage: float
    usual_shares: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        total = np.float32(max(float(self.n_purchases.sum()), 1.0))
        object.__setattr__(self, "usual_shares", self.n_purchases / total)

    def resolve(self, location: Location) -> Place:
        """The places of ``location`` that have evidence.

        A store lends its postal code, cell, subdivision and country to the levels
        that the caller left empty; what the caller gave is never overruled. A postal code
        without a country is that of the one country that has it.
        """
        keys = location.keys()
        # Not its index as a place: a store that has sold nothing yet knows its country too.
        store = self.levels[Level.STORE].keys.index(keys[Level.STORE])
        if not keys[Level.COUNTRY] and (country := self._country(keys[Level.POSTAL_CODE], store)):
            keys = replace(location, country_code=country).keys()
        indices = [statistics.index(key) for statistics, key in zip(self.levels, keys, strict=True)]
        if store != MISSING:
            for level in PLACE_LEVELS:
                if not keys[level]:
                    parent = int(self.store_parents[store, level])
                    indices[level] = self.levels[level].known(parent)
        return Place(tuple(indices))

    def _country(self, postal: str, store: int) -> str:
        """The store's country, else the only one that has the postal code, else ``""``."""
        countries = self.levels[Level.COUNTRY].keys.ids
        if store != MISSING and (country := int(self.store_parents[store, Level.COUNTRY])) >= 0:
            return countries[country]
        if not postal:
            return ""
        known = self.levels[Level.POSTAL_CODE]
        found = [c for c in countries if known.index(c + postal) != MISSING]
        return found[0] if len(found) == 1 else ""

    def known_cell(self, cell: str) -> str:
        """The cell, else the nearest one around it where something was bought, else ``cell``.

        So a new store of a town borrows from the stores of the next one.
        """
        cells = self.levels[Level.CELL]
        if not cell or not len(cells.keys) or cells.index(cell) != MISSING:
            return cell
        return next((near for near in around(cell) if cells.index(near) != MISSING), cell)

    def describe(self, place: Place) -> Location:
        """The location that ``place`` was resolved to, level by level."""
        keys: Sequence[str] = [
            statistics.keys.ids[index] if index != MISSING else ""
            for statistics, index in zip(self.levels, place.indices, strict=True)
        ]
        store, postal, cell, subdivision, country = keys
        return Location(
            store_id=store,
            postal_code=postal.partition("|")[2],
            cell=cell,
            subdivision_code=subdivision,
            country_code=country or postal.partition("|")[0],
        )

    def sales(self, level: Level, index: int, items: NDArray[np.int32]) -> Sales:
        """What the place of that index has sold of ``items``."""
        return self.levels[level].sales(index, items)

    def shares_at(
        self, place: Place, items: NDArray[np.int32], sales: SalesAt | None = None
    ) -> NDArray[np.float32]:
        """Share of ``items`` in the purchases at ``place``, shrunk level by level.

        Going from wide to narrow, each place's own counts are averaged with the wider
        place's shares, which weigh as much as ``shrinkage`` purchases: a store with
        ten purchases speaks with its country's voice, one with ten thousand with its own.

        Args:
            place: where.
            items: int32.
            sales: looks up what a place has sold, where the caller does so once for many.
        """
        sales = sales or self.sales
        shares = self.shares[items]
        for level in reversed(PLACE_LEVELS):
            index = place.indices[level]
            if index == MISSING:
                continue
            statistics = self.levels[level]
            counts = sales(level, index, items).counts
            shares = (counts + np.float32(self.shrinkage) * shares) / (
                statistics.totals[index] + np.float32(self.shrinkage)
            )
        return shares

    def evidence_levels(self, place: Place, items: NDArray[np.int32]) -> NDArray[np.int8]:
        """For each of ``items`` the finest :class:`Level` of ``place`` that sold it."""
        # As a plain number: numpy looks for an array in an enumeration, which takes longer.
        levels = np.full(len(items), int(Level.EVERYWHERE), np.int8)
        for level in reversed(PLACE_LEVELS):
            index = place.indices[level]
            if index != MISSING:
                # n_purchases, not the decayed counts: those may underflow to 0.
                levels[self.sales(level, index, items).n_purchases > 0] = int(level)
        return levels

    def purchases(self, place: Place, item: int, level: Level) -> PurchaseCount:
        """How often ``item`` was bought at ``level`` of ``place``."""
        if level == Level.EVERYWHERE:
            return PurchaseCount(
                level, "", round(float(self.n_purchases[item])), round(float(self.n_recent[item]))
            )
        index = place.indices[level]
        items = np.array([item], np.int32)
        sales = self.sales(level, index, items)
        return PurchaseCount(
            level,
            self.levels[level].keys.ids[index],
            round(float(sales.n_purchases[0])),
            round(float(sales.n_recent[0])),
        )

    def position(self, place: Place) -> NDArray[np.float32]:
        """float32, shape ``(3,)``: unit vector to the cell of ``place``, zeros without one."""
        cell = place.indices[Level.CELL]
        if cell == MISSING:
            return np.zeros(3, np.float32)
        return position_of(self.levels[Level.CELL].keys.ids[cell])

    def store_name(self, place: Place) -> str:
        """Name of the store of ``place``, its id where it has no name, ``""`` without one."""
        store = place.indices[Level.STORE]
        if store == MISSING:
            return ""
        return self.store_names[store] or self.levels[Level.STORE].keys.ids[store]

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        arrays: dict[str, NDArray[np.generic]] = {
            f"{prefix}.store_parents": self.store_parents,
            f"{prefix}.shares": self.shares,
            f"{prefix}.n_purchases": self.n_purchases,
            f"{prefix}.n_recent": self.n_recent,
            **self.store_names.to_arrays(f"{prefix}.store_names"),
        }
        for level in PLACE_LEVELS:
            arrays |= self.levels[level].to_arrays(f"{prefix}.{level.name.lower()}")
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, parameters: Mapping[str, float]) -> Self:
        """The inverse of :meth:`to_arrays`; ``parameters`` hold ``place_shrinkage``."""
        return cls(
            tuple(
                LevelStatistics.from_arrays(arrays, f"{prefix}.{level.name.lower()}")
                for level in PLACE_LEVELS
            ),
            np.asarray(arrays[f"{prefix}.store_parents"], np.int32),
            StringTable.from_arrays(arrays, f"{prefix}.store_names"),
            np.asarray(arrays[f"{prefix}.shares"], np.float32),
            np.asarray(arrays[f"{prefix}.n_purchases"], np.float32),
            np.asarray(arrays[f"{prefix}.n_recent"], np.float32),
            float(parameters["place_shrinkage"]),
        )
