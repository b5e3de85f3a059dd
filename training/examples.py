"""What the boosted trees learn from: candidates of a window, and whether they were bought."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from training.asked import Asked
from training.evaluate import Tick


@dataclass(frozen=True, slots=True)
class Examples:
    """Candidates with their features; all that were bought and some of the others.

    Attributes:
        features: float32, shape ``(n, n_features)``.
        labels: bool, shape ``(n,)``: bought in the window.
        lengths: int32, shape ``(n_lists,)``: candidates of each list, which stand together.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.bool_]
    lengths: NDArray[np.int32]

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Those of several windows."""
        return cls(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.lengths for part in parts]),
        )


def collect(
    recommender: Recommender,
    asked: Iterable[Asked | None],
    task: Task,
    *,
    negatives: float,
    seed: int,
    tick: Tick = lambda: None,
) -> Examples:
    """Ask for a list as the server would be asked, and look which candidates were bought.

    The features are those of the serving code, on a model that was fitted before the window.

    Args:
        recommender: fitted on what was known.
        asked: the questions; those that are ``None`` teach nothing.
        task: what is asked for.
        negatives: share of the candidates not bought that are kept, drawn at random.
        seed: seed of that draw.
        tick: called after each question.
    """
    rng = np.random.default_rng(seed)
    read = recommender.panel(task).features
    features = [np.zeros((0, len(read.names)), np.float32)]
    labels = [np.zeros(0, np.bool_)]
    for question in asked:
        if question is not None:
            case = recommender.candidates(question.query, task)
            bought = np.isin(case.items, question.relevant)
            kept = bought | (rng.random(len(bought)) < negatives)
            features.append(read.of(case, kept))
            labels.append(bought[kept])
        tick()
    # The first is there so that there is one to concatenate; it is no list.
    lengths = np.array([len(rows) for rows in labels[1:]], np.int32)
    return Examples(np.concatenate(features), np.concatenate(labels), lengths)
