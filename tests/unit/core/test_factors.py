"""Matrix factors: users, cosines and what a score is made of."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core import factors as module
from recsvc.core.factors import Factors
from recsvc.core.histories import NO_HISTORY, Profile

N_ITEMS = 10
ALPHA = 4.0
REGULARIZATION = 0.3


@pytest.fixture
def items() -> NDArray[np.float32]:
    """Ten products in four factors; the last one was never bought."""
    drawn = np.random.default_rng(2).normal(size=(N_ITEMS, 4)).astype(np.float32)
    drawn[9] = 0
    return np.asfortranarray(drawn)


@pytest.fixture
def factors(items: NDArray[np.float32]) -> Factors:
    """The same regularization for everybody."""
    return Factors(items, items.T @ items, ALPHA, REGULARIZATION)


@pytest.fixture
def anna() -> Profile:
    """A customer of three products."""
    return profile([1, 4, 8], [0.4, 2.5, 1.0])


def profile(items: list[int], weights: list[float]) -> Profile:
    """What is known of a customer; only items and weights count here."""
    weight = np.array(weights, np.float32)
    moments = np.zeros(len(items), np.int64)
    bought = np.ones(len(items), np.int32)
    return Profile(
        np.array(items, np.int32), weight, weight, weight, bought, moments, moments, weight
    )


def solved(factors: Factors, customer: Profile, regularization: float) -> NDArray[np.float64]:
    """The user's normal equations with every product written out."""
    weights, preference = np.ones(N_ITEMS), np.zeros(N_ITEMS)
    weights[customer.items] = preference[customer.items] = ALPHA * np.log1p(customer.weight)
    items = factors.items.astype(np.float64)
    left = items.T @ np.diag(weights) @ items + regularization * np.eye(items.shape[1])
    return np.asarray(np.linalg.solve(left, items.T @ preference), np.float64)


def test_a_user_is_folded_in_with_the_confidence_of_training(
    factors: Factors, anna: Profile
) -> None:
    """Confidence is alpha times the logarithm of 1 + the decayed weight."""
    expected = solved(factors, anna, REGULARIZATION)
    assert np.allclose(factors.user(anna), expected, atol=1e-5)


def test_regularization_grows_with_what_is_known(items: NDArray[np.float32], anna: Profile) -> None:
    """A user with more products than the mean one is regularised more, by a power of both."""
    factors = Factors(
        items,
        items.T @ items,
        ALPHA,
        REGULARIZATION,
        exponent=0.5,
        offset=2.5,
        mean_count=4.0,
    )
    expected = solved(factors, anna, REGULARIZATION * (5.5 / 4) ** 0.5)
    assert np.allclose(factors.user(anna), expected, atol=1e-5)


def test_folding_in_leaves_the_gram_matrix_alone(factors: Factors, anna: Profile) -> None:
    """A second customer gets the same answer as the first would have."""
    before = factors.gram.copy()
    first, second = factors.user(anna), factors.user(anna)
    assert np.array_equal(first, second)
    assert np.array_equal(factors.gram, before)


def test_an_empty_profile_has_no_taste(factors: Factors) -> None:
    """Without purchases every factor is 0."""
    assert factors.user(NO_HISTORY).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_contributions_add_up_to_the_score(
    items: NDArray[np.float32], anna: Profile, exponent: float
) -> None:
    """What the own products contribute to another is exactly its score."""
    factors = Factors(items, items.T @ items, ALPHA, REGULARIZATION, exponent, 2.5, 4.0)
    scores = factors.items @ factors.user(anna)
    for item in range(N_ITEMS):
        terms = factors.contributions(anna, np.array([item], np.int32))[0]
        assert terms.shape == anna.items.shape
        assert terms.sum() == pytest.approx(scores[item], abs=1e-5)


def test_cosine_is_numpys(factors: Factors) -> None:
    """The first product's cosines are the dot products over both norms; its own is 1."""
    found = factors.cosine(0, factors.norms())
    norms = np.linalg.norm(factors.items[:9], axis=1)
    expected = factors.items[:9] @ factors.items[0] / norms / norms[0]
    assert np.allclose(found[:9], expected, atol=1e-6)
    assert found[0] == pytest.approx(1)


def test_a_product_without_factors_is_like_nothing(factors: Factors) -> None:
    """Zero factors give cosine 0 both ways instead of a division by 0."""
    assert factors.cosine(0, factors.norms())[9] == 0
    assert factors.cosine(9, factors.norms()).tolist() == [0] * 10


def test_factors_survive_the_artifact(items: NDArray[np.float32], anna: Profile) -> None:
    """Arrays and parameters together give the same factors back."""
    factors = Factors(items, items.T @ items, ALPHA, REGULARIZATION, 0.5, 2.5, 4.0)
    read = Factors.from_arrays(factors.to_arrays("als"), "als", factors.to_parameters())
    assert np.array_equal(read.items, factors.items)
    assert np.array_equal(read.user(anna), factors.user(anna))
    assert read.to_parameters() == factors.to_parameters()


def test_few_factors_are_gathered_row_by_row(
    items: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process has them a second time, unless that would cost it much memory."""
    factors = Factors(items, items.T @ items, ALPHA, REGULARIZATION)
    assert factors.items is items
    assert factors.rows.flags.c_contiguous
    assert np.array_equal(factors.rows, items)
    monkeypatch.setattr(module, "MAX_BESIDE", items.nbytes - 1)
    assert Factors(items, items.T @ items, ALPHA, REGULARIZATION).rows is items


def test_how_factors_lie_changes_nothing_of_a_user(
    items: NDArray[np.float32], anna: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit."""
    small = Factors(items, items.T @ items, ALPHA, REGULARIZATION)
    monkeypatch.setattr(module, "MAX_BESIDE", 0)
    large = Factors(items, items.T @ items, ALPHA, REGULARIZATION)
    assert small.user(anna).tobytes() == large.user(anna).tobytes()
    some = np.array([2, 3], np.int32)
    assert small.contributions(anna, some).tobytes() == large.contributions(anna, some).tobytes()
