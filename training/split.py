"""Hold-outs: what was known, and what was bought next."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from training.interactions import SECONDS_A_DAY, Interactions


@dataclass(frozen=True, slots=True)
class HoldOut:
    """One cut of the interactions.

    Attributes:
        history: what a model may be fitted on.
        future: what was bought afterwards, over the same vocabularies.
        now: the moment of the cut, seconds since 1970.
        method: "temporal" or "random", for the manifest.
    """

    history: Interactions
    future: Interactions
    now: float
    method: str

    def targets(self) -> csr_array:
        """Customers by items: 1 for what a customer with a history bought of known products.

        Products and customers without any purchase before the cut are left out: nothing
        that learns from purchases can know them.
        """
        known_items = np.bincount(
            self.history.lines["item"].to_numpy(), minlength=len(self.history.items)
        )
        known_customers = np.bincount(
            self.history.lines["customer"].to_numpy(), minlength=len(self.history.customers)
        )
        lines = self.future.lines
        usable = (known_items[lines["item"].to_numpy()] > 0) & (
            known_customers[lines["customer"].to_numpy()] > 0
        )
        matrix = self.future.select(pl.Series(usable)).matrix(
            np.ones(int(usable.sum()), np.float32)
        )
        matrix.data[:] = 1
        return matrix


def window_seconds(interactions: Interactions, window_days: float) -> float:
    """Length of a hold-out window: as asked, but at most a sixth of the data's span.

    Three windows are cut off the end of the data in the course of a run; the first model
    must keep at least half of it.
    """
    start = float(interactions.lines["time"].min() or 0)  # type: ignore[arg-type]  # Int64
    return min(window_days * SECONDS_A_DAY, (interactions.end - start) / 6)


def hold_out(interactions: Interactions, seconds: float, seed: int) -> HoldOut:
    """Cut off the last ``seconds``; without times, a random fifth of each customer's products."""
    if not interactions.has_times:
        return _random(interactions, seed)
    cut = interactions.end - seconds
    return HoldOut(
        interactions.select(pl.col("time") < cut),
        interactions.select(pl.col("time") >= cut),
        cut,
        "temporal",
    )


def _random(interactions: Interactions, seed: int) -> HoldOut:
    held: NDArray[np.bool_] = np.random.default_rng(seed).random(interactions.lines.height) < 0.2  # noqa: PLR2004  # a fifth
    mask = pl.Series(held)
    return HoldOut(interactions.select(~mask), interactions.select(mask), 0.0, "random")
