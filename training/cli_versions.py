"""The commands about published versions that need no data: ``models`` and ``rollback``.

They import nothing that trains, so that who must go back is there in a moment.
"""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recsvc.artifacts.journal import Entry, Note
from recsvc.artifacts.registry import Registry, VersionInfo
from recsvc.terminal import whoami
from training.answers import JsonOption, RegistryOption, print_result


def rollback_command(registry: RegistryOption, *, as_json: JsonOption = False) -> None:
    """Serve the version before the current one again."""
    pointer = Registry.open(registry).rollback(datetime.now(UTC), Note(whoami()))
    result = {"version_id": pointer.version_id, "generation": pointer.generation}
    print_result(
        result, f"current is {pointer.version_id}, generation {pointer.generation}", as_json
    )


def models_command(
    registry: RegistryOption,
    *,
    history: Annotated[
        bool,
        typer.Option("--history", help="List who made what current, and what the gate refused."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the published versions, newest first."""
    store = Registry.open(registry)
    if history:
        columns = _HISTORY_COLUMNS
        rows = [_history_row(entry) for entry in reversed(store.history())]
        empty = "nothing was promoted yet"
    else:
        columns = _MODEL_COLUMNS
        rows = [_model_row(info) for info in store.versions()]
        empty = "no model yet: train one with recsvc-train fit"
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(box=None)
    for key, title in columns.items():
        table.add_column(title, justify="right" if key in _NUMBERS else "left")
    for row in rows:
        # Text, since rich would read markup into a path's brackets; fold, not cut, a long one.
        table.add_row(*(Text(_shown(key, row), overflow="fold") for key in columns))
    # A pipe has no width; a version that is cut off cannot be promoted.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table if rows else empty)


_NDCG = "ndcg@10"
_MEGABYTE = 1_000_000

_MODEL_COLUMNS = {
    "version_id": "version",
    "train_time": "trained",
    "n_interactions": "purchases",
    "ndcg_all": "nDCG@10 all",
    "ndcg_new": "of new products",
    "size_bytes": "MB",
    "state": "state",
}
_NUMBERS = frozenset({"n_interactions", "ndcg_all", "ndcg_new", "size_bytes", "generation"})
_HISTORY_COLUMNS = {
    "time": "time",
    "action": "",
    "version_id": "version",
    "before": "before",
    "generation": "generation",
    "by": "by",
    "gate": "gate",
    "reasons": "reasons",
}


def _model_row(info: VersionInfo) -> dict[str, Any]:
    if info.manifest is None:
        return dict.fromkeys(_MODEL_COLUMNS, "") | {
            "version_id": info.version_id,
            "state": f"unusable: {info.error}",
        }
    tested = info.manifest.metrics.get("test", {}).get("rankers", {}).get("recsvc", {})
    of_all, of_new = (tested.get(task, {}) for task in ("all", "new"))
    return {
        "version_id": info.version_id,
        "train_time": f"{info.manifest.train_time:%Y-%m-%d %H:%M}",
        "n_interactions": info.manifest.data.get("n_interactions", ""),
        "ndcg_all": of_all.get(_NDCG, ""),
        "ndcg_all_interval": of_all.get("intervals", {}).get(_NDCG),
        "ndcg_new": of_new.get(_NDCG, ""),
        "ndcg_new_interval": of_new.get("intervals", {}).get(_NDCG),
        "size_bytes": sum(file.size_bytes for file in info.manifest.files),
        "state": "current" if info.is_current else "",
    }


def _history_row(entry: Entry) -> dict[str, Any]:
    return {
        "time": f"{entry.time:%Y-%m-%d %H:%M:%S}",
        "action": entry.action.value,
        "version_id": entry.version_id,
        "before": entry.before,
        "generation": entry.generation,
        "by": entry.note.by,
        "gate": entry.note.gate.value,
        "reasons": list(entry.note.reasons),
    }


def _shown(key: str, row: dict[str, Any]) -> str:
    """One cell, as people read it; ``""`` where nothing is known."""
    value = row[key]
    match key, value:
        case _, "":
            return ""
        case "n_interactions", _:
            return f"{value:,}"
        case "size_bytes", _:
            return f"{value / _MEGABYTE:,.1f}"
        case "ndcg_all" | "ndcg_new", _:
            interval = row[f"{key}_interval"]
            # As in the table of fit: half of the 95 % interval.
            return f"{value:.4f}" + (f" ±{(interval[1] - interval[0]) / 2:.4f}" if interval else "")
        case _, list():
            return "\n".join(value)
    return str(value)
