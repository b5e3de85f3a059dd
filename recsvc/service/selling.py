"""What the shop says of its stores and its stock, in its own terms: ids instead of indices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from recsvc.core.places import Location

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Written:
    """What a read must have seen.

    Attributes:
        ledger: position in the ledger.
        catalogue: moment of a write to the catalogue, unix milliseconds of its store.
    """

    ledger: int = 0
    catalogue: int = 0


NOTHING = Written()


@dataclass(frozen=True, slots=True)
class Shop:
    """One store.

    Attributes:
        name: what a customer reads, ``""`` unknown.
        location: its id and where it is.
        latitude, longitude: degrees, None unknown; ``location`` has the cell of them.
        time_zone: of the IANA database, ``""`` UTC.
    """

    name: str
    location: Location
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StockRecord:
    """The stock of one product at one store.

    Attributes:
        product_id: the product.
        is_in_stock: whether it can be had; None nobody has said.
        quantity: how much is there, None not counted.
        price: of one unit there, None the product's own.
        currency: of the price, ``""`` without one.
        effective: when this was true at its source, unix microseconds; above zero.
    """

    product_id: str
    is_in_stock: bool | None = None
    quantity: float | None = None
    price: float | None = None
    currency: str = ""
    effective: int


@dataclass(frozen=True, slots=True)
class Changes(Generic[_Row]):
    """What has been written to a table since a revision of it.

    Attributes:
        revision: what is known with these; 0 of a table that nothing was ever written to.
        as_of: every write before this moment is among them, unix milliseconds of the store.
        rows: by id, in the order in which they were first written.
        is_whole: these are all there are, whatever was known before.
        damaged: ids of rows that cannot be read.
    """

    revision: int
    as_of: int
    rows: Mapping[str, _Row] = field(default_factory=dict)
    is_whole: bool = False
    damaged: tuple[str, ...] = ()
