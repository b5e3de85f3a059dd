"""Item-item neighbours: cosine similarity of BM25-weighted columns."""

import numpy as np
from implicit.nearest_neighbours import ItemItemRecommender, bm25_weight
from scipy.sparse import csr_array, csr_matrix

from recsvc.core.sources import ItemToItem, Memory
from training.interactions import Interactions
from training.models.strongest import strongest
from training.settings import TrainingSettings


def fit_neighbours(interactions: Interactions, settings: TrainingSettings) -> ItemToItem:
    """The most similar products of each product, itself left out.

    BM25 weights are normalised by cosine: on a year of groceries this finds a third more
    new purchases than BM25's plain product (nDCG@10 .043 against .032), which favours
    whatever sells most.
    """
    weights = interactions.lines["weight"].to_numpy()
    values = weights * interactions.decayed(settings.long_half_life_days)
    matrix = csr_matrix(interactions.matrix(values))
    # BM25 takes customers for terms and products for documents.
    weighted = bm25_weight(matrix.T.tocsr(), settings.neighbours_k1, settings.neighbours_b)
    # Not implicit's CosineRecommender: it divides by 0 where a product weighs nothing, which
    # is one whose buyers all bought every other product too.
    lengths = np.sqrt(np.bincount(weighted.row, weighted.data**2, weighted.shape[0]))
    lengths[lengths == 0] = 1
    weighted.data /= lengths[weighted.row]
    model = ItemItemRecommender(K=settings.n_neighbours + 1, num_threads=0)
    model.fit(weighted.T.tocsr(), show_progress=False)
    similarity = strongest(csr_array(model.similarity), settings.n_neighbours)
    return ItemToItem("neighbours", similarity, Memory.WEIGHT)
