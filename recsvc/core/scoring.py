"""What a ranker makes of the candidates: one number each, higher is better."""

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.case import Case
from recsvc.core.newcomers import placed
from recsvc.core.ranking import Ranker


def scored(case: Case, ranker: Ranker) -> NDArray[np.float32]:
    """float32, shape ``(len(case.items),)``: by what was learnt, else by the weighted sum."""
    if ranker.trees is None:
        return _fused(case, ranker)
    features = case.panel.features.of(case)
    learnt = ranker.trees.predict(features)
    if ranker.logistic is not None:
        learnt += ranker.logistic.predict(features)
    if ranker.fusion and len(case.items):
        fusion = _fused(case, ranker)
        learnt += np.float32(ranker.fusion) * fusion / max(fusion.std(), np.float32(1e-6))
    return learnt


def scored_with_newcomers(
    case: Case, ranker: Ranker, assortment: Assortment
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """All items of a case, its newcomers last, and what the ranker makes of them."""
    items, scores = case.items, scored(case, ranker)
    if len(case.newcomers):
        new = placed(case, case.panel.sources, assortment.near, ranker, scores)
        scores = np.append(scores, new)
        items = np.append(items, assortment.n_learnt + case.newcomers)
    return items, scores


def _fused(case: Case, ranker: Ranker) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = case.standardised @ ranker.weights
    return scores
