"""``python -m tests.benchmarks.quantities``: how much is bought the next time, told by a rule.

Of products that customers bought again in the last weeks of a history: the share whose quantity
was exactly as told. And of those, after an earlier training: how often the purchases of the
weeks, folded in as :meth:`recsvc.core.histories.Profile.merged` does it, give the quantity that
all purchases together have.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import polars as pl
import typer

from recsvc.terminal import new_app, run

app = new_app("Measure rules for the usual quantity on what was bought next.")

_PAIR: Final = ("customer_id", "product_id")
_QUANTITY: Final = pl.col("quantity")
_LOWER: Final = _QUANTITY.quantile(0.5, "lower")
_RULES: Final = {
    "always_1": pl.lit(1.0),
    "as_last_time": _QUANTITY.last(),
    "mean": _QUANTITY.mean().round().clip(1),
    "geometric_mean": _QUANTITY.log().mean().exp().round().clip(1),
    "median": _QUANTITY.median().round().clip(1),
    "lower_median": _LOWER,
    "lower_median_of_the_last_5": _QUANTITY.tail(5).quantile(0.5, "lower"),
    "most_frequent": _QUANTITY.mode().min(),
}


@app.command("run")
def main(
    events: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Parquet: customer_id, product_id, order_id, event_time, quantity.",
        ),
    ],
    days: Annotated[float, typer.Option(help="Length of the last weeks, days.")] = 28,
) -> None:
    """Print the figures as JSON."""
    purchases = (
        pl.read_parquet(events)
        .filter(_QUANTITY > 0)
        .group_by(*_PAIR, "order_id")
        .agg(_QUANTITY.sum().cast(pl.Float64), pl.col("event_time").max())
        .sort("event_time", "order_id")
    )
    is_late = pl.col("event_time") > pl.col("event_time").max() - timedelta(days=days)
    before, after = purchases.filter(~is_late), purchases.filter(is_late)
    told = before.group_by(_PAIR, maintain_order=True).agg(**_RULES)
    bought = after.group_by(_PAIR, maintain_order=True).agg(_QUANTITY.first())
    both = told.join(bought, on=_PAIR)
    shares = both.select((pl.col(rule) == _QUANTITY).mean() for rule in _RULES).row(0, named=True)
    known, came, whole = (
        part.group_by(_PAIR).agg(_LOWER, n=pl.len().cast(pl.Int64))
        for part in (before, after, purchases)
    )
    folded = known.join(came, on=_PAIR, suffix="_came").join(whole, on=_PAIR, suffix="_of_all")
    more, lower = pl.col("n") - pl.col("n_came"), pl.min_horizontal("quantity", "quantity_came")
    usual = pl.when(more > 0).then("quantity").when(more < 0).then("quantity_came").otherwise(lower)
    figures = {
        "n_pairs": both.height,
        "told_exactly": shares,
        "folded_in_as_all": folded.select((usual == pl.col("quantity_of_all")).mean()).item(),
        "not_folded_in_as_all": folded.select(
            (pl.col("quantity_of_all") == _QUANTITY).mean()
        ).item(),
    }
    json.dump(figures, sys.stdout, indent=2)


if __name__ == "__main__":
    raise SystemExit(run(app))
