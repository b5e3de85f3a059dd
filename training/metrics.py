"""Metrics of one list and of many: binary relevance, full ranking."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NDCG_AT = 10
RECALL_AT = 20


@dataclass(frozen=True, slots=True)
class Column:
    """Metrics of one ranker on one kind of target, a value a customer.

    Attributes:
        customers: int32, shape ``(n,)``, indices of those with a target.
        ndcg: float64, shape ``(n,)``, nDCG@10, binary relevance.
        recall: float64, shape ``(n,)``, recall@20, divided by all targets.
    """

    customers: NDArray[np.int32]
    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]

    def summary(self) -> dict[str, float]:
        """Means over the customers, rounded for the manifest."""
        if not len(self.customers):
            return {"customers": 0}
        return {
            "customers": len(self.customers),
            f"ndcg@{NDCG_AT}": round(float(self.ndcg.mean()), 5),
            f"recall@{RECALL_AT}": round(float(self.recall.mean()), 5),
        }


def ideal_gains(n_relevant: NDArray[np.int64]) -> NDArray[np.float64]:
    """The best reachable discounted gain for each number of targets, at least 1."""
    best = np.cumsum(discounts(NDCG_AT))
    return best[np.clip(n_relevant, 1, NDCG_AT) - 1]


def discounts(n: int) -> NDArray[np.float64]:
    """Weight of a hit at each of the first ``n`` ranks."""
    return 1.0 / np.log2(np.arange(2, n + 2))


def list_metrics(items: NDArray[np.int32], relevant: NDArray[np.int32]) -> tuple[float, float]:
    """(nDCG@10, recall@20) of one list; a short list simply has fewer chances."""
    hits = np.isin(items, relevant)
    top = hits[:NDCG_AT]
    ideal = ideal_gains(np.array([len(relevant)]))[0]
    ndcg = float(discounts(len(top))[top].sum() / ideal)
    return ndcg, float(hits[:RECALL_AT].sum() / len(relevant))
