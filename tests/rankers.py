"""Rankers by hand: weights by the names of scores, trees by the names of features."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from recsvc.core.logistic import Logistic
from recsvc.core.model import Model
from recsvc.core.ranking import Ranker, Task
from recsvc.core.recommender import Recommender
from recsvc.core.trees import Tree, Trees


class Stump(NamedTuple):
    """The smallest tree: one value for rows up to a threshold, another above it."""

    feature: str
    threshold: float
    up_to: float
    above: float


def weigh(model: Model, weights: Mapping[Task, Mapping[str, float]]) -> Model:
    """Return ``model`` with these weights; scores that are not named, or not there, have 0."""
    recommender = Recommender(model)
    rankers = {
        task: Ranker(
            np.array([given.get(n, 0.0) for n in recommender.panel(task).scores], np.float32)
        )
        for task, given in weights.items()
    }
    return replace(model, rankers={**model.rankers, **rankers})


def weigh_alike(model: Model, **weights: float) -> Model:
    """Return ``model`` with the same weights for every task."""
    return weigh(model, dict.fromkeys(Task, weights))


def grow(model: Model, task: Task, *stumps: Stump) -> Model:
    """Return ``model`` with trees for ``task``, which keeps its weights."""
    names = Recommender(model).panel(task).features.names
    trees = Trees.from_trees([_tree(stump, names) for stump in stumps], len(names))
    ranker = replace(model.rankers[task], trees=trees)
    return replace(model, rankers={**model.rankers, task: ranker})


def regress(model: Model, task: Task, **weights: float) -> Model:
    """Return ``model`` with a regression beside the trees of ``task``, by names of features."""
    names = Recommender(model).panel(task).features.names
    known = np.array([weights.get(name, 0.0) for name in names], np.float32)
    wide = np.full(len(names), 1_000, np.float32)
    logistic = Logistic(-wide, wide, np.ones(len(names), np.float32), known)
    ranker = replace(model.rankers[task], logistic=logistic)
    return replace(model, rankers={**model.rankers, task: ranker})


def same(one: Ranker, other: Ranker) -> bool:
    """Whether all bytes of the two are equal."""

    def as_bytes(ranker: Ranker) -> dict[str, bytes]:
        arrays = {
            "weights": ranker.weights,
            "fusion": np.array(ranker.fusion),
            "n_sifted": np.array(ranker.n_sifted),
        }
        arrays |= {} if ranker.trees is None else ranker.trees.to_arrays("trees")
        arrays |= {} if ranker.logistic is None else ranker.logistic.to_arrays("logistic")
        return {name: values.tobytes() for name, values in arrays.items()}

    return as_bytes(one) == as_bytes(other)


def _tree(stump: Stump, names: Sequence[str]) -> Tree:
    return Tree(
        np.array([names.index(stump.feature)], np.int32),
        np.array([stump.threshold]),
        np.array([~0], np.int32),
        np.array([~1], np.int32),
        np.array([stump.up_to, stump.above]),
    )
