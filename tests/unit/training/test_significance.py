"""Bootstrap intervals, against the theory of means and a plain recomputation."""

import tracemalloc
from math import isnan, sqrt
from time import process_time

import numpy as np
import pytest

from training.significance import (
    Interval,
    bootstrap,
    bootstrap_each,
    paired_bootstrap,
)


def test_the_interval_is_that_of_the_normal_theory() -> None:
    """Of many customers' mean the interval is 1.96 standard errors to either side."""
    values = np.random.default_rng(1).normal(0.3, 0.2, 5_000)

    found = bootstrap(values)

    error = 1.96 * values.std() / sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=error / 10)
    assert found.high == pytest.approx(values.mean() + error, abs=error / 10)
    assert found.margin == pytest.approx(error, rel=0.1)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 95 % intervals of samples with a known mean, about 95 % hold it."""
    generator = np.random.default_rng(2)
    samples = [generator.exponential(1.0, 200) for _ in range(300)]

    held = [i.low <= 1.0 <= i.high for i in (bootstrap(s, rounds=400) for s in samples)]

    assert 0.90 < np.mean(held) < 0.98


def test_the_draws_are_whole_resamples() -> None:
    """Three customers have ten means; the interval's ends are quantiles of just these."""
    found = bootstrap(np.array([0.0, 0.0, 3.0]), rounds=20_000)

    # (2/3)^3 = 30 % of the draws miss the third customer, 1/27 = 3.7 % are nobody else.
    assert (found.mean, found.low, found.high) == (1.0, 0.0, 3.0)
    assert bootstrap(np.array([0.0, 0.0, 3.0]), rounds=20_000, confidence=0.9).high == 2.0


def test_a_difference_is_taken_within_each_customer() -> None:
    """A small constant lead is certain, however much customers differ."""
    b = np.random.default_rng(3).random(400)
    a = b + 0.001

    lead = paired_bootstrap(a, b)

    assert (lead.mean, lead.low, lead.high) == pytest.approx((0.001, 0.001, 0.001))
    assert lead.is_above_zero
    assert not lead.is_below_zero
    assert paired_bootstrap(b, a).is_below_zero
    assert bootstrap(a).low < bootstrap(b).high


def test_noise_is_no_difference() -> None:
    """Of models that differ by chance alone, about one in twenty is called different."""
    generator = np.random.default_rng(4)
    found = [
        paired_bootstrap(generator.random(500), generator.random(500), rounds=400)
        for _ in range(100)
    ]

    called = [interval.is_clear_of_zero for interval in found]
    assert 1 <= sum(called) <= 10


def test_the_same_seed_gives_the_same_interval() -> None:
    """An interval can be repeated; another seed moves its ends a little."""
    values = np.random.default_rng(5).random(300)

    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1).low != bootstrap(values, seed=2).low


def test_many_columns_are_as_each_alone() -> None:
    """Columns that share their draws have the intervals that each has alone."""
    values = np.random.default_rng(6).random((70, 3))

    together = bootstrap_each(values)

    for column, found in enumerate(together):
        alone = bootstrap(values[:, column])
        assert (found.mean, found.low, found.high) == pytest.approx(
            (alone.mean, alone.low, alone.high)
        )


def test_chunks_do_not_show() -> None:
    """More draws than are held at once are as good as few: every round counts."""
    values = np.random.default_rng(7).random(100_000)

    found = bootstrap(values, rounds=51)

    error = 1.96 * values.std() / sqrt(len(values))
    assert found.margin == pytest.approx(error, rel=0.5)


def test_without_customers_there_is_no_interval() -> None:
    """Nothing measured is nan, which is neither above nor below 0."""
    found = bootstrap(np.zeros(0))

    assert isnan(found.mean)
    assert isnan(found.low)
    assert isnan(found.high)
    assert not found.is_above_zero
    assert not found.is_below_zero
    assert len(bootstrap_each(np.zeros((0, 2)))) == 2


def test_one_customer_has_an_interval_without_width() -> None:
    """All draws of one customer are the same."""
    assert bootstrap(np.array([0.25])) == Interval(0.25, 0.25, 0.25)


def test_unequal_customers_are_refused() -> None:
    """Arrays that cannot be of the same customers have no differences."""
    with pytest.raises(ValueError, match="3 customers against 1"):
        paired_bootstrap(np.zeros(3), np.zeros(1))


def test_thirty_thousand_customers_take_little() -> None:
    """A large evaluation's interval stays within 100 MB and a few seconds of one core."""
    values = np.random.default_rng(8).random(30_000)

    tracemalloc.start()
    before = process_time()
    bootstrap(values)
    seconds = process_time() - before
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 100e6
    assert seconds < 10  # .5 s on a quiet core
