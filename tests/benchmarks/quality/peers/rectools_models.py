"""RecTools' models as they come."""

from typing import Any

import pandas as pd
import polars as pl
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import TFIDFRecommender
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import (
    EASEModel,
    ImplicitALSWrapperModel,
    ImplicitItemKNNWrapperModel,
    PopularModel,
    PureSVDModel,
)

from tests.benchmarks.quality.peers.purchases import Contestant, Files, read


def _model(name: str) -> Any:  # noqa: ANN401  # RecTools ships in an environment of its own
    if name == "popular":
        return PopularModel()
    if name == "EASE":
        return EASEModel()
    if name == "PureSVD":
        return PureSVDModel()  # a seed fails with scipy 1.17
    if name == "item kNN":
        return ImplicitItemKNNWrapperModel(TFIDFRecommender())
    return ImplicitALSWrapperModel(AlternatingLeastSquares(random_state=0))


class RecTools:
    """One of RecTools' models on numbers of orders."""

    def __init__(self, model: str) -> None:
        self.model = _model(model)

    def fit(self, files: Files) -> None:
        """Fit on interactions weighted by the number of orders."""
        self.purchases = read(files)
        counts = self.purchases.matrix().tocoo()
        interactions = pd.DataFrame(
            {
                Columns.User: self.purchases.customers[counts.row],
                Columns.Item: self.purchases.products[counts.col],
                Columns.Weight: counts.data,
                # Required; none of these models reads it.
                Columns.Datetime: pd.Timestamp("2020-01-01"),
            }
        )
        self.data = Dataset.construct(interactions)
        self.model.fit(self.data)

    def recommend(self, files: Files, *, size: int, only_new: bool) -> pl.DataFrame:
        """Lists of all at once."""
        known = self.purchases.customers[self.purchases.rows_of(files)]
        lists = self.model.recommend(users=known, dataset=self.data, k=size, filter_viewed=only_new)
        return pl.DataFrame(
            {
                "customer_id": lists[Columns.User].astype(str).tolist(),
                "rank": lists[Columns.Rank].tolist(),
                "product_id": lists[Columns.Item].astype(str).tolist(),
            }
        )


def create(model: str) -> Contestant:
    """A model by its name in the table."""
    return RecTools(model)
