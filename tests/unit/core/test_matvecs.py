"""One pass over a matrix for several vectors."""

from typing import Literal

import numpy as np
import pytest

from recsvc.core.matvecs import N_ROWS, matvecs

N_COLUMNS = 24


@pytest.mark.parametrize("n_rows", [0, 1, 5, N_ROWS, N_ROWS + 1, 2 * N_ROWS + 7])
@pytest.mark.parametrize("order", ["F", "C"])
def test_it_is_the_product_whoever_else_asks(n_rows: int, order: Literal["F", "C"]) -> None:
    """Each is the same bit for bit alone and among others, and near what exact arithmetic says."""
    rng = np.random.default_rng(0)
    matrix = np.array(rng.standard_normal((n_rows, N_COLUMNS)), np.float32, order=order)
    vectors = [*rng.standard_normal((9, N_COLUMNS)).astype(np.float32)]

    together = matvecs(matrix, vectors)

    assert len(together) == len(vectors)
    for vector, found in zip(vectors, together, strict=True):
        assert found.dtype == np.float32
        assert np.array_equal(found, matvecs(matrix, [vector])[0])
        exact = matrix.astype(np.float64) @ vector.astype(np.float64)
        np.testing.assert_allclose(found, exact, atol=1e-5)


def test_nobody_asks_for_nothing() -> None:
    """Without vectors there are no products."""
    assert matvecs(np.ones((3, 2), np.float32), []) == []
