"""Factors by pairwise ranking: what they find, and what they survive."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsvc.core.factors import Factors
from recsvc.core.histories import Profile
from tests.purchases import shop_interactions
from training.interactions import Interactions
from training.models.bpr import BprSettings, fit_bpr
from training.models.histories import fit_histories
from training.settings import TrainingSettings
from training.split import HoldOut, Split

SETTINGS = BprSettings(n_factors=8, iterations=40)


def fit(interactions: Interactions, settings: BprSettings = SETTINGS) -> Factors:
    """A fit as the trainer runs it: no threads but implicit's own."""
    with threadpool_limits(1, "blas"):
        return fit_bpr(interactions, settings)


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    return shop_interactions()


@pytest.fixture(scope="module")
def held_out(interactions: Interactions) -> HoldOut:
    """A fifth of every customer's products, to be found again."""
    pairs = interactions.lines.select("customer", "item").unique(maintain_order=True)
    held = np.random.default_rng(4).random(pairs.height) < 0.2
    lines = interactions.lines.join(pairs.with_columns(held=held), on=["customer", "item"])
    kept, future = (lines.filter(pl.col("held") == held) for held in (False, True))
    return HoldOut(
        replace(interactions, lines=kept.drop("held").sort("time")),
        replace(interactions, lines=future.drop("held").sort("time")),
        interactions.end,
        Split.RANDOM,
    )


def profile(interactions: Interactions, customer: int) -> Profile:
    """What the server knows of a customer."""
    return fit_histories(interactions, TrainingSettings()).profile(customer)


def mean_auc(held_out: HoldOut, scores: NDArray[np.floating]) -> float:
    """How often a held-out product scores above one never bought; ``scores`` as the targets."""
    history = held_out.history.matrix(np.ones(held_out.history.lines.height, np.float32))
    seen, wanted = history.toarray() > 0, held_out.targets().toarray() > 0
    found = []
    for customer in np.flatnonzero((wanted & ~seen).any(axis=1)):
        hits = scores[customer, wanted[customer] & ~seen[customer]]
        misses = scores[customer, ~wanted[customer] & ~seen[customer]]
        found.append(float((hits[:, None] > misses).mean()))
    return float(np.mean(found))


def test_it_finds_more_than_popularity_does(held_out: HoldOut) -> None:
    """Customers with two favourite categories are told apart by what they bought before."""
    history = held_out.history
    factors = fit(history)
    histories = fit_histories(history, TrainingSettings())
    users = [factors.user(histories.profile(customer)) for customer in range(len(histories))]
    sold = np.bincount(history.lines["item"].to_numpy(), minlength=len(history.items))
    popularity = np.tile(sold.astype(np.float32), (len(users), 1))

    assert mean_auc(held_out, np.array(users) @ factors.items.T) > 0.05 + mean_auc(
        held_out, popularity
    )


def test_factors_have_the_shape_that_ranking_wants(interactions: Interactions) -> None:
    """One row a product in Fortran order, its bias last, and the Gram matrix of just these."""
    factors = fit(interactions)

    assert factors.items.shape == (len(interactions.items), SETTINGS.n_factors + 1)
    assert factors.items.dtype == factors.gram.dtype == np.float32
    assert factors.items.flags.f_contiguous
    np.testing.assert_allclose(factors.gram, factors.items.T @ factors.items, rtol=1e-4, atol=1e-4)


def test_fold_in_is_regularised_on_the_factors_own_scale(interactions: Interactions) -> None:
    """Regularization is the settings' multiple of the Gram matrix's mean eigenvalue."""
    factors = fit(interactions)
    eigenvalues = np.linalg.eigvalsh(factors.gram.astype(np.float64))

    expected = SETTINGS.fold_in_regularization * eigenvalues.mean()
    assert factors.regularization == pytest.approx(expected, rel=1e-4)
    assert factors.exponent == 0


def test_the_same_seed_gives_the_same_factors(interactions: Interactions) -> None:
    """Two fits of one seed are equal to the last bit, another seed's differ."""
    first, second = fit(interactions), fit(interactions)
    other = fit(interactions, replace(SETTINGS, seed=5))

    np.testing.assert_array_equal(first.items, second.items)
    assert not np.array_equal(first.items, other.items)


def test_what_nobody_bought_has_no_factors(interactions: Interactions) -> None:
    """Products and customers without a purchase do not break a fit."""
    last = len(interactions.items) - 1
    left_out = interactions.select(
        ~pl.col("item").is_in([3, last]) & ~pl.col("customer").is_in([0, 149])
    )
    factors = fit(left_out)

    assert not factors.items[[3, last]].any()
    assert factors.items[4].any()
    assert np.isfinite(factors.items).all()
    assert not factors.user(profile(left_out, 0)).any()


def test_no_purchases_at_all_give_zeros(interactions: Interactions) -> None:
    """An empty history is fitted to zeros, which score nobody."""
    factors = fit(interactions.select(pl.lit(value=False)))

    assert factors.items.shape == (len(interactions.items), SETTINGS.n_factors + 1)
    assert not factors.items.any()
    assert not factors.user(profile(interactions, 0)).any()
