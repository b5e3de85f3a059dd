"""EASE against its closed form."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.sources import Memory
from recsvc.core.sparse import SparseRows
from recsvc.errors import SettingsError
from tests.purchases import SMALL, interactions_of, shop_interactions
from training.interactions import Interactions
from training.models import ease
from training.models.ease import fit_ease

ALL = replace(SMALL, ease_regularization=5.0, ease_weights=1_000)


def dense(rows: SparseRows) -> NDArray[np.float64]:
    full = np.zeros((len(rows), len(rows)))
    for index in range(len(rows)):
        items, values = rows.row(index)
        full[index, items] = values
    return full


def purchases(interactions: Interactions) -> NDArray[np.float64]:
    """Customers by products, as the regression weighs them."""
    weights = interactions.lines["weight"].to_numpy()
    values = weights * interactions.decayed(ALL.long_half_life_days)
    return np.log1p(interactions.matrix(values).toarray().astype(np.float64))


def closed_form(matrix: NDArray[np.float64], regularization: float) -> NDArray[np.float64]:
    """Steck's equations 8 and 9."""
    inverse = np.linalg.inv(matrix.T @ matrix + regularization * np.eye(matrix.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.asarray(weights, np.float64)


@pytest.fixture(scope="module")
def shop() -> Interactions:
    return shop_interactions()


@pytest.mark.parametrize("n_customers", [150, 40, 31, 29, 3, 1])
def test_weights_are_those_of_the_closed_form(shop: Interactions, n_customers: int) -> None:
    """However few the customers, and so whichever Gram matrix is inverted."""
    some = shop.select(shop.lines["customer"] < n_customers)

    source = fit_ease(some, ALL)

    expected = closed_form(purchases(some), ALL.ease_regularization)
    np.testing.assert_allclose(dense(source.weights), expected, rtol=2e-3, atol=2e-6)
    assert (source.name, source.memory) == ("ease", Memory.CONFIDENCE)


def test_rows_are_made_block_by_block(shop: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of a block changes nothing, whether it divides the products or not."""
    few = shop.select(shop.lines["customer"] < 20)
    whole = [dense(fit_ease(data, ALL).weights) for data in (shop, few)]

    monkeypatch.setattr(ease, "BLOCK", 7)

    for data, expected in zip((shop, few), whole, strict=True):
        np.testing.assert_allclose(dense(fit_ease(data, ALL).weights), expected, atol=1e-6)


def test_only_the_most_bought_products_take_part(shop: Interactions) -> None:
    """The regression is one among them alone; all other rows and columns are empty."""
    matrix = purchases(shop)
    buyers = (matrix > 0).sum(axis=0)
    kept = np.sort(np.argsort(-buyers, kind="stable")[:12])
    expected = np.zeros((matrix.shape[1],) * 2)
    expected[np.ix_(kept, kept)] = closed_form(matrix[:, kept], ALL.ease_regularization)

    found = dense(fit_ease(shop, replace(ALL, ease_max_items=12)).weights)

    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_only_the_strongest_weights_are_kept(shop: Interactions) -> None:
    """Of each product ``ease_weights``, those furthest from 0."""
    expected = closed_form(purchases(shop), ALL.ease_regularization)

    rows = fit_ease(shop, replace(ALL, ease_weights=4)).weights

    for product, weights in enumerate(np.abs(expected)):
        items, values = rows.row(product)
        assert len(items) == min(4, (weights > 0).sum())
        np.testing.assert_allclose(
            np.sort(np.abs(values)), np.sort(weights)[::-1][: len(items)][::-1], rtol=1e-3
        )


def test_a_regularization_that_is_too_small_is_said_so() -> None:
    """Two products that are always bought together cannot be told apart without one."""
    rows = [
        {"customer_id": f"c{number}", "product_id": product, "day": 1}
        for number in range(9)
        for product in "xy"
    ]

    with pytest.raises(SettingsError, match=r"^ease_regularization: 1e-12 is too small for 9"):
        fit_ease(interactions_of(*rows), replace(ALL, ease_regularization=1e-12))
