"""From candidates with scores to a list: the last stage, for every kind of list.

In this order::

    scores -> one of each group -> varied

Each page goes on where the pages before it ended: what they showed counts as if it stood above.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.diversity import PENALTIES, POOL, WINDOW, Diversity, Likeness
from recsvc.core.ranking import best_first

Positions = NDArray[np.intp]


def _no_items() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a list has to be, whatever the scores.

    Attributes:
        size: products at most.
        shown: int32, items of the pages before, the first first.
        diversity: how varied.
    """

    size: int
    shown: NDArray[np.int32] = field(default_factory=_no_items)
    diversity: Diversity = Diversity.NONE


@dataclass(frozen=True, slots=True)
class Reranker:
    """Makes lists of the products of one assortment.

    Attributes:
        assortment: the products.
        likeness: how alike they are.
        tie_rank: int32, shape ``(n_items,)``: of two products with one score the lower one's comes
            first.
    """

    assortment: Assortment
    likeness: Likeness
    tie_rank: NDArray[np.int32]

    def best(self, items: NDArray[np.int32], scores: NDArray[np.float32], form: Form) -> Positions:
        """Positions of the products to show, the first first.

        Args:
            items: int32, shape ``(n,)``, the candidates: distinct, allowed, none of ``form.shown``.
            scores: float32, shape ``(n,)``.
            form: of the list.
        """
        order = best_first(scores, [self.tie_rank[items]])
        if len(self.assortment.groups):
            order = order[self.assortment.one_of_each_group(items[order])]
        penalty = PENALTIES[form.diversity]
        if penalty:
            order = self._varied(order, items, scores, penalty, form)
        return order[: form.size]

    def _varied(
        self,
        order: Positions,
        items: NDArray[np.int32],
        scores: NDArray[np.float32],
        penalty: float,
        form: Form,
    ) -> Positions:
        """As many of ``order`` as the list needs, mixed; see :mod:`recsvc.core.diversity`."""
        pool, rest = order[:POOL], order[POOL:]
        before = form.shown[-WINDOW:]
        alike = self.likeness.among(np.concatenate([before, items[pool]]))
        n_before = len(before)
        window = deque(alike.to(position)[n_before:] for position in range(n_before))
        near = np.sum(window, axis=0, dtype=np.float32) if window else np.zeros(len(pool))
        left = standardised(scores[pool])
        mixed = []
        for _ in range(min(form.size, len(pool))):
            best = int(np.argmax(left - penalty * near))
            mixed.append(best)
            left[best] = -np.inf
            window.append(alike.to(n_before + best)[n_before:])
            near = near + window[-1]
            if len(window) > WINDOW:
                near = near - window.popleft()
        return np.concatenate([pool[mixed], rest])


def standardised(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean 0 and deviation 1, so that what is taken away means the same on every list."""
    if not len(scores):
        return scores
    deviation = max(float(scores.std()), 1e-6)
    standard: NDArray[np.float32] = ((scores - scores.mean()) / deviation).astype(np.float32)
    return standard
