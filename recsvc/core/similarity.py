"""How like one product all others are: bought by its buyers, near it in the factors, or alike."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.factors import Factors
from recsvc.core.model import Model
from recsvc.core.sources import Collaborative, ItemToItem
from recsvc.core.sparse import SparseRows

NO_NORMS = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Similarity:
    """What a model knows of how like its products are.

    Attributes:
        factors: of the products, ``None`` where the model has none.
        norms: float32, shape ``(n_learnt,)``: their lengths; empty without factors.
        neighbours: products by products; ``None`` where the model has none.
    """

    factors: Factors | None
    norms: NDArray[np.float32]
    neighbours: SparseRows | None

    @classmethod
    def of(cls, model: Model) -> Self:
        """Take what the model's sources know."""
        collaborative = model.source("collaborative")
        factors = collaborative.factors if isinstance(collaborative, Collaborative) else None
        neighbours = model.source("neighbours")
        return cls(
            factors,
            NO_NORMS if factors is None else factors.norms(),
            neighbours.weights if isinstance(neighbours, ItemToItem) else None,
        )

    def to(self, item: int, assortment: Assortment) -> NDArray[np.float32]:
        """float32, shape ``(n_items,)``: how like ``item`` each product is, 0 not at all.

        A newcomer is like what the learnt products near it are like.
        """
        n_learnt, near = assortment.n_learnt, assortment.near
        if item < n_learnt:
            learnt = self._to_learnt(item, n_learnt)
            learnt[item] = max(learnt.max(), 1.0)  # nothing is more like it
        else:
            like, likeness = near.row(item - n_learnt)
            learnt = np.zeros(n_learnt, np.float32)
            for other, share in zip(like.tolist(), likeness.tolist(), strict=True):
                learnt += np.float32(share) * self._to_learnt(other, n_learnt)
            learnt /= max(float(likeness.sum()), 1.0)
            learnt[like] += likeness
        return np.append(learnt, near.means(learnt))

    def _to_learnt(self, item: int, n_learnt: int) -> NDArray[np.float32]:
        """The same of learnt products."""
        scores = np.zeros(n_learnt, np.float32)
        if self.factors is not None:
            scores += self.factors.cosine(item, self.norms)
        if self.neighbours is not None:
            items, similarity = self.neighbours.row(item)
            if len(items):
                scores[items] += similarity / similarity.max()
        return scores
