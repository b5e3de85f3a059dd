"""Boosted trees: what is served predicts what LightGBM fitted."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.trees import Trees
from recsvc.errors import InputError
from training.models.boosting import BoostingSettings, as_trees, fit_trees

SETTINGS = BoostingSettings(n_rounds=20, min_data_in_leaf=5, n_threads=1)


def data(n: int = 2000) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return rows of seven features, some with few values and one constant, and labels."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, 7)).astype(np.float32)
    features[:, 3] = np.round(features[:, 3] * 2)
    features[:, 4] = rng.random(n) < 0.1
    features[:, 5] = 3
    features[:, 6] *= 1e6
    signal = features[:, 0] * features[:, 1] + features[:, 3] + 3 * features[:, 4]
    return features, rng.random(n) < 1 / (1 + np.exp(-signal))


LENGTHS = np.full(100, 20, np.int32)
"""The rows as lists of twenty."""


def boosted(
    n_rounds: int = 20,
    categories: Sequence[int] = (),
    **parameters: Any,
) -> lightgbm.Booster:
    """Fit a booster of LightGBM's own."""
    features, labels = data()
    chosen = {"objective": "binary", "use_missing": False, "verbosity": -1, "num_threads": 1}
    rows = lightgbm.Dataset(features, labels, group=LENGTHS, categorical_feature=list(categories))
    return lightgbm.train(chosen | parameters, rows, n_rounds)


def same(one: Trees, other: Trees) -> bool:
    """Whether all bytes of the two are equal."""
    left, right = one.to_arrays("t"), other.to_arrays("t")
    return all(left[name].tobytes() == right[name].tobytes() for name in left)


@pytest.mark.parametrize("n_leaves", [2, 31, 64])
def test_trees_predict_what_the_booster_predicts(n_leaves: int) -> None:
    """Raw scores agree on rows at thresholds, between, beside and beyond them, and repeated."""
    booster = boosted(num_leaves=n_leaves, max_bin=63)
    trees = as_trees((booster, 1))
    features, _ = data(300)
    grid = np.random.default_rng(1)
    at = np.stack(
        [
            grid.choice([*trees.thresholds[begin:end], -np.inf, 0, np.inf], 300)
            for begin, end in zip(trees.indptr[:-1], trees.indptr[1:], strict=True)
        ],
        axis=1,
    ).astype(np.float32)
    at[np.isclose(at, -1e-35, atol=0)] = 0  # which LightGBM reads it as
    rows = np.concatenate(
        [features, at, np.nextafter(at, np.float32(np.inf)), at, 1e30 * features, 0 * features]
    )
    expected = np.asarray(booster.predict(rows, raw_score=True))
    assert trees.n_features == 7
    assert np.abs(trees.predict(rows) - expected).max() < 1e-5


def test_a_booster_that_found_no_split_is_its_constant() -> None:
    """Too few rows for any split give everyone the log-odds of the labels."""
    trees = as_trees((boosted(min_data_in_leaf=2000), 1))
    features, labels = data()
    share = labels.mean()
    assert trees.predict(features[:2]).tolist() == pytest.approx([np.log(share / (1 - share))] * 2)


def test_categorical_splits_are_refused() -> None:
    """A split by category cannot be a threshold."""
    with pytest.raises(InputError, match="a tree splits by '=='"):
        as_trees((boosted(categories=[4], max_cat_to_onehot=2), 1))


def test_splits_that_know_missing_values_are_refused() -> None:
    """A way of their own for missing values cannot be a threshold."""
    with pytest.raises(InputError, match="missing values as 'Zero'"):
        as_trees((boosted(use_missing=True, zero_as_missing=True), 1))


def test_fit_tells_buyers_from_others() -> None:
    """Rows of positive labels are scored above the others."""
    features, labels = data()
    scores = fit_trees(features, labels, LENGTHS, SETTINGS, seed=1).predict(features)
    assert scores[labels].mean() > scores[~labels].mean() + 1


def test_fit_is_what_lightgbm_fits_with_these_settings() -> None:
    """Each setting reaches LightGBM; the two fits count alike, by the deviation of the first."""
    features, labels = data()
    settings = BoostingSettings(
        n_rounds=7,
        learning_rate=0.2,
        n_leaves=9,
        max_bin=15,
        min_data_in_leaf=11,
        feature_fraction=0.7,
        lambda_l2=3,
        truncation=2,
        n_threads=1,
    )
    log_odds, marts = (
        np.asarray(
            boosted(
                7,
                objective=objective,
                learning_rate=0.2,
                num_leaves=9,
                max_bin=15,
                min_data_in_leaf=11,
                feature_fraction=0.7,
                lambda_l2=3,
                lambdarank_truncation_level=2,
                deterministic=True,
                force_row_wise=True,
                seed=5,
            ).predict(features, raw_score=True)
        )
        for objective in ("binary", "lambdarank")
    )
    expected = (log_odds + marts * np.std(log_odds) / np.std(marts)) / 2
    assert np.std(marts) != pytest.approx(np.std(log_odds), rel=0.05)

    found = fit_trees(features, labels, LENGTHS, settings, seed=5).predict(features)

    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_fit_alone_is_of_the_log_odds() -> None:
    """Without pairs the trees are half as many, and predict what the first fit does."""
    features, labels = data()
    alone = replace(SETTINGS, pairwise=False)

    found = fit_trees(features, labels, LENGTHS, alone, seed=5)

    fitted = boosted(
        20,
        learning_rate=0.1,
        num_leaves=31,
        max_bin=63,
        min_data_in_leaf=5,
        feature_fraction=0.5,
        lambda_l2=5,
        deterministic=True,
        force_row_wise=True,
        seed=5,
    )
    expected = np.asarray(fitted.predict(features, raw_score=True))
    np.testing.assert_allclose(found.predict(features), expected, atol=1e-5)


def test_lists_without_a_difference_are_no_division_by_zero() -> None:
    """Where no list has both kinds of rows, pairs say nothing and the log-odds stand alone."""
    features, labels = data()
    alone = np.ones(len(labels), np.int32)

    found = fit_trees(features, labels, alone, SETTINGS, seed=1).predict(features)

    assert np.isfinite(found).all()
    assert found[labels].mean() > found[~labels].mean() + 0.5


def test_the_same_seed_gives_the_same_bytes() -> None:
    """A fit is decided by its seed, on one thread or two; another seed gives other trees."""
    features, labels = data()
    first = fit_trees(features, labels, LENGTHS, SETTINGS, seed=1)
    assert same(first, fit_trees(features, labels, LENGTHS, SETTINGS, seed=1))
    two_threads = replace(SETTINGS, n_threads=2)
    assert same(first, fit_trees(features, labels, LENGTHS, two_threads, seed=1))
    assert not same(first, fit_trees(features, labels, LENGTHS, SETTINGS, seed=2))
