"""The spectral method against a dense singular value decomposition."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from recsvc.core.sources import Memory
from tests.purchases import SMALL, interactions_of, shop_interactions
from training.interactions import Interactions
from training.models import spectral
from training.models.spectral import fit_spectral


def normalised(interactions: Interactions) -> NDArray[np.float64]:
    """Customers by products, 1 for what was bought, scaled by the roots of both sides' numbers."""
    ones = np.ones(interactions.lines.height, np.float32)
    bought = (interactions.matrix(ones).toarray() > 0).astype(np.float64)
    of_customers, of_items = bought.sum(axis=1), bought.sum(axis=0)
    scaled = bought / np.sqrt(np.maximum(of_customers, 1))[:, None]
    return np.asarray(scaled / np.sqrt(np.maximum(of_items, 1)), np.float64)


def projector(interactions: Interactions, n_vectors: int) -> NDArray[np.float64]:
    """On the leading right singular vectors; the same whatever their signs."""
    _, values, rows = np.linalg.svd(normalised(interactions), full_matrices=False)
    kept = rows[:n_vectors][values[:n_vectors] > 1e-6]
    return np.asarray(kept.T @ kept, np.float64)


@pytest.fixture(scope="module")
def shop() -> Interactions:
    return shop_interactions()


@pytest.mark.parametrize("n_vectors", [1, 8, 24, 25, 60, 400])
@pytest.mark.parametrize("n_customers", [25, 150])
def test_vectors_span_what_a_dense_decomposition_finds(
    shop: Interactions, n_vectors: int, n_customers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orthonormal, the leading ones, and never more than there are patterns."""
    data = shop.select(pl.col("customer") < n_customers)
    monkeypatch.setattr(spectral, "CUSTOMERS_A_VECTOR", 1)

    source = fit_spectral(data, replace(SMALL, n_vectors=n_vectors))

    vectors = source.vectors
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(vectors.shape[1]), atol=1e-5)
    np.testing.assert_allclose(vectors @ vectors.T, projector(data, n_vectors), atol=1e-5)
    assert vectors.flags.f_contiguous
    assert vectors.dtype == np.float32
    assert source.memory is Memory.PRESENCE


@pytest.mark.parametrize(("n_customers", "n_vectors"), [(25, 8), (100, 10), (150, 12)])
def test_few_customers_have_few_vectors(
    shop: Interactions, n_customers: int, n_vectors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for so many of them, a few at least, and no more than are asked for."""
    data = shop.select(pl.col("customer") < n_customers)
    monkeypatch.setattr(spectral, "CUSTOMERS_A_VECTOR", 10)

    assert fit_spectral(data, replace(SMALL, n_vectors=12)).vectors.shape[1] == n_vectors


@pytest.mark.parametrize("n_customers", [25, 150])
def test_the_sparse_solver_finds_the_same(
    shop: Interactions, n_customers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the size of a dense solver the vectors are as good, and the same for a seed."""
    data = shop.select(pl.col("customer") < n_customers)
    monkeypatch.setattr(spectral, "MAX_DENSE", 0)

    first, second = (fit_spectral(data, replace(SMALL, n_vectors=5)) for _ in range(2))

    vectors = first.vectors
    np.testing.assert_array_equal(vectors, second.vectors)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=1e-5)
    np.testing.assert_allclose(vectors @ vectors.T, projector(data, 5), atol=1e-3)


def test_the_scale_is_the_root_of_the_buyers() -> None:
    """A product counts its buyers once each; one that nobody bought in the window counts 1."""
    rows = [
        {"customer_id": customer, "product_id": product, "day": day}
        for day, (customer, product) in enumerate([*zip("aabc", "xxxx", strict=True), ("a", "y")])
    ]
    late = {"customer_id": "d", "product_id": "z", "day": 9}
    interactions = interactions_of(*rows, late)
    window = interactions.select(interactions.lines["time"] < interactions.end)

    source = fit_spectral(window, SMALL)

    assert source.scale.tolist() == pytest.approx([3**0.5, 1, 1])
    assert source.vectors[2].tolist() == [0] * source.vectors.shape[1]


def test_one_product_for_all_is_one_pattern() -> None:
    """The largest singular value is 1, and so is the vector of the only product."""
    rows = [{"customer_id": f"c{n}", "product_id": "x", "day": n} for n in range(4)]

    assert np.abs(fit_spectral(interactions_of(*rows), SMALL).vectors).tolist() == [
        [pytest.approx(1)]
    ]
