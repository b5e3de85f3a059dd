"""What was measured, kept in ``results.json`` so that no run is made twice."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.quality.judge import Interval
from tests.benchmarks.quality.runner import OK, Run

Figures = dict[str, dict[str, Interval]]
"""Interval by kind of list (``all``, ``all_hidden``, ``new``) and metric."""


@dataclass(frozen=True, slots=True)
class Result:
    """One contestant on one set.

    Attributes:
        contestant: name of the contestant.
        library: whose it is.
        key: of everything that the result depends on.
        run: how it went.
        figures: what its lists reached; empty unless the run was OK.
        lead: paired, ours less these, by ``all`` and ``new``; empty until both are there.
    """

    contestant: str
    library: str
    key: str
    run: Run
    figures: Figures = field(default_factory=dict)
    lead: Figures = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        """Whether there are figures."""
        return self.run.status == OK

    def best(self, column: str, metric: str) -> Interval:
        """Of all purchases the better of its two kinds of lists, else simply the figure."""
        kinds = [kind for kind in (column, f"{column}_hidden") if kind in self.figures]
        return max((self.figures[kind][metric] for kind in kinds), key=lambda one: one.mean)


@dataclass(slots=True)
class Results:
    """All results, and what they were measured on.

    Attributes:
        sets: counts and digest by set.
        machine: what the times are of.
        rows: by set, then contestant.
    """

    sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    machine: str = ""
    rows: dict[str, dict[str, Result]] = field(default_factory=dict)


def load(path: Path) -> Results:
    """Read a file that ``save`` wrote; empty if there is none."""
    if not path.exists():
        return Results()
    document = json.loads(path.read_text())
    rows = {
        name: {row["contestant"]: _result(row) for row in rows}
        for name, rows in document["rows"].items()
    }
    return Results(document["sets"], document["machine"], rows)


def save(results: Results, path: Path) -> None:
    """Write all, rounded to what the figures are good for."""
    document = {
        "machine": results.machine,
        "sets": results.sets,
        "rows": {
            name: [_rounded(asdict(row)) for row in rows.values()]
            for name, rows in results.rows.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _result(row: dict[str, Any]) -> Result:
    return Result(
        row["contestant"],
        row["library"],
        row["key"],
        Run(**row["run"]),
        _figures(row["figures"]),
        _figures(row["lead"]),
    )


def _figures(kinds: dict[str, dict[str, dict[str, float]]]) -> Figures:
    return {
        kind: {metric: Interval(**one) for metric, one in metrics.items()}
        for kind, metrics in kinds.items()
    }


def _rounded(value: Any) -> Any:  # noqa: ANN401  # any part of a JSON document
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return round(value, 6) if isinstance(value, float) else value
