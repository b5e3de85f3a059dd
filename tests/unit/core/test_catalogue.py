"""What products are called, which pass a filter, and when they are sold."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Catalogue, CatalogueFilter, Product
from recsvc.core.catalogue_index import CatalogueIndex
from recsvc.core.vocabulary import MISSING, StringTable, Vocabulary
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
        (CatalogueFilter(attributes={"label": ("organic",)}), ["espresso", "tea"]),
        (CatalogueFilter(attributes={"roast": ("dark", "light")}), ["espresso", "filter"]),
        (CatalogueFilter(attributes={"label": ("fair",), "roast": ("light",)}), []),
        (CatalogueFilter(attributes={"label": ("Organic",)}), []),
        (CatalogueFilter(attributes={"colour": ("red",)}), []),
        (CatalogueFilter(attributes={"label": ("fair",)}, brands=("alta",)), ["espresso"]),
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
        (CatalogueFilter(attributes={"roast": ("dark",)}), True),
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


def test_a_catalogue_comes_back_from_its_arrays(catalogue: Catalogue) -> None:
    """Every product of the restored catalogue is described as before."""
    said = [
        Product(product_id="tea", group_id="teas"),
        Product(product_id="bag", is_sensitive=True),
    ]
    catalogue = catalogue.with_products(said)
    restored = Catalogue.from_arrays(catalogue.to_arrays("c"), "c")
    assert [str(restored.product(i)) for i in range(10)] == [
        str(catalogue.product(i)) for i in range(10)
    ]
    assert (restored.product(2).group_id, restored.product(9).is_sensitive) == ("teas", True)
    assert restored.available_to.tolist() == catalogue.available_to.tolist()


def test_a_catalogue_from_before_there_were_attributes_has_none(catalogue: Catalogue) -> None:
    """An artifact of an older release loads as it did."""
    arrays = {n: a for n, a in catalogue.to_arrays("c").items() if "attributes" not in n}
    restored = Catalogue.from_arrays(arrays, "c")
    assert restored.product(0) == replace(catalogue.product(0), attributes={})
    assert passing(restored, CatalogueFilter(attributes={"label": ("organic",)})) == []


def test_a_catalogue_from_before_there_were_variants_has_none(catalogue: Catalogue) -> None:
    """Nor anything sensitive."""
    said = [Product(product_id="tea", group_id="teas", is_sensitive=True)]
    arrays = catalogue.with_products(said).to_arrays("c")
    of_old = {n: a for n, a in arrays.items() if "group" not in n and "sensitive" not in n}
    tea = Catalogue.from_arrays(of_old, "c").product(2)
    assert (tea.group_id, tea.is_sensitive) == ("", False)


def test_no_titles_at_all(catalogue: Catalogue) -> None:
    """Without a products file every product is called by its id."""
    untitled = replace(catalogue, titles=StringTable.from_strings([""] * 10))
    assert [untitled.title(i) for i in range(10)] == ALL


# What is said of products since.


def described(catalogue: Catalogue) -> dict[str, str]:
    """Return every product by its id, as text: NaN is not equal to itself."""
    return {name: str(catalogue.product(i)) for i, name in enumerate(catalogue.items.ids)}


def test_a_product_of_which_nothing_is_known() -> None:
    """Only the id must be given; it is sold at any time, and is not sensitive."""
    product = Product(product_id="x")
    texts = product.title, product.category_path, product.brand, product.currency, product.group_id
    assert texts == ("",) * 5
    assert (product.uri, product.image_uri) == ("", "")
    assert math.isnan(product.price)
    assert (product.available_from, product.available_to) == (ALWAYS_FROM, ALWAYS_TO)
    assert (dict(product.titles), dict(product.attributes)) == ({}, {})
    assert not product.is_sensitive


def test_a_window_is_part_of_the_description(catalogue: Catalogue) -> None:
    """Punch tells when it is sold."""
    punch = catalogue.product(8)
    assert (punch.available_from, punch.available_to) == (1_761_955_200, 1_776_211_200)


def test_products_are_replaced_and_added(catalogue: Catalogue) -> None:
    """Those that are known keep their index, others come after them in their order."""
    before = described(catalogue)
    said = [
        Product(
            product_id="oat",
            title="Oat drink",
            category_path="Food > Plant",
            brand="Oatly",
            price=1.95,
            currency="EUR",
            available_from=100,
            available_to=200,
            group_id="oats",
        ),
        Product(
            product_id="tea",
            title="Grüner Tee aus Japan",
            category_path="Food > Plant",
            brand="Alta",
            price=4.0,
            currency="USD",
            available_to=300,
            group_id="oats",
            is_sensitive=True,
        ),
        Product(product_id="espresso"),
        Product(product_id="nothing"),
        Product(product_id="bag", title="Bag", category_path="Food > Dairy", price=0.2),
    ]
    changed = catalogue.with_products(said)
    ids = [*ALL, "oat", "nothing"]
    assert len(changed) == 12
    assert list(changed.items.ids) == ids
    assert [changed.items.index(name) for name in ids] == list(range(12))
    expected = before | {product.product_id: str(product) for product in said}
    assert described(changed) == expected
    assert described(catalogue) == before
    assert len(catalogue) == 10
    assert changed.category.dtype == np.int32
    assert changed.price.dtype == np.float64
    assert changed.available_from.dtype == np.int64
    assert changed.available_to.dtype == np.int64


def test_names_are_coded_once(catalogue: Catalogue) -> None:
    """A name that two new products share is one, a known one keeps its code, and "" has none."""
    said = [Product(product_id=f"p{i}", brand=b) for i, b in enumerate(["New", "Alta", "", "New"])]
    changed = catalogue.with_products(said)
    assert list(changed.brands.ids) == [*catalogue.brands.ids, "New"]
    alta, new = catalogue.brands.index("Alta"), len(catalogue.brands)
    assert changed.brand[10:].tolist() == [new, alta, MISSING, new]
    assert changed.category[10:].tolist() == changed.currency[10:].tolist() == [MISSING] * 4
    assert list(changed.categories.ids) == list(catalogue.categories.ids)


def test_said_again_it_is_replaced(catalogue: Catalogue) -> None:
    """A product that was added is known from then on; the last word counts."""
    first = Product(product_id="oat", title="Oat", price=1)
    changed = catalogue.with_products([first]).with_products([replace(first, title="", price=2)])
    assert len(changed) == 11
    assert changed.title(10) == "oat"
    assert changed.price[10] == 2


def test_nothing_said_changes_nothing(catalogue: Catalogue) -> None:
    """No products leave a catalogue as it is."""
    assert described(catalogue.with_products([])) == described(catalogue)


def test_what_was_said_is_asked_for(catalogue: Catalogue) -> None:
    """Filters and windows hold for what was added and for what was replaced."""
    changed = catalogue.with_products(
        [
            Product(product_id="oat", category_path="Food>Dairy", brand="MEADOW", available_to=9),
            Product(product_id="butter", category_path="Food > Spreads", available_from=9),
        ]
    )
    assert passing(changed, CatalogueFilter(category_paths=("Food > Dairy",))) == ["milk", "oat"]
    assert passing(changed, CatalogueFilter(category_paths=("Food > Spreads",))) == [
        "butter",
        "jam",
    ]
    assert passing(changed, CatalogueFilter(brands=("meadow",))) == ["milk", "oat"]
    assert changed.available(8)[[3, 4, 10]].tolist() == [True, False, True]
    assert changed.available(9)[[3, 4, 10]].tolist() == [True, True, False]


class Prices(NamedTuple):
    """What products cost at a store."""

    price: NDArray[np.float64]
    currency: NDArray[np.int32]
    currencies: Vocabulary


def test_other_prices_may_hold(catalogue: Catalogue) -> None:
    """A bound is asked of the prices given alone, categories and brands of the catalogue."""
    price, currency = np.full(10, np.nan), np.zeros(10, np.int32)
    price[[1, 3, 6, 7]] = [9.0, 2.0, 2.0, 2.0]
    currency[7] = MISSING
    there = Prices(price, currency, catalogue.currencies)
    index = CatalogueIndex.of(catalogue)
    assert list(catalogue.currencies.ids) == ["GBP"]
    for wanted, expected in (
        (CatalogueFilter(price_max=2, currency="GBP"), [3, 6]),
        (CatalogueFilter(price_min=3, currency="GBP"), [1]),
        (CatalogueFilter(price_min=0, currency="EUR"), []),
        (CatalogueFilter(price_min=0, currency="GBP", brands=("Meadow", "Alta")), [1, 3]),
        (CatalogueFilter(brands=("Meadow",)), [3, 4]),
    ):
        assert np.flatnonzero(index.matching(wanted, there)).tolist() == expected
