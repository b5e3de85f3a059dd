"""The story of a training run, top to bottom."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsvc import __version__
from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.registry import Registry
from recsvc.core.model import Model
from recsvc.core.ranking import Ranker, Task
from recsvc.core.recommender import Recommender
from recsvc.core.sources import Collaborative
from recsvc.errors import InputError
from training.blend import starting_weights, tune
from training.evaluate import evaluate, only, target_customers, with_baselines
from training.events import InputReport, read_events, read_products, read_stores
from training.interactions import Interactions
from training.models.als import fit_als
from training.models.catalogue import fit_catalogue
from training.models.histories import fit_histories
from training.models.item_statistics import fit_item_statistics
from training.models.place_popularity import fit_places
from training.models.popularity import fit_popularity
from training.progress import Reporter
from training.report import slice_report, summaries, table_lines
from training.settings import TrainingSettings
from training.sources import fit_sources, suitable
from training.split import HoldOut, hold_out, window_seconds

MODEL_ID = "blend"
"""Name of this kind of model: sources under a linear blend."""

MIN_TARGET_CUSTOMERS = 20
"""With fewer customers in a window, weights tuned on it would be noise."""


N_FACTOR_CUSTOMERS = 400
"""Customers that the factors' regularization is chosen on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitInput:
    """The files of a run, and how to read them.

    Attributes:
        events: files or folders of events.
        products, stores: optional files that describe them.
        mapping, product_mapping, store_mapping: canonical column name to the files' own.
        timezone: of naive times.
        quarantine: where rows that cannot be used go.
        max_quarantined_share: share of unusable rows beyond which a run stops.
    """

    events: Sequence[Path]
    products: Path | None = None
    stores: Path | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    product_mapping: Mapping[str, str] = field(default_factory=dict)
    store_mapping: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    quarantine: Path | None = None
    max_quarantined_share: float = 0.05


@dataclass(frozen=True, slots=True)
class Purchases:
    """What a run has read.

    Attributes:
        interactions: the purchases, encoded.
        products: the products file, if there is one.
        report: what became of the rows.
    """

    interactions: Interactions
    products: pl.DataFrame | None
    report: InputReport


@dataclass(frozen=True, slots=True)
class Tuned:
    """What the validation window decided.

    Attributes:
        regularization: of the factors.
        weights: of the blend; ``None`` for the starting ones.
        report: for the manifest.
    """

    regularization: float
    weights: Mapping[Task, NDArray[np.float32]] | None
    report: dict[str, Any]


def fit(
    source: FitInput, settings: TrainingSettings, registry: Registry, reporter: Reporter
) -> Manifest:
    """Train, evaluate and publish a new version; it is not made current.

    Raises:
        InputError: the files cannot be used.
        RegistryError: the version cannot be written.
    """
    registry.prepare()
    with threadpool_limits(1, "blas"):  # implicit's own threads fill the cores
        with reporter.stage("read and check the files"):
            purchases = read(source, reporter)
        interactions = purchases.interactions
        seconds = window_seconds(interactions, settings.window_days)
        test = hold_out(interactions, seconds, settings.seed)
        validation = hold_out(test.history, seconds, settings.seed + 1)
        tuned = _tune(validation, settings, reporter)
        metrics = _evaluate(test, settings, tuned, reporter)
        with reporter.stage("fit on all the data"):
            model = build(
                interactions, purchases.products, settings, tuned.regularization, tuned.weights
            )
        with reporter.stage("publish"):
            return registry.publish(
                model.to_arrays(),
                model_id=MODEL_ID,
                train_time=datetime.now(UTC),
                parameters=model.to_parameters()
                | {"training": _settings(settings), "als_regularization": tuned.regularization},
                metrics={"validation": tuned.report, "test": metrics},
                data=_data(purchases, test),
                code_version=__version__,
            )


def read(source: FitInput, reporter: Reporter) -> Purchases:
    """Read the files of a run and encode the purchases.

    Raises:
        InputError: a file cannot be used, or there is no purchase in any.
    """
    events, report = read_events(
        source.events,
        mapping=source.mapping,
        timezone=source.timezone,
        quarantine=source.quarantine,
        max_quarantined_share=source.max_quarantined_share,
    )
    products = stores = None
    if source.products is not None:
        products, described = read_products(
            source.products,
            mapping=source.product_mapping,
            timezone=source.timezone,
            quarantine=_beside(source.quarantine, "products"),
            max_quarantined_share=source.max_quarantined_share,
        )
        _log_quarantined(described, reporter)
    if source.stores is not None:
        stores, placed = read_stores(
            source.stores,
            mapping=source.store_mapping,
            quarantine=_beside(source.quarantine, "stores"),
            max_quarantined_share=source.max_quarantined_share,
        )
        _log_quarantined(placed, reporter)
    interactions = Interactions.from_events(events, stores)
    if not interactions.lines.height:
        raise InputError(
            f"no purchase is left of {report.n_rows:,} rows in "
            f"{', '.join(map(str, source.events))}; check event_type and quantity"
        )
    reporter.log(
        f"{report.n_rows:,} rows, {report.n_quarantined:,} quarantined, "
        f"{report.n_returns:,} returns; {interactions.lines.height:,} purchases by "
        f"{len(interactions.customers):,} customers of {len(interactions.items):,} products"
    )
    _log_quarantined(report, reporter)
    return Purchases(interactions, products, report)


def _beside(quarantine: Path | None, table: str) -> Path | None:
    """The quarantine file of another table: ``quarantine-products.csv``."""
    if quarantine is None:
        return None
    return quarantine.with_name(f"{quarantine.stem}-{table}{quarantine.suffix}")


def _log_quarantined(report: InputReport, reporter: Reporter) -> None:
    where = f" -> {report.quarantine_path}" if report.quarantine_path else ""
    for reason, count in report.reasons.items():
        reporter.log(f"  quarantined: {count:,} {reason}{where}")


def build(
    interactions: Interactions,
    products: pl.DataFrame | None,
    settings: TrainingSettings,
    regularization: float,
    weights: Mapping[Task, NDArray[np.float32]] | None = None,
) -> Model:
    """Fit every source on ``interactions``; ``weights`` default to the starting ones."""
    histories = fit_histories(interactions, settings)
    places = fit_places(interactions, settings)
    names = suitable(interactions, settings)
    sources = fit_sources(
        interactions,
        names,
        histories,
        places,
        fit_popularity(interactions, settings),
        settings,
        regularization,
    )
    model = Model(
        customers=interactions.customers,
        histories=histories,
        catalogue=fit_catalogue(interactions, products),
        statistics=fit_item_statistics(interactions),
        places=places,
        sources=sources,
        rankers={},
        without=settings.without,
        data_end=interactions.end,
        recent_days=settings.recent_days,
        n_candidates=settings.n_candidates,
    )
    rankers = {
        task: Ranker(w)
        for task, w in (weights or starting_weights(Recommender(model).scores)).items()
    }
    return replace(model, rankers=rankers)


def _tune(held_out: HoldOut, settings: TrainingSettings, reporter: Reporter) -> Tuned:
    """Choose the regularization, then the weights, on the validation window."""
    default = settings.als_regularization[-1]
    n_customers = len(target_customers(held_out.targets()))
    if n_customers < MIN_TARGET_CUSTOMERS:
        reporter.log(f"only {n_customers} customers to tune on: the default weights are used")
        return Tuned(default, None, {"customers": n_customers, "tuned": False})
    with reporter.stage("fit on what came before the validation window"):
        model = build(held_out.history, None, settings, default)
    with reporter.stage("tune the factors"):
        model, regularization = _tune_factors(model, held_out, settings)
    with reporter.stage("tune the blend", len(Task)) as tick:
        weights, reached = tune(
            Recommender(model), held_out, settings.max_validation_customers, settings.seed, tick
        )
    for task, value in reached.items():
        line = ", ".join(
            f"{n} {w:.2f}" for n, w in zip(model.blend.features, weights[task], strict=True) if w
        )
        reporter.log(f"  {task.value}: nDCG@10 {value:.4f} with {line}")
    tuning = {task.value: round(value, 5) for task, value in reached.items()}
    report = {"customers": n_customers, "tuned": True, "ndcg@10": tuning}
    return Tuned(regularization, weights, report)


def _tune_factors(
    model: Model, held_out: HoldOut, settings: TrainingSettings
) -> tuple[Model, float]:
    """The regularization whose factors alone find most new purchases, and the model with it.

    ``model`` has the last of the settings' regularizations.
    """
    *others, best = settings.als_regularization
    if model.collaborative is None or not others:
        return model, best
    targets = held_out.targets()
    customers = target_customers(targets, N_FACTOR_CUSTOMERS, settings.seed)
    alone = {"alone": {Task.NEW: only("collaborative", Recommender(model).features)}}

    def found(candidate: Model) -> float:
        """Sum of nDCG@10 on new products."""
        columns = evaluate(
            Recommender(candidate),
            targets,
            held_out.now,
            alone,
            customers=customers,
            tasks=[Task.NEW],
        )
        return float(columns["alone"][Task.NEW].ndcg.sum())

    value = found(model)
    for regularization in others:
        factors = fit_als(held_out.history, settings, regularization)
        candidate = replace(model, collaborative=Collaborative(factors))
        if (reached := found(candidate)) > value:
            model, best, value = candidate, regularization, reached
    return model, best


def _evaluate(
    held_out: HoldOut, settings: TrainingSettings, tuned: Tuned, reporter: Reporter
) -> dict[str, Any]:
    """Measure on the test window, which nothing was tuned on, against the baselines."""
    targets = held_out.targets()
    if not targets.nnz:
        reporter.log("nothing was bought in the test window: not evaluated")
        return {}
    with reporter.stage("fit on what came before the test window"):
        model = build(held_out.history, None, settings, tuned.regularization, tuned.weights)
    recommender = Recommender(model)
    rankers = with_baselines(recommender)
    with reporter.stage("evaluate on the test window", len(target_customers(targets))) as tick:
        columns = evaluate(recommender, targets, held_out.now, rankers, tick=tick)
    for line in table_lines(columns):
        reporter.log(line)
    return {
        "split": held_out.method,
        "from": _iso(held_out.now),
        "rankers": summaries(columns),
        "slices": slice_report(model, columns["recsvc"]),
    }


def _settings(settings: TrainingSettings) -> dict[str, Any]:
    return asdict(settings) | {"without": sorted(settings.without)}


def _data(purchases: Purchases, test: HoldOut) -> dict[str, Any]:
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
        "test_customers": len(target_customers(test.targets())),
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
