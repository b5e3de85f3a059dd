"""What a run learns from: its files, read, checked and encoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl

from recsvc.artifacts.registry import Registry
from recsvc.errors import InputError
from training.events import InputReport, read_events, read_products, read_stores
from training.interactions import Interactions
from training.people import Followed, consenting
from training.progress import Reporter
from training.reading import shown
from training.split import HoldOut, given
from training.trial import Trial

_N_SHOWN_COLUMNS: Final = 30


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


def read(source: FitInput, reporter: Reporter) -> Purchases:
    """Read the files of a run and encode the purchases.

    Raises:
        InputError: a file cannot be used, or there is no purchase in any.
    """
    with Trial() as trial:
        events, report = read_events(
            source.events,
            mapping=source.mapping,
            timezone=source.timezone,
            quarantine=source.quarantine,
            max_quarantined_share=source.max_quarantined_share,
            trial=trial,
        )
        products = stores = None
        if source.products is not None:
            products, described = read_products(
                source.products,
                mapping=source.product_mapping,
                timezone=source.timezone,
                quarantine=_beside(source.quarantine, "products"),
                max_quarantined_share=source.max_quarantined_share,
                trial=trial,
            )
            _log_quarantined(described, reporter)
        if source.stores is not None:
            stores, placed = read_stores(
                source.stores,
                mapping=source.store_mapping,
                quarantine=_beside(source.quarantine, "stores"),
                max_quarantined_share=source.max_quarantined_share,
                trial=trial,
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
    _log_unread(report, reporter)
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


def read_test(source: FitInput, interactions: Interactions, reporter: Reporter) -> HoldOut | None:
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


def _log_unread(report: InputReport, reporter: Reporter) -> None:
    """What the files lack, and what they have that is not read: it may be one by another name."""
    if report.time_min is None:
        reporter.log(
            "  no column event_time: all are equally old, and nothing tells what was bought next; "
            "if there is one by another name, map it, --map event_time=COLUMN"
        )
    if report.ignored:
        names = [shown(name) for name in report.ignored[:_N_SHOWN_COLUMNS]]
        more = f" and {n} more" if (n := len(report.ignored) - len(names)) else ""
        reporter.log(f"  columns that are not used: {', '.join(names)}{more}")


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
