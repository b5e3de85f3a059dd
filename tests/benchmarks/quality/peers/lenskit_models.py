"""LensKit's models as they come."""

from typing import Any

import pandas as pd
import polars as pl
from lenskit.als import ImplicitMFScorer
from lenskit.batch import recommend
from lenskit.data import from_interactions_df
from lenskit.knn import (
    EASEScorer,
    ItemKNNScorer,
    UserKNNScorer,
)
from lenskit.pipeline import topn_pipeline
from lenskit.training import TrainingOptions

from tests.benchmarks.quality.peers.purchases import Contestant, Files, lists_frame, read


def _scorer(name: str) -> Any:  # noqa: ANN401  # LensKit ships in an environment of its own
    if name == "item kNN":
        return ItemKNNScorer(feedback="implicit")  # its default is ratings, and there are none
    if name == "user kNN":
        return UserKNNScorer(feedback="implicit")  # same
    return {"implicit MF": ImplicitMFScorer, "EASE": EASEScorer}[name]()


class LensKit:
    """One of LensKit's scorers in its standard pipeline."""

    def __init__(self, model: str) -> None:
        self.pipeline = topn_pipeline(_scorer(model))

    def fit(self, files: Files) -> None:
        """Train on who bought what; its models for such data know no numbers of orders."""
        self.purchases = read(files)
        pairs = self.purchases.matrix().tocoo()
        data = from_interactions_df(
            pd.DataFrame(
                {
                    "user_id": self.purchases.customers[pairs.row],
                    "item_id": self.purchases.products[pairs.col],
                }
            )
        )
        self.pipeline.train(data, TrainingOptions(rng=0))

    def recommend(self, files: Files, *, size: int, only_new: bool) -> pl.DataFrame:
        """Lists one by one in this process, so that its memory is what is measured."""
        selector = self.pipeline.component("candidate-selector")
        selector.config.exclude = "query" if only_new else None  # "query" is the default
        known = self.purchases.customers[self.purchases.rows_of(files)].tolist()
        lists = recommend(self.pipeline, known, n=size, n_jobs=1)
        return lists_frame((str(key.user_id), items.ids().tolist()) for key, items in lists)


def create(model: str) -> Contestant:
    """A model by its name in the table."""
    return LensKit(model)
