"""recsvc itself, by its command line and with its defaults."""

import subprocess
import sys

import polars as pl

from tests.benchmarks.quality.peers.purchases import Contestant, Files


class Recsvc:
    """``recsvc-train fit`` and ``recsvc-train recommend``, as a user would type them."""

    def __init__(self, preset: str) -> None:
        self.preset = preset

    def fit(self, files: Files) -> None:
        """Read, tune, evaluate, fit and publish: all that the command does."""
        products = ["--products", str(files.products)] if files.products else []
        _run(
            *("fit", "--promote", "--preset", self.preset),
            *("--events", str(files.history), *products),
            *("--registry", str(files.scratch / "registry")),
            *("--quarantine", str(files.scratch / "quarantine.csv")),
        )

    def recommend(self, files: Files, *, size: int, only_new: bool) -> pl.DataFrame:
        """The lists that the command writes."""
        out = files.scratch / "lists.parquet"
        _run(
            *("recommend", "--k", str(size), *(["--only-new"] if only_new else [])),
            *("--customers", str(files.customers), "--out", str(out)),
            *("--registry", str(files.scratch / "registry")),
        )
        return pl.read_parquet(out).select("customer_id", "rank", "product_id")


def create(model: str) -> Contestant:
    """The preset of that name."""
    return Recsvc(model)


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "training", *arguments], check=True)
