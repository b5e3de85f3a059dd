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
