"""Which products are alike in what they are: words, their rarity, and the cosine."""

from collections.abc import Collection
from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest

from recsvc.core.catalogue import Catalogue, Product
from recsvc.core.content import N_NEAR, Content, _words
from recsvc.core.vocabulary import MISSING, StringTable, Vocabulary
from tests.samples import tiny_model

WORDS = {
    "espresso": {"c|Drinks", "c|Drinks > Coffee", "b|alta", "espresso", "beans"},
    "filter": {"c|Drinks", "c|Drinks > Coffee", "b|alta", "filter", "coffee"},
    "tea": {"c|Drinks", "c|Drinks > Tea", "b|leaf", "green", "tea"},
    "milk": {"c|Food", "c|Food > Dairy", "b|meadow", "whole", "milk"},
    "butter": {"c|Food", "c|Food > Dairy", "b|meadow", "salted", "butter"},
    "bread": {"c|Food", "c|Food > Bakery", "b|crumb", "rye", "bread"},
    "jam": {"c|Food", "c|Food > Spreads", "plum", "jam"},
    "soap": {"c|Household", "c|Household > Soap", "b|alta", "olive", "soap"},
    "punch": {"c|Drinks", "c|Drinks > Punch", "b|crumb", "winter", "punch"},
    "bag": {"c|Household"},
}
"""The words of the small model's products, read off by hand."""


@pytest.fixture
def catalogue() -> Catalogue:
    """Ten products."""
    return tiny_model().catalogue


def rarity(word: str) -> float:
    """Return what a word weighs among the ten products."""
    return log(11 / (sum(word in words for words in WORDS.values()) + 1))


def length(words: Collection[str]) -> float:
    """Return the length of a product's weights."""
    return sqrt(sum(rarity(word) ** 2 for word in words))


def likeness(known: Collection[str]) -> dict[str, float]:
    """Return the positive cosines of every product with these words, by its id."""
    cosines = {
        name: sum(rarity(word) ** 2 for word in words & set(known)) / length(words) / length(known)
        for name, words in WORDS.items()
    }
    return {name: cosine for name, cosine in cosines.items() if cosine > 0}


def near(catalogue: Catalogue, product: Product, limit: int = N_NEAR) -> dict[str, float]:
    """Return the ids of the nearest products in the order of the row, and how near they are."""
    found = Content.of(catalogue, len(catalogue)).nearest([product], limit)
    items, cosines = found.row(0)
    assert len(found) == 1
    assert items.dtype == np.int32
    assert cosines.dtype == np.float32
    return dict(zip(catalogue.items.ids.take(items), cosines.tolist(), strict=True))


def test_words_are_categories_brand_and_title(catalogue: Catalogue) -> None:
    """Each category above the own one is a word; letter case and single letters are none."""
    content = Content.of(catalogue, len(catalogue))
    assert set(content.words) == set.union(*WORDS.values())
    assert sorted(content.words.values()) == list(range(len(content.words)))
    assert content.n_products == 10
    expected = {word: rarity(word) for word in content.words}
    found = {word: float(content.rarity[at]) for word, at in content.words.items()}
    assert found == pytest.approx(expected)


def test_words_of_shared_names_are_those_of_each_product(catalogue: Catalogue) -> None:
    """Split once or for each product: the same words in the same order, of the same weight."""
    rng = np.random.default_rng(5)
    paths = ["", "Drinks", "Drinks > Tea", " Drinks>Tea", "Food > Dairy > Milk", "Food"]
    brands, titles = ["", "Alta", "ALTA", "Leaf"], ["", "Green tea", "TEA, green tea", "Rye", "b"]
    products = [
        Product(
            product_id=f"p{i}",
            title=titles[rng.integers(len(titles))],
            category_path=paths[rng.integers(len(paths))],
            brand=brands[rng.integers(len(brands))],
        )
        for i in range(60)
    ]
    newcomer = Product(product_id="new", title="Vinyl record", category_path="Music", brand="Blue")
    catalogue = catalogue.with_products([*products, newcomer])
    n = len(catalogue) - 1  # of the last one no word counts
    words: dict[str, int] = {}
    said = [
        {words.setdefault(word, len(words)) for word in _words(catalogue.product(item))}
        for item in range(n)
    ]
    expected = np.zeros((len(words), n), np.float32)
    for item, known in enumerate(said):
        expected[sorted(known), item] = 1
    rarity = np.log((n + 1) / (expected.sum(axis=1, dtype=np.int64) + 1)).astype(np.float32)
    expected *= rarity[:, None]
    expected /= np.maximum(np.sqrt((expected**2).sum(axis=0)), np.float32(1e-6))
    content = Content.of(catalogue, n)
    assert list(content.words.items()) == list(words.items())
    assert "vinyl" not in content.words
    assert content.rarity.tolist() == rarity.tolist()
    assert content.products.shape == (len(words), n)
    assert content.products.toarray() == pytest.approx(expected, rel=1e-6)


def test_products_are_compared_by_the_cosine(catalogue: Catalogue) -> None:
    """Another tea of another brand is above all like tea, and a little like other drinks."""
    oolong = Product(
        product_id="oolong", title="Oolong TEA x", category_path=" Drinks>Tea ", brand="Alta"
    )
    expected = likeness({"c|Drinks", "c|Drinks > Tea", "b|alta", "oolong", "tea"})
    assert set(expected) == {"espresso", "filter", "tea", "soap", "punch"}
    found = near(catalogue, oolong)
    assert found == pytest.approx(expected)
    assert list(found) == ["espresso", "filter", "tea", "soap", "punch"]


def test_a_word_said_twice_is_one(catalogue: Catalogue) -> None:
    """A title does not weigh more for what it repeats, neither the known one nor the new."""
    twice = Product(product_id="new", title="Butter, salted butter", category_path="Food")
    assert near(catalogue, twice) == pytest.approx(likeness({"c|Food", "butter", "salted"}))
    repeated = catalogue.with_products(
        [replace(catalogue.product(4), title="Butter salted BUTTER")]
    )
    assert near(repeated, twice) == pytest.approx(near(catalogue, twice))


def test_a_copy_is_wholly_alike(catalogue: Catalogue) -> None:
    """A product with another's words has the likeness 1 to it and less to all others."""
    found = near(catalogue, replace(catalogue.product(7), product_id="copy", brand="alta"))
    assert found.pop("soap") == pytest.approx(1)
    assert set(found) == {"espresso", "filter", "bag"}
    assert max(found.values()) < 0.6


@pytest.mark.parametrize(
    ("limit", "expected"), [(0, []), (1, ["milk"]), (2, ["milk", "butter"]), (4, None)]
)
def test_the_nearest_are_taken(
    catalogue: Catalogue, limit: int, expected: list[str] | None
) -> None:
    """Of the four foods that are like it the most alike, by the order of the catalogue."""
    milk = Product(product_id="oat", title="Oat milk", category_path="Food > Dairy", brand="MEADOW")
    expected = ["milk", "butter", "bread", "jam"] if expected is None else expected
    assert list(near(catalogue, milk, limit)) == expected


@pytest.mark.parametrize(
    "product",
    [
        Product(product_id="milk"),
        Product(product_id="new", title="Vinyl record", category_path="Music", brand="Blue"),
        Product(product_id="new", title="- & b", category_path="Coffee"),
    ],
)
def test_what_has_no_word_in_common_is_like_nothing(catalogue: Catalogue, product: Product) -> None:
    """Unknown words, an id, and a category of another place say nothing."""
    assert near(catalogue, product) == {}


def test_a_word_of_all_products_says_nothing(catalogue: Catalogue) -> None:
    """Where every product is of one brand, the brand makes none alike."""
    alike = catalogue.with_products([replace(catalogue.product(i), brand="One") for i in range(10)])
    assert Content.of(alike, len(alike)).rarity[Content.of(alike, len(alike)).words["b|one"]] == 0
    assert near(alike, Product(product_id="new", brand="One")) == {}


def test_each_product_has_its_row(catalogue: Catalogue) -> None:
    """Rows come in the order of the question, and one that is like nothing has an empty one."""
    asked = [
        Product(product_id="a", title="Soap"),
        Product(product_id="b"),
        Product(product_id="c", title="Rye"),
    ]
    found = Content.of(catalogue, len(catalogue)).nearest(asked)
    assert [found.row(i)[0].tolist() for i in range(len(found))] == [[7], [], [5]]
    assert len(Content.of(catalogue, len(catalogue)).nearest([])) == 0


def test_a_catalogue_without_words(catalogue: Catalogue) -> None:
    """Where nothing is known of any product, nothing is like anything."""
    none, unknown = Vocabulary.from_ids([]), np.full(10, MISSING, np.int32)
    bare = replace(
        catalogue,
        titles=StringTable.from_strings([""] * 10),
        categories=none,
        category=unknown,
        brands=none,
        brand=unknown,
    )
    assert near(bare, catalogue.product(0)) == {}
