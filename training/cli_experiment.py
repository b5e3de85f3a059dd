"""The commands of experiments: ``recsvc-train experiment``."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from recsvc.artifacts import experiment_shelf
from recsvc.artifacts.experiment_shelf import KIND
from recsvc.artifacts.experiments import Experiment, Metric, Variant, read_experiment
from recsvc.artifacts.journal import Note
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.version_ids import CURRENT
from recsvc.core.recommendation_id import MAX_VARIANTS
from recsvc.errors import InputError
from recsvc.terminal import new_app, whoami
from training.answers import JsonOption, RegistryOption, print_result
from training.events import MAX_QUARANTINED_SHARE
from training.experiments.history import History, read_history
from training.experiments.journeys import PLACES, Journeys, follow
from training.experiments.off_policy import Rule, estimate
from training.experiments.power import LOOKS, click_variance, plan
from training.experiments.report import moments, report
from training.experiments.text import as_json as report_json
from training.experiments.text import lines, notes, notes_json
from training.options import (
    EventsOption,
    MapOption,
    MaxQuarantinedOption,
    NoQuarantineOption,
    TimezoneOption,
    mapping_of,
)
from training.served import ServedFiles

app = new_app("Compare models on live traffic: plan, activate, report, stop.")

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="JSON file that defines the experiment.")
]
SeenOption = Annotated[
    Path | None,
    typer.Option(
        "--served",
        help="Folder of served lists that recsvc-train collect has written: those count as seen, "
        "and IMPRESSION events are left aside.",
    ),
]
IdArgument = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Id of the experiment.")]


@app.command("plan")
def plan_command(
    lift: Annotated[float, typer.Option("--lift", help="Smallest lift worth finding, .05 is 5 %.")],
    *,
    baseline: Annotated[
        float | None,
        typer.Option("--baseline", help="Share of lists clicked (or bought from) today, 0 to 1."),
    ] = None,
    lists: Annotated[
        float, typer.Option("--lists-per-shopper", help="Lists a shopper sees in the experiment.")
    ] = 1.0,
    correlation: Annotated[
        float,
        typer.Option("--correlation", help="Of two lists of one shopper, 0 to 1; .1 is usual."),
    ] = 0.1,
    events: Annotated[
        list[Path] | None,
        typer.Option("--events", help="Instead: the history of events, to learn these from."),
    ] = None,
    metric: Annotated[
        Metric, typer.Option("--metric", help="What decides; with --events.")
    ] = Metric.CLICK_THROUGH,
    power: Annotated[float, typer.Option("--power", help="How often it is to be found.")] = 0.8,
    alpha: Annotated[float, typer.Option("--alpha", help="How often a false alarm may be.")] = 0.05,
    variants: Annotated[
        int,
        typer.Option(
            "--variants",
            min=2,
            max=MAX_VARIANTS,
            help="Variants, the control counted, all alike.",
        ),
    ] = 2,
    column_map: MapOption = None,
    timezone: TimezoneOption = "UTC",
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    as_json: JsonOption = False,
) -> None:
    """Say how many shoppers it takes to find a lift.

    Give --baseline with --lists-per-shopper, or --events with the lists that were seen.
    """
    _check("--lift", lift, 0.001, 10)
    _check("--power", power, 0.5, 0.99)
    _check("--alpha", alpha, 0.0001, 0.5)
    _check("--lists-per-shopper", lists, 1, 10_000)
    _check("--correlation", correlation, 0, 1)
    if (baseline is None) == (not events):
        raise InputError("give either --baseline or --events, to know how clicks vary")
    seen: Journeys | None = None
    if baseline is not None:
        _check("--baseline", baseline, 0.0001, 0.9999)
        variance = click_variance(baseline, lists, correlation)
    else:
        history = _history(events or [], column_map, timezone, quarantine, max_quarantined)
        seen = follow(history, None)
        variance = _variance(seen, metric)
    found = plan(lift, variance, alpha=alpha / (variants - 1), power=power)
    each = -(-found.n_shoppers // 2)
    result = {
        "lift": lift,
        "power": power,
        "alpha": alpha,
        "n_shoppers": each * variants,
        "n_shoppers_per_variant": each,
        "n_shoppers_if_looked_at_once": -(-found.n_fixed // 2) * variants,
        **(notes_json(seen) if seen else {}),
    }
    text = (
        f"{each:,} shoppers a variant, {each * variants:,} in all, find a lift of {lift:.1%} with "
        f"probability {power:g}, looked at every day for {LOOKS} days;\n"
        f"{result['n_shoppers_if_looked_at_once']:,} would do for who looks once, at the end."
    )
    print_result(result, "\n".join([text, *(notes(seen) if seen else [])]), as_json)


def _check(option: str, value: float, low: float, high: float) -> None:
    """Refuse what no plan can be made of; nan is within no bounds."""
    if not low <= value <= high:
        raise InputError(f"{option} {value:g}: must be from {low:g} to {high:g}")


def _history(  # what three commands were told
    events: list[Path],
    column_map: list[str] | None,
    timezone: str,
    quarantine: Path | None,
    max_quarantined: float,
    lists: pl.DataFrame | None = None,
) -> History:
    return read_history(
        events,
        mapping=mapping_of("--map", column_map),
        timezone=timezone,
        quarantine=quarantine,
        max_quarantined_share=max_quarantined,
        lists=lists,
    )


def _variance(journeys: Journeys, metric: Metric) -> float:
    (everybody,) = moments(journeys, metric.value, journeys.variant == 0, 1)
    variance = float(everybody.relative_variance()[-1])
    if not variance > 0:
        raise InputError(f"--events: nothing of {metric.value} to learn from; give --baseline")
    return variance


@app.command("validate")
def validate_command(
    file: FileArgument, registry: RegistryOption, *, as_json: JsonOption = False
) -> None:
    """Check a definition, and that the registry has what its variants need; changes nothing."""
    store = Registry.open(registry)
    experiment = _checked(file, store)
    _print(experiment, _overlaps(experiment, store), "is sound", as_json=as_json)


@app.command("activate")
def activate_command(
    file: FileArgument, registry: RegistryOption, *, as_json: JsonOption = False
) -> None:
    """Let an experiment run; running servers follow by themselves within a second."""
    store = Registry.open(registry)
    experiment = _checked(file, store)
    overlaps = _overlaps(experiment, store)
    shelf = store.documents(KIND)
    experiment_shelf.activate(shelf, experiment, datetime.now(UTC), Note(whoami()))
    _print(experiment, overlaps, "runs", as_json=as_json)


@app.command("stop")
def stop_command(
    experiment_id: IdArgument, registry: RegistryOption, *, as_json: JsonOption = False
) -> None:
    """Let an experiment run no more: everybody gets what is current again."""
    shelf = Registry.open(registry).documents(KIND)
    experiment_shelf.stop(shelf, experiment_id, datetime.now(UTC), Note(whoami()))
    left = [each.experiment_id for each in experiment_shelf.running(shelf)]
    result = {"stopped": experiment_id, "running": left}
    print_result(result, f"{experiment_id} is stopped; running: {', '.join(left) or '-'}", as_json)


@app.command("list")
def list_command(registry: RegistryOption, *, as_json: JsonOption = False) -> None:
    """List the experiments that run and those that ran."""
    shelf = Registry.open(registry).documents(KIND)
    on = {each.experiment_id for each in experiment_shelf.running(shelf)}
    every = sorted(experiment_shelf.known(shelf).values(), key=lambda each: each.experiment_id)
    result = {
        "experiments": [
            {"running": each.experiment_id in on, **each.model_dump(mode="json")} for each in every
        ]
    }
    text = [
        f"{'running' if each.experiment_id in on else 'stopped'}  {each.experiment_id}  "
        + ", ".join(f"{v.variant_id} {v.weight:g}" for v in each.variants)
        for each in every
    ]
    print_result(result, "\n".join(text) or "no experiment ran here yet", as_json)


@app.command("report")
def report_command(
    experiment_id: IdArgument,
    events: EventsOption,
    registry: RegistryOption,
    *,
    served: SeenOption = None,
    column_map: MapOption = None,
    timezone: TimezoneOption = "UTC",
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    as_json: JsonOption = False,
) -> None:
    """Say what an experiment has shown so far; look as often as you like.

    The intervals "safe to peek" and the p-values hold at all looks together. Those of "one look"
    hold for who had decided beforehand on which day to look, and looks on no other.
    """
    store = Registry.open(registry)
    experiment = experiment_shelf.find(store.documents(KIND), experiment_id)
    lists = _lists(served, store)
    history = _history(events, column_map, timezone, quarantine, max_quarantined, lists)
    found = report(experiment, follow(history, experiment))
    print_result(report_json(found), "\n".join(lines(found)), as_json)


@app.command("estimate")
def estimate_command(
    experiment_id: IdArgument,
    events: EventsOption,
    registry: RegistryOption,
    *,
    otherwise: Annotated[str, typer.Option("--otherwise", help="Variant of everybody else.")],
    show: Annotated[
        list[str] | None,
        typer.Option(
            "--show",
            metavar="PLACE=VARIANT",
            help="Who gets which variant, as in store:367=newer or country:GB=newer; repeatable.",
        ),
    ] = None,
    metric: Annotated[
        Metric | None, typer.Option("--metric", help="Of what; what decides it unless given.")
    ] = None,
    served: SeenOption = None,
    column_map: MapOption = None,
    timezone: TimezoneOption = "UTC",
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    as_json: JsonOption = False,
) -> None:
    """Estimate what a rule by place of who gets which variant would have been worth.

    From the lists that the lot gave out, each shopper weighted by how likely they were to see what
    the rule would show them (off-policy, self-normalised inverse propensities). A model that no
    variant had cannot be estimated so: make it one.
    """
    store = Registry.open(registry)
    experiment = experiment_shelf.find(store.documents(KIND), experiment_id)
    rule = Rule(dict(map(_shown, show or [])), otherwise)
    lists = _lists(served, store)
    history = _history(events, column_map, timezone, quarantine, max_quarantined, lists)
    journeys = follow(history, experiment)
    found = estimate(experiment, journeys, rule, (metric or experiment.metric).value)
    text = (
        f"{found.metric} {found.value:,.4g} under it, {found.control:,.4g} under the control:\n"
        f"{found.lift:+.1%}, between {found.low:+.1%} and {found.high:+.1%} for who looks once\n"
        f"from {found.n_shoppers:,} shoppers, as sure as {found.n_effective:,.0f} of one weight; "
        f"none weighs more than {found.max_weight:.1f}"
    )
    result = {**asdict(found), **notes_json(journeys)}
    print_result(result, "\n".join([text, *notes(journeys)]), as_json)


def _lists(served: Path | None, store: Registry) -> pl.DataFrame | None:
    return ServedFiles(served, store).rows() if served else None


def _shown(text: str) -> tuple[tuple[str, str], str]:
    place, equals, variant = text.rpartition("=")
    kind, colon, name = place.partition(":")
    if not (equals and colon and name and variant) or kind not in PLACES:
        raise InputError(
            f"--show {text}: write it as PLACE=VARIANT, as in store:367=newer or country:GB=newer"
        )
    return (kind, name), variant


def _checked(file: Path, store: Registry) -> Experiment:
    """A definition whose models and rules are there, each by its whole name."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from None
    experiment = read_experiment(text, str(file))
    variants = tuple(_resolved(variant, store) for variant in experiment.variants)
    return experiment.model_copy(update={"variants": variants})


def _resolved(variant: Variant, store: Registry) -> Variant:
    named = {}
    if variant.model != CURRENT:
        named["model"] = store.manifest(variant.model).version_id
    if variant.rules != CURRENT:
        named["rules"] = store.documents("rules").read(variant.rules)[0]
    return variant.model_copy(update=named)


def _overlaps(experiment: Experiment, store: Registry) -> list[str]:
    """Experiments that run and may mean the same requests."""
    return [
        other.experiment_id
        for other in experiment_shelf.running(store.documents(KIND))
        if other.experiment_id != experiment.experiment_id and experiment.may_meet(other)
    ]


def _print(experiment: Experiment, overlaps: list[str], state: str, *, as_json: bool) -> None:
    result: dict[str, Any] = {**experiment.model_dump(mode="json"), "overlaps": overlaps}
    text = [f"{experiment.experiment_id} {state}"]
    text += [
        f"{other} may mean the same requests: "
        f"{min(other, experiment.experiment_id)} gets them, being the first by name"
        for other in overlaps
    ]
    print_result(result, "\n".join(text), as_json)
