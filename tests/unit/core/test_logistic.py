"""A regression that is linear near 0 and logarithmic far from it."""

import numpy as np
import pytest

from recsvc.core.logistic import Logistic


@pytest.fixture
def logistic() -> Logistic:
    """Two features: the first for a product, the second against it."""
    columns = ([-1, 0], [9, 50], [1, 10], [2, -0.5])
    low, high, unit, weights = (np.array(column, np.float32) for column in columns)
    return Logistic(low, high, unit, weights)


def test_features_are_tamed_one_by_one(logistic: Logistic) -> None:
    """Each by its own unit: about linear below it, about logarithmic above."""
    found = logistic.tamed(np.array([[0.01, 0.1], [9, 50]], np.float32))
    assert found[0] == pytest.approx([0.01, 0.01], rel=1e-3)
    assert found[1] == pytest.approx([np.log(2 * 9), np.log(2 * 5)], rel=1e-2)


def test_what_was_never_seen_counts_as_the_outermost(logistic: Logistic) -> None:
    """Values beyond the range are those at its ends."""
    beyond = logistic.predict(np.array([[-70, -1], [1e6, 1e9]], np.float32))
    ends = logistic.predict(np.array([[-1, 0], [9, 50]], np.float32))
    assert beyond.tolist() == ends.tolist()


def test_log_odds_add_up(logistic: Logistic) -> None:
    """The weights times the tamed features, float32, one a row; no row is no answer."""
    found = logistic.predict(np.array([[1, 0], [0, 20], [1, 20]], np.float32))
    one, other = 2 * np.arcsinh(1), -0.5 * np.arcsinh(2)
    assert found == pytest.approx([one, other, one + other])
    assert found.dtype == np.float32
    assert logistic.predict(np.zeros((0, 2), np.float32)).shape == (0,)


def test_it_survives_the_artifact(logistic: Logistic) -> None:
    """Its arrays make the same regression again."""
    read = Logistic.from_arrays(logistic.to_arrays("some.prefix"), "some.prefix")
    rows = np.array([[0.5, 3], [8, -1]], np.float32)
    assert read.predict(rows).tolist() == logistic.predict(rows).tolist()
