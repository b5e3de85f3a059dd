"""Inference that is safe to peek at."""

import numpy as np
import pytest

from training.experiments.lift import Lift
from training.experiments.power import chance
from training.experiments.sequential import Mixture, best_ratio, holm

MIXTURE = Mixture.for_lift(0.05, alpha=0.05)


def _paths(log_lift: float, n_paths: int = 4_000, looks: int = 50) -> Lift:
    """Estimates that grow surer from look to look, with information up to 10,000."""
    steps = np.random.default_rng(7).standard_normal((n_paths, looks))
    information = np.arange(1, looks + 1) / looks * 10_000
    noise = steps.cumsum(axis=1) * np.sqrt(10_000 / looks) / information
    return Lift(log_lift + noise, np.broadcast_to(1 / information, noise.shape))


def test_false_alarms_stay_within_the_level_over_all_looks() -> None:
    found = _paths(0.0)
    ever = (MIXTURE.p_values(found)[:, -1] <= 0.05).mean()
    one_look = (np.abs(found.log) > 1.96 * np.sqrt(found.variance)).any(axis=1).mean()
    assert 0 < ever < 0.05
    assert one_look > 0.2


def test_intervals_hold_the_truth_at_all_looks() -> None:
    found = _paths(0.04)
    missed = (np.abs(found.log - 0.04) > MIXTURE.bound(found.variance)).any(axis=1)
    assert missed.mean() < 0.05


def test_a_p_value_is_small_where_its_interval_leaves_zero_out() -> None:
    """Test and interval are one: the first look at which either speaks is the same."""
    found = _paths(0.05)
    by_p = MIXTURE.p_values(found) <= 0.05
    outside = np.abs(found.log) > MIXTURE.bound(found.variance)
    assert np.array_equal(by_p, np.logical_or.accumulate(outside, axis=1))


def test_p_values_never_grow_and_begin_at_one() -> None:
    unknown = Lift(np.array([np.nan, 0.1, 0.0]), np.array([np.nan, 1e-4, 1e-4]))
    p = MIXTURE.p_values(unknown)
    assert p[0] == 1
    assert p[1] == p[2] < 1e-6


def test_the_mixture_is_narrowest_at_the_planned_size() -> None:
    """No other variance of it gives a narrower interval there."""
    variance = np.array(1e-4)
    widths = [Mixture(0.05, best_ratio(0.05) * 1e-4 * f).bound(variance) for f in (0.7, 1, 1.4)]
    assert widths[1] == min(widths)
    assert widths[1] < widths[0]


def test_the_planned_lift_is_mostly_found_and_none_is_not() -> None:
    assert chance(MIXTURE, 7_000, 0.049, 28) > 0.8
    assert chance(MIXTURE, 7_000, 0.0, 28) < 0.05


def test_holm_corrects_for_several_comparisons() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_holm_leaves_one_comparison_alone() -> None:
    assert holm(np.array([0.04])).tolist() == [0.04]


def test_holm_stops_at_one() -> None:
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
