"""Which products a filter lets through, looked up instead of searched for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.catalogue import SEPARATOR, Catalogue, CatalogueFilter, canonical_path
from recsvc.core.vocabulary import MISSING, Vocabulary

Indices = NDArray[np.int32]

_NONE = np.zeros(0, np.int32)


class Prices(Protocol):
    """What each product costs, by item index."""

    @property
    def price(self) -> NDArray[np.float64]:
        """Of one unit, NaN unknown."""
        ...

    @property
    def currency(self) -> Indices:
        """Index of each price's currency, MISSING unknown."""
        ...

    @property
    def currencies(self) -> Vocabulary:
        """The distinct names."""
        ...


@dataclass(frozen=True, slots=True)
class CatalogueIndex:
    """The names of a catalogue as callers may write them; built once a model.

    Attributes:
        catalogue: the products.
        categories: by canonical path, the categories that are it or below it, int32. Every
            path above a category is there too.
        brands: by case-folded name, the brands of that name, int32.
    """

    catalogue: Catalogue
    categories: Mapping[str, Indices]
    brands: Mapping[str, Indices]

    @classmethod
    def of(cls, catalogue: Catalogue) -> Self:
        """Index a catalogue."""
        categories: dict[str, list[int]] = defaultdict(list)
        for index, path in enumerate(catalogue.categories.ids):
            parts = canonical_path(path).split(SEPARATOR)
            for depth in range(1, len(parts) + 1):
                categories[SEPARATOR.join(parts[:depth])].append(index)
        brands: dict[str, list[int]] = defaultdict(list)
        for index, brand in enumerate(catalogue.brands.ids):
            brands[brand.casefold()].append(index)
        return cls(catalogue, _frozen(categories), _frozen(brands))

    def matching(self, wanted: CatalogueFilter, prices: Prices | None = None) -> NDArray[np.bool_]:
        """Bool, shape ``(n_items,)``: what passes the filter.

        Args:
            wanted: the filter.
            prices: those that hold, the catalogue's own unless given.
        """
        catalogue = self.catalogue
        passed = np.ones(len(catalogue), np.bool_)
        if wanted.category_paths:
            paths = map(canonical_path, wanted.category_paths)
            codes, n_codes = _codes(self.categories, paths), len(catalogue.categories)
            passed &= _is_one_of(catalogue.category, codes, n_codes)
        if wanted.brands:
            brands = (brand.strip().casefold() for brand in wanted.brands)
            codes, n_codes = _codes(self.brands, brands), len(catalogue.brands)
            passed &= _is_one_of(catalogue.brand, codes, n_codes)
        for name, values in wanted.attributes.items():
            passed &= catalogue.attributes.having_any(name, values)
        if wanted.has_price:
            prices = catalogue if prices is None else prices
            currency = prices.currencies.index(wanted.currency)
            # A currency that no product has is MISSING, and so is that of a price without one.
            passed &= (prices.currency == currency) & (currency != MISSING)
            # Comparisons with NaN are false: a product without a price does not pass.
            price_min = -np.inf if wanted.price_min is None else wanted.price_min
            price_max = np.inf if wanted.price_max is None else wanted.price_max
            passed &= (prices.price >= price_min) & (prices.price <= price_max)
        return passed


def _frozen(found: Mapping[str, list[int]]) -> dict[str, Indices]:
    return {name: np.array(indices, np.int32) for name, indices in found.items()}


def _codes(index: Mapping[str, Indices], names: Iterable[str]) -> Indices:
    """int32: all that ``names`` stand for."""
    return np.concatenate([_NONE, *(index[name] for name in names if name in index)])


def _is_one_of(values: Indices, codes: Indices, n_codes: int) -> NDArray[np.bool_]:
    """Bool, of the shape of ``values``, below ``n_codes`` or MISSING: which of them are ``codes``.

    A table is many times as fast as a search. Its last entry is for MISSING, -1.
    """
    wanted = np.zeros(n_codes + 1, np.bool_)
    wanted[codes] = True
    return wanted[values]
