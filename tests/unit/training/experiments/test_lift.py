"""Comparing a variant with the control."""

import numpy as np
import pytest

from training.experiments.lift import MIN_SHOPPERS, lift
from training.experiments.moments import Float, Moments


def _arm(seed: int, mean: float = 10.0, n: int = 2_000) -> tuple[Float, Float]:
    """What shoppers paid, and what they had paid in the weeks before."""
    random = np.random.default_rng(seed)
    before = random.gamma(2.0, 5.0, n)
    return before * mean / 10 + random.normal(0, 2, n), before


def test_the_lift_is_the_logarithm_of_the_quotient() -> None:
    paid, _ = _arm(0)
    ones = np.ones_like(paid)
    found = lift(Moments.of(paid * 1.05, ones), Moments.of(paid, ones))
    assert found.log == pytest.approx(np.log(1.05))


def test_what_was_known_before_makes_a_lift_surer() -> None:
    """Most of what differs between shoppers is known: a fraction of the variance is left."""
    (variant, before), (control, before_control) = _arm(1, 10.5), _arm(2)
    ones = np.ones_like(variant)
    plain = lift(Moments.of(variant, ones), Moments.of(control, ones))
    known = lift(Moments.of(variant, ones, before), Moments.of(control, ones, before_control))
    assert known.variance < plain.variance / 5
    assert abs(known.log - np.log(1.05)) < 3 * np.sqrt(known.variance)


def test_the_variance_is_that_of_many_experiments() -> None:
    found = []
    for seed in range(300):
        (variant, before), (control, before_control) = _arm(2 * seed), _arm(2 * seed + 1)
        ones = np.ones_like(variant)
        arms = Moments.of(variant, ones, before), Moments.of(control, ones, before_control)
        found.append(lift(*arms))
    logs = np.array([each.log for each in found])
    assert logs.mean() == pytest.approx(0, abs=0.001)
    assert found[0].variance == pytest.approx(logs.var(), rel=0.25)


@pytest.mark.parametrize("empty", ["few shoppers", "no clicks"])
def test_too_little_gives_no_lift(empty: str) -> None:
    paid, _ = _arm(0)
    ones = np.ones_like(paid)
    kept = slice(MIN_SHOPPERS - 1) if empty == "few shoppers" else slice(None)
    worth = 0.0 if empty == "no clicks" else 1.0
    found = lift(Moments.of(paid[kept] * worth, ones[kept]), Moments.of(paid, ones))
    assert np.isnan(found.log)
    assert np.isnan(found.variance)


@pytest.mark.parametrize("n", [100, 101, 1_000, 3_333, 100_000])
@pytest.mark.parametrize("each", [0.1, 1 / 3, 9.99, 1e6 / 7])
def test_an_arm_that_all_did_the_same_gives_no_lift(each: float, n: int) -> None:
    """However many lists each was shown: what rounding leaves is no variance."""
    lists = np.random.default_rng(n).integers(1, 9, n).astype(np.float64)
    before = np.random.default_rng(0).gamma(2.0, 5.0, n)
    same = Moments.of(each * lists, lists, before)
    found = lift(same, Moments.of(each * 1.1 * lists, lists, before))
    assert same.covariance()[..., 0, 0] == 0
    assert np.isnan(found.log)
    assert np.isnan(found.variance)


def test_a_covariate_that_all_share_explains_nothing() -> None:
    """What rounding leaves of its variance is no slope."""
    (variant, _), (control, _) = _arm(1, 10.5), _arm(2)
    ones = np.ones_like(variant)
    plain = lift(Moments.of(variant, ones), Moments.of(control, ones))
    shared = Moments.of(variant, ones, ones / 3), Moments.of(control, ones, ones / 3)
    alike = lift(*shared)
    assert [arm.covariance()[1, 1] for arm in shared] == [0, 0]
    assert alike.log == pytest.approx(plain.log, rel=1e-12)
    assert alike.variance == pytest.approx(plain.variance, rel=1e-12)


def test_what_the_covariate_tells_wholly_gives_no_lift() -> None:
    """Everybody pays a twentieth more than before: nothing is left that could vary."""
    _, before = _arm(0)
    ones = np.ones_like(before)
    raised = Moments.of(before * 1.05, ones, before)
    assert np.isnan(lift(raised, raised).log)


def test_one_shopper_among_many_who_did_otherwise_is_seen() -> None:
    """What varies little varies all the same."""
    clicks = np.ones(100_000)
    clicks[0] = 0
    found = Moments.of(clicks, np.ones_like(clicks)).covariance()[0, 0]
    assert found == pytest.approx(clicks.var(ddof=1), rel=1e-6)
