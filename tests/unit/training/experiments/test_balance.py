"""Whether the lot is sound."""

import numpy as np

from training.experiments.balance import balance_p_values

SHARES = np.array([0.5, 0.25, 0.25])


def _counts(shares: list[float], seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    daily = np.random.default_rng(seed).multinomial(1_000, shares, 28)
    return daily.cumsum(axis=0).astype(np.float64)


def test_a_sound_lot_is_seldom_called_unsound_however_often_one_looks() -> None:
    called = [balance_p_values(_counts([0.5, 0.25, 0.25], seed), SHARES)[-1] for seed in range(300)]
    assert np.mean(np.array(called) <= 0.01) <= 0.01


def test_shoppers_that_go_missing_are_found_within_days() -> None:
    """One in ten of one arm is lost."""
    p = balance_p_values(_counts([0.5128, 0.2564, 0.2308], 0), SHARES)
    assert p[0] > 0.01
    assert p[13] < 0.01


def test_p_values_never_grow() -> None:
    p = balance_p_values(_counts([0.5, 0.25, 0.25], 3), SHARES)
    assert (np.diff(p) <= 0).all()
    assert p[0] <= 1
