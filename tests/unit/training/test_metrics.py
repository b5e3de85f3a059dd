"""Metrics of lists: by hand, and against trec_eval."""

from math import log2

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.metrics import (
    CUTOFFS,
    NOTHING,
    gini,
    hits,
    ideal_gains,
    list_figures,
    list_metrics,
)

N_ITEMS = 60


def lists_of(*lists: list[int], depth: int = 21) -> NDArray[np.int32]:
    """Padded to ``depth``."""
    return np.array([items + [NOTHING] * (depth - len(items)) for items in lists], np.int32)


def rows_of(*rows: list[int], n_items: int = N_ITEMS) -> csr_array:
    indptr = np.cumsum([0, *(len(row) for row in rows)])
    indices = np.array([item for row in rows for item in sorted(row)], np.int64)
    return csr_array((np.ones(len(indices), np.float32), indices, indptr), (len(rows), n_items))


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
def test_ndcg_and_recall_by_hand(
    items: list[int], relevant: list[int], ndcg: float, recall: float
) -> None:
    """nDCG@10 and recall@20 of one list are what the formulas give."""
    found = list_metrics(lists_of(items), rows_of(relevant))

    assert (found["ndcg@10"][0], found["recall@20"][0]) == pytest.approx((ndcg, recall))


def test_average_precision_by_hand() -> None:
    """The precisions at the hits, over what could have been hit: a perfect list has 1."""
    found = list_metrics(
        lists_of([9, 1, 8, 2], [1, 2, 3, 4, 5, 6], [9]),
        rows_of([1, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8], [1]),
    )

    # Hits at ranks 2 and 4: precisions 1/2 and 2/4, of three targets.
    assert found["map@5"].tolist() == pytest.approx([(1 / 2 + 2 / 4) / 3, 1.0, 0.0])
    # Among ten ranks eight targets could have been hit, six were.
    assert found["map@10"][1] == pytest.approx(6 / 8)


def test_a_hit_is_a_hit_within_the_cutoff() -> None:
    """The hit rate asks whether anything was found among the first ranks, not how much."""
    found = list_metrics(
        lists_of([0, 1, 2, 3, 4, 5], [5, 4, 3]), rows_of([5], [3, 4]), cutoffs=(5, 6)
    )

    assert found["hit_rate@5"].tolist() == [0, 1]
    assert found["hit_rate@6"].tolist() == [1, 1]


def test_all_metrics_have_all_cutoffs() -> None:
    """Names are metric@k, for each metric and each k that was asked for."""
    names = set(list_metrics(lists_of([1]), rows_of([1]), cutoffs=(1, 7)))

    assert names == {f"{m}@{k}" for m in ("ndcg", "recall", "map", "hit_rate") for k in (1, 7)}


def test_a_customer_without_targets_has_nothing() -> None:
    """No target, no hit: every metric is 0."""
    found = list_metrics(lists_of([1, 2]), rows_of([]))

    assert all(values.tolist() == [0] for values in found.values())


def test_padding_is_never_a_hit() -> None:
    """What fills a short list is not taken for the row before's last product."""
    found = hits(lists_of([3], [], depth=3), rows_of([N_ITEMS - 1, 3], [0]))

    assert found.tolist() == [[True, False, False], [False, False, False]]


def test_the_ideal_gain_is_reached_within_the_cutoff() -> None:
    """The best gain grows with the targets up to the cut-off; without any it is that of one."""
    gains = ideal_gains(np.array([0, 1, 2, 10, 99]))

    assert gains[:3].tolist() == pytest.approx([1, 1, 1 + 1 / log2(3)])
    assert gains[3] == gains[4] == pytest.approx(sum(1 / log2(rank + 1) for rank in range(1, 11)))
    assert ideal_gains(np.array([99]), cutoff=2)[0] == pytest.approx(1 + 1 / log2(3))


# A list and its targets, among few products so that there are hits.
ITEMS = st.lists(st.integers(0, N_ITEMS - 1), unique=True)
CASES = st.lists(st.tuples(ITEMS.map(lambda i: i[:21]), ITEMS.filter(bool)), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(CASES)
def test_metrics_agree_with_trec_eval(cases: list[tuple[list[int], list[int]]]) -> None:
    """nDCG, recall, hit rate and average precision are those of the established program."""
    lists, relevant = zip(*cases, strict=True)
    measures = {"ndcg_cut.5,10,20", "recall.5,10,20", "success.5,10,20", "map_cut.5,10,20"}
    judge = pytrec_eval.RelevanceEvaluator(
        {f"q{n}": {str(item): 1 for item in row} for n, row in enumerate(relevant)}, measures
    )
    theirs = judge.evaluate(
        {
            f"q{n}": {str(item): float(-rank) for rank, item in enumerate(items)}
            for n, items in enumerate(lists)
        }
    )

    ours = list_metrics(lists_of(*lists), rows_of(*relevant))

    for n, row in enumerate(relevant):
        # It evaluates no query without any answer: to us, an empty list has found nothing.
        by_name = theirs.get(f"q{n}", {})
        for k in CUTOFFS:
            # It divides by all targets, also where fewer ranks are looked at.
            reachable = min(k, len(row)) / len(row)
            expected = (
                by_name.get(f"ndcg_cut_{k}", 0.0),
                by_name.get(f"recall_{k}", 0.0),
                by_name.get(f"success_{k}", 0.0),
                by_name.get(f"map_cut_{k}", 0.0) / reachable,
            )
            names = ("ndcg", "recall", "hit_rate", "map")
            assert tuple(ours[f"{m}@{k}"][n] for m in names) == pytest.approx(expected)


def test_figures_by_hand() -> None:
    """Coverage, novelty, Gini and repeats of three lists are what the formulas give."""
    # Of five customers, one of whom has bought nothing yet: product 0 by four, 1 by one.
    bought = rows_of([0], [0, 1], [0], [0], [], n_items=4)
    lists = lists_of([0, 1], [1, 0], [2], depth=2)

    found = list_figures(lists, np.array([4, 1, 0], np.int32), bought, cutoffs=(1, 2))

    # First ranks: 0, 1, 2 each once of four products; nobody has bought 2, which counts as one.
    assert found["coverage@1"] == 3 / 4
    assert found["novelty@1"] == pytest.approx((0 + 2 + 2) / 3)
    assert found["gini@1"] == pytest.approx(1 / 4)
    assert found["repeat_share@1"] == pytest.approx(1 / 3)
    # Five slots: 0 and 1 twice, 2 once; repeats are both of the second list.
    assert found["coverage@2"] == 3 / 4
    assert found["novelty@2"] == pytest.approx((0 + 2 + 2 + 0 + 2) / 5)
    assert found["gini@2"] == pytest.approx((-3 * 0 - 1 * 1 + 1 * 2 + 3 * 2) / (4 * 5))
    assert found["repeat_share@2"] == pytest.approx(2 / 5)


def test_empty_lists_have_no_figures() -> None:
    """Where no slot is filled there is nothing to describe, and no division by it."""
    assert list_figures(lists_of([], depth=3), np.array([0], np.int32), rows_of([1])) == {}


def test_gini_tells_equal_from_concentrated() -> None:
    """Equal exposure is 0, all of it on one of n products is 1 - 1 / n; order is nothing to it."""
    assert gini(np.array([3, 3, 3])) == 0
    assert gini(np.array([0, 0, 0, 5])) == pytest.approx(3 / 4)
    counts = np.random.default_rng(0).integers(0, 9, 40)
    mean_difference = np.abs(counts[:, None] - counts[None, :]).mean()
    assert gini(counts) == pytest.approx(mean_difference / 2 / counts.mean())
