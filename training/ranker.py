"""The ranker of one task, learnt from examples: the trees, and what counts beside them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsvc.core.ranking import Ranker
from training.examples import Examples
from training.models.boosting import fit_trees
from training.models.logistic import fit_logistic
from training.settings import TrainingSettings
from training.split import FILLS_GAPS, Split

MIN_EXAMPLES = 50
"""Purchases among the candidates that trees need at least."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What counts beside the trees.

    Attributes:
        logistic: what the regression's log-odds count.
        fusion: what a deviation of the fusion counts.
    """

    logistic: float
    fusion: float


WITH_TIMES = Beside(logistic=0.5, fusion=0.0)
"""Trees that have little to learn from need the regression's steadiness (nDCG@10 of new groceries,
mean of four months, learnt from 1,400 lists: .0533 without, .0548 with half of it, .0542 with all);
those that learn from 10,000 hardly do (.0574 and .0570; of new gifts .1489 and .1495). The fusion
only dilutes (of new gifts .140 against .161)."""

FEW_PURCHASES = 4_000
"""Without times, purchases from which trees learn more than a regression does; those of customers
who teach several times count each time."""

LEAST_SHARE = 0.05
"""A regression that counted less would cost its time at each list, and move nothing."""


def fit_ranker(
    weights: NDArray[np.float32],
    examples: Examples,
    settings: TrainingSettings,
    method: Split = Split.TEMPORAL,
) -> Ranker:
    """Learn to order candidates from those that were bought and those that were not.

    Args:
        weights: of the fusion.
        examples: what was bought.
        settings: of the run.
        method: how the windows that they are of were cut.
    """
    trees = fit_trees(
        examples.features, examples.labels, examples.lengths, settings.boosting, settings.seed
    )
    others = beside(method, int(examples.labels.sum()))
    if not others.logistic:
        return Ranker(weights, trees, fusion=others.fusion)
    logistic = fit_logistic(examples.features, examples.labels)
    logistic = replace(logistic, weights=logistic.weights * np.float32(others.logistic))
    return Ranker(weights, trees, logistic, others.fusion)


def is_enough(examples: Examples) -> bool:
    """Whether there is something to learn from."""
    return bool(MIN_EXAMPLES <= examples.labels.sum() < len(examples.labels))


def beside(method: Split, n_bought: int) -> Beside:
    """What counts beside trees that learn from ``n_bought`` purchases of windows cut by ``method``.

    Without times what is learnt is how to fill gaps at random, not what comes next; beside it the
    fusion, which hardly learns, keeps its full weight (ndcg@20 of Gowalla's published split, from
    54,000 purchases, .165 against .159; with half of the regression .164). A few hundred customers
    teach trees too little: seven sets of 300 of them are 1.6 % (all) and 4.8 % (new) above their
    best single source with the fusion alone, 4.8 % and 7.8 % with halves of both.
    """
    if method not in FILLS_GAPS:
        return WITH_TIMES
    few = 1 / (1 + (n_bought / FEW_PURCHASES) ** 2)
    return Beside(logistic=few if few >= LEAST_SHARE else 0.0, fusion=1 - few / 2)
