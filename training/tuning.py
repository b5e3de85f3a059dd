"""The story of ``tune``: search part by part, then compare once where nothing was searched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from threadpoolctl import threadpool_limits

from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.errors import InputError
from training.build import build
from training.column import Column
from training.interactions import Interactions
from training.interruptions import interruptions
from training.learning import learn
from training.progress import Reporter
from training.purchases import Purchases, always_available
from training.search_space import parts_for, with_values
from training.settings import TrainingSettings
from training.significance import Interval, paired_bootstrap
from training.sources import als_settings, suitable
from training.studies import Found, Studies, opened
from training.trials import Trials
from training.windows import Window, plan

_ALS, _BPR = "collaborative", "bpr"


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to search.

    Attributes:
        seconds: for all trials; the last one may end later.
        max_trials: of each part, those of earlier runs included.
        clock: seconds since some moment.
    """

    seconds: float
    max_trials: int
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether what was found is better where nothing was searched.

    Attributes:
        start: mean nDCG@10 by task where the search started.
        tuned: with the best of all parts.
        gain: the mean difference and its interval over customers.
    """

    start: Mapping[Task, float]
    tuned: Mapping[Task, float]
    gain: Mapping[Task, Interval]

    @classmethod
    def of(cls, start: Mapping[Task, Column], tuned: Mapping[Task, Column]) -> Self:
        """From the lists of the same customers; a task without any says nothing."""
        tasks = [task for task, column in start.items() if len(column.customers)]
        return cls(
            {task: float(start[task].ndcg.mean()) for task in tasks},
            {task: float(tuned[task].ndcg.mean()) for task in tasks},
            {task: paired_bootstrap(tuned[task].ndcg, start[task].ndcg) for task in tasks},
        )

    @property
    def is_better(self) -> bool:
        """More is found in all, and on no task surely less."""
        gains = self.gain.values()
        return sum(each.mean for each in gains) > 0 and not any(g.is_below_zero for g in gains)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a run has found.

    Attributes:
        settings: those to train with: the best found, or those of the start.
        found: of each part.
        verdict: of the comparison; ``None`` where there was nothing to compare.
    """

    settings: TrainingSettings
    found: tuple[Found, ...]
    verdict: Verdict | None

    @property
    def is_better(self) -> bool:
        """Whether the settings are others than those of the start."""
        return self.verdict is not None and self.verdict.is_better


def tune(
    purchases: Purchases,
    settings: TrainingSettings,
    study: Path,
    budget: Budget,
    reporter: Reporter,
) -> Tuned:
    """Search, and compare what was found with where the search started.

    Args:
        purchases: what was read.
        settings: where the search starts.
        study: file of the trials, gone on with if it is there.
        budget: how long to search.
        reporter: told of each step.

    Raises:
        InputError: the file of the trials is of something else, or there is nobody to judge by.
        KeyboardInterrupt: the search was interrupted; its trials are kept.
    """
    interactions = purchases.interactions
    # Explicit, since there is nothing to search in what suits the data.
    start = replace(settings, als=als_settings(interactions, settings))
    sources = suitable(interactions, start)
    one = replace(start, n_windows=1, untimed_lists=2 * start.train_customers, separate_guard=True)
    windows = plan(interactions, one)
    if not len(windows[-2].customers):
        raise InputError(
            "the events are too few to search: nobody can be asked what settings are worth; give "
            "more history"
        )
    parts = parts_for(sources, start, has_times=interactions.has_times)
    timeless = always_available(purchases.products)
    trials = Trials(windows[-3], windows[-2], timeless, sources, start)
    with (
        threadpool_limits(1, "blas"),  # implicit's own threads fill the cores
        opened(study, parts, start, purchases.report.digest) as studies,
    ):
        try:
            search(studies, trials, budget, reporter)
        except KeyboardInterrupt:
            n_done = sum(studies.n_done(part) for part in parts)
            reporter.log(
                f"{n_done:,} trials are kept in {study}: the same command goes on with them, and "
                "with --minutes 0 it compares and writes what they have found"
            )
            raise
        found = tuple(studies.found(part) for part in parts)
        best = best_of(start, found)
        if best == start:
            return Tuned(settings, found, None)
        reporter.log("on the last window, where the search started:")
        before = _reported(windows, purchases, start, reporter)
        reporter.log("on the last window, what was found:")
        verdict = Verdict.of(before, _reported(windows, purchases, best, reporter))
    if best.als == start.als:
        best = replace(best, als=settings.als)
    return Tuned(best if verdict.is_better else settings, found, verdict)


def search(
    studies: Studies,
    trials: Trials,
    budget: Budget,
    reporter: Reporter,
) -> None:
    """Make trials until the time is up or each part has had its number.

    No part waits for another: the next trial is of the one that has had least time.

    Args:
        studies: where they are kept.
        trials: what measures them.
        budget: how long to search.
        reporter: told of each that is the best so far.
    """
    until = budget.clock() + budget.seconds
    n_done = sum(min(studies.n_done(part), budget.max_trials) for part in studies.parts)
    total = budget.max_trials * len(studies.parts) - n_done
    with reporter.stage("search", total) as tick, interruptions() as heed:
        while budget.clock() < until:
            heed()
            unfinished = [p for p in studies.parts if studies.n_done(p) < budget.max_trials]
            if not unfinished:
                return
            part = min(unfinished, key=studies.seconds)
            before = studies.found(part).best
            value = studies.try_next(part, trials)
            if value is not None and (before is None or value > before):
                _report(studies.found(part), before, reporter)
            tick()


def best_of(start: TrainingSettings, found: Sequence[Found]) -> TrainingSettings:
    """The best of each part together; ``bpr`` is added where it alone finds more than ALS."""
    settings = start
    for each in found:
        if each.is_better:
            settings = with_values(settings, each.values)
    best = {each.part: each.best for each in found}
    als, bpr = best.get(_ALS), best.get(_BPR)
    if als is not None and bpr is not None and bpr > als:
        extra = dict.fromkeys((*settings.extra_sources, _BPR))
        settings = replace(settings, extra_sources=tuple(extra))
    return settings


def _reported(
    windows: list[Window], purchases: Purchases, settings: TrainingSettings, reporter: Reporter
) -> Mapping[Task, Column]:
    """What settings reach on the last window, learnt and judged on those before it, as by fit."""
    sources = suitable(purchases.interactions, settings)
    timeless = always_available(purchases.products)

    def fitted(history: Interactions) -> Recommender:
        return Recommender(build(history, timeless, sources, settings))

    return learn(windows, fitted, settings, reporter).reported


def _report(found: Found, before: float | None, reporter: Reporter) -> None:
    settings = ", ".join(f"{key} {_short(each)}" for key, each in found.values.items())
    step = "" if before is None else f"{before:.4f} -> "
    reporter.log(f"  {found.part}: nDCG@10 {step}{found.best:.4f} with {settings}")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
