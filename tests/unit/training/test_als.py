"""Matrix factors: what is minimised, and that fold-in minimises the same."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from recsvc.core.factors import Factors
from recsvc.core.histories import Profile
from tests.purchases import shop_interactions
from training.interactions import Interactions
from training.models.als import AlsSettings, fit_als
from training.models.histories import fit_histories
from training.settings import TrainingSettings

SETTINGS = AlsSettings(
    n_factors=8,
    iterations=3,
    alpha=5.0,
    exponent=1.0,
    half_life_days=TrainingSettings().long_half_life_days,
)


def fit(interactions: Interactions, settings: AlsSettings) -> Factors:
    """A fit as the trainer runs it: implicit's threads are the only ones."""
    with threadpool_limits(1, "blas"):
        return fit_als(interactions, settings)


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    return shop_interactions()


@pytest.fixture(scope="module")
def confidence(interactions: Interactions) -> NDArray[np.float64]:
    """Customers by products, as the settings say: 0 for what was not bought."""
    weights = interactions.lines["weight"].to_numpy()
    values = weights * interactions.decayed(SETTINGS.half_life_days)
    dense: NDArray[np.float64] = interactions.matrix(values).toarray().astype(np.float64)
    return SETTINGS.alpha * np.log1p(dense)


def profiles(interactions: Interactions) -> list[Profile]:
    """What the server knows of each customer."""
    histories = fit_histories(interactions, TrainingSettings())
    return [histories.profile(customer) for customer in range(len(histories))]


def regularizations(
    counts: NDArray[np.int64], n_others: int, settings: AlsSettings
) -> NDArray[np.float64]:
    """Rendle's, in implicit's units: alpha * lambda * (count + n / alpha) ** nu, normalised."""
    sizes = counts + n_others / settings.alpha
    mean = sizes.mean()
    mean_row = settings.regularization * settings.alpha * mean
    return np.asarray(mean_row * (sizes / mean) ** settings.exponent, np.float64)


def solved(
    confidence: NDArray[np.float64], fixed: NDArray[np.float64], regularization: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The exact half-sweep, with every cell written out."""
    identity = np.eye(fixed.shape[1])
    rows = []
    for row, penalty in zip(confidence, regularization, strict=True):
        weight = np.where(row > 0, row, 1.0)
        left = (fixed.T * weight) @ fixed + penalty * identity
        rows.append(np.linalg.solve(left, fixed.T @ row))
    return np.array(rows)


def loss(
    confidence: NDArray[np.float64],
    users: NDArray[np.float64],
    items: NDArray[np.float64],
    settings: AlsSettings,
) -> float:
    """What the fit is to minimise."""
    bought = confidence > 0
    errors = np.where(bought, confidence, 1.0) * (bought - users @ items.T) ** 2
    of_users = regularizations(bought.sum(axis=1), items.shape[0], settings)
    of_items = regularizations(bought.sum(axis=0), users.shape[0], settings)
    penalty = of_users @ (users**2).sum(axis=1) + of_items @ (items**2).sum(axis=1)
    return float(errors.sum() + penalty)


def folded_in(interactions: Interactions, factors: Factors) -> NDArray[np.float64]:
    """Everybody's factors, as the server computes them."""
    return np.array([factors.user(profile) for profile in profiles(interactions)], np.float64)


def test_factors_have_the_shape_that_ranking_wants(interactions: Interactions) -> None:
    """One row a product in Fortran order, and the Gram matrix of just these."""
    factors = fit(interactions, SETTINGS)
    items = factors.items.astype(np.float64)

    assert factors.items.shape == (len(interactions.items), SETTINGS.n_factors)
    assert factors.items.dtype == factors.gram.dtype == np.float32
    assert factors.items.flags.f_contiguous
    assert factors.alpha == SETTINGS.alpha
    np.testing.assert_allclose(factors.gram, items.T @ items, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_fold_in_is_the_fits_own_half_sweep(
    interactions: Interactions, confidence: NDArray[np.float64], exponent: float
) -> None:
    """What the server folds in is the exact solution of the fit's customers, whatever the nu."""
    settings = replace(SETTINGS, exponent=exponent)
    factors = fit(interactions, settings)
    counts = (confidence > 0).sum(axis=1)
    penalties = regularizations(counts, len(interactions.items), settings)

    expected = solved(confidence, factors.items.astype(np.float64), penalties)

    np.testing.assert_allclose(folded_in(interactions, factors), expected, rtol=1e-3, atol=1e-4)


def test_a_long_fit_ends_where_exact_sweeps_would_stay(
    interactions: Interactions, confidence: NDArray[np.float64]
) -> None:
    """At the end of a long fit, half-sweeps without batches and approximations gain nothing."""
    factors = fit(interactions, replace(SETTINGS, iterations=60))
    users, items = folded_in(interactions, factors), factors.items.astype(np.float64)
    reached = loss(confidence, users, items, SETTINGS)

    counts = (confidence > 0).sum(axis=0)
    penalties = regularizations(counts, len(interactions.customers), SETTINGS)
    exact = solved(confidence.T, users, penalties)

    better = loss(confidence, users, exact, SETTINGS)
    assert better <= reached < better * 1.002


def test_every_sweep_lowers_the_loss(
    interactions: Interactions, confidence: NDArray[np.float64]
) -> None:
    """More sweeps, less of what is minimised."""
    losses = []
    for iterations in (1, 2, 4, 8):
        factors = fit(interactions, replace(SETTINGS, iterations=iterations))
        users = folded_in(interactions, factors)
        losses.append(loss(confidence, users, factors.items.astype(np.float64), SETTINGS))

    assert losses == sorted(losses, reverse=True)


def test_with_one_regularization_it_is_implicits_als(interactions: Interactions) -> None:
    """Without the scaling, a long fit explains the purchases as well as implicit's own."""
    settings = replace(SETTINGS, exponent=0.0, iterations=40)
    factors = fit(interactions, settings)
    values = interactions.lines["weight"].to_numpy() * interactions.decayed(settings.half_life_days)
    rows = csr_matrix(interactions.matrix(values).log1p())
    # Only the product of both sides' regularizations counts: it moves scale between them.
    counts = np.diff(rows.indptr), np.diff(rows.tocsc().indptr)
    n_users, n_items = rows.shape
    sides = (counts[0].mean() + n_items / settings.alpha) * (
        counts[1].mean() + n_users / settings.alpha
    )
    with threadpool_limits(1, "blas"):
        judge = AlternatingLeastSquares(
            factors=settings.n_factors,
            alpha=settings.alpha,
            regularization=settings.regularization * settings.alpha * np.sqrt(sides),
            iterations=40,
            random_state=1,
            num_threads=1,
        )
        judge.fit(rows, show_progress=False)

    ours = folded_in(interactions, factors) @ factors.items.T
    theirs = judge.user_factors @ judge.item_factors.T

    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99


def test_the_same_seed_gives_the_same_factors(interactions: Interactions) -> None:
    """Two fits of one seed are equal to the last bit, another seed's differ."""
    first, second = (fit(interactions, SETTINGS) for _ in range(2))
    other = fit(interactions, replace(SETTINGS, seed=5))

    np.testing.assert_array_equal(first.items, second.items)
    np.testing.assert_array_equal(first.gram, second.gram)
    assert not np.array_equal(first.items, other.items)


def test_what_nobody_bought_has_no_factors(interactions: Interactions) -> None:
    """Products and customers without a purchase neither break a fit nor change it."""
    left_out = interactions.select((pl.col("item") != 3) & (pl.col("customer") != 5))
    factors = fit(left_out, SETTINGS)

    assert not factors.items[3].any()
    assert factors.items[4].any()
    assert np.isfinite(factors.items).all()
    bought = len(interactions.items) - 1
    assert factors.offset == pytest.approx(bought / SETTINGS.alpha)


def test_no_purchases_at_all_give_zeros(interactions: Interactions) -> None:
    """An empty history is fitted to zeros, which score nobody."""
    factors = fit(interactions.select(pl.lit(value=False)), SETTINGS)

    assert not factors.items.any()
    assert not factors.user(profiles(interactions)[0]).any()
