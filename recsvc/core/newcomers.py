"""Products that the model has not learnt, placed on a list by the products that they are like."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsvc.core.case import Case
from recsvc.core.ranking import Ranker, scale_of
from recsvc.core.sources import Source, Strategy
from recsvc.core.sparse import SparseRows

MAX_RANKED = 1_000
"""Newcomers that a list is made from, the latest: more would cost more than the learnt ones."""


def ranked_newcomers(allowed: NDArray[np.bool_], pinned: NDArray[np.int32]) -> NDArray[np.int32]:
    """int32, the latest first: the newcomers that a list is made from, :data:`MAX_RANKED` at most.

    Args:
        allowed: bool, shape ``(n_newcomers,)``: which may be on it.
        pinned: int32, distinct, of those: what is among them, however old.
    """
    latest = np.flatnonzero(allowed)[::-1]
    if len(pinned) and len(latest) > MAX_RANKED:
        others = latest[~np.isin(latest, pinned)][: max(MAX_RANKED - len(pinned), 0)]
        latest = np.union1d(others, pinned)[::-1]
    return latest[:MAX_RANKED].astype(np.int32)


def placed(
    case: Case,
    sources: Sequence[Source],
    near: SparseRows,
    ranker: Ranker,
    ranked: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Scores of a case's newcomers, on the scale of its list.

    Every source scores the learnt products that a newcomer is like, and the newcomer gets the
    mean, but for what speaks of the shopper's own purchases. The ranker's weights make one number
    of that, and the newcomer stands on the list where such a number stands among the candidates.

    Args:
        case: the candidates, and which newcomers are allowed.
        sources: of the model.
        near: newcomers by learnt products.
        ranker: that orders the list.
        ranked: float32, shape ``(n,)``: its scores of the candidates.

    Returns:
        float32, shape ``(len(case.newcomers),)``.
    """
    flat, sizes = near.entries(case.newcomers)
    like = np.flatnonzero(sizes)
    scores = np.full(len(sizes), ranked.min() - 1 if len(ranked) else 0.0, np.float32)
    if not len(like):
        return scores
    items, at = np.unique(near.indices[flat], return_inverse=True)
    likeness = near.values[flat]
    columns = [
        np.zeros(len(items), np.float32) if strategy is Strategy.BUY_AGAIN else column
        for source in sources
        for strategy, column in zip(
            source.features.values(), source.score(case.moment, items), strict=True
        )
    ]
    starts = np.concatenate([[0], np.cumsum(sizes[like])[:-1]])
    terms = np.stack(columns, axis=1)[at] * likeness[:, None]
    total = np.add.reduceat(likeness, starts)[:, None]
    means = np.asarray(np.add.reduceat(terms, starts) / total, np.float32)
    mean, deviation = scale_of(case.scores if len(case.items) else means)
    numbers = ((means - mean) / deviation) @ ranker.weights
    if not len(ranked):
        scores[like] = numbers
        scores[sizes == 0] = numbers.min() - 1
        return scores
    candidates = case.standardised @ ranker.weights
    # Among candidates with one number the newcomer comes last.
    steps, first = np.unique(np.sort(candidates), return_index=True)
    scores[like] = np.interp(numbers, steps, np.sort(ranked)[first])
    return scores
