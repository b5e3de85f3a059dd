"""The commands that measure: ``evaluate`` one published version, ``compare`` two."""

from typing import Annotated

import typer
from threadpoolctl import threadpool_limits

from recsvc.artifacts.registry import CURRENT
from recsvc.errors import InputError
from training.compare import compare
from training.evaluate import evaluate, target_customers, with_baselines
from training.events import MAX_QUARANTINED_SHARE
from training.options import (
    EventsOption,
    JsonOption,
    MapOption,
    MaxQuarantinedOption,
    ModelOption,
    NoQuarantineOption,
    RegistryOption,
    SegmentsOption,
    TimezoneOption,
    day_of,
    load,
    mapping_of,
    print_result,
    reporting,
)
from training.pipeline import FitInput, read
from training.report import (
    comparison_json,
    comparison_lines,
    slice_report,
    summaries,
    table_lines,
)
from training.slices import read_segments
from training.targets import targets_of


def evaluate_command(  # noqa: PLR0913  # options of a command line
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
    source = FitInput(
        events=events,
        mapping=mapping_of("--map", column_map),
        timezone=timezone,
        quarantine=quarantine,
        max_quarantined_share=max_quarantined,
    )
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


def compare_command(  # noqa: PLR0913  # options of a command line
    version_a: Annotated[str, typer.Argument(metavar="A", help="A version, or its beginning.")],
    version_b: Annotated[str, typer.Argument(metavar="B", help="Another, or current.")],
    events: EventsOption,
    registry: RegistryOption,
    *,
    column_map: MapOption = None,
    timezone: TimezoneOption = "UTC",
    segments: SegmentsOption = None,
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    as_json: JsonOption = False,
) -> None:
    """Measure two published versions on the same purchases, made after the data of both ended.

    Each difference is A less B with its 95 % interval over customers; * marks those that are
    clear of 0.
    """
    a, first = load(registry, version_a)
    b, second = load(registry, version_b)
    source = FitInput(
        events=events,
        mapping=mapping_of("--map", column_map),
        timezone=timezone,
        quarantine=quarantine,
        max_quarantined_share=max_quarantined,
    )
    by_customer = read_segments(segments, max_quarantined) if segments else None
    with reporting() as reporter:
        purchases = read(source, reporter).interactions
        comparison = compare(first, second, purchases, reporter, segments=by_customer)
    result = {"a": a.version_id, "b": b.version_id} | comparison_json(comparison)
    lines = [f"A is {a.version_id}, B is {b.version_id}", *comparison_lines(comparison)]
    print_result(result, "\n".join(lines), as_json)
