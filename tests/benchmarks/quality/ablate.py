"""What each part of recsvc is worth: the same run without it, on the same customers.

Every source is fitted once a window; then one part after the other is left out of the
candidates and the features, the rankers are learnt anew, and their lists for the last window
of the history are compared with those of the whole, customer by customer.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from threadpoolctl import threadpool_limits

from recsvc.core.model import Model
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from tests.benchmarks.quality.ablations import load
from tests.benchmarks.quality.datasets import DataSet
from training import asked
from training.build import build
from training.column import Column
from training.evaluate import evaluate
from training.examples import Examples, collect
from training.fusion import starting_rankers
from training.progress import ConsoleReporter
from training.purchases import FitInput, always_available, read
from training.ranker import fit_ranker
from training.settings import EXTRA_SOURCES, PRESETS, TrainingSettings
from training.significance import paired_bootstrap
from training.sources import suitable
from training.windows import Window, plan

TASKS = (Task.ALL, Task.NEW)
NOTHING = "nothing"


def without(model: Model, part: str) -> Model:
    """``model`` without a source, a group of features, or nothing."""
    sources = tuple(source for source in model.sources if source.name != part)
    groups = frozenset() if part == NOTHING else frozenset({part})
    return replace(model, sources=sources, without=groups, rankers={})


def lists(
    models: list[tuple[Window, Model]], part: str, settings: TrainingSettings
) -> dict[Task, Column]:
    """Learn on all windows but the last, without ``part``, and rank for the last."""
    *lessons, (last, model) = [(w, Recommender(without(m, part))) for w, m in models]
    method = lessons[0][0].held_out.method
    rankers = {}
    for task in TASKS:
        examples = Examples.together(
            [
                collect(
                    recommender,
                    {task: asked.lists(recommender, window.held_out, window.customers, task)},
                    negatives=settings.negatives,
                    seed=settings.seed,
                )[task]
                for window, recommender in lessons
            ]
        )
        weights = starting_rankers(model.scores)[task].weights
        rankers[task] = fit_ranker(weights, examples, settings, method)
    found = evaluate(
        model,
        last.held_out.targets(),
        last.held_out.now,
        {"it": rankers},
        customers=last.customers,
        tasks=TASKS,
    )
    return found["it"]


def rows(
    name: str, models: list[tuple[Window, Model]], settings: TrainingSettings
) -> Iterator[dict[str, object]]:
    """One row a part and column."""
    whole = lists(models, NOTHING, settings)
    model = models[-1][1]
    sources = [source.name for source in model.sources if source.name != "popularity"]
    groups = [group for group in Recommender(model).features.groups if group not in sources]
    for part in [*sources, *(group for group in groups if group != "scores")]:
        less = lists(models, part, settings)
        for task in TASKS:
            change = paired_bootstrap(less[task].ndcg, whole[task].ndcg)
            yield {
                "set": name,
                "column": task.value,
                "without": part,
                "delta": round(change.mean, 5),
                "low": round(change.low, 5),
                "high": round(change.high, 5),
            }


def ablate(data: DataSet, customers: int, path: Path) -> None:
    """Measure one set and replace its rows in the file of ``path``, once it is measured.

    Rows of half a set would pass for a set that is done.

    Args:
        data: the set; what follows its history is not looked at.
        customers: of each window that the rankers learn from, at most; twice as many are judged.
        path: JSON, as :func:`tests.benchmarks.quality.ablations.load` reads it.
    """
    settings = replace(
        PRESETS["balanced"],
        n_windows=2,
        separate_guard=False,
        train_customers=customers,
        judge_customers=2 * customers,
        # Every source there is, also where a run would not choose it.
        extra_sources=EXTRA_SOURCES,
    )
    name = data.spec.name
    with threadpool_limits(1, "blas"), ConsoleReporter(Console(stderr=True)) as reporter:
        purchases = read(FitInput(events=[data.history], products=data.products), reporter)
        interactions = purchases.interactions
        timeless = always_available(purchases.products)
        names = suitable(interactions, settings)
        models: list[tuple[Window, Model]] = []
        for window in plan(interactions, settings):
            history = window.held_out.history
            known = next((m for w, m in models if w.held_out.history is history), None)
            models.append((window, known or build(history, timeless, names, settings)))
        kept = [asdict(each) for each in load(path) if each.set != name]
        for row in rows(name, models, settings):
            kept.append(row)
            reporter.log(json.dumps(row))
    path.write_text(json.dumps(kept, indent=1) + "\n")
