"""One ranker's lists for one kind of target, measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.metrics import NDCG_AT, RECALL_AT, list_figures, list_metrics
from training.significance import Interval, bootstrap_each

HEADLINE = (f"ndcg@{NDCG_AT}", f"recall@{RECALL_AT}")
"""The two metrics that tables show, and that have intervals."""


@dataclass(frozen=True, slots=True)
class Column:
    """Lists and their metrics, a customer a row.

    Attributes:
        customers: int32, shape ``(n,)``, indices of those with a target, distinct.
        lists: int32, shape ``(n, depth)``, item indices best first, padded with
            :data:`training.metrics.NOTHING`.
        relevant: ``n`` by items, non-zero for each customer's targets.
        values: float64, shape ``(n,)``, by name: :func:`training.metrics.list_metrics`.
        figures: of all lists together:
            :func:`training.metrics.list_figures`; empty if not asked for.
    """

    customers: NDArray[np.int32]
    lists: NDArray[np.int32]
    relevant: csr_array
    values: Mapping[str, NDArray[np.float64]]
    figures: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        customers: NDArray[np.int32],
        lists: NDArray[np.int32],
        relevant: csr_array,
        bought: csr_array | None = None,
    ) -> Self:
        """Measure ``lists`` against ``relevant``; customers without a target are left out.

        With ``bought``, all customers by items, an entry for what each had bought before, the
        lists are described by figures as well.
        """
        rows = np.flatnonzero(np.diff(relevant.indptr))
        customers, lists, relevant = customers[rows], lists[rows], relevant[rows]
        figures = {} if bought is None else list_figures(lists, customers, bought)
        return cls(customers, lists, relevant, list_metrics(lists, relevant), figures)

    def where(self, keep: NDArray[np.bool_]) -> "Column":
        """The same for some of the customers; ``keep`` bool, shape ``(n,)``."""
        return Column(
            self.customers[keep],
            self.lists[keep],
            self.relevant[keep],
            {name: values[keep] for name, values in self.values.items()},
        )

    def wanting(self, items: NDArray[np.bool_]) -> "Column":
        """The same lists with a part of the targets; ``items`` bool, shape ``(n_items,)``."""
        relevant = self.relevant.copy()
        relevant.data = relevant.data * items[relevant.indices]
        relevant.eliminate_zeros()
        return Column.of(self.customers, self.lists, relevant)

    @property
    def ndcg(self) -> NDArray[np.float64]:
        """float64, shape ``(n,)``: nDCG@10."""
        return self.values[f"ndcg@{NDCG_AT}"]

    @property
    def recall(self) -> NDArray[np.float64]:
        """float64, shape ``(n,)``: recall@20."""
        return self.values[f"recall@{RECALL_AT}"]

    def intervals(self) -> dict[str, Interval]:
        """Means of :data:`HEADLINE` with 95 % intervals over the customers."""
        found = bootstrap_each(np.stack([self.values[name] for name in HEADLINE], axis=1))
        return dict(zip(HEADLINE, found, strict=True))

    def headline(self) -> dict[str, Any]:
        """Number of customers and :meth:`intervals`, for JSON."""
        if not len(self.customers):
            return {"customers": 0}
        intervals = self.intervals()
        return {
            "customers": len(self.customers),
            **{name: round(found.mean, 5) for name, found in intervals.items()},
            "intervals": {
                name: [round(found.low, 5), round(found.high, 5)]
                for name, found in intervals.items()
            },
        }

    def summary(self) -> dict[str, Any]:
        """:meth:`headline`, the other metrics' means and the figures of all lists."""
        if not len(self.customers):
            return {"customers": 0}
        means = {name: round(float(values.mean()), 5) for name, values in self.values.items()}
        figures = {name: round(value, 5) for name, value in self.figures.items()}
        return means | figures | self.headline()
