"""One ranker, from examples."""

from dataclasses import replace

import numpy as np
import pytest

from tests.quick import QUICK
from tests.rankers import same
from training.examples import Examples
from training.models.boosting import fit_trees
from training.models.logistic import fit_logistic
from training.ranker import beside, fit_ranker, is_enough
from training.split import Split


def examples(n: int = 600) -> Examples:
    """Return rows of three features, two of which say something of the labels."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, 3)).astype(np.float32)
    labels = features[:, 0] - features[:, 1] + rng.normal(size=n) > 0
    return Examples(features, labels, np.full(n // 20, 20, np.int32))


WEIGHTS = np.array([1, 0.5], np.float32)


def test_half_of_the_regression_is_added_to_the_trees() -> None:
    """With times a ranker has the trees whole, the regression's log-odds halved, no fusion."""
    found = examples()

    ranker = fit_ranker(WEIGHTS, found, QUICK)

    trees = fit_trees(found.features, found.labels, found.lengths, QUICK.boosting, QUICK.seed)
    logistic = fit_logistic(found.features, found.labels)
    assert ranker.trees is not None
    assert ranker.logistic is not None
    np.testing.assert_array_equal(
        ranker.trees.predict(found.features), trees.predict(found.features)
    )
    log_odds = logistic.predict(found.features)
    assert np.abs(log_odds).max() > 1
    np.testing.assert_allclose(ranker.logistic.predict(found.features), log_odds / 2, atol=1e-6)
    assert ranker.fusion == 0
    assert ranker.weights is WEIGHTS


def test_without_times_regression_and_fusion_share_the_rest() -> None:
    """From few purchases the regression counts most of its log-odds, and the fusion half more."""
    found = examples()
    n_bought = int(found.labels.sum())

    ranker = fit_ranker(WEIGHTS, found, QUICK, Split.RANDOM)

    others = beside(Split.RANDOM, n_bought)
    log_odds = fit_logistic(found.features, found.labels).predict(found.features)
    assert ranker.trees is not None
    assert ranker.logistic is not None
    np.testing.assert_allclose(
        ranker.logistic.predict(found.features), log_odds * others.logistic, rtol=1e-5, atol=1e-6
    )
    assert ranker.fusion == others.fusion


def test_from_many_purchases_without_times_no_regression_is_learnt() -> None:
    """It would count next to nothing, and be computed for each list."""
    many = examples(40_000)
    assert many.labels.sum() > 18_000

    ranker = fit_ranker(WEIGHTS, many, QUICK, Split.RANDOM)

    assert ranker.trees is not None
    assert ranker.logistic is None
    assert ranker.fusion > 0.97


@pytest.mark.parametrize(
    ("method", "n_bought", "logistic", "fusion"),
    [
        (Split.RANDOM, 0, 1, 0.5),
        (Split.RANDOM, 4_000, 0.5, 0.75),
        (Split.RANDOM, 17_000, 0.0525, 0.974),
        (Split.RANDOM, 18_000, 0, 0.976),
        (Split.TEMPORAL, 50, 0.5, 0),
        (Split.TEMPORAL, 1_000_000, 0.5, 0),
    ],
)
def test_what_counts_beside_the_trees(
    method: Split, n_bought: int, logistic: float, fusion: float
) -> None:
    """Without times the more is learnt the less the regression counts, and the more the fusion."""
    others = beside(method, n_bought)

    assert others.logistic == pytest.approx(logistic, abs=1e-3)
    assert others.fusion == pytest.approx(fusion, abs=1e-3)


def test_a_ranker_is_its_seeds() -> None:
    """One seed fits the same ranker, another seed another one."""
    first, again, other = (
        fit_ranker(WEIGHTS, examples(), replace(QUICK, seed=seed)) for seed in (1, 1, 2)
    )

    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize(
    ("n_bought", "n_others", "enough"),
    [(0, 100, False), (49, 100, False), (50, 1, True), (50, 0, False)],
)
def test_what_is_enough_to_learn_from(n_bought: int, n_others: int, *, enough: bool) -> None:
    """Trees need fifty purchases, and something that was not bought."""
    labels = np.array([True] * n_bought + [False] * n_others)

    features, lengths = np.zeros((len(labels), 1), np.float32), np.array([len(labels)], np.int32)
    assert is_enough(Examples(features, labels, lengths)) is enough
