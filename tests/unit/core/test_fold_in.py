"""A user's factors against numpy's solver and against implicit."""

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from recsvc.core.fold_in import fold_in

REGULARIZATION = 0.3


@pytest.fixture
def factors() -> NDArray[np.float32]:
    """Nine items in three factors."""
    return np.random.default_rng(5).normal(size=(9, 3)).astype(np.float32)


def gram_of(factors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the regularised Gram matrix."""
    return factors.T @ factors + np.float32(REGULARIZATION) * np.eye(3, dtype=np.float32)


def test_the_normal_equations_are_solved(factors: NDArray[np.float32]) -> None:
    """The solution is that of ``(Y'CY + λI) x = Y'Cp`` with every item written out."""
    items, confidence = np.array([1, 4, 8], np.int32), np.array([2, 0.5, 7], np.float32)
    weights, preference = np.ones(9), np.zeros(9)
    weights[items], preference[items] = confidence, confidence
    left = factors.T @ np.diag(weights) @ factors + REGULARIZATION * np.eye(3)
    expected = np.linalg.solve(left, factors.T @ preference)
    found = fold_in(factors, gram_of(factors), items, confidence)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)


def test_it_agrees_with_implicit() -> None:
    """A user who was fitted is folded in to what implicit recalculates for them."""
    rng = np.random.default_rng(3)
    dense = rng.integers(0, 4, (12, 9)) * (rng.random((12, 9)) < 0.4)
    matrix = csr_matrix(dense.astype(np.float32))
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=3, alpha=2.5, regularization=REGULARIZATION, random_state=0, num_threads=1
        )
        model.fit(matrix, show_progress=False)
        expected = model.recalculate_user(np.arange(12), matrix)
    for user in range(12):
        seen = np.flatnonzero(dense[user]).astype(np.int32)
        confidence = (2.5 * dense[user, seen]).astype(np.float32)
        found = fold_in(model.item_factors, gram_of(model.item_factors), seen, confidence)
        assert np.allclose(found, expected[user], atol=1e-4)


def test_nobody_has_no_factors(factors: NDArray[np.float32]) -> None:
    """A user without interactions is all zeros."""
    nothing = np.zeros(0, np.float32)
    found = fold_in(factors, gram_of(factors), np.zeros(0, np.int32), nothing)
    assert found.tolist() == [0, 0, 0]


def test_an_indefinite_system_is_still_answered() -> None:
    """Where Cholesky fails by rounding, the least-squares solution is taken."""
    factors = np.array([[1, 0], [0, 1]], np.float32)
    gram = np.array([[0.5, 0], [0, 1]], np.float32)  # less than the items' own products
    items, confidence = np.array([0], np.int32), np.array([0.25], np.float32)
    # (0.5 + 0.25 - 1) x = 0.25
    assert fold_in(factors, gram, items, confidence).tolist() == [-1, 0]
