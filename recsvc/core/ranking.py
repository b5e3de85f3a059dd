"""What orders a list: weights or boosted trees, for each kind of question."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from recsvc.core.logistic import Logistic
from recsvc.core.trees import Trees

Matrix = NDArray[np.float32]


class Task(StrEnum):
    """What a list is for; each has weights of its own.

    A ranker that is good over all purchases lives on repeats and is poor at what a
    customer has never bought; away from home the place says more than at home; a shopper
    without a history has nothing but place; what goes with a basket is another question than
    what is bought this month, and so is what a shopper runs out of this week.
    """

    ALL = "all"
    AWAY = "away"
    NEW = "new"
    COLD = "cold"
    TOGETHER = "together"
    TOGETHER_COLD = "together_cold"
    AGAIN = "again"


BESIDE_BASKET = frozenset({Task.TOGETHER, Task.TOGETHER_COLD})
"""Tasks that ask what goes with a basket."""

PLAIN = {
    Task.ALL: {"own_long": 1.0, "own_short": 0.3, "collaborative": 0.2, "popularity": 0.1},
    Task.AWAY: {"own_long": 1.0, "collaborative": 0.2, "place": 0.2, "place_lift": 0.5},
    Task.NEW: {
        "collaborative": 1.0,
        "spectral": 1.0,
        "ease": 1.0,
        "like_customers": 0.2,
        "transitions": 0.2,
        "popularity": 0.1,
        "place": 0.2,
    },
    Task.COLD: {"popularity": 0.5, "place": 1.0, "place_lift": 0.2},
    Task.TOGETHER: {"together": 1.0, "own_long": 0.5, "neighbours": 0.2, "popularity": 0.1},
    Task.TOGETHER_COLD: {"together": 1.0, "neighbours": 0.2, "popularity": 0.1},
    Task.AGAIN: {"own_long": 1.0, "own_short": 0.1},
}
"""Weights of scores where nothing was learnt for a task, and where the search for better starts."""


@dataclass(frozen=True, slots=True)
class Ranker:
    """What orders the candidates of one task.

    Attributes:
        weights: float32, shape ``(n_scores,)``, not negative: of the sources' standardised
            scores, whose weighted sum orders the list. With trees they still tell which
            source speaks most for a product.
        trees: boosted trees over the features; ``None`` where the weighted sum is as good.
        logistic: a regression over the same, whose log-odds are added to theirs.
        fusion: what a deviation of the weighted sum is added as; 0 leaves it out.
        n_sifted: so many candidates at most are shown to the trees, the best by the weighted sum;
            the others follow in its order. 0 shows them all.
    """

    weights: NDArray[np.float32]
    trees: Trees | None = None
    logistic: Logistic | None = None
    fusion: float = 0.0
    n_sifted: int = 0


def plain_ranker(task: Task, scores: Sequence[str]) -> Ranker:
    """:data:`PLAIN` weights for the scores that there are.

    Where nothing is bought twice, all is new.
    """
    weights = PLAIN[Task.NEW if task is Task.ALL and "own_long" not in scores else task]
    return Ranker(np.array([weights.get(name, 0.0) for name in scores], np.float32))


def standardise(scores: Matrix) -> Matrix:
    """Mean 0 and deviation 1 in every column; a constant column says nothing and is 0.

    The sources' scales differ by orders of magnitude and from shopper to shopper;
    within one list of candidates they are comparable after this.
    """
    if not len(scores):  # no candidate is allowed: nothing has a mean
        return scores
    standardised, _, deviation = _scaled(scores)
    standardised /= deviation
    return standardised


def scale_of(scores: Matrix) -> tuple[Matrix, Matrix]:
    """Mean and deviation of every column, float32; a constant one's is infinite, and divides to 0.

    Raises:
        ValueError: there is no row.
    """
    if not len(scores):
        raise ValueError("no scores, so no scale")
    _, mean, deviation = _scaled(scores)
    return mean, deviation


def _scaled(scores: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """The scores less their means, the means, and the deviations as :func:`scale_of` has them.

    Written out, as ``mean`` and ``std`` go over the scores once more.
    """
    n = np.float32(len(scores))
    mean = np.add.reduce(scores, axis=0) / n
    centred = scores - mean
    deviation = np.sqrt(np.add.reduce(centred * centred, axis=0) / n)
    # A column is constant up to rounding when its deviation is tiny beside its mean.
    deviation[deviation <= 1e-6 * np.maximum(np.abs(mean), np.float32(1e-12))] = np.inf
    return centred, mean, deviation


def best_first(
    scores: NDArray[np.float32], tie_breakers: Sequence[NDArray[np.generic]]
) -> NDArray[np.intp]:
    """Positions by falling score; equal scores by the rising ``tie_breakers``, first first."""
    return np.lexsort((*reversed(tie_breakers), -scores))
