"""Standardising, weighing and ordering of scores."""

import numpy as np
import pytest

from recsvc.core.ranking import best_first, scale_of, standardise


def test_columns_get_mean_0_and_deviation_1() -> None:
    """Each column is centred and scaled by itself."""
    scores = np.array([[1, 100], [3, 300]], np.float32)
    assert standardise(scores).tolist() == [[-1, -1], [1, 1]]


def test_a_constant_column_says_nothing() -> None:
    """A column of one value becomes 0, be the value 0, large or negative."""
    scores = np.array([[0, 1e6, -7, 1], [0, 1e6, -7, 2]], np.float32)
    assert standardise(scores).tolist() == [[0, 0, 0, -1], [0, 0, 0, 1]]


def test_rounding_is_no_deviation() -> None:
    """A column that varies in its last bit alone counts as constant."""
    one = np.float32(0.1)
    scores = np.array([[one], [np.nextafter(one, np.float32(1))], [one]], np.float32)
    assert standardise(scores).tolist() == [[0], [0], [0]]


def test_small_scores_are_no_constant() -> None:
    """Scores of any scale are told apart."""
    scores = np.array([[1e-9], [3e-9]], np.float32)
    assert np.allclose(standardise(scores), [[-1], [1]])


def test_one_candidate_has_nothing_to_stand_out_from() -> None:
    """A single row is constant in every column."""
    assert standardise(np.array([[3, -2]], np.float32)).tolist() == [[0, 0]]


def test_no_candidates() -> None:
    """An empty list of candidates is standardised to an empty one, without a warning."""
    assert standardise(np.zeros((0, 3), np.float32)).shape == (0, 3)


def test_standardising_leaves_its_input_alone() -> None:
    """The scores that were given are not written to."""
    scores = np.array([[1, 5], [3, 5]], np.float32)
    standardise(scores)
    assert scores.tolist() == [[1, 5], [3, 5]]


def test_the_scale_is_mean_and_deviation() -> None:
    """Of every column; a constant one's deviation is infinite, whatever is divided by it."""
    scores = np.array([[1, 100, 7], [3, 300, 7]], np.float32)
    mean, deviation = scale_of(scores)
    assert mean.tolist() == [2, 200, 7]
    assert deviation.tolist() == [1, 100, np.inf]
    assert mean.dtype == deviation.dtype == np.float32
    assert scores.tolist() == [[1, 100, 7], [3, 300, 7]]


def test_no_scores_have_no_scale() -> None:
    """A mean of nothing is an error, not a warning and NaN."""
    with pytest.raises(ValueError, match="no scores"):
        scale_of(np.zeros((0, 2), np.float32))


def test_best_first_by_score() -> None:
    """Positions come by falling score."""
    scores = np.array([0.1, 0.9, -1, 0.5], np.float32)
    assert best_first(scores, []).tolist() == [1, 3, 0, 2]


def test_ties_go_by_the_breakers_in_their_order() -> None:
    """Equal scores go by the first breaker, then the second, both rising."""
    scores = np.array([1, 1, 2, 1], np.float32)
    first, second = np.array([5, 3, 9, 3]), np.array([0, 8, 0, 7])
    assert best_first(scores, [first, second]).tolist() == [2, 3, 1, 0]


def test_best_first_of_nothing() -> None:
    """No scores, no positions."""
    assert best_first(np.zeros(0, np.float32), [np.zeros(0)]).tolist() == []
