"""A report in words, and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from math import isnan
from typing import Any

from training.experiments.journeys import Journeys
from training.experiments.lift import MIN_SHOPPERS
from training.experiments.report import Comparison, Report

_PERCENT = {"click_through", "conversion", "new_share"}
_SMALL_P = 0.001


def lines(report: Report) -> list[str]:
    """The report for people: first what can go wrong, then what decides, then the rest."""
    experiment, journeys = report.experiment, report.journeys
    since = f"{journeys.first_day:%d %B %Y}"
    said = notes(journeys)
    return [
        f"experiment {experiment.experiment_id}, day {report.n_days} since {since}",
        _balance(report),
        *(_verdict(each, report.shoppers) for each in report.primary),
        "",
        *_table(
            ("variant", "shoppers", "lists seen"),
            [(name, f"{n:,}", f"{report.lists[name]:,}") for name, n in report.shoppers.items()],
        ),
        "",
        *_table(
            ("metric", "variant", "value", "control", "lift", "safe to peek", "one look", "p"),
            [_row(each) for each in report.comparisons],
        ),
        *_places(report),
        *(["", *said] if said else []),
    ]


def _balance(report: Report) -> str:
    p = report.balance_p_value
    if report.is_balanced:
        return f"sample ratio: sound (p {p:.2g})"
    counts = ", ".join(f"{name} {n:,}" for name, n in report.shoppers.items())
    wanted = ":".join(f"{weight:g}" for weight in report.experiment.weights)
    return (
        f"SAMPLE RATIO MISMATCH (p {p:.1g}): {counts} where the lot gives {wanted}. "
        "Believe nothing below: shoppers of one variant are lost between the lot and this report"
    )


def _verdict(decided: Comparison, shoppers: Mapping[str, int]) -> str:
    who = f"{decided.variant_id} on {decided.metric}"
    if isnan(decided.lift):
        return f"{who}: {_too_little(decided, shoppers)}; go on"
    interval = f"{decided.lift:+.1%}, between {decided.low:+.1%} and {decided.high:+.1%}"
    if not decided.found_on:
        return f"{who}: undecided ({interval}); go on, or stop and keep the control"
    which = "better" if decided.lift > 0 else "worse"
    return f"{who}: {which} ({interval}), known since day {decided.found_on}; you may stop"


def _too_little(decided: Comparison, shoppers: Mapping[str, int]) -> str:
    """Why nothing can be told: who came, or what they did."""
    arms = (next(iter(shoppers)), decided.variant_id)
    few = ", ".join(f"{name} has {shoppers[name]:,}" for name in arms)
    if min(shoppers[name] for name in arms) < MIN_SHOPPERS:
        return f"too few shoppers to compare ({few}; each needs {MIN_SHOPPERS})"
    if decided.value > 0 and decided.control > 0:  # each of an arm did the same
        return f"enough shoppers came ({few}), and what they did does not vary enough to compare"
    return f"enough shoppers came ({few}), and too little was done to compare"


def _row(each: Comparison) -> tuple[str, ...]:
    if isnan(each.lift):
        lifts = ("too little", "", "", "")
    else:
        lifts = (
            f"{each.lift:+.1%}",
            f"{each.low:+.1%} … {each.high:+.1%}",
            f"{each.fixed_low:+.1%} … {each.fixed_high:+.1%}",
            f"{each.p_value:.3f}" if each.p_value >= _SMALL_P else f"<{_SMALL_P}",
        )
    values = (_value(each.metric, each.value), _value(each.metric, each.control))
    return (each.metric, each.variant_id, *values, *lifts)


def _value(metric: str, value: float) -> str:
    if isnan(value):
        return "-"
    return f"{value:.2%}" if metric in _PERCENT else f"{value:,.2f}"


def _places(report: Report) -> list[str]:
    if not report.places:
        return []
    rows = [
        (f"{each.kind} {each.name}", f"{each.n_shoppers:,}", *_row(each.comparison)[1:])
        for each in report.places
    ]
    heads = ("place", "shoppers", "variant", "value", "control", "lift")
    title = f"by place, {report.experiment.metric.value} (p is corrected for their number)"
    return ["", title, *_table((*heads, "safe to peek", "one look", "p"), rows)]


def notes(journeys: Journeys) -> list[str]:
    """What is not among the figures, a line each."""
    said = []
    if reasons := journeys.history.reasons:
        told = ", ".join(f"{reason} {n:,}" for reason, n in reasons.items())
        said.append(f"{sum(reasons.values()):,} rows cannot be used and are left out ({told})")
    if journeys.history.n_repeated:
        said.append(
            f"{journeys.history.n_repeated:,} purchases were there twice (files overlap?) and "
            "count once"
        )
    if journeys.n_unknown:
        said.append(
            f"{journeys.n_unknown:,} lists name variants that the experiment does not have, and "
            "are left out"
        )
    if journeys.n_mixed:
        said.append(
            f"{journeys.n_mixed:,} shoppers saw lists of two variants (another device, a log-in): "
            "what they saw first counts"
        )
    if journeys.n_foreign:
        said.append(
            f"{journeys.n_foreign:,} purchases in other currencies than {journeys.currency} "
            "are left out"
        )
    return said


def notes_json(journeys: Journeys) -> dict[str, Any]:
    """The same for programs."""
    return {
        "n_quarantined": sum(journeys.history.reasons.values()),
        "reasons": dict(journeys.history.reasons),
        "n_repeated_purchases": journeys.history.n_repeated,
        "n_unknown_variants": journeys.n_unknown,
        "n_mixed": journeys.n_mixed,
        "currency": journeys.currency,
        "n_foreign_purchases": journeys.n_foreign,
    }


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Columns as wide as they must be, figures to the right."""
    cells = [heads, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return [
        "  ".join(
            cell.ljust(width) if column < 1 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs; a lift that cannot be told is null."""
    journeys = report.journeys
    return {
        "experiment_id": report.experiment.experiment_id,
        "first_day": journeys.first_day.date().isoformat(),
        "n_days": report.n_days,
        "sample_ratio": {"sound": report.is_balanced, "p_value": report.balance_p_value},
        "decided_by": report.experiment.metric.value,
        "alpha": report.experiment.alpha,
        "min_shoppers": MIN_SHOPPERS,
        "variants": [
            {"variant_id": name, "n_shoppers": n, "n_lists": report.lists[name]}
            for name, n in report.shoppers.items()
        ],
        "comparisons": [_plain(asdict(each)) for each in report.comparisons],
        "places": [
            {
                "kind": each.kind,
                "name": each.name,
                "n_shoppers": each.n_shoppers,
                **_plain(asdict(each.comparison)),
            }
            for each in report.places
        ],
        **notes_json(journeys),
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and isnan(value) else value
        for name, value in values.items()
    }
