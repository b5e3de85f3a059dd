"""Rankers of the surfaces beside the list for a shopper: with a basket, and for what runs out.

They learn from the latest windows alone: what a basket lacks changes less from month to month than
what is bought next. As for lists, a window that they have not learnt from decides whether what was
learnt serves or the plain weights do.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.core.ranking import Ranker, Task, plain_ranker
from recsvc.core.recommender import Recommender
from training import asked as past
from training.asked import Asked
from training.evaluate import target_customers
from training.examples import Examples, collect
from training.models.baskets import fit_baskets
from training.models.boosting import BoostingSettings, fit_trees
from training.models.logistic import fit_logistic
from training.progress import Reporter
from training.settings import TrainingSettings
from training.significance import Interval, paired_bootstrap
from training.split import HoldOut, Split
from training.windows import Role, Window

LOGISTIC_SHARE = 0.5
"""What the regression's log-odds count beside the trees', as for lists."""

AGAIN_FUSION = 1.0
"""What the plain weights, own frequency that is, count beside what was learnt of what runs out:
next to it all else says little, and trees alone do not reach it (precision@10 of what a household
buys within a week .223 without, .2305 with, .2256 own frequency alone)."""

AT = 10
"""Products of a list that are looked at."""

MIN_ASKED = 50
"""With fewer questions of the past, what is learnt from them would be noise."""

OTHER_SEED = 1
"""So that what judges is not drawn as what teaches is."""


@dataclass(slots=True)
class Surfaces:
    """What the windows teach of each surface.

    Attributes:
        settings: of the run.
        examples: of each task, one a window.
        served: of each task that was judged, whether what was learnt serves.
        metrics: for the manifest.
    """

    settings: TrainingSettings
    examples: dict[Task, list[Examples]] = field(default_factory=dict)
    served: dict[Task, bool] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    _plain: dict[Task, Ranker] = field(default_factory=dict)

    def see(self, recommender: Recommender, window: Window, reporter: Reporter) -> None:
        """Let a window judge what was learnt before it, if that is its role, and teach, if it may.

        Args:
            recommender: fitted on what came before the window.
            window: of the late ones. Those of ``--split last-basket`` only judge: who learnt from
                them would have seen what others bought later.
            reporter: told of each step.
        """
        judges = Role.GUARD in window.roles
        # Trees are all that is learnt here.
        if "trees" in self.settings.without or not (judges or window.teaches):
            return
        held_out = _of_customers(window)
        history = held_out.history
        with reporter.stage("count what was in one basket"):
            baskets = fit_baskets(history, recommender.model.catalogue, self.settings)
        beside = Recommender(replace(recommender.model, baskets=baskets))
        if judges:
            self._judge(beside, held_out, reporter)
        if window.teaches:
            self._gather(beside, held_out, reporter)

    def _gather(self, recommender: Recommender, held_out: HoldOut, reporter: Reporter) -> None:
        settings = self.settings
        asked = _asked(recommender, held_out, settings.surface_questions, settings.seed)
        with reporter.stage("look what went into baskets, and what ran out"):
            found = collect(recommender, asked, negatives=settings.negatives, seed=settings.seed)
        for task, examples in found.items():
            self.examples.setdefault(task, []).append(examples)
            self._plain[task] = plain_ranker(task, recommender.panel(task).scores)

    def _judge(self, recommender: Recommender, held_out: HoldOut, reporter: Reporter) -> None:
        """Let a window that nothing was learnt from decide what serves."""
        settings = self.settings
        n_asked = min(settings.surface_questions, settings.judge_customers)
        asked = _asked(recommender, held_out, n_asked, settings.seed + OTHER_SEED)
        learnt = self._learnt()
        for task, plain in self._plain.items():
            if task not in learnt:
                reporter.log(f"  {task.value}: {_too_little('learn from')}")
                continue
            with reporter.stage(f"judge {task.value}"):
                questions = asked.get(task, ())
                found = _recalls(recommender, questions, task, (learnt[task], plain))
            if len(found[0]) < MIN_ASKED:
                reporter.log(f"  {task.value}: {_too_little('judge by')}")
                continue
            margin = paired_bootstrap(*found)
            self.served[task] = margin.mean > 0
            self.metrics[task.value] = _report(found, margin)
            reporter.log(_line(task, found, margin))

    def _learnt(self) -> dict[Task, Ranker]:
        """A ranker for each task that has enough to learn from, whatever was judged."""
        rankers = {}
        for task, parts in self.examples.items():
            examples = Examples.together(parts)
            if len(examples.lengths) < MIN_ASKED or not examples.labels.any():
                continue
            boosting = _boosting(task, self.settings.boosting)
            trees = fit_trees(
                examples.features, examples.labels, examples.lengths, boosting, self.settings.seed
            )
            logistic = fit_logistic(examples.features, examples.labels)
            logistic = replace(logistic, weights=logistic.weights * LOGISTIC_SHARE)
            fusion = AGAIN_FUSION if task is Task.AGAIN else 0.0
            rankers[task] = Ranker(self._plain[task].weights, trees, logistic, fusion)
        return rankers

    def rankers(self) -> dict[Task, Ranker]:
        """Those that have won."""
        learnt = self._learnt()
        return {task: ranker for task, ranker in learnt.items() if self.served.get(task, False)}


def _of_customers(window: Window) -> HoldOut:
    """What a window holds out: of one cut by chance, that of its own customers.

    Such windows are all of one cut, and would else be judged by the very orders they taught.
    """
    held_out = window.held_out
    if held_out.method is not Split.RANDOM:
        return held_out
    its_own = np.isin(held_out.future.lines["customer"].to_numpy(), window.customers)
    return replace(held_out, future=held_out.future.select(pl.Series(its_own)))


def _boosting(task: Task, boosting: BoostingSettings) -> BoostingSettings:
    """A basket lacks one product: the log-odds of each tell as much as comparing them.

    What runs out is a matter of which of one's own comes before which; there are few, so that
    the trees must be small.
    """
    if task is not Task.AGAIN:
        return replace(boosting, pairwise=False)
    return replace(boosting, pairwise=True, n_leaves=16, min_data_in_leaf=400)


def _asked(
    recommender: Recommender, held_out: HoldOut, at_most: int, seed: int
) -> dict[Task, Iterable[Asked]]:
    """Questions of each task that the window can answer, at most so many of each."""
    asked: dict[Task, Iterable[Asked]] = {}
    if recommender.model.baskets is not None:
        for task in (Task.TOGETHER_COLD, Task.TOGETHER):
            asked[task] = past.baskets(recommender, held_out, task, at_most, seed)
    if held_out.history.has_times and "own_long" in recommender.scores:
        # Their lists are short, and cost less.
        customers = target_customers(held_out.targets(), 2 * at_most, seed)
        asked[Task.AGAIN] = past.again(recommender, held_out, customers)
    return asked


def _recalls(
    recommender: Recommender, asked: Iterable[Asked], task: Task, rankers: tuple[Ranker, Ranker]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each question the share of what was bought that each ranker has among its first."""
    found: tuple[list[float], list[float]] = ([], [])
    for question in asked:
        case = recommender.candidates(question.query, task)
        form = replace(question.query, size=AT).form
        for ranker, recalls in zip(rankers, found, strict=True):
            items = recommender.order(case, ranker, form)
            n_found = np.isin(question.relevant, items).sum()
            recalls.append(n_found / min(AT, len(question.relevant)))
    return np.array(found[0]), np.array(found[1])


def _report(
    found: tuple[NDArray[np.float64], NDArray[np.float64]], margin: Interval
) -> dict[str, Any]:
    learnt, plain = found
    return {
        "served": "trees" if margin.mean > 0 else "plain",
        "questions": len(learnt),
        f"recall@{AT}": {"trees": round(learnt.mean(), 5), "plain": round(plain.mean(), 5)},
        "margin": [round(margin.mean, 5), round(margin.low, 5), round(margin.high, 5)],
    }


def _too_little(to_do: str) -> str:
    return f"too little to {to_do} (fewer than {MIN_ASKED} questions): plain weights will serve"


def _line(
    task: Task, found: tuple[NDArray[np.float64], NDArray[np.float64]], margin: Interval
) -> str:
    learnt, plain = found
    served = "the trees" if margin.mean > 0 else "plain weights"
    sure = "" if margin.is_clear_of_zero else ", within the noise"
    return (
        f"  {task.value}: recall@{AT} {learnt.mean():.4f} learnt, {plain.mean():.4f} plain "
        f"({margin.mean:+.4f} [{margin.low:.4f}, {margin.high:.4f}]{sure}): {served} will serve"
    )
