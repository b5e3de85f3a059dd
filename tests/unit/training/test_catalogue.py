"""The catalogue snapshot of what was bought."""

import json
from datetime import UTC, datetime
from math import isnan

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO
from recsvc.core.vocabulary import MISSING
from tests.purchases import interactions_of, products_of
from training.interactions import Interactions
from training.models.catalogue import MAX_VALUE_BYTES, fit_catalogue

AUTUMN = datetime(2025, 9, 1, tzinfo=UTC)


def bought(*products: str) -> Interactions:
    return interactions_of(*({"customer_id": "a", "product_id": p} for p in products))


def test_the_file_describes_what_was_bought() -> None:
    """Every bought product has its row's fields; products that nobody bought are left out."""
    catalogue = fit_catalogue(
        bought("jam", "tea"),
        products_of(
            [
                {"product_id": "cake", "title": "Cake", "brand": "Zest"},
                {
                    "product_id": "tea",
                    "title": "Green tea",
                    "category_path": "Drinks > Tea",
                    "brand": "Leaf",
                    "price": 3.1,
                    "currency": "GBP",
                    "available_from": AUTUMN,
                },
            ]
        ),
    )

    assert len(catalogue) == 2
    tea = catalogue.product(1)
    assert (tea.product_id, tea.title, tea.category_path) == ("tea", "Green tea", "Drinks > Tea")
    assert (tea.brand, tea.price, tea.currency) == ("Leaf", 3.1, "GBP")
    assert catalogue.brands.index("Zest") == MISSING
    assert catalogue.available_from.tolist() == [ALWAYS_FROM, AUTUMN.timestamp()]
    assert catalogue.available_to.tolist() == [ALWAYS_TO, ALWAYS_TO]


def test_what_the_file_does_not_say_is_unknown() -> None:
    """A product without a row has no title, no price and is always available."""
    for products in (None, products_of([{"product_id": "other", "title": "Other"}])):
        jam = fit_catalogue(bought("jam"), products).product(0)

        assert (jam.product_id, jam.title, jam.category_path, jam.brand) == ("jam", "", "", "")
        assert isnan(jam.price)
        assert jam.currency == ""


def test_without_a_file_everything_may_be_sold() -> None:
    """Availability is only limited by a file."""
    catalogue = fit_catalogue(bought("a", "b"), None)
    assert not len(Assortment.learnt(catalogue).turns)


def test_variants_and_what_is_sensitive_are_kept() -> None:
    """What the file does not say is neither."""
    catalogue = fit_catalogue(
        bought("jam", "tea", "test"),
        products_of(
            [
                {"product_id": "tea", "group_id": "teas"},
                {"product_id": "test", "group_id": "tests", "sensitive": True},
            ]
        ),
    )

    found = [catalogue.product(item) for item in range(3)]
    assert [product.group_id for product in found] == ["", "teas", "tests"]
    assert [product.is_sensitive for product in found] == [False, False, True]


def test_other_columns_are_attributes() -> None:
    """What read_products gathered as a JSON object; texts are too long to be asked for."""
    described = {"colour": "grün", "story": "x" * (MAX_VALUE_BYTES + 1)}
    products = products_of([{"product_id": "tea", "attributes": json.dumps(described)}])
    catalogue = fit_catalogue(bought("jam", "tea"), products)
    assert [dict(catalogue.product(i).attributes) for i in range(2)] == [{}, {"colour": ("grün",)}]
