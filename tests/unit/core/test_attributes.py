"""Attributes of products: values by name."""

from collections.abc import Sequence

import numpy as np
import pytest

from recsvc.core.attributes import Attributes, Values

SHIRT = {"colour": ("red", "white"), "size": ("S",)}
SOCK = {"colour": ("white",)}
PLAIN: Values = {}


def found(attributes: Attributes, name: str, *values: str) -> list[int]:
    return np.flatnonzero(attributes.having_any(name, values)).tolist()


def at(*items: int) -> np.ndarray:
    return np.array(items, np.int32)


def all_of(attributes: Attributes) -> list[Values]:
    return [attributes.of_item(item) for item in range(len(attributes))]


@pytest.fixture
def attributes() -> Attributes:
    return Attributes.of([SHIRT, PLAIN, SOCK])


def test_products_have_what_was_said(attributes: Attributes) -> None:
    """By product all values, and by value all products."""
    assert all_of(attributes) == [SHIRT, PLAIN, SOCK]
    assert found(attributes, "colour", "white") == [0, 2]
    assert found(attributes, "colour", "red", "S") == [0]
    assert attributes.names == {"colour", "size"}


@pytest.mark.parametrize("name", ["weight", "Colour", "colour red", ""])
def test_names_and_values_are_compared_byte_by_byte(attributes: Attributes, name: str) -> None:
    """Nothing has an attribute that nobody gave it."""
    assert found(attributes, name, "red", "white") == []
    assert found(attributes, "colour", "White", "") == []


def test_a_value_said_twice_counts_once() -> None:
    """And its order is kept."""
    assert all_of(Attributes.of([{"colour": ("red", "red", "blue")}])) == [
        {"colour": ("red", "blue")}
    ]


@pytest.mark.parametrize(
    ("items", "values", "expected"),
    [
        ((1,), [SOCK], [SHIRT, SOCK, SOCK]),
        ((0,), [PLAIN], [PLAIN, PLAIN, SOCK]),
        ((3,), [{"fit": ("slim",)}], [SHIRT, PLAIN, SOCK, {"fit": ("slim",)}]),
        ((4, 2), [SOCK, SHIRT], [SHIRT, PLAIN, SHIRT, PLAIN, SOCK]),
        ((3,), [PLAIN], [SHIRT, PLAIN, SOCK, PLAIN]),
        ((), [], [SHIRT, PLAIN, SOCK]),
    ],
)
def test_products_are_replaced_and_added(
    attributes: Attributes, items: Sequence[int], values: list[Values], expected: list[Values]
) -> None:
    """What was said before of a product is gone; the others keep theirs."""
    after = attributes.replaced(at(*items), values)
    assert all_of(after) == expected
    assert all_of(attributes) == [SHIRT, PLAIN, SOCK]
    for name, value in [("colour", "white"), ("size", "S"), ("fit", "slim")]:
        having = [i for i, each in enumerate(expected) if value in each.get(name, ())]
        assert found(after, name, value) == having


def test_they_come_back_from_their_arrays(attributes: Attributes) -> None:
    """And an artifact from before there were any has none."""
    restored = Attributes.from_arrays(attributes.to_arrays("a"), "a", 3)
    assert all_of(restored) == all_of(attributes)
    assert found(restored, "size", "S") == [0]
    assert all_of(Attributes.from_arrays({}, "a", 2)) == [PLAIN, PLAIN]
