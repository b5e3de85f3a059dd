"""LibRecommender's models as they come."""

import pandas as pd
import polars as pl
from libreco.algorithms import (
    ALS,
    ItemCF,
    UserCF,
)
from libreco.data import DatasetPure

from tests.benchmarks.quality.peers.purchases import Contestant, Files, lists_frame, read

TASK = "ranking"
MODELS = {
    # Its default, no regularization, is refused for purchases; this is its own example's.
    "ALS": (ALS, {"reg": 5.0}),
    "item CF": (ItemCF, {}),
    "user CF": (UserCF, {}),
}


class LibRecommender:
    """One of LibRecommender's models on who bought what."""

    def __init__(self, model: str) -> None:
        self.name = model

    def fit(self, files: Files) -> None:
        """Train for ranking; the models that sample negatives do so by themselves."""
        self.purchases = read(files)
        pairs = self.purchases.matrix().tocoo()
        frame = pd.DataFrame(
            {
                "user": self.purchases.customers[pairs.row],
                "item": self.purchases.products[pairs.col],
                "label": 1,
            }
        )
        data, data_info = DatasetPure.build_trainset(frame)
        model, parameters = MODELS[self.name]
        self.model = model(TASK, data_info, **parameters)
        self.model.fit(data, neg_sampling=True, verbose=0)

    def recommend(self, files: Files, *, size: int, only_new: bool) -> pl.DataFrame:
        """Lists of all at once."""
        known = self.purchases.customers[self.purchases.rows_of(files)].tolist()
        lists = self.model.recommend_user(known, n_rec=size, filter_consumed=only_new)
        # Too few neighbours and it fills up with popular products, which may repeat.
        return lists_frame(
            (str(user), list(dict.fromkeys(str(item) for item in items)))
            for user, items in lists.items()
        )


def create(model: str) -> Contestant:
    """A model by its name in the table."""
    return LibRecommender(model)
