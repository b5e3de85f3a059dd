"""The products: what they are called, what they cost, when they may be sold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsvc.core.attributes import Attributes
from recsvc.core.vocabulary import MISSING, Arrays, StringTable, Vocabulary

_Scalar = TypeVar("_Scalar", np.int32, np.int64, np.float64, np.bool_)

SEPARATOR = " > "
"""Between the names of a category path."""

ALWAYS_FROM = -(2**62)
ALWAYS_TO = 2**62
"""Bounds, seconds since 1970, of a product that is always available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What is known of one product; ``""`` and NaN are unknown.

    Attributes:
        product_id: the shop's id.
        title: the name that a customer reads.
        category_path: from the root down.
        brand: the brand.
        price: of one unit.
        currency: of the price, ISO 4217.
        available_from, available_to: seconds since 1970, UTC; it is available from the first
            (inclusive) to the second.
        group_id: what variants of one product share.
        titles: names by language.
        attributes: further ones by name.
        uri, image_uri: where to look at it.
        is_sensitive: whether nobody wants to be reminded of it in public.
    """

    product_id: str
    title: str = ""
    category_path: str = ""
    brand: str = ""
    price: float = float("nan")
    currency: str = ""
    available_from: int = ALWAYS_FROM
    available_to: int = ALWAYS_TO
    group_id: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    uri: str = ""
    image_uri: str = ""
    is_sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueFilter:
    """What a caller allows; empty means no restriction.

    Attributes:
        category_paths: a product passes when its path is one of these or below one.
        brands: a product passes when its brand is one of these, letter case aside.
        price_min, price_max: inclusive bounds in ``currency``; a product without a price
            in that currency does not pass when either is given.
        currency: ISO 4217, required with a bound.
        attributes: by name, values: a product passes when it has any of them, byte by byte, for
            every name.
    """

    category_paths: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    price_min: float | None = None
    price_max: float | None = None
    currency: str = ""
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.category_paths or self.brands or self.attributes) or self.has_price

    @property
    def has_price(self) -> bool:
        """Whether a price bound was given."""
        return self.price_min is not None or self.price_max is not None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All products of a model, by item index.

    Attributes:
        items: product ids.
        titles: title of every product, ``""`` unknown.
        categories, brands, currencies: the distinct names.
        category, brand, currency: int32, shape ``(n_items,)``, indices into these,
            :data:`MISSING` unknown.
        price: float64, shape ``(n_items,)``, NaN unknown.
        available_from, available_to: int64, shape ``(n_items,)``, seconds since 1970,
            UTC; a product is available from the first (inclusive) to the second.
        attributes: what the products are beside that.
        groups: the distinct ids of what variants of one product share.
        group: int32, shape ``(n_items,)``, indices into these, :data:`MISSING` for a product
            without variants.
        sensitive: bool, shape ``(n_items,)``, whether nobody wants to be reminded of it in public.
    """

    items: Vocabulary
    titles: StringTable
    categories: Vocabulary
    brands: Vocabulary
    currencies: Vocabulary
    category: NDArray[np.int32]
    brand: NDArray[np.int32]
    currency: NDArray[np.int32]
    price: NDArray[np.float64]
    available_from: NDArray[np.int64]
    available_to: NDArray[np.int64]
    attributes: Attributes
    groups: Vocabulary
    group: NDArray[np.int32]
    sensitive: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.items)

    def product(self, item: int) -> Product:
        """Everything that is known of one product."""

        def name(names: Vocabulary, indices: NDArray[np.int32]) -> str:
            return names.ids[int(indices[item])] if indices[item] != MISSING else ""

        return Product(
            product_id=self.items.ids[item],
            title=self.titles[item],
            category_path=name(self.categories, self.category),
            brand=name(self.brands, self.brand),
            price=float(self.price[item]),
            currency=name(self.currencies, self.currency),
            available_from=int(self.available_from[item]),
            available_to=int(self.available_to[item]),
            group_id=name(self.groups, self.group),
            attributes=self.attributes.of_item(item),
            is_sensitive=bool(self.sensitive[item]),
        )

    def with_products(self, products: Sequence[Product]) -> Self:
        """A copy with these products, each id once: those it has replaced, the others added."""
        at = np.array([self.items.index(p.product_id) for p in products], np.int32)
        new = at == MISSING
        added = [p for p, is_new in zip(products, new, strict=True) if is_new]
        at[new] = np.arange(len(self), len(self) + len(added))
        titles = {int(i): p.title for i, p in zip(at, products, strict=True) if i < len(self)}
        categories, category = _recoded(
            self.categories, self.category, at, [p.category_path for p in products]
        )
        brands, brand = _recoded(self.brands, self.brand, at, [p.brand for p in products])
        currencies, currency = _recoded(
            self.currencies, self.currency, at, [p.currency for p in products]
        )
        groups, group = _recoded(self.groups, self.group, at, [p.group_id for p in products])
        return type(self)(
            self.items.with_added([p.product_id for p in added]) if added else self.items,
            self.titles.changed(titles, [p.title for p in added]),
            categories,
            brands,
            currencies,
            category,
            brand,
            currency,
            _written(self.price, at, [p.price for p in products]),
            _written(self.available_from, at, [p.available_from for p in products]),
            _written(self.available_to, at, [p.available_to for p in products]),
            self.attributes.replaced(at, [p.attributes for p in products]),
            groups,
            group,
            _written(self.sensitive, at, [p.is_sensitive for p in products]),
        )

    def title(self, item: int) -> str:
        """What to call a product in a sentence: its title, or its id where it has none."""
        return self.titles[item] or self.items.ids[item]

    def available(self, now: float) -> NDArray[np.bool_]:
        """Bool, shape ``(n_items,)``: what may be sold at ``now``, seconds since 1970."""
        return (self.available_from <= now) & (now < self.available_to)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            **self.items.to_arrays(f"{prefix}.items"),
            **self.titles.to_arrays(f"{prefix}.titles"),
            **self.categories.to_arrays(f"{prefix}.categories"),
            **self.brands.to_arrays(f"{prefix}.brands"),
            **self.currencies.to_arrays(f"{prefix}.currencies"),
            **self.attributes.to_arrays(f"{prefix}.attributes"),
            **self.groups.to_arrays(f"{prefix}.groups"),
            f"{prefix}.group": self.group,
            f"{prefix}.sensitive": self.sensitive,
            f"{prefix}.category": self.category,
            f"{prefix}.brand": self.brand,
            f"{prefix}.currency": self.currency,
            f"{prefix}.price": self.price,
            f"{prefix}.available_from": self.available_from,
            f"{prefix}.available_to": self.available_to,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`; artifacts of old have neither groups nor flags."""
        items = Vocabulary.from_arrays(arrays, f"{prefix}.items")
        return cls(
            items,
            StringTable.from_arrays(arrays, f"{prefix}.titles"),
            Vocabulary.from_arrays(arrays, f"{prefix}.categories"),
            Vocabulary.from_arrays(arrays, f"{prefix}.brands"),
            Vocabulary.from_arrays(arrays, f"{prefix}.currencies"),
            np.asarray(arrays[f"{prefix}.category"], np.int32),
            np.asarray(arrays[f"{prefix}.brand"], np.int32),
            np.asarray(arrays[f"{prefix}.currency"], np.int32),
            np.asarray(arrays[f"{prefix}.price"], np.float64),
            np.asarray(arrays[f"{prefix}.available_from"], np.int64),
            np.asarray(arrays[f"{prefix}.available_to"], np.int64),
            Attributes.from_arrays(arrays, f"{prefix}.attributes", len(items)),
            *_flags(arrays, prefix, len(items)),
        )


def _flags(
    arrays: Arrays, prefix: str, n_items: int
) -> tuple[Vocabulary, NDArray[np.int32], NDArray[np.bool_]]:
    """Groups, the group of each product, and whether it is sensitive."""
    if f"{prefix}.group" not in arrays:
        no_group = np.full(n_items, MISSING, np.int32)
        return Vocabulary.from_ids([]), no_group, np.zeros(n_items, np.bool_)
    return (
        Vocabulary.from_arrays(arrays, f"{prefix}.groups"),
        np.asarray(arrays[f"{prefix}.group"], np.int32),
        np.asarray(arrays[f"{prefix}.sensitive"], np.bool_),
    )


def _recoded(
    names: Vocabulary, codes: NDArray[np.int32], at: NDArray[np.int32], values: Sequence[str]
) -> tuple[Vocabulary, NDArray[np.int32]]:
    """Names and codes with ``values`` at the items ``at``; ``""`` is none."""
    unknown = [v for v in dict.fromkeys(values) if v and names.index(v) == MISSING]
    names = names.with_added(unknown) if unknown else names
    known = {value: names.index(value) if value else MISSING for value in set(values)}
    return names, _written(codes, at, [known[value] for value in values])


def _written(
    column: NDArray[_Scalar], at: NDArray[np.int32], values: Sequence[float]
) -> NDArray[_Scalar]:
    """A copy of a column, as long as it must be, with ``values`` at the items ``at``."""
    n = max(len(column), int(at.max(initial=-1)) + 1)
    written = np.empty(n, column.dtype)
    written[: len(column)] = column
    written[at] = values
    return written


def canonical_path(path: str) -> str:
    """``path`` with its names trimmed, so that equal paths are equal strings."""
    return SEPARATOR.join(part.strip() for part in path.split(SEPARATOR.strip()))
