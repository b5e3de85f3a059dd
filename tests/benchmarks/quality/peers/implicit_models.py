"""implicit's models as they come."""

from typing import Any

import numpy as np
import polars as pl
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from threadpoolctl import threadpool_limits

from tests.benchmarks.quality.peers.purchases import Contestant, Files, lists_frame, read

MODELS = {
    "ALS": AlternatingLeastSquares,
    "BPR": BayesianPersonalizedRanking,
    "BM25": BM25Recommender,
    "TF-IDF": TFIDFRecommender,
    "cosine": CosineRecommender,
}
SEEDED = ("ALS", "BPR")
FORBIDDEN_SCORE = -1e30
"""implicit fills lists up with what it should leave out, scored near -3.4e38."""


class Implicit:
    """One of implicit's models on numbers of orders."""

    def __init__(self, model: str) -> None:
        seed = {"random_state": 0} if model in SEEDED else {}
        self.model: Any = MODELS[model](**seed)

    def fit(self, files: Files) -> None:
        """Fit on customers by products."""
        self.purchases = read(files)
        self.matrix = self.purchases.matrix()
        with threadpool_limits(1, "blas"):  # what implicit asks for in a warning
            self.model.fit(self.matrix, show_progress=False)

    def recommend(self, files: Files, *, size: int, only_new: bool) -> pl.DataFrame:
        """Lists of all at once."""
        rows = self.purchases.rows_of(files)
        with threadpool_limits(1, "blas"):
            best, scores = self.model.recommend(
                rows, self.matrix[rows], N=size, filter_already_liked_items=only_new
            )
        # Neighbour models say -1 where they know no more, and pad with score 0.
        real = (best >= 0) & (scores > FORBIDDEN_SCORE)
        return lists_frame(
            (
                self.purchases.customers[row],
                list(dict.fromkeys(self.purchases.products[items[kept]].tolist())),
            )
            for row, items, kept in zip(rows.tolist(), np.asarray(best), real, strict=True)
        )


def create(model: str) -> Contestant:
    """A model by its name in the table."""
    return Implicit(model)
