"""What the boosted trees learn from: candidates of a window, and whether they were bought."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.case import Case
from recsvc.core.features import Features
from recsvc.core.query import Query
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
    asked: Mapping[Task, Iterable[Asked | None]],
    *,
    negatives: float,
    seed: int,
    tick: Tick = lambda: None,
) -> dict[Task, Examples]:
    """Ask for a list as the server would be asked, and look which candidates were bought.

    The features are those of the serving code, on a model that was fitted before the window.

    Args:
        recommender: fitted on what was known.
        asked: the questions of each task; those that are ``None`` teach nothing. The first of each
            are asked before all second ones: those of one customer cost little more than one.
        negatives: share of the candidates not bought that are kept, drawn at random.
        seed: seed of that draw, for each task the same.
        tick: called after each question.
    """
    drawn = {task: _Drawn(recommender.panel(task).features, seed) for task in asked}
    # Some are asked before the first is answered.
    waiting: deque[tuple[Task, Asked]] = deque()

    def questions() -> Iterator[tuple[Query, Task]]:
        columns = ([(task, question) for question in of] for task, of in asked.items())
        for row in zip_longest(*columns):
            for task, question in filter(None, row):
                if question is not None:
                    waiting.append((task, question))
                    yield question.query, task
                tick()

    for case in recommender.candidates_all(questions()):
        task, question = waiting.popleft()
        drawn[task].add(case, question.relevant, negatives)
    return {task: found.together() for task, found in drawn.items()}


class _Drawn:
    """What is drawn from the candidates of one task.

    Args:
        read: the features of each.
        seed: of the draw.
    """

    def __init__(self, read: Features, seed: int) -> None:
        self._read = read
        self._rng = np.random.default_rng(seed)
        # The first is there so that there is one to concatenate; it is no list.
        self._features = [np.zeros((0, len(read.names)), np.float32)]
        self._labels = [np.zeros(0, np.bool_)]

    def add(self, case: Case, relevant: NDArray[np.int32], negatives: float) -> None:
        """Keep what was bought, and such a share of the others."""
        bought = np.isin(case.items, relevant)
        kept = bought | (self._rng.random(len(bought)) < negatives)
        self._features.append(self._read.of(case, kept))
        self._labels.append(bought[kept])

    def together(self) -> Examples:
        """All that was kept."""
        lengths = np.array([len(rows) for rows in self._labels[1:]], np.int32)
        return Examples(np.concatenate(self._features), np.concatenate(self._labels), lengths)
