"""Matrix factors, against implicit itself."""

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from recsvc.core.factors import Factors
from tests.purchases import SMALL, shop_interactions
from training.interactions import Interactions
from training.models.als import as_factors, fit_als
from training.models.histories import fit_histories

REGULARIZATION = 2.0


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    return shop_interactions()


@pytest.fixture(scope="module")
def factors(interactions: Interactions) -> Factors:
    with threadpool_limits(1, "blas"):
        return fit_als(interactions, SMALL, REGULARIZATION)


def test_factors_have_the_shape_that_ranking_wants(
    interactions: Interactions, factors: Factors
) -> None:
    """One row a product in Fortran order, and the regularised Gram matrix of just these."""
    items = factors.items.astype(np.float64)

    assert factors.items.shape == (len(interactions.items), SMALL.n_factors)
    assert factors.items.flags.f_contiguous
    assert factors.alpha == SMALL.als_alpha
    gram = items.T @ items + REGULARIZATION * np.eye(SMALL.n_factors)
    np.testing.assert_allclose(factors.gram, gram, rtol=1e-4, atol=1e-4)


def test_folding_in_gives_the_user_that_implicit_fits(
    interactions: Interactions, factors: Factors
) -> None:
    """A profile's folded-in factors are what implicit computes for the row it trained on."""
    lines = interactions.lines
    values = lines["weight"].to_numpy() * interactions.decayed(SMALL.long_half_life_days)
    rows = csr_matrix(interactions.matrix(values).log1p())
    judge = _untrained(factors.items)
    histories = fit_histories(interactions, SMALL)

    for customer in (0, 17, 149):
        expected = judge.recalculate_user(customer, rows[customer])
        folded_in = factors.user(histories.profile(customer))
        # implicit takes a few conjugate-gradient steps, fold-in solves exactly.
        np.testing.assert_allclose(folded_in, expected, rtol=0.02, atol=0.005)


def test_the_same_seed_gives_the_same_factors(interactions: Interactions) -> None:
    """Two fits of one seed are equal to the last bit, another seed's differ."""
    with threadpool_limits(1, "blas"):
        first, second = (fit_als(interactions, SMALL, 1.0) for _ in range(2))
        other = fit_als(interactions, type(SMALL)(seed=5, n_factors=8, als_iterations=3), 1.0)

    np.testing.assert_array_equal(first.items, second.items)
    np.testing.assert_array_equal(first.gram, second.gram)
    assert not np.array_equal(first.items, other.items)


def test_the_gram_matrix_holds_the_regularization() -> None:
    """The regularization is on the diagonal, once."""
    factors = as_factors(np.array([[1, 0], [2, 1]], np.float32), 0.5, 3.0)

    assert factors.gram.tolist() == [[5.5, 2], [2, 1.5]]
    assert factors.alpha == 3.0


def _untrained(items: NDArray[np.float32]) -> AlternatingLeastSquares:
    """Implicit's model around finished item factors."""
    model = AlternatingLeastSquares(
        factors=items.shape[1],
        regularization=REGULARIZATION,
        alpha=SMALL.als_alpha,
        num_threads=1,
    )
    model.item_factors = np.ascontiguousarray(items)
    return model
