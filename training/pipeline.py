"""The story of a training run, top to bottom."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from threadpoolctl import threadpool_limits

from recsvc import __version__
from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.registry import Registry
from recsvc.core.model import Model
from recsvc.core.ranking import BESIDE_BASKET, Ranker, Task
from recsvc.core.recommender import Recommender
from training.build import build, build_whole
from training.interactions import Interactions
from training.learning import learn
from training.models.segments import fit_segments
from training.people import Followed
from training.progress import Reporter
from training.purchases import FitInput, Purchases, always_available, read, read_test
from training.settings import TrainingSettings
from training.sources import suitable
from training.split import Split
from training.surfaces import Surfaces
from training.windows import Window, plan

MODEL_ID = "sources"
"""Name of this kind of model: sources under a ranker for each task."""


def fit(
    source: FitInput, settings: TrainingSettings, registry: Registry, reporter: Reporter
) -> Manifest:
    """Train, evaluate and publish a new version; it is not made current.

    Raises:
        InputError: the files cannot be used.
        RegistryError: the version cannot be written.
    """
    registry.prepare()
    # A trial's own registry knows nobody: the one that serves does.
    source = replace(source, registry=source.registry or registry)
    with threadpool_limits(1, "blas"):  # implicit's own threads fill the cores
        with reporter.stage("read and check the files"):
            purchases = read(source, reporter)
            test = read_test(source, purchases.interactions, reporter)
        interactions = purchases.interactions
        sources = suitable(interactions, settings)
        reporter.log(f"  sources: {', '.join((*sources, 'popularity'))}")
        if not interactions.buys_again:
            reporter.log("  hardly anything is bought twice: lists leave out what was bought")
        windows = plan(interactions, settings, test)
        if windows[0].held_out.method is Split.LAST_ORDERS:
            reporter.log(
                "  hardly anybody comes back within a window: each customer's last orders teach "
                "and decide"
            )
        timeless = always_available(purchases.products)

        def fitted(history: Interactions) -> Recommender:
            return Recommender(build(history, timeless, sources, settings))

        learnt = learn(windows, fitted, settings, reporter, Surfaces(settings))
        with reporter.stage("fit on all the data"):
            model = build_whole(interactions, purchases.products, sources, settings)
            model = replace(
                model,
                rankers=usable(learnt.rankers, model),
                segments=fit_segments(
                    model.customers, model.histories, model.data_end, source.segments
                ),
            )
        Recommender(model)  # refuses what could not be served
        with reporter.stage("publish"):
            return registry.publish(
                model.to_arrays(),
                model_id=MODEL_ID,
                train_time=datetime.now(UTC),
                parameters=model.to_parameters()
                | _followed(purchases.followed)
                | {"training": _settings(settings)},
                metrics=learnt.metrics,
                data=_data(purchases, windows[-1]),
                code_version=__version__,
            )


def usable(rankers: Mapping[Task, Ranker], model: Model) -> dict[Task, Ranker]:
    """Those of the learnt rankers that suit a model.

    What the baskets of a window have taught is of no use where all the data together have too few:
    the trees would read columns that the model does not have.
    """
    return {
        task: ranker
        for task, ranker in rankers.items()
        if model.baskets is not None or task not in BESIDE_BASKET
    }


def _followed(followed: Followed) -> dict[str, Any]:
    return {
        "ledger_position": followed.ledger,
        "collected": {str(partition): until for partition, until in followed.collected.items()},
    }


def _settings(settings: TrainingSettings) -> dict[str, Any]:
    return asdict(settings) | {"without": sorted(settings.without)}


def _data(purchases: Purchases, test: Window) -> dict[str, Any]:
    report = purchases.report
    return {
        "events_sha256": report.digest,
        "n_rows": report.n_rows,
        "n_quarantined": report.n_quarantined,
        "quarantined": report.reasons,
        "n_returns": report.n_returns,
        "n_interactions": purchases.interactions.lines.height,
        "n_customers": len(purchases.interactions.customers),
        "n_products": len(purchases.interactions.items),
        "n_stores": len(purchases.interactions.locations.store_names),
        "start_time": report.time_min.isoformat() if report.time_min else None,
        "end_time": report.time_max.isoformat() if report.time_max else None,
        "test_customers": len(test.customers),
    }
