"""What a trial of ``tune`` is worth: nDCG@10 on the window before the last, part by part.

A source is measured alone, which takes one fit of that source and lists of it: whole fits would
allow a dozen trials where this allows hundreds. All else is as the settings have it that the
search starts from, so that trials can be compared however long ago they were made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil

import numpy as np
import polars as pl

from recsvc.core.model import Model
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from training.asked import lists, told_apart
from training.build import build
from training.evaluate import Rankers, evaluate, only
from training.examples import Examples, collect
from training.interactions import Interactions
from training.learning import LEARNT
from training.models.histories import fit_histories
from training.models.place_popularity import fit_places
from training.models.popularity import fit_popularity
from training.ranker import fit_ranker, is_enough
from training.search_space import RANKER, Part
from training.settings import TrainingSettings
from training.sources import fit_sources
from training.windows import Window

RANKER_CUSTOMERS = 1_000
"""Customers that trees are measured on: with all sources a list takes ten times as long."""


@dataclass(slots=True)
class Trials:
    """Measures settings on two windows.

    Attributes:
        taught: window that trees learn from, earlier than ``judged``.
        judged: window that everything is measured on.
        products: the products file, if there is one.
        sources: those that suit the data.
        start: settings that the search starts from, ``als`` included.
    """

    taught: Window
    judged: Window
    products: pl.DataFrame | None
    sources: tuple[str, ...]
    start: TrainingSettings
    # What many trials need alike, made at the first that does.
    _bare: Model | None = field(default=None, init=False)
    _whole: dict[int, Recommender] = field(default_factory=dict, init=False)
    _examples: dict[tuple[int, Task], Examples] = field(default_factory=dict, init=False)

    def value(self, part: Part, settings: TrainingSettings) -> float:
        """Mean nDCG@10 of what the part is measured by; larger is better.

        Raises:
            SettingsError: a source cannot be fitted with these settings.
        """
        return self._ranker(settings) if part.name == RANKER else self._alone(part, settings)

    def _alone(self, part: Part, settings: TrainingSettings) -> float:
        """Fit the part's sources, and follow each of its scores alone."""
        history = self.judged.held_out.history
        if self._bare is None:
            self._bare = build(history, self.products, (), self.start)
        model = self._bare
        if "short_half_life_days" in part.knobs:
            model = replace(model, histories=fit_histories(history, settings))
        if "place_shrinkage" in part.knobs:
            model = replace(model, places=fit_places(history, settings))
        popularity = model.popularity
        if "popularity_half_life_days" in part.knobs:
            popularity = fit_popularity(history, settings)
        sources = fit_sources(
            history, part.sources, model.histories, model.places, popularity, settings
        )
        recommender = Recommender(replace(model, sources=sources))
        found = []
        for task in dict.fromkeys(task for _, task in part.measured):
            rankers: dict[str, Rankers] = {
                score: {task: only(score, recommender.scores)}
                for score, asked in part.measured
                if asked is task
            }
            found += self._ndcg(recommender, rankers, [task])
        return float(np.mean(found))

    def _ranker(self, settings: TrainingSettings) -> float:
        """Learn a ranker from one window, rank the other's candidates."""
        judge = self._recommender(self.judged.held_out.history, settings)
        weights = np.zeros(len(judge.scores), np.float32)
        method = self.taught.held_out.method
        found = []
        for task in told_apart(judge.model, LEARNT):
            examples = self._collected(task, settings)
            if is_enough(examples):
                ranker = fit_ranker(weights, examples, settings, method)
                found += self._ndcg(judge, {RANKER: {task: ranker}}, [task], RANKER_CUSTOMERS)
        return float(np.mean(found)) if found else 0.0

    def _recommender(self, history: Interactions, settings: TrainingSettings) -> Recommender:
        """All sources fitted on a history, with so many candidates."""
        key = id(history)
        if key not in self._whole:
            model = build(history, self.products, self.sources, self.start)
            self._whole[key] = Recommender(model)
        model = self._whole[key].model
        return Recommender(replace(model, n_candidates=settings.n_candidates))

    def _collected(self, task: Task, settings: TrainingSettings) -> Examples:
        """The candidates of the earlier window, of which there may be so many."""
        key = (settings.n_candidates, task)
        if key not in self._examples:
            recommender = self._recommender(self.taught.held_out.history, settings)
            asked = lists(recommender, self.taught.held_out, self.taught.customers, task)
            found = collect(
                recommender, {task: asked}, negatives=settings.negatives, seed=settings.seed
            )
            self._examples[key] = found[task]
        return self._examples[key]

    def _ndcg(
        self,
        recommender: Recommender,
        rankers: dict[str, Rankers],
        tasks: Sequence[Task],
        at_most: int | None = None,
    ) -> list[float]:
        """nDCG@10 of each ranker and task; 0 where nobody has a target."""
        customers = self.judged.customers
        if at_most is not None:  # every so many, as their order may mean something
            customers = customers[:: max(1, ceil(len(customers) / at_most))]
        columns = evaluate(
            recommender,
            self.judged.held_out.targets(),
            self.judged.held_out.now,
            rankers,
            customers=customers,
            tasks=tasks,
        )
        return [
            float(column.ndcg.mean()) if len(column.ndcg) else 0.0
            for by_task in columns.values()
            for column in by_task.values()
        ]
