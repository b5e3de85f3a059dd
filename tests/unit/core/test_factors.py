"""Matrix factors: users, cosines and what a score is made of."""

import numpy as np
import pytest

from recsvc.core.factors import Factors
from recsvc.core.histories import NO_HISTORY, Profile
from recsvc.core.model import Model
from tests.samples import ALPHA, PRODUCTS, REGULARIZATION, tiny_model


@pytest.fixture
def model() -> Model:
    """The small model."""
    return tiny_model()


@pytest.fixture
def factors(model: Model) -> Factors:
    """Its factors."""
    assert model.collaborative is not None
    return model.collaborative.factors


@pytest.fixture
def anna(model: Model) -> Profile:
    """The customer with most purchases."""
    return model.histories.profile(model.customers.index("anna"))


def test_a_user_is_folded_in_with_the_confidence_of_training(
    factors: Factors, anna: Profile
) -> None:
    """Confidence is alpha times the logarithm of 1 + the decayed weight."""
    weights = np.ones(len(PRODUCTS))
    preference = np.zeros(len(PRODUCTS))
    weights[anna.items] = preference[anna.items] = ALPHA * np.log1p(anna.weight)
    items = factors.items
    left = items.T @ np.diag(weights) @ items + REGULARIZATION * np.eye(4)
    expected = np.linalg.solve(left, items.T @ preference)
    assert np.allclose(factors.user(anna), expected, atol=1e-5)


def test_an_empty_profile_has_no_taste(factors: Factors) -> None:
    """Without purchases every factor is 0."""
    assert factors.user(NO_HISTORY).tolist() == [0, 0, 0, 0]


def test_contributions_add_up_to_the_score(factors: Factors, anna: Profile) -> None:
    """What the own products contribute to another is exactly its score."""
    scores = factors.items @ factors.user(anna)
    for item in range(len(PRODUCTS)):
        terms = factors.contributions(anna, np.array([item], np.int32))[0]
        assert terms.shape == anna.items.shape
        assert terms.sum() == pytest.approx(scores[item], abs=1e-5)


def test_cosine_is_numpys(factors: Factors) -> None:
    """Espresso's cosines are the dot products over both norms; its own is 1."""
    found = factors.cosine(0, factors.norms())
    norms = np.linalg.norm(factors.items[:9], axis=1)
    assert np.allclose(found[:9], factors.items[:9] @ factors.items[0] / norms / norms[0])
    assert found[0] == pytest.approx(1)


def test_a_product_without_factors_is_like_nothing(factors: Factors) -> None:
    """Zero factors give cosine 0 both ways instead of a division by 0."""
    assert factors.cosine(0, factors.norms())[9] == 0
    assert factors.cosine(9, factors.norms()).tolist() == [0] * 10
