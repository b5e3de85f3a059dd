"""What a run says of an evaluation: means with intervals, slices, tables."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from recsvc.core.model import Model
from recsvc.core.ranking import Task
from training.column import HEADLINE, Column
from training.compare import TOTAL, Comparison, Difference
from training.slices import (
    ESTABLISHED,
    NEW,
    PRODUCT,
    SEGMENT,
    customer_labels,
    new_products,
    segment_labels,
    slices,
)

_NAMES = {Task.ALL: "all purchases", Task.NEW: "new to the customer"}

FEW_CUSTOMERS = 20
"""With fewer measured the percentile bootstrap is far too sure of itself, and a table says so."""


def slice_report(
    model: Model, columns: Mapping[Task, Column], segments: Mapping[str, str] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """By kind of slice the headline of each, as JSON.

    Args:
        model: that was measured.
        columns: its columns, with one of :attr:`Task.ALL`.
        segments: segment by customer id, for slices.
    """
    labels = customer_labels(model)
    if segments is not None:
        labels[SEGMENT] = segment_labels(model.customers, segments)
    measured = np.isin(np.arange(len(model.customers)), columns[Task.ALL].customers)
    report: dict[str, list[dict[str, Any]]] = {}
    for part in slices({kind: np.where(measured, names, "") for kind, names in labels.items()}):
        some = {
            task: column.where(part.members[column.customers]) for task, column in columns.items()
        }
        report.setdefault(part.kind, []).append({"name": part.name} | _headlines(some))
    is_new = new_products(model)
    by_age = {
        name: {task: column.wanting(items) for task, column in columns.items()}
        for name, items in ((NEW, is_new), (ESTABLISHED, ~is_new))
    }
    if all(len(some[Task.ALL].customers) for some in by_age.values()):
        report[PRODUCT] = [{"name": name} | _headlines(some) for name, some in by_age.items()]
    return report


def _headlines(columns: Mapping[Task, Column]) -> dict[str, Any]:
    return {task.value: column.headline() for task, column in columns.items()}


def summaries(columns: Mapping[str, Mapping[Task, Column]]) -> dict[str, dict[str, Any]]:
    """All metrics of every ranker and task, as JSON."""
    return {
        name: {task.value: column.summary() for task, column in by_task.items()}
        for name, by_task in columns.items()
    }


def table_lines(columns: Mapping[str, Mapping[Task, Column]]) -> list[str]:
    """The means that matter most as the lines of a table, with half of their 95 % intervals.

    All rankers are measured on the same customers; a line below says where those are few.
    """
    lines = [
        f"{'':20}" + "".join(f"{title:>34}" for title in _NAMES.values()),
        f"{'':20}" + f"{'nDCG@10':>17}{'recall@20':>17}" * 2,
    ]
    for name, by_task in columns.items():
        cells = [cell for task in _NAMES for cell in _cells(by_task[task])]
        lines.append(f"{name:20}" + "".join(f"{cell:>17}" for cell in cells))
    return lines + _few(next(iter(columns.values())))


def _few(by_task: Mapping[Task, Column]) -> list[str]:
    """A line for each column that tells next to nothing."""
    counts = {title: len(by_task[task].customers) for task, title in _NAMES.items()}
    return [
        f"  {title}: " + (f"{n} measured, too few to tell" if n else "nobody to measure")
        for title, n in counts.items()
        if n < FEW_CUSTOMERS
    ]


def _cells(column: Column) -> list[str]:
    if not len(column.customers):
        return ["-"] * len(HEADLINE)
    return [f"{each.mean:.4f} ±{each.margin:.4f}" for each in column.intervals().values()]


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The total and the slices of a comparison, both metrics, as JSON."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for each in comparison.differences:
        row = rows.setdefault((each.kind, each.name), {})
        row.setdefault(each.task.value, {"customers": each.n_customers})[each.metric] = {
            "a": round(each.mean_a, 5),
            "b": round(each.mean_b, 5),
            "difference": round(each.difference.mean, 5),
            "interval": [round(each.difference.low, 5), round(each.difference.high, 5)],
        }
    total = rows.pop((TOTAL, ""))
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for (kind, name), row in rows.items():
        by_kind.setdefault(kind, []).append({"name": name} | row)
    return {
        "since": datetime.fromtimestamp(comparison.since, UTC).isoformat(),
        "customers": comparison.n_customers,
        "total": total,
        "slices": by_kind,
    }


def comparison_lines(comparison: Comparison) -> list[str]:
    """The differences of nDCG@10 as the lines of a table; * marks those clear of 0."""
    lines = []
    for task, title in _NAMES.items():
        columns = f"{'customers':>10}{'A':>9}{'B':>9}{'A - B':>10}   95 % interval"
        lines += ["", f"{title + ', nDCG@10':32}{columns}"]
        lines += [_difference_line(each) for each in comparison.of(task)]
    return lines


def _difference_line(each: Difference) -> str:
    found = each.difference
    mark = " *" if found.is_clear_of_zero else ""
    return (
        f"{each.kind + ' ' + each.name:32}{each.n_customers:>10,}"
        f"{each.mean_a:9.4f}{each.mean_b:9.4f}{found.mean:+10.4f}"
        f"   [{found.low:+.4f}, {found.high:+.4f}]{mark}"
    )
