"""Metrics of finished lists: binary relevance, all products ranked, none sampled.

A list is a total order: the ranking code breaks ties, by the product's popularity
(:mod:`recsvc.core.recommender`), so that nothing here depends on how equal scores fell. A short
list has fewer chances and is not excused: its missing ranks are misses.

Per customer, with ``hit(r)`` 1 where rank ``r`` (from 1) is a target and ``n`` targets in all:

- ``ndcg@k``: sum of ``hit(r) / log2(r + 1)`` over the first ``k`` ranks, divided by that of the
  best list, which has ``min(k, n)`` hits on top.
- ``recall@k``: hits among the first ``k``, divided by ``n``, however large.
- ``map@k``: mean over the hits among the first ``k`` of the precision at their rank, summed and
  divided by ``min(k, n)``; so a perfect list has 1, unlike with ``trec_eval``'s ``map_cut``,
  which divides by ``n``.
- ``hit_rate@k``: 1 if there is any hit among the first ``k``.

Of all lists together, over the slots that are filled among the first ``k`` ranks:

- ``coverage@k``: share of the catalogue that is on any list.
- ``novelty@k``: mean of ``-log2(share of customers who have bought the product)``, in bits; a
  product that nobody has bought counts as bought by one.
- ``gini@k``: Gini coefficient of how often each product of the catalogue is shown: 0 if all
  equally, near 1 if a few have it all (popularity bias).
- ``repeat_share@k``: share of the slots with what the customer had bought.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

CUTOFFS = (5, 10, 20)
NDCG_AT = 10
RECALL_AT = 20

DEPTH = max(CUTOFFS)
"""Ranks of a list that are looked at."""
NOTHING = -1
"""Fills a list that is shorter than the others."""


def discounts(n: int) -> NDArray[np.float64]:
    """Weight of a hit at each of the first ``n`` ranks."""
    return 1.0 / np.log2(np.arange(2, n + 2))


def ideal_gains(n_relevant: NDArray[np.int64], cutoff: int = NDCG_AT) -> NDArray[np.float64]:
    """The best reachable discounted gain for each number of targets, at least 1."""
    best = np.cumsum(discounts(cutoff))
    return best[np.clip(n_relevant, 1, cutoff) - 1]


def hits(lists: NDArray[np.int32], relevant: csr_array) -> NDArray[np.bool_]:
    """Where ``lists``, int32 ``(n, depth)``, have what their row of ``relevant`` holds."""
    n_rows, n_items = len(lists), relevant.shape[1]
    rows = np.arange(n_rows, dtype=np.int64)
    wanted = np.repeat(rows, np.diff(relevant.indptr)) * n_items + relevant.indices
    found: NDArray[np.bool_] = np.isin(rows[:, None] * n_items + lists, wanted)
    found[lists == NOTHING] = False  # -1 would be the row before's last item
    return found


def list_metrics(
    lists: NDArray[np.int32], relevant: csr_array, cutoffs: Sequence[int] = CUTOFFS
) -> dict[str, NDArray[np.float64]]:
    """Every metric of every list; the module says how each is defined.

    Args:
        lists: int32, shape ``(n, depth)``, item indices best first, distinct, padded with
            :data:`NOTHING`; a cut-off beyond ``depth`` finds nothing more.
        relevant: ``n`` by items, an entry for each target; 0 is the value of every metric
            of a customer without any.
        cutoffs: the values of ``k``.

    Returns:
        float64 of shape ``(n,)``, by name, as in ``ndcg@10``.
    """
    found = hits(lists, relevant)
    n_relevant = np.diff(relevant.indptr).astype(np.int64)
    at_least_one = np.maximum(n_relevant, 1)
    ranks = np.arange(1, lists.shape[1] + 1)
    gains = found * discounts(len(ranks))
    precisions = found * (np.cumsum(found, axis=1) / ranks)
    metrics: dict[str, NDArray[np.float64]] = {}
    for k in cutoffs:
        n_hits = found[:, :k].sum(axis=1)
        metrics[f"ndcg@{k}"] = gains[:, :k].sum(axis=1) / ideal_gains(n_relevant, k)
        metrics[f"recall@{k}"] = n_hits / at_least_one
        metrics[f"map@{k}"] = precisions[:, :k].sum(axis=1) / np.minimum(at_least_one, k)
        metrics[f"hit_rate@{k}"] = (n_hits > 0).astype(np.float64)
    return metrics


def list_figures(
    lists: NDArray[np.int32],
    customers: NDArray[np.int32],
    bought: csr_array,
    cutoffs: Sequence[int] = CUTOFFS,
) -> dict[str, float]:
    """What all lists together are like; the module says how each figure is defined.

    Args:
        lists: int32, shape ``(n, depth)``, padded with :data:`NOTHING`.
        customers: int32, shape ``(n,)``: whose lists they are, as rows of ``bought``.
        bought: all customers by the catalogue, an entry for each product that a customer had
            bought before.
        cutoffs: the values of ``k``.

    Returns:
        by name, as in ``coverage@10``; empty if the lists are.
    """
    n_items = bought.shape[1]
    n_buyers = np.bincount(bought.indices, minlength=n_items)
    n_customers = max(int(np.count_nonzero(np.diff(bought.indptr))), 1)
    information = -np.log2(np.maximum(n_buyers, 1) / n_customers)
    is_repeat = hits(lists, bought[customers])
    figures: dict[str, float] = {}
    for k in cutoffs:
        top = lists[:, :k]
        shown = np.bincount(top[top != NOTHING], minlength=n_items)
        n_slots = int(shown.sum())
        if n_slots:
            figures[f"coverage@{k}"] = float(np.count_nonzero(shown) / n_items)
            figures[f"novelty@{k}"] = float(information @ shown / n_slots)
            figures[f"gini@{k}"] = gini(shown)
            figures[f"repeat_share@{k}"] = float(is_repeat[:, :k].sum() / n_slots)
    return figures


def gini(counts: NDArray[np.int64]) -> float:
    """Gini coefficient of ``counts``, shape ``(n,)``, not all 0: half the relative mean difference.

    0 if all are equal, ``1 - 1 / n`` if one has everything.
    """
    n = len(counts)
    ranks = np.arange(1, n + 1)
    return float((2 * ranks - n - 1) @ np.sort(counts) / (n * counts.sum()))
