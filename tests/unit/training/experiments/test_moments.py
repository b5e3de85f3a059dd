"""Sums over shoppers."""

import numpy as np
import pytest

from training.experiments.moments import Moments

CLICKS = np.array([0.0, 1.0, 3.0, 2.0])
LISTS = np.array([1.0, 2.0, 4.0, 3.0])


def test_a_ratio_is_that_of_the_sums() -> None:
    assert Moments.of(CLICKS, LISTS).ratio == pytest.approx(0.6)


def test_who_was_shown_nothing_does_not_count() -> None:
    moments = Moments.of(np.array([2.0, 5.0]), np.array([1.0, 0.0]), np.array([7.0, 100.0]))
    assert moments.n == 1
    assert moments.ratio == 2
    assert moments.mean_covariate == 7


def test_the_variance_is_that_of_shoppers_drawn_anew() -> None:
    """The delta method against the bootstrap, for shoppers who are shown unequally many lists."""
    random = np.random.default_rng(0)
    lists = random.integers(1, 9, 400)
    clicks = random.binomial(lists, random.beta(2, 8, 400)).astype(np.float64)
    moments = Moments.of(clicks, lists.astype(np.float64))
    drawn = random.integers(0, 400, (4_000, 400))
    ratios = clicks[drawn].sum(axis=1) / lists[drawn].sum(axis=1)
    assert moments.relative_variance() / 400 == pytest.approx(np.log(ratios).var(), rel=0.1)


def test_every_look_is_summed_by_itself() -> None:
    looks = Moments.of(np.stack([CLICKS * 0, CLICKS]), np.stack([LISTS, LISTS]))
    assert looks.ratio.tolist() == [0.0, pytest.approx(0.6)]
    assert looks.covariance()[1] == pytest.approx(Moments.of(CLICKS, LISTS).covariance())


def test_one_shopper_says_nothing_of_how_sure_a_ratio_is() -> None:
    assert np.isnan(Moments.of(CLICKS[:1], LISTS[:1]).covariance()[0, 0])


def test_no_shopper_has_no_ratio() -> None:
    assert np.isnan(Moments.of(CLICKS[:0], LISTS[:0]).ratio)
