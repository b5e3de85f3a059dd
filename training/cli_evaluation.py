"""The commands that measure: ``evaluate`` one published version, ``compare`` two."""

from pathlib import Path
from typing import Annotated, Any

import typer
from threadpoolctl import threadpool_limits

from recsvc.artifacts.registry import Registry
from recsvc.artifacts.version_ids import CURRENT
from recsvc.errors import InputError
from training.answers import JsonOption, RegistryOption, print_result
from training.compare import compare
from training.compare_lists import ListComparison, lists_json, lists_lines
from training.evaluate import evaluate, target_customers, with_baselines
from training.events import MAX_QUARANTINED_SHARE
from training.options import (
    EventsOption,
    MapOption,
    MaxQuarantinedOption,
    ModelOption,
    NoQuarantineOption,
    SegmentsOption,
    TimezoneOption,
    day_of,
    load,
    reporting,
    shops_defaults,
    source_of,
)
from training.purchases import read
from training.report import (
    comparison_json,
    comparison_lines,
    slice_report,
    summaries,
    table_lines,
)
from training.slices import read_segments
from training.targets import targets_of


def evaluate_command(
    events: EventsOption,
    registry: RegistryOption,
    *,
    model_ref: ModelOption = CURRENT,
    column_map: MapOption = None,
    timezone: TimezoneOption = "UTC",
    segments: SegmentsOption = None,
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    as_json: JsonOption = False,
) -> None:
    """Measure a published version on purchases made after its data ended.

    Purchases up to the end of the model's data are left out: it has learnt them.
    """
    manifest, recommender = load(registry, model_ref)
    source = source_of(events, column_map, timezone, quarantine, max_quarantined)
    by_customer = read_segments(segments, max_quarantined) if segments else None
    with reporting() as reporter:
        purchases = read(source, reporter)
        targets = targets_of(recommender.model, purchases.interactions)
        n_customers = len(target_customers(targets))
        if not n_customers:
            raise InputError(
                f"{', '.join(map(str, events))}: no purchase by a customer of the model after its "
                f"data ended ({day_of(recommender.model.data_end)}); give later purchases"
            )
        with threadpool_limits(1, "blas"), reporter.stage("evaluate", n_customers) as tick:
            columns = evaluate(
                recommender,
                targets,
                recommender.model.data_end,
                with_baselines(recommender),
                tick=tick,
            )
    result = {
        "version_id": manifest.version_id,
        "rankers": summaries(columns),
        "slices": slice_report(recommender.model, columns["recsvc"], by_customer),
    }
    print_result(result, "\n".join([*table_lines(columns), f"{n_customers:,} customers"]), as_json)


def compare_command(
    version_a: Annotated[str, typer.Argument(metavar="A", help="A version, or its beginning.")],
    version_b: Annotated[str, typer.Argument(metavar="B", help="Another, or current.")],
    registry: RegistryOption,
    *,
    events: Annotated[
        list[Path] | None,
        typer.Option(
            "--events",
            help="CSV or Parquet file of later events, or a folder of them; may be given more than "
            "once.",
        ),
    ] = None,
    customer: Annotated[
        list[str] | None,
        typer.Option(
            "--customer", help="Show how the lists of this customer differ, and why; repeatable."
        ),
    ] = None,
    customers: Annotated[
        int | None,
        typer.Option("--customers", min=1, help="The same of so many, drawn at random."),
    ] = None,
    column_map: MapOption = None,
    timezone: TimezoneOption = "UTC",
    segments: SegmentsOption = None,
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    as_json: JsonOption = False,
) -> None:
    """Measure two published versions on the same purchases, made after the data of both ended.

    Each difference is A less B with its 95 % interval over customers; * marks those that are
    clear of 0: of the models alone, without the shop's rules and diversity. With --customer or
    --customers it shows their two lists side by side, under the rules in force and the diversity
    of the shop: how many products both hold, and which move most, with the reason of each.
    """
    asks_lists = bool(customer) or customers is not None
    if not events and not asks_lists:
        raise InputError("give --events to measure, --customer or --customers to see lists")
    a, first = load(registry, version_a)
    b, second = load(registry, version_b)
    result: dict[str, Any] = {"a": a.version_id, "b": b.version_id}
    lines = [f"A is {a.version_id}, B is {b.version_id}"]
    with reporting() as reporter:
        if events:
            source = source_of(events, column_map, timezone, quarantine, max_quarantined)
            by_customer = read_segments(segments, max_quarantined) if segments else None
            purchases = read(source, reporter).interactions
            comparison = compare(first, second, purchases, reporter, segments=by_customer)
            result |= comparison_json(comparison)
            lines += comparison_lines(comparison)
        if asks_lists:
            versions = (a.version_id, b.version_id)
            pair = ListComparison(Registry.open(registry), versions, shops_defaults())
            names = [*(customer or []), *(pair.sample(customers) if customers else [])]
            with threadpool_limits(1, "blas"), reporter.stage("lists", len(names)) as tick:
                found = []
                for name in names:
                    found.append(pair.of(name))
                    tick()
            result["lists_of_customers"] = lists_json(found)
            lines += ["", *lists_lines(found)]
    print_result(result, "\n".join(lines), as_json)
