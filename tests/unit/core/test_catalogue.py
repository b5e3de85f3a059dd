"""What products are called, which pass a filter, and when they are sold."""

import math
from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Catalogue, CatalogueFilter, Product
from recsvc.core.catalogue_index import CatalogueIndex
from recsvc.core.vocabulary import MISSING, StringTable
from tests.samples import tiny_model

ALL = ["espresso", "filter", "tea", "milk", "butter", "bread", "jam", "soap", "punch", "bag"]


@pytest.fixture
def catalogue() -> Catalogue:
    """Ten products."""
    return tiny_model().catalogue


def passing(catalogue: Catalogue, wanted: CatalogueFilter) -> list[str]:
    """Return the ids of the products that pass."""
    return catalogue.items.ids.take(np.flatnonzero(CatalogueIndex.of(catalogue).matching(wanted)))


def test_a_product_is_described(catalogue: Catalogue) -> None:
    """Every field comes from the product's own row."""
    assert len(catalogue) == 10
    assert catalogue.product(3) == Product(
        product_id="milk",
        title="Whole milk",
        category_path="Food > Dairy",
        brand="Meadow",
        price=1.15,
        currency="GBP",
    )


def test_what_is_unknown_is_empty(catalogue: Catalogue) -> None:
    """A product without brand, price and currency says so with empty text and NaN."""
    jam = catalogue.product(6)
    assert (jam.brand, jam.currency) == ("", "")
    assert math.isnan(jam.price)


def test_a_product_is_called_by_its_title_else_its_id(catalogue: Catalogue) -> None:
    """A sentence always has a name to say."""
    assert catalogue.title(0) == "Espresso beans"
    assert catalogue.title(9) == "bag"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (CatalogueFilter(), ALL),
        (CatalogueFilter(category_paths=("Drinks > Coffee",)), ["espresso", "filter"]),
        (CatalogueFilter(category_paths=("Drinks",)), ["espresso", "filter", "tea", "punch"]),
        (CatalogueFilter(category_paths=("Household",)), ["soap", "bag"]),
        (CatalogueFilter(category_paths=(" Food>Dairy ",)), ["milk", "butter"]),
        (CatalogueFilter(category_paths=("Drink",)), []),
        (CatalogueFilter(category_paths=("Drinks > Coffee > Beans",)), []),
        (CatalogueFilter(category_paths=("Food > Dairy", "Nowhere")), ["milk", "butter"]),
        (CatalogueFilter(brands=("meadow",)), ["milk", "butter"]),
        (CatalogueFilter(brands=(" LEAF ", "Crumb")), ["tea", "bread", "punch"]),
        (CatalogueFilter(brands=("",)), []),
        (CatalogueFilter(brands=("Alta",), category_paths=("Household",)), ["soap"]),
    ],
)
def test_categories_and_brands(
    catalogue: Catalogue, wanted: CatalogueFilter, expected: list[str]
) -> None:
    """A path takes what is below it, a brand any letter case; both together must hold."""
    assert passing(catalogue, wanted) == expected


@pytest.mark.parametrize(
    ("price_min", "price_max", "expected"),
    [
        (5.20, None, ["espresso", "filter", "punch"]),
        (None, 1.15, ["milk", "bag"]),
        (2.80, 4.00, ["tea", "bread", "soap"]),
        (0, None, [name for name in ALL if name != "jam"]),
        (3.5, 3, []),
    ],
)
def test_price_bounds_are_inclusive(
    catalogue: Catalogue, price_min: float | None, price_max: float | None, expected: list[str]
) -> None:
    """Either bound may be missing, and a product without a price never passes one."""
    wanted = CatalogueFilter(price_min=price_min, price_max=price_max, currency="GBP")
    assert passing(catalogue, wanted) == expected


def test_another_currency_excludes(catalogue: Catalogue) -> None:
    """A price range in a currency that no product has a price in leaves nothing."""
    assert passing(catalogue, CatalogueFilter(price_min=0, currency="EUR")) == []


def test_a_price_without_a_currency_is_in_no_currency(catalogue: Catalogue) -> None:
    """A price of unknown currency does not pass a range in an unknown currency either."""
    unknown = replace(catalogue, currency=np.full(10, MISSING, np.int32))
    assert passing(unknown, CatalogueFilter(price_min=0, currency="EUR")) == []


@pytest.mark.parametrize(
    ("wanted", "restricts"),
    [
        (CatalogueFilter(), False),
        (CatalogueFilter(currency="GBP"), False),
        (CatalogueFilter(brands=("Alta",)), True),
        (CatalogueFilter(category_paths=("Food",)), True),
        (CatalogueFilter(price_min=0), True),
        (CatalogueFilter(price_max=0), True),
    ],
)
def test_a_filter_knows_whether_it_restricts(wanted: CatalogueFilter, *, restricts: bool) -> None:
    """A filter is true when it asks for anything; a bound of 0 does."""
    assert bool(wanted) is restricts


@pytest.mark.parametrize(
    ("now", "available"),
    [
        (1_761_955_199, False),
        (1_761_955_200, True),
        (1_776_211_199.5, True),
        (1_776_211_200, False),
    ],
)
def test_availability_includes_its_start_alone(
    catalogue: Catalogue, now: float, *, available: bool
) -> None:
    """A product is sold from the first second of its window until the one after the last."""
    found = catalogue.available(now)
    assert bool(found[8]) is available
    assert np.delete(found, 8).all()


def test_a_window_anywhere_must_be_checked(catalogue: Catalogue) -> None:
    """Only a catalogue without a single window, at either end, is always available."""
    always_from, always_to = np.full(10, ALWAYS_FROM), np.full(10, ALWAYS_TO)
    assert not catalogue.is_always_available
    assert not replace(catalogue, available_from=always_from).is_always_available
    assert not replace(catalogue, available_to=always_to).is_always_available
    unbounded = replace(catalogue, available_from=always_from, available_to=always_to)
    assert unbounded.is_always_available


def test_a_catalogue_comes_back_from_its_arrays(catalogue: Catalogue) -> None:
    """Every product of the restored catalogue is described as before."""
    restored = Catalogue.from_arrays(catalogue.to_arrays("c"), "c")
    assert [str(restored.product(i)) for i in range(10)] == [
        str(catalogue.product(i)) for i in range(10)
    ]
    assert restored.available_to.tolist() == catalogue.available_to.tolist()


def test_no_titles_at_all(catalogue: Catalogue) -> None:
    """Without a products file every product is called by its id."""
    untitled = replace(catalogue, titles=StringTable.from_strings([""] * 10))
    assert [untitled.title(i) for i in range(10)] == ALL
