"""Inverted files for large catalogues: made, measured, and kept only where they find the best."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsvc.core.candidates import ONLY_NEW
from recsvc.core.factors import Factors
from recsvc.core.histories import Histories, Profile
from recsvc.core.inverted import MOST_LISTS, InvertedFile
from recsvc.core.sources import Collaborative
from recsvc.core.sparse import top

MIN_ITEMS = 100_000
"""Products from which on one is made: a proposal of the best takes .28 ms instead of 1.25 with
100,000 of 64 factors, .73 instead of 12 with a million, and with 16,000 .15 instead of .17."""

MIN_RECALL = 0.98
"""Share of the best products that must be found; where no number of lists does, all are scored."""

N_SHOPPERS = 500
"""Shoppers that the share is measured with."""

POINTS_A_LIST, N_ROUNDS = 64, 10
"""Of the clustering: more of either found no lists that needed less reading."""

Vectors = NDArray[np.float32]
Items = NDArray[np.int32]

NO_ITEMS = np.zeros(0, np.int32)


def with_inverted_file(
    source: Collaborative,
    histories: Histories,
    n_best: int,
    seed: int,
    min_items: int = MIN_ITEMS,
) -> Collaborative:
    """The source with an inverted file, where the catalogue is large and one finds the best.

    Args:
        source: with the factors.
        histories: of the customers, some of whom it is measured with.
        n_best: products that a list asks for; one of new products asks for more.
        seed: of the clustering and the choice of customers.
        min_items: products from which on one is made.
    """
    factors = source.factors
    if len(factors.items) < min_items:
        return source
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(histories))[:N_SHOPPERS].tolist()
    profiles = [profile for c in chosen if not (profile := histories.profile(c)).is_empty]
    # Row by row: what is gathered is read from one place each.
    factors = replace(factors, items=np.ascontiguousarray(factors.items))
    found = _enough(_clustered(factors.items, seed), factors, profiles, n_best)
    return source if found is None else replace(source, factors=factors, inverted=found)


def _clustered(items: Vectors, seed: int) -> InvertedFile:
    """All products in lists, as many as each list is long."""
    # Only large catalogues need it, and it takes its time to load.
    import faiss  # noqa: PLC0415

    n_lists = int(len(items) ** 0.5)
    squares = np.einsum("if,if->i", items, items)
    # With one more column the nearest are those with the largest product (Bachrach et al. 2014).
    missing = np.sqrt(np.maximum(squares.max() - squares, 0))
    points = np.column_stack([items, missing]).astype(np.float32)
    clustering = faiss.Kmeans(
        points.shape[1],
        n_lists,
        niter=N_ROUNDS,
        seed=seed % 2**31,  # a C int, and there are larger seeds
        max_points_per_centroid=POINTS_A_LIST,
        min_points_per_centroid=1,
    )
    clustering.train(points)
    _, nearest = clustering.index.search(points, 1)
    lists = nearest[:, 0]
    starts = np.zeros(n_lists + 1, np.int64)
    np.cumsum(np.bincount(lists, minlength=n_lists), out=starts[1:])
    order = np.argsort(lists, kind="stable").astype(np.int32)
    centroids = np.asarray(clustering.centroids, np.float32)[:, : items.shape[1]].copy()
    return InvertedFile(centroids, starts, order, 1, 0.0)


def _enough(
    lists: InvertedFile, factors: Factors, profiles: Sequence[Profile], n_best: int
) -> InvertedFile | None:
    """The same with as few lists to read as find the best, ``None`` if none of them do.

    Half of the questions are for a list of what a shopper has never bought. That lies farther from
    them, and such a list asks for more.
    """
    allowed = np.ones(len(factors.items), np.bool_)
    wanted: list[tuple[Vectors, Items, Items]] = []
    for profile in profiles:
        user = factors.user(profile)
        scores = factors.items @ user
        for left_out, n in ((NO_ITEMS, n_best), (profile.purchased, n_best * ONLY_NEW)):
            allowed[left_out] = False
            wanted.append((user, left_out, top(scores, n, allowed)))
            allowed[left_out] = True
    n_probes, n_all = 4, sum(len(best) for _, _, best in wanted)
    while n_probes * MOST_LISTS <= len(lists.centroids) and n_all:
        lists, n_found = replace(lists, n_probes=n_probes), 0
        for user, left_out, best in wanted:
            allowed[left_out] = False
            near = lists.near(user, allowed)
            n_found += len(best) if near is None else int(np.isin(best, near).sum())
            allowed[left_out] = True
        lists = replace(lists, recall=round(n_found / n_all, 4))
        if lists.recall >= MIN_RECALL:
            return lists
        n_probes = -(-n_probes * 5 // 4)
    return None
