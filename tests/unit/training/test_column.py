"""A ranker's lists, measured: parts of them and what is said of them."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from training.column import HEADLINE, Column
from training.metrics import CUTOFFS, NOTHING

# Three customers, five products; the second customer has no target.
CUSTOMERS = np.array([2, 5, 9], np.int32)
LISTS = np.array([[0, 1, NOTHING], [0, 1, 2], [3, 4, 0]], np.int32)
RELEVANT = csr_array(np.array([[0, 1, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 0]], np.float32))
BOUGHT = csr_array(np.array([[0] * 5] * 9 + [[1, 0, 0, 1, 0]], np.float32))


@pytest.fixture
def column() -> Column:
    return Column.of(CUSTOMERS, LISTS, RELEVANT, BOUGHT)


def test_customers_without_a_target_are_left_out(column: Column) -> None:
    """Who has nothing to be found is no customer of the column."""
    assert column.customers.tolist() == [2, 9]
    assert column.recall.tolist() == [0.5, 1.0]
    assert column.ndcg[1] == 1.0
    # Of the six slots of the lists that count five are filled; two hold what 9 had bought.
    assert column.figures["repeat_share@5"] == pytest.approx(2 / 5)


def test_a_part_of_the_customers_keeps_their_values(column: Column) -> None:
    """A slice has the rows of its customers; figures are of all lists only."""
    part = column.where(np.array([False, True]))

    assert part.customers.tolist() == [9]
    assert part.lists.tolist() == [[3, 4, 0]]
    assert part.relevant.toarray().tolist() == [[0, 0, 0, 1, 0]]
    assert part.recall.tolist() == [1.0]
    assert not part.figures


def test_a_part_of_the_targets_is_measured_anew(column: Column) -> None:
    """The lists stay, what counts as a hit is less, and who wants none of it is left out."""
    part = column.wanting(np.array([True, False, True, False, False]))

    assert part.customers.tolist() == [2]
    assert part.relevant.toarray().tolist() == [[0, 0, 1, 0, 0]]
    assert part.recall.tolist() == [0.0]
    assert column.relevant.nnz == 3


def test_the_summary_is_the_mean_over_customers(column: Column) -> None:
    """A column says how many customers it has, every mean, every figure and two intervals."""
    summary = column.summary()

    assert summary["customers"] == 2
    assert summary["recall@20"] == 0.75
    assert summary["hit_rate@5"] == 1.0
    assert summary["coverage@5"] == 0.8
    assert summary["intervals"]["recall@20"] == [0.5, 1.0]
    names = {"ndcg", "recall", "map", "hit_rate", "coverage", "novelty", "gini", "repeat_share"}
    assert set(summary) == {"customers", "intervals"} | {f"{n}@{k}" for n in names for k in CUTOFFS}


def test_means_are_rounded() -> None:
    """The manifest holds five decimals."""
    values = {name: np.array([1.0, 1 / 3]) for name in HEADLINE}
    column = Column(CUSTOMERS[:2], LISTS[:2], RELEVANT[:2], values)

    assert column.headline()["ndcg@10"] == 0.66667
    assert column.headline()["intervals"]["ndcg@10"] == [0.33333, 1.0]


def test_no_customers_have_no_means() -> None:
    """An empty column has a count and nothing else."""
    column = Column.of(CUSTOMERS, LISTS, csr_array(np.zeros((3, 5), np.float32)), BOUGHT)

    assert column.summary() == column.headline() == {"customers": 0}
