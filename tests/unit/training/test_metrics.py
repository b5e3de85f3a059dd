"""nDCG and recall, computed by hand."""

from math import log2

import numpy as np
import pytest
from numpy.typing import NDArray

from training.metrics import Column, ideal_gains, list_metrics


def indices(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


@pytest.mark.parametrize(
    ("items", "relevant", "ndcg", "recall"),
    [
        # The only target at the top, at the second rank, and nowhere.
        ([7, 1, 2], [7], 1.0, 1.0),
        ([1, 7, 2], [7], 1 / log2(3), 1.0),
        ([1, 2, 3], [7], 0.0, 0.0),
        # Two targets, one found at the second rank.
        ([5, 3, 9], [3, 7], (1 / log2(3)) / (1 + 1 / log2(3)), 0.5),
        # A list shorter than its targets has fewer chances, and is not excused.
        ([3], [3, 7], 1 / (1 + 1 / log2(3)), 0.5),
        ([], [3], 0.0, 0.0),
        # The eleventh rank counts for recall@20 alone, the twenty-first for nothing.
        ([*range(10), 50], [50], 0.0, 1.0),
        ([*range(20), 50], [50], 0.0, 0.0),
        # More targets than ranks: ten hits are perfect, recall counts all targets.
        ([*range(10)], [*range(40)], 1.0, 0.25),
    ],
)
def test_a_list_by_hand(items: list[int], relevant: list[int], ndcg: float, recall: float) -> None:
    """nDCG@10 and recall@20 of one list are what the formulas give."""
    assert list_metrics(indices(*items), indices(*relevant)) == pytest.approx((ndcg, recall))


def test_the_ideal_gain_is_reached_within_ten_ranks() -> None:
    """The best gain grows with the targets up to ten; without any it is that of one."""
    gains = ideal_gains(np.array([0, 1, 2, 10, 99]))

    assert gains[:3].tolist() == pytest.approx([1, 1, 1 + 1 / log2(3)])
    assert gains[3] == gains[4] == pytest.approx(sum(1 / log2(rank + 1) for rank in range(1, 11)))


def test_the_summary_is_the_mean_over_customers() -> None:
    """A column says how many customers it has and their means, rounded."""
    column = Column(indices(4, 9), np.array([1.0, 1 / 3]), np.array([0.5, 0.25]))

    assert column.summary() == {"customers": 2, "ndcg@10": 0.66667, "recall@20": 0.375}


def test_no_customers_have_no_means() -> None:
    """An empty column has a count and nothing else."""
    assert Column(indices(), np.zeros(0), np.zeros(0)).summary() == {"customers": 0}
