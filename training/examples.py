"""What the boosted trees learn from: candidates of a window, and whether they were bought."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.places import Place
from recsvc.core.ranking import Task
from recsvc.core.recommender import Query, Recommender
from training.evaluate import Tick
from training.metrics import DEPTH
from training.split import HoldOut
from training.targets import bought_by, new_to_customer


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
    held_out: HoldOut,
    customers: NDArray[np.int32],
    task: Task,
    *,
    negatives: float,
    seed: int,
    tick: Tick = lambda: None,
) -> Examples:
    """Ask for a list as the server would be asked, and look which candidates were bought.

    The features are those of the serving code, on a model that was fitted before the window.

    Args:
        recommender: fitted on ``held_out.history``.
        held_out: what was known, and what was bought next.
        customers: int32, who is asked.
        task: what is asked for; :attr:`Task.NEW` leaves out what each has bought.
        negatives: share of the candidates not bought that are kept, drawn at random.
        seed: seed of that draw.
        tick: called after each customer.
    """
    rng = np.random.default_rng(seed)
    targets = held_out.targets()
    if task is Task.NEW:
        targets = new_to_customer(targets, bought_by(recommender.model.histories, targets.shape[1]))
    features = [np.zeros((0, len(recommender.features.names)), np.float32)]
    labels = [np.zeros(0, np.bool_)]
    for customer in customers.tolist():
        relevant = targets.indices[targets.indptr[customer] : targets.indptr[customer + 1]]
        if len(relevant):
            case = recommender.candidates(
                Query(
                    customer=customer,
                    place=Place(tuple(recommender.model.histories.homes[customer].tolist())),
                    size=DEPTH,
                    now=held_out.now,
                    only_new=task is Task.NEW,
                )
            )
            bought = np.isin(case.items, relevant)
            kept = bought | (rng.random(len(bought)) < negatives)
            features.append(recommender.features.of(case)[kept])
            labels.append(bought[kept])
        tick()
    # The first is there so that there is one to concatenate; it is no list.
    lengths = np.array([len(rows) for rows in labels[1:]], np.int32)
    return Examples(np.concatenate(features), np.concatenate(labels), lengths)
