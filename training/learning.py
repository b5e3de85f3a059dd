"""How the rankers are learnt and chosen, window by window.

The windows come in order of time. On the first ones the trees learn, and on the last of those
the weights of the fusion; on the next the guard decides which of them serves; the last one is
measured and reported. Then the trees learn from all windows: the months before the questions
of tomorrow are worth more than those of last year.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsvc.core.ranking import Ranker, Task
from recsvc.core.recommender import Recommender
from training.asked import lists, told_apart
from training.column import Column
from training.evaluate import BASELINES, Rankers, evaluate, only
from training.examples import Examples, collect
from training.fusion import TUNED, starting_rankers, tune
from training.guard import FUSION, TREES, Verdict, contestants, judge
from training.interactions import Interactions
from training.progress import Reporter
from training.ranker import fit_ranker, is_enough
from training.report import slice_report, summaries, table_lines
from training.settings import TrainingSettings
from training.split import Split
from training.surfaces import Surfaces
from training.windows import Role, Window

LEARNT = (Task.ALL, Task.NEW)
"""Tasks with trees of their own. Away from home and without a history the fusion serves."""

MIN_CUSTOMERS = 20
"""With fewer customers in a window, what is learnt from it would be noise."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What the windows taught.

    Attributes:
        rankers: for each task.
        metrics: for the manifest.
        reported: of the last window.
    """

    rankers: Mapping[Task, Ranker]
    metrics: dict[str, Any]
    reported: Mapping[Task, Column]


@dataclass(slots=True)
class _Lessons:
    """What has been gathered so far.

    Attributes:
        scores: names of the sources' scores.
        tasks: those of :data:`LEARNT` that are told apart.
        fusion: tuned weights.
        method: how the windows that teach are cut.
        examples: of each task, one a window.
        verdicts: of the guard, once it has spoken.
        metrics: for the manifest.
        reported: of the last window, once it is measured.
    """

    scores: tuple[str, ...]
    tasks: tuple[Task, ...]
    fusion: Mapping[Task, Ranker]
    method: Split
    examples: dict[Task, list[Examples]] = field(default_factory=lambda: {t: [] for t in LEARNT})
    verdicts: list[Verdict] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    reported: Mapping[Task, Column] = field(default_factory=dict)


def learn(
    windows: list[Window],
    fitted: Callable[[Interactions], Recommender],
    settings: TrainingSettings,
    reporter: Reporter,
    surfaces: Surfaces | None = None,
) -> Learnt:
    """Go through the windows in order, and learn a ranker for each task.

    Args:
        windows: as :func:`training.windows.plan` gives them.
        fitted: fits all sources on a history.
        settings: of the run.
        reporter: told of each step.
        surfaces: learns from the late windows, if it is there, what lists do not teach.
    """
    lessons: _Lessons | None = None
    recommender, history = None, None
    last_training = [n for n, w in enumerate(windows, 1) if Role.TRAIN in w.roles][-1]
    for number, window in enumerate(windows, 1):
        if recommender is None or window.held_out.history is not history:
            history = window.held_out.history
            with reporter.stage(f"window {number} of {len(windows)}: fit the sources"):
                recommender = fitted(history)
        lessons = lessons or _Lessons(
            recommender.scores,
            told_apart(recommender.model, LEARNT),
            starting_rankers(recommender.scores),
            window.held_out.method,
        )
        if number == last_training:
            _fuse(lessons, window, recommender, settings, reporter)
        if window.roles & {Role.GUARD, Role.TEST}:
            _measure(lessons, window, recommender, settings, reporter)
        if window.teaches:
            _gather(lessons, window, recommender, settings, reporter)
        if surfaces is not None and number >= last_training:
            surfaces.see(recommender, window, reporter)
    assert lessons is not None  # noqa: S101  # a plan has at least two windows
    with reporter.stage("learn the rankers from all windows"):
        rankers = _chosen(lessons, _trees(lessons, settings))
        if surfaces is not None:
            rankers |= surfaces.rankers()
            lessons.metrics["surfaces"] = surfaces.metrics
    return Learnt(rankers, lessons.metrics, lessons.reported)


def _fuse(
    lessons: _Lessons,
    window: Window,
    recommender: Recommender,
    settings: TrainingSettings,
    reporter: Reporter,
) -> None:
    """Tune the weights of the fusion for every task."""
    customers = _drawn(window.customers, settings.fusion_customers, settings.seed)
    n_customers = len(customers)
    tuning: dict[str, Any] = {"customers": n_customers, "tuned": n_customers >= MIN_CUSTOMERS}
    lessons.metrics["fusion"] = tuning
    if not tuning["tuned"]:
        reporter.log(f"only {n_customers} customers to tune on: the default weights are used")
        return
    with reporter.stage("tune the fusion", len(TUNED)) as tick:
        lessons.fusion, reached = tune(recommender, window.held_out, customers, settings.seed, tick)
    tuning["ndcg@10"] = {task.value: round(value, 5) for task, value in reached.items()}
    for task, value in reached.items():
        weights = zip(recommender.scores, lessons.fusion[task].weights, strict=True)
        line = ", ".join(f"{name} {weight:.2f}" for name, weight in weights if weight)
        reporter.log(f"  {task.value}: nDCG@10 {value:.4f} with {line}")


def _gather(
    lessons: _Lessons,
    window: Window,
    recommender: Recommender,
    settings: TrainingSettings,
    reporter: Reporter,
) -> None:
    """Add the window's candidates to what the trees learn from."""
    if "trees" in settings.without:
        return
    # A window that was made to teach has as many customers as it should.
    at_most = None if Role.TRAIN in window.roles else settings.train_customers
    customers = _drawn(window.customers, at_most, settings.seed)
    with reporter.stage("look what was bought", len(lessons.tasks) * len(customers)) as tick:
        found = collect(
            recommender,
            {task: lists(recommender, window.held_out, customers, task) for task in lessons.tasks},
            negatives=settings.negatives,
            seed=settings.seed,
            tick=tick,
        )
    for task, examples in found.items():
        lessons.examples[task].append(examples)


def _trees(lessons: _Lessons, settings: TrainingSettings) -> dict[Task, Ranker]:
    """Rankers with trees for the tasks that have enough to learn from."""
    examples = {task: Examples.together(parts) for task, parts in lessons.examples.items() if parts}
    enough = [task for task, found in examples.items() if is_enough(found)]

    def fitted(task: Task) -> Ranker:
        weights = lessons.fusion[task].weights
        ranker = fit_ranker(weights, examples[task], settings, lessons.method)
        return replace(ranker, n_sifted=settings.n_sifted) if task is Task.ALL else ranker

    # Side by side on a thread each: threads of one fit wait for each other at every split,
    # which on busy cores takes longer than the work.
    with ThreadPoolExecutor(len(LEARNT)) as pool:
        rankers = dict(zip(enough, pool.map(fitted, enough), strict=True))
    if Task.NEW in rankers:
        rankers |= {task: rankers[Task.NEW] for task in LEARNT if task not in lessons.tasks}
    return rankers


def _measure(
    lessons: _Lessons,
    window: Window,
    recommender: Recommender,
    settings: TrainingSettings,
    reporter: Reporter,
) -> None:
    """Let the guard decide, report what was decided, or both at once."""
    with reporter.stage("learn the rankers"):
        trees = _trees(lessons, settings)
    scores = recommender.scores
    rankers: dict[str, Rankers] = {}
    if Role.GUARD in window.roles:
        rankers |= contestants(scores, {task: lessons.fusion[task] for task in LEARNT}, trees)
    else:
        rankers["recsvc"] = _chosen(lessons, trees)
        rankers |= {name: _alone(name, scores) for name in BASELINES.values() if name in scores}
    with reporter.stage("measure", len(window.customers)) as tick:
        columns = evaluate(
            recommender,
            window.held_out.targets(),
            window.held_out.now,
            rankers,
            customers=window.customers,
            tick=tick,
        )
    if Role.GUARD in window.roles:
        lessons.verdicts = [
            judge(task, columns)
            for task in LEARNT
            if len(columns[FUSION][task].customers) >= MIN_CUSTOMERS
        ]
        for verdict in lessons.verdicts:
            reporter.log(verdict.line())
        lessons.metrics["guard"] = {"from": _iso(window.held_out.now)} | {
            verdict.task.value: verdict.as_json() for verdict in lessons.verdicts
        }
        served = dict.fromkeys(LEARNT, FUSION) | {v.task: v.served for v in lessons.verdicts}
        columns["recsvc"] = {task: columns[served[task]][task] for task in LEARNT}
    if Role.TEST in window.roles:
        lessons.reported = columns["recsvc"]
        shown = {"recsvc": columns["recsvc"]}
        shown |= {title: columns[name] for title, name in BASELINES.items() if name in columns}
        for line in table_lines(shown):
            reporter.log(line)
        lessons.metrics["test"] = {
            "split": window.held_out.method,
            "from": _iso(window.held_out.now),
            "is_guard": Role.GUARD in window.roles,
            "rankers": summaries(shown),
            "slices": slice_report(recommender.model, columns["recsvc"]),
        }


def _chosen(lessons: _Lessons, trees: Mapping[Task, Ranker]) -> dict[Task, Ranker]:
    """The ranker of each task that the guard has decided for."""
    rankers = dict(lessons.fusion)
    for verdict in lessons.verdicts:
        if verdict.served == TREES and verdict.task in trees:
            rankers[verdict.task] = trees[verdict.task]
        elif verdict.served not in {TREES, FUSION}:
            rankers[verdict.task] = only(verdict.served, lessons.scores)
    return rankers


def _alone(name: str, scores: tuple[str, ...]) -> dict[Task, Ranker]:
    return dict.fromkeys(LEARNT, only(name, scores))


def _drawn(customers: NDArray[np.int32], at_most: int | None, seed: int) -> NDArray[np.int32]:
    """``at_most`` of ``customers``, drawn at random; all of them with ``None``."""
    if at_most is None or len(customers) <= at_most:
        return customers
    drawn = np.random.default_rng(seed).choice(customers, at_most, replace=False)
    return np.sort(drawn)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
