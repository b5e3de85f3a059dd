"""``python -m tests.benchmarks.speed``: what a list costs beside gRPC and Redis alone, as JSON."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks.speed import catalogue, stampede
from tests.benchmarks.speed.paths import measure

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def _speed() -> None:
    """Measure speed; needs h2load (Debian's nghttp2-client) and two cores."""


@app.command("paths")
def paths_command(
    registry: Annotated[Path, typer.Option("--registry", help="A registry with a model.")],
    rounds: Annotated[int, typer.Option("--rounds", help="Turns of all sides.")] = 5,
    seconds: Annotated[int, typer.Option("--seconds", help="Of each turn.")] = 4,
) -> None:
    """Lists from the process, from Redis and computed, one and a hundred at a time."""
    with tempfile.TemporaryDirectory() as work:
        found = measure(registry, Path(work), rounds=rounds, seconds=seconds)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


@app.command("stampede")
def stampede_command(
    registry: Annotated[Path, typer.Option("--registry", help="A registry with a model.")],
    rounds: Annotated[int, typer.Option("--rounds", help="Of each moment.")] = 5,
) -> None:
    """32 callers of one list that takes 150 ms, over 2 processes: made how often, waited for."""
    with tempfile.TemporaryDirectory() as work:
        found = stampede.measure(registry, Path(work), rounds=rounds)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


@app.command("catalogue")
def catalogue_command(
    registry: Annotated[Path, typer.Option("--registry", help="A registry with a model.")],
    work: Annotated[Path, typer.Option("--work", help="Where grown models are kept, 3 GiB.")],
    sizes: Annotated[
        list[int] | None, typer.Option("--size", help="Products; can be repeated.")
    ] = None,
    n_lists: Annotated[int, typer.Option("--lists", help="Customers that are asked for.")] = 300,
) -> None:
    """Computed lists of catalogues of 10 k, 100 k and 1 M products, grown from a real one."""
    found = catalogue.measure(registry, work, sizes or catalogue.SIZES, n_lists)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    app()
