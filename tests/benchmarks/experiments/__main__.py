"""``python -m tests.benchmarks.experiments``: what the statistics of experiments promise."""

import json
import sys
from typing import Annotated

import typer

from tests.benchmarks.experiments.methods import compare
from tests.benchmarks.experiments.runs import METRICS, study
from tests.benchmarks.experiments.shop import Shop

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command("runs")
def runs_command(
    metric: Annotated[str, typer.Argument(metavar="|".join(METRICS), help="What is compared.")],
    planted: Annotated[float, typer.Option("--planted", help="The lift that is there.")] = 0.0,
    smallest: Annotated[float, typer.Option("--smallest", help="The lift planned for.")] = 0.05,
    runs: Annotated[int, typer.Option("--runs", help="How many experiments.")] = 1_000,
    seed: Annotated[int, typer.Option("--seed", help="The same gives the same.")] = 0,
) -> None:
    """Run one experiment many times, of the size that the plan says, with a look every day."""
    found = study(Shop(), metric, smallest=smallest, lift=planted, runs=runs, seed=seed)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


@app.command("methods")
def methods_command() -> None:
    """Compare ways to look at an experiment more than once."""
    sys.stdout.write(json.dumps(compare(), indent=1) + "\n")


if __name__ == "__main__":
    app()
