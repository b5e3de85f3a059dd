"""Fitting of the logistic regression."""

import numpy as np

from training.models.logistic import fit_logistic


def test_what_raises_the_odds_has_a_weight() -> None:
    """Weights have the sign of what they say; noise and constants say next to nothing."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4_000, 4)).astype(np.float32)
    features[:, 3] = 5
    logits = 2 * features[:, 0] - features[:, 1]
    labels = rng.random(4_000) < 1 / (1 + np.exp(-logits))

    logistic = fit_logistic(features, labels)

    up, down, noise, constant = logistic.weights.tolist()
    assert up > 1
    assert down < -0.5
    assert abs(noise) < 0.2
    assert constant == 0
    predicted = logistic.predict(features)
    assert np.corrcoef(predicted, logits)[0, 1] > 0.95


def test_perfect_separation_and_outliers_stay_finite() -> None:
    """A feature that tells everything, and values beyond all others, do no harm."""
    features = np.linspace(-1, 1, 2_000, dtype=np.float32)[:, None]
    labels = features[:, 0] > 0
    features[0] = -1e9

    logistic = fit_logistic(features, labels)

    assert np.isfinite(logistic.weights).all()
    assert logistic.low[0] >= -1
    at_the_ends = logistic.predict(np.array([[-1e9], [-1], [1], [1e9]], np.float32))
    assert at_the_ends[0] == at_the_ends[1] < at_the_ends[2] == at_the_ends[3]
