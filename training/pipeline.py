"""The story of a training run, top to bottom."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from threadpoolctl import threadpool_limits

from recsvc import __version__
from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.registry import Registry
from recsvc.core.histories import HalfLives
from recsvc.core.model import Model
from recsvc.core.ranking import BESIDE_BASKET, Ranker, Task
from recsvc.core.recommender import Recommender
from recsvc.errors import InputError
from training.events import InputReport, read_events, read_products, read_stores
from training.fusion import starting_rankers
from training.interactions import Interactions
from training.learning import learn
from training.models.baskets import fit_baskets
from training.models.catalogue import fit_catalogue
from training.models.histories import fit_histories
from training.models.item_statistics import fit_item_statistics
from training.models.place_popularity import fit_places
from training.models.popularity import fit_popularity
from training.models.segments import fit_segments
from training.models.visits import fit_visits
from training.people import Followed, consenting
from training.progress import Reporter
from training.settings import TrainingSettings
from training.sources import fit_sources, suitable
from training.split import HoldOut, Split, given
from training.surfaces import Surfaces
from training.windows import Window, plan

MODEL_ID = "sources"
"""Name of this kind of model: sources under a ranker for each task."""


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
        test_events: files or folders of what was bought next, to report figures of; read as
            ``events`` are, and never learnt from.
        registry: whose ledger says who may be learnt from; None asks nobody.
        segments: segment by customer id, for the shop's rules.
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
    test_events: Sequence[Path] = ()
    registry: Registry | None = None
    segments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Purchases:
    """What a run has read.

    Attributes:
        interactions: the purchases, encoded.
        products: the products file, if there is one.
        report: what became of the rows.
        followed: how far the service has been followed.
    """

    interactions: Interactions
    products: pl.DataFrame | None
    report: InputReport
    followed: Followed


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
            test = _read_test(source, purchases.interactions, reporter)
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
    followed = Followed(0, dict(report.collected))
    n_events = events.height
    if source.registry is not None:
        events, position = consenting(events, source.registry)
        followed = replace(followed, ledger=position)
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
    if n_left_out := n_events - events.height:
        reporter.log(f"  {n_left_out:,} rows of customers erased or without consent are left out")
    _log_repeated(report, reporter)
    _log_quarantined(report, reporter)
    _log_strangers(source.products, products, "product_id", events, reporter)
    _log_strangers(source.stores, stores, "store_id", events, reporter)
    return Purchases(interactions, products, report, followed)


def always_available(products: pl.DataFrame | None) -> pl.DataFrame | None:
    """The products without the dates of when they may be sold: those are of today.

    What was sold in a window of the past was available then.
    """
    if products is None:
        return None
    return products.with_columns(
        pl.lit(None, products.schema[name]).alias(name)
        for name in ("available_from", "available_to")
    )


def _read_test(source: FitInput, interactions: Interactions, reporter: Reporter) -> HoldOut | None:
    """The hold-out of the test files, if there are any.

    Raises:
        InputError: a file cannot be used, or says nothing of what the events know.
    """
    if not source.test_events:
        return None
    quarantine = _beside(source.quarantine, "test")
    later = replace(source, events=source.test_events, products=None, quarantine=quarantine)
    test = given(interactions, read(later, reporter).interactions)
    if not test.future.lines.height:
        raise InputError(
            f"--test-events {', '.join(map(str, source.test_events))}: no purchase by a customer "
            "and of a product that the events have; give purchases of the same shop"
        )
    return test


def _beside(quarantine: Path | None, table: str) -> Path | None:
    """The quarantine file of another table: ``quarantine-products.csv``."""
    if quarantine is None:
        return None
    return quarantine.with_name(f"{quarantine.stem}-{table}{quarantine.suffix}")


def _log_strangers(
    path: Path | None,
    described: pl.DataFrame | None,
    key: str,
    events: pl.DataFrame,
    reporter: Reporter,
) -> None:
    """Say that a file describes nothing of what was bought: its ids are written another way."""
    if described is not None and described.join(events, on=key, how="semi").is_empty():
        reporter.log(f"  {path}: no {key} of it is among the events; it is of no use as it is")


def _log_repeated(report: InputReport, reporter: Reporter) -> None:
    """What files that overlap have twice."""
    if report.n_duplicates:
        reporter.log(f"  {report.n_duplicates:,} events were there twice (event_id) and count once")
    if report.n_alike:
        reporter.log(
            f"  {report.n_alike:,} purchases or returns are alike in everything with those of "
            "another file, and count twice; if the files overlap, leave one out, or give an "
            "event_id"
        )


def _log_quarantined(report: InputReport, reporter: Reporter) -> None:
    where = f" -> {report.quarantine_path}" if report.quarantine_path else ""
    for reason, count in report.reasons.items():
        reporter.log(f"  quarantined: {count:,} {reason}{where}")


def build(
    interactions: Interactions,
    products: pl.DataFrame | None,
    sources: tuple[str, ...],
    settings: TrainingSettings,
) -> Model:
    """Fit all but the rankers, which are the plain ones, and the baskets on ``interactions``."""
    histories = fit_histories(interactions, settings)
    places = fit_places(interactions, settings)
    popularity = fit_popularity(interactions, settings)
    model = Model(
        customers=interactions.customers,
        histories=histories,
        catalogue=fit_catalogue(interactions, products),
        statistics=fit_item_statistics(interactions),
        places=places,
        visits=fit_visits(interactions, settings),
        sources=fit_sources(interactions, sources, histories, places, popularity, settings),
        rankers={},
        without=settings.without,
        data_end=interactions.end,
        half_lives=HalfLives(settings.short_half_life_days, settings.long_half_life_days),
        recent_days=settings.recent_days,
        n_candidates=settings.n_candidates,
        buys_again=interactions.buys_again,
    )
    return replace(model, rankers=starting_rankers(Recommender(model).scores))


def build_whole(
    interactions: Interactions,
    products: pl.DataFrame | None,
    sources: tuple[str, ...],
    settings: TrainingSettings,
) -> Model:
    """:func:`build`, and the baskets, which take a while and which few windows need."""
    model = build(interactions, products, sources, settings)
    return replace(model, baskets=fit_baskets(interactions, model.catalogue, settings))


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
