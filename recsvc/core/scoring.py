"""What a ranker makes of the candidates: one number each, higher is better."""

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.case import Case
from recsvc.core.newcomers import placed
from recsvc.core.ranking import Ranker
from recsvc.core.trees import Trees


def scored(case: Case, ranker: Ranker) -> NDArray[np.float32]:
    """float32, shape ``(len(case.items),)``: by what was learnt, else by the weighted sum.

    A cascade (Wang, Lin and Metzler 2011): the weighted sum, which costs next to nothing, says
    which candidates the trees look at.
    """
    trees = ranker.trees
    if trees is None:
        return _fused(case, ranker)
    kept = sifted(case, ranker)
    if kept is None:
        return _learnt(case, trees, ranker)
    fusion = _fused(case, ranker)
    scores = np.empty_like(fusion)
    scores[kept] = learnt = _learnt(case, trees, ranker, kept)
    # Below the others, by as much as the weighted sum has them below.
    scores[~kept] = learnt.min() + (fusion[~kept] - fusion[kept].min())
    return scores


def sifted(case: Case, ranker: Ranker) -> NDArray[np.bool_] | None:
    """Which candidates the trees look at: bool, shape ``(len(case.items),)``, or None for all."""
    if not 0 < ranker.n_sifted < len(case.items):
        return None
    fusion = _fused(case, ranker)
    kept = np.zeros(len(fusion), np.bool_)
    kept[fusion.argpartition(-ranker.n_sifted)[-ranker.n_sifted :]] = True
    return kept


def _learnt(
    case: Case, trees: Trees, ranker: Ranker, kept: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """What trees, and what counts beside them, make of the candidates, or of those kept alone."""
    features = case.panel.features.of(case, kept)
    learnt = trees.predict(features)
    if ranker.logistic is not None:
        learnt += ranker.logistic.predict(features)
    if ranker.fusion and len(case.items):
        fusion = _fused(case, ranker)
        deviation = max(fusion.std(), np.float32(1e-6))
        fusion = fusion if kept is None else fusion[kept]
        learnt += np.float32(ranker.fusion) * fusion / deviation
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
