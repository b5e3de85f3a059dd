"""What each part of recsvc is worth: the same run without it, on the same customers.

    python -m tests.benchmarks.quality.ablate SET EVENTS [--products FILE] [--customers N]

Every source is fitted once a window; then one part after the other is left out of the
candidates and the features, the rankers are learnt anew, and their lists for the last window
are compared with those of the whole, customer by customer. Appends to
``docs/quality/ablations.json``; a set's earlier rows are replaced.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from threadpoolctl import threadpool_limits

from recsvc.core.model import Model
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from training.column import Column
from training.evaluate import evaluate
from training.examples import Examples, collect
from training.fusion import starting_rankers
from training.learning import UNTIMED_FUSION, fit_ranker
from training.pipeline import FitInput, always_available, build, read
from training.progress import ConsoleReporter
from training.settings import PRESETS, TrainingSettings
from training.significance import paired_bootstrap
from training.sources import suitable
from training.split import Split
from training.windows import Window, plan

OUT = Path("docs/quality/ablations.json")
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
    fusion = UNTIMED_FUSION if last.held_out.method is Split.RANDOM else 0.0
    rankers = {}
    for task in TASKS:
        examples = Examples.together(
            [
                collect(
                    recommender,
                    window.held_out,
                    window.customers,
                    task,
                    negatives=settings.negatives,
                    seed=settings.seed,
                )
                for window, recommender in lessons
            ]
        )
        weights = starting_rankers(model.scores)[task].weights
        rankers[task] = fit_ranker(weights, examples, settings, fusion)
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


def main() -> None:
    """Measure one set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("set")
    parser.add_argument("events", type=Path)
    parser.add_argument("--products", type=Path)
    parser.add_argument("--customers", type=int, default=1_000)
    arguments = parser.parse_args()
    settings = replace(
        PRESETS["balanced"],
        n_windows=2,
        separate_guard=False,
        train_customers=arguments.customers,
        judge_customers=2 * arguments.customers,
    )
    with threadpool_limits(1, "blas"), ConsoleReporter(Console(stderr=True)) as reporter:
        purchases = read(FitInput(events=[arguments.events], products=arguments.products), reporter)
        interactions = purchases.interactions
        timeless = always_available(purchases.products)
        names = suitable(interactions, settings)
        windows = plan(interactions, settings)
        models: list[tuple[Window, Model]] = []
        for window in windows:
            history = window.held_out.history
            known = next((m for w, m in models if w.held_out.history is history), None)
            model = known or build(history, timeless, names, settings)
            models.append((window, model))
        kept = (
            [r for r in json.loads(OUT.read_text()) if r["set"] != arguments.set]
            if OUT.exists()
            else []
        )
        for row in rows(arguments.set, models, settings):
            kept.append(row)
            reporter.log(json.dumps(row))
            OUT.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
