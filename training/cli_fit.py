"""The commands that read purchases: ``fit`` and ``validate``."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shlex import join
from time import monotonic
from typing import Annotated

import typer

from recsvc.artifacts.journal import Note
from recsvc.artifacts.registry import Registry
from recsvc.terminal import whoami
from training.answers import REFUSED, JsonOption, RegistryOption, print_result
from training.events import MAX_QUARANTINED_SHARE
from training.gate import UNSHOWN, lines, no_better, unmeasured
from training.options import (
    ConfigOption,
    CustomerSegmentsOption,
    EventsOption,
    MapOption,
    MapProductsOption,
    MapStoresOption,
    MaxQuarantinedOption,
    PresetOption,
    ProductsOption,
    QuarantineOption,
    SeedOption,
    StoresOption,
    TimezoneOption,
    WithoutOption,
    reporting,
    source_of,
)
from training.pipeline import fit
from training.purchases import Purchases, read
from training.settings import SPLITS
from training.settings_file import read_settings


def fit_command(
    events: EventsOption,
    registry: RegistryOption,
    products: ProductsOption = None,
    stores: StoresOption = None,
    column_map: MapOption = None,
    map_products: MapProductsOption = None,
    map_stores: MapStoresOption = None,
    segments: CustomerSegmentsOption = None,
    timezone: TimezoneOption = "UTC",
    quarantine: QuarantineOption = Path("quarantine.csv"),
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    config: ConfigOption = None,
    preset: PresetOption = None,
    seed: SeedOption = None,
    without: WithoutOption = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="|".join(SPLITS),
            help="What is held out to decide and to report on: the last weeks (the default), or "
            "each customer's last order, which gives more customers a say and higher figures than "
            "in service, since what others bought later is known.",
        ),
    ] = None,
    test_events: Annotated[
        list[Path] | None,
        typer.Option(
            "--test-events",
            help="What was bought next, a file or folder like --events: the figures reported are "
            "of it, and nothing is learnt from it; may be given more than once.",
        ),
    ] = None,
    promote: Annotated[
        bool,
        typer.Option(
            "--promote",
            help="Also make it the version that is served, unless there is nobody to measure it "
            "on: then it is published alone, and the exit code is 3.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train on purchases, measure on the last weeks of them, and publish a version.

    The last 28 days are held out for the figures, the 28 before them to decide how to rank, and
    the weeks before those to learn it; the published model is then trained on everything.
    Nothing needs to be set: recsvc-train settings prints what --config may say, and recsvc-train
    tune searches for better values.
    """
    started = monotonic()
    settings = read_settings(config, preset, seed=seed, without=without, split=split)
    store = Registry.open(registry)
    source = source_of(
        events,
        column_map,
        timezone,
        quarantine,
        max_quarantined,
        products=(products, map_products),
        stores=(stores, map_stores),
        segments=segments,
    )
    with reporting() as reporter:
        manifest = fit(replace(source, test_events=test_events or []), settings, store, reporter)
        refusal = unmeasured(manifest.metrics)
        promoted = promote and refusal is None
        if promoted:
            store.promote(manifest.version_id, datetime.now(UTC), Note(whoami()))
    warnings = no_better(manifest.metrics)
    result = {
        "version_id": manifest.version_id,
        "promoted": promoted,
        "seconds": round(monotonic() - started, 1),
        "warnings": warnings,
        "metrics": manifest.metrics,
        "data": manifest.data,
    }
    command = ["recsvc-train", "promote", "--registry", registry, manifest.version_id]
    command += ["--force"] if refusal else []
    state = "current" if promoted else f"to serve it: {join(command)}"
    text = f"published {manifest.version_id} in {result['seconds']} s ({state})"
    text = "\n".join([text, *(f"  beware: {line}" for line in warnings)])
    if refusal:
        why = f"not promoted: {UNSHOWN}" if promote else f"beware: {UNSHOWN}"
        text = "\n".join([text, why, *lines(refusal)])
    print_result(result, text, as_json)
    if promote and refusal:
        raise typer.Exit(REFUSED)


def validate_command(
    events: EventsOption,
    products: ProductsOption = None,
    stores: StoresOption = None,
    column_map: MapOption = None,
    map_products: MapProductsOption = None,
    map_stores: MapStoresOption = None,
    timezone: TimezoneOption = "UTC",
    quarantine: QuarantineOption = Path("quarantine.csv"),
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    as_json: JsonOption = False,
) -> None:
    """Read and check files as fit would, without training."""
    source = source_of(
        events,
        column_map,
        timezone,
        quarantine,
        max_quarantined,
        products=(products, map_products),
        stores=(stores, map_stores),
    )
    with reporting() as reporter:
        purchases: Purchases = read(source, reporter)
    report = purchases.report
    result = {
        "n_rows": report.n_rows,
        "n_used": report.n_used,
        "n_quarantined": report.n_quarantined,
        "reasons": report.reasons,
        "n_duplicates": report.n_duplicates,
        "n_alike": report.n_alike,
        "ignored_columns": report.ignored,
        "quarantine": report.quarantine_path,
        "n_customers": len(purchases.interactions.customers),
        "n_products": len(purchases.interactions.items),
        "n_stores": len(purchases.interactions.locations.store_names),
        "start_time": report.time_min.isoformat() if report.time_min else None,
        "end_time": report.time_max.isoformat() if report.time_max else None,
    }
    print_result(result, f"usable: {report.n_used:,} of {report.n_rows:,} rows", as_json)
