"""What a shop could do without any library."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tests.benchmarks.quality.peers.purchases import Contestant, Files, lists_frame, read

POPULARITY_HALF_LIFE_DAYS = 7.0
OWN_HALF_LIFE_DAYS = 120.0


class Popularity:
    """Best sellers: purchases of everybody, half as much after 7 days."""

    def fit(self, files: Files) -> None:
        """Rank all products once."""
        self.purchases = read(files)
        self.bought = self.purchases.matrix()
        recent = self.purchases.matrix(POPULARITY_HALF_LIFE_DAYS)
        sold = np.asarray(recent.sum(axis=0), np.float64).ravel()
        self.popular = np.argsort(-sold, kind="stable")

    def recommend(self, files: Files, *, size: int, only_new: bool) -> pl.DataFrame:
        """The customer's favourites, if any, then best sellers."""
        lists = []
        for row in self.purchases.rows_of(files):
            bought = self.bought[row].indices
            first = np.zeros(0, np.int32) if only_new else self.favourites(row)
            # So many best sellers are enough whatever has to be left out.
            tail = self.popular[: size + len(bought)]
            tail = tail[~np.isin(tail, bought if only_new else first)]
            best = np.concatenate([first, tail])[:size]
            lists.append((self.purchases.customers[row], self.purchases.products[best].tolist()))
        return lists_frame(lists)

    def favourites(self, row: int) -> NDArray[np.int32]:  # noqa: ARG002  # same for everybody
        """Products that go before the best sellers: none."""
        return np.zeros(0, np.int32)


class OwnFrequency(Popularity):
    """What the customer bought most, half as much after 120 days; then best sellers."""

    def fit(self, files: Files) -> None:
        """Weigh each customer's own products, and rank all."""
        super().fit(files)
        self.own = self.purchases.matrix(OWN_HALF_LIFE_DAYS)
        self.place = np.empty(len(self.popular), np.int64)
        self.place[self.popular] = np.arange(len(self.popular))

    def favourites(self, row: int) -> NDArray[np.int32]:
        """All that the customer bought; of equals the better seller first."""
        one = self.own[row]
        best: NDArray[np.int32] = one.indices[np.lexsort((self.place[one.indices], -one.data))]
        return best


def create(model: str) -> Contestant:
    """A baseline by its name in the table."""
    return {"popularity": Popularity, "own frequency": OwnFrequency}[model]()
