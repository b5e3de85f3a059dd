"""``python -m tests.benchmarks.live``: what live state promises, as JSON."""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from recsvc.terminal import new_app, run
from tests.benchmarks.live.freshness import freshness
from tests.benchmarks.live.new_products import new_products
from tests.benchmarks.live.newcomers import newcomers
from tests.drill import drill
from tests.serving import small_registry

app = new_app("Measure what live state promises.")

HistoryOption = Annotated[
    Path,
    typer.Option("--history", exists=True, dir_okay=False, help="Parquet file of purchases."),
]
TestOption = Annotated[
    Path, typer.Option("--test", exists=True, dir_okay=False, help="What was bought next.")
]


def _print(found: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


@app.command("freshness")
def freshness_command(
    n_events: Annotated[int, typer.Option("--events", help="Events without a token.")] = 2_000,
    n_reads: Annotated[int, typer.Option("--reads", help="Reads with a token.")] = 10_000,
) -> None:
    """From an event on one process to its effect on another, and stale reads with a token."""
    with tempfile.TemporaryDirectory() as directory:
        _print(freshness(Path(directory), n_events, n_reads))


@app.command("exactly-once")
def drill_command(
    n_events: Annotated[int, typer.Option("--events", help="Different events.")] = 100_000,
    kill_seconds: Annotated[float, typer.Option("--kill-seconds", help="Between kills.")] = 3.0,
) -> None:
    """Four clients, a tenth sent twice, servers and collect killed: what does the history hold?"""
    with tempfile.TemporaryDirectory() as directory:
        registry = small_registry(Path(directory) / "models")
        found = drill(
            registry, Path(directory) / "drill", n_events=n_events, kill_seconds=kill_seconds
        )
    _print(asdict(found) | {"events_a_second": round(found.n_sent / found.seconds)})


@app.command("newcomers")
def newcomers_command(
    history: HistoryOption,
    test: TestOption,
    products: Annotated[
        Path | None, typer.Option("--products", exists=True, dir_okay=False, help="Their products.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="Of both models.")] = "balanced",
    work: Annotated[Path, typer.Option("--work", help="Folder for models.")] = Path(".bench/live"),
) -> None:
    """Customers whom the model has never seen, after some replayed orders."""
    _print(newcomers(history, test, products, preset, work))


@app.command("new-products")
def new_products_command(
    history: HistoryOption,
    test: TestOption,
    products: Annotated[
        Path, typer.Option("--products", exists=True, dir_okay=False, help="Their products.")
    ],
    preset: Annotated[str, typer.Option("--preset", help="Of the model.")] = "balanced",
    work: Annotated[Path, typer.Option("--work", help="Folder for models.")] = Path(".bench/live"),
) -> None:
    """Products that came after training, placed by category, brand and title."""
    _print(new_products(history, test, products, preset, work))


if __name__ == "__main__":
    sys.exit(run(app))
