"""Fusion of the sources: weights of their scores that rank a window best."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.core.places import PLACE_LEVELS, Place
from recsvc.core.query import Query
from recsvc.core.ranking import Ranker, Task, plain_ranker
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from training.asked import LIKE_NEW, told_apart, without_bought
from training.evaluate import Tick
from training.metrics import NDCG_AT, discounts, ideal_gains
from training.split import FILLS_GAPS, HoldOut

STEPS = (0.0, 0.25, 0.5, 0.8, 1.25, 2.0, 4.0)
FIRST_WEIGHT = 0.1
"""What a feature at 0 is tried with, beside the steps of those above 0."""
N_PASSES = 3
N_FOLDS = 4
MIN_FOLD = 50
"""Lists; fewer are not worth a search of their own."""

TUNED = (Task.ALL, Task.AWAY, Task.NEW, Task.COLD)
"""Tasks whose lists are of the products that a shopper may buy next."""


@dataclass(frozen=True, slots=True)
class Question:
    """One validation list to be ranked.

    Attributes:
        query: what is asked.
        relevant: int32, what was bought.
        weight: how much the list counts.
    """

    query: Query
    relevant: NDArray[np.int32]
    weight: float


def starting_rankers(scores: tuple[str, ...]) -> dict[Task, Ranker]:
    """Where the search starts, and what serves where there is nothing to tune on."""
    return {task: plain_ranker(task, scores) for task in TUNED}


def tune(
    recommender: Recommender,
    held_out: HoldOut,
    customers: NDArray[np.int32],
    seed: int,
    tick: Tick = lambda: None,
) -> tuple[dict[Task, Ranker], dict[Task, float]]:
    """Rankers for each task, and the validation nDCG@10 that each reaches.

    Coordinate ascent on nDCG itself: a dozen scores need no gradient, and a metric of
    lists has none.

    Where gaps were cut (:data:`training.split.FILLS_GAPS`) the weights go a third of the way from
    where they start: what was bought on one day lies on both sides of a random cut, and flatters
    neighbours.

    Args:
        recommender: fitted on ``held_out.history``.
        held_out: the validation cut.
        customers: customers to tune on.
        seed: of the parts that are searched separately.
        tick: called after each task.
    """
    rankers, reached = starting_rankers(recommender.scores), {}
    at_home, away = (
        _at_home(recommender, held_out, customers),
        _away(recommender, held_out, customers),
    )
    for task in told_apart(recommender.model, TUNED):
        questions = _for_task(recommender, task, away if task is Task.AWAY else at_home)
        if questions:
            problem = _Problem.build(recommender, questions)
            start = rankers[task].weights
            weights = _averaged(problem, start, seed)
            if held_out.method in FILLS_GAPS:
                weights = _mean([weights, start, start])
            rankers[task] = Ranker(weights)
            reached[task] = problem.ndcg(weights)
        tick()
    if not recommender.model.buys_again:
        rankers |= dict.fromkeys(LIKE_NEW, rankers[Task.NEW])
    return rankers, reached


@dataclass(frozen=True, slots=True)
class _Problem:
    """All lists of one task as one padded array.

    Attributes:
        features: float32, shape ``(n_lists, n_candidates, n_features)``, standardised.
        relevant: bool, shape ``(n_lists, n_candidates)``.
        padding: float32, shape ``(n_lists, n_candidates)``: -inf where a list is shorter.
        gains: float64, shape ``(n_lists,)``: the list's weight over its ideal gain.
    """

    features: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    padding: NDArray[np.float32]
    gains: NDArray[np.float64]

    @classmethod
    def build(cls, recommender: Recommender, asked: list[Question]) -> "_Problem":
        cases = recommender.candidates_all((question.query, None) for question in asked)
        # Only this much of the candidates: their moments hold dense scores.
        found = [(case.items, case.standardised) for case in cases]
        width = max((len(items) for items, _ in found), default=1)
        features = np.zeros((len(asked), width, len(recommender.scores)), np.float32)
        relevant = np.zeros((len(asked), width), np.bool_)
        padding = np.full((len(asked), width), -np.inf, np.float32)
        for row, (question, (items, scores)) in enumerate(zip(asked, found, strict=True)):
            features[row, : len(items)] = scores
            relevant[row, : len(items)] = np.isin(items, question.relevant)
            padding[row, : len(items)] = 0
        weights = np.array([question.weight for question in asked], np.float64)
        ideal = ideal_gains(np.array([len(q.relevant) for q in asked], np.int64))
        return cls(features, relevant, padding, weights / max(weights.sum(), 1e-12) / ideal)

    def part(self, rows: NDArray[np.intp]) -> "_Problem":
        """The same with some of the lists."""
        gains = self.gains[rows]
        return _Problem(self.features[rows], self.relevant[rows], self.padding[rows], gains)

    def ndcg(self, weights: NDArray[np.float32]) -> float:
        """Weighted mean of nDCG@10, in a part of the lists its share of that mean."""
        scores = self.features @ weights + self.padding
        depth = min(NDCG_AT, scores.shape[1])
        best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        hits = np.take_along_axis(self.relevant, np.take_along_axis(best, order, 1), 1)
        return float((hits @ discounts(depth)) @ self.gains)


def _averaged(problem: _Problem, start: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """The mean of the best weights of each of several parts of the lists.

    The metric is noisy: one search over all lists fits the noise (on a year of groceries,
    new products, it loses .004 of its nDCG@10 on other customers), the mean of searches
    over parts less so, at the same cost.
    """
    n_folds = min(N_FOLDS, len(problem.gains) // MIN_FOLD)
    if n_folds < 2:  # noqa: PLR2004  # nothing to average
        return _ascend(problem.ndcg, start)[0]
    folds = np.array_split(np.random.default_rng(seed).permutation(len(problem.gains)), n_folds)
    found = [_ascend(problem.part(fold).ndcg, start)[0] for fold in folds]
    return _mean(found)


def _mean(found: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Only the ratios of weights matter: all are brought to one length before averaging."""
    unit = np.stack([w / max(float(np.linalg.norm(w)), 1e-12) for w in found])
    return np.asarray(unit.mean(axis=0), np.float32)


def _ascend(
    objective: Callable[[NDArray[np.float32]], float], start: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float]:
    best, value = start, objective(start)
    for _ in range(N_PASSES):
        before = value
        for feature in range(len(start)):
            current = float(best[feature])
            tried = [current * step for step in STEPS] if current else [FIRST_WEIGHT]
            for weight in tried:
                weights = best.copy()
                weights[feature] = weight
                reached = objective(weights)
                if reached > value:
                    best, value = weights, reached
        if value == before:
            break
    return best, value


def _for_task(recommender: Recommender, task: Task, questions: list[Question]) -> list[Question]:
    """The same questions as the task asks them, those left out that have nothing to find."""
    if task is Task.COLD:
        return [replace(q, query=replace(q.query, customer=MISSING)) for q in questions]
    if not without_bought(recommender.model, task):
        return questions
    asked = []
    for question in questions:
        bought = recommender.model.histories.profile(question.query.customer).items
        relevant = np.setdiff1d(question.relevant, bought)
        if len(relevant):
            asked.append(
                Question(replace(question.query, only_new=True), relevant, question.weight)
            )
    return asked


def _at_home(
    recommender: Recommender, held_out: HoldOut, customers: NDArray[np.int32]
) -> list[Question]:
    """What each customer bought in the window, wherever, asked for at home."""
    targets = held_out.targets()
    homes = recommender.model.histories.homes
    return [
        Question(
            Query(
                customer=customer,
                place=Place(tuple(homes[customer].tolist())),
                size=NDCG_AT,
                now=held_out.now,
            ),
            targets.indices[targets.indptr[customer] : targets.indptr[customer + 1]],
            1.0,
        )
        for customer in customers.tolist()
    ]


def _away(
    recommender: Recommender, held_out: HoldOut, customers: NDArray[np.int32]
) -> list[Question]:
    """What each customer bought at every other place, asked for there.

    A list must be right wherever its reader stands, and these are the purchases that tell
    what place is worth. All of a customer's places count together as one.
    """
    history, future = held_out.history, held_out.future
    known = np.bincount(history.lines["item"].to_numpy(), minlength=len(history.items)) > 0
    lines = future.lines.filter(
        pl.col("customer").is_in(customers.tolist())
        & pl.Series(known[future.lines["item"].to_numpy()])
    )
    visits = lines.group_by("customer", "location").agg(pl.col("item").unique().sort())
    questions = []
    for customer, location, items in visits.sort("customer", "location").iter_rows():
        query = Query(
            customer=customer,
            place=_evident(recommender, history.locations.indices[location]),
            size=NDCG_AT,
            now=held_out.now,
        )
        if recommender.is_away(customer, query.place):
            questions.append((query, np.array(items, np.int32)))
    n_away = Counter(query.customer for query, _ in questions)
    return [Question(query, items, 1.0 / n_away[query.customer]) for query, items in questions]


def _evident(recommender: Recommender, indices: NDArray[np.int32]) -> Place:
    """A place of the future as the model knows it: levels without purchases are missing."""
    levels = recommender.model.places.levels
    return Place(tuple(levels[level].known(int(indices[level])) for level in PLACE_LEVELS))
