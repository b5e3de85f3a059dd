"""Inverted files are kept where they find the best, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.factors import Factors
from recsvc.core.histories import Histories
from recsvc.core.sources import Collaborative
from recsvc.core.sparse import top
from training.models import inverted
from training.models.inverted import MIN_RECALL, with_inverted_file

N_ITEMS, N_FACTORS, N_CUSTOMERS = 4_000, 8, 60


def shop(*, is_clustered: bool) -> tuple[Collaborative, Histories]:
    """Products around some tastes, or all over; customers who buy of one taste."""
    rng = np.random.default_rng(2)
    tastes = rng.standard_normal((40, N_FACTORS)) * (4 if is_clustered else 0)
    vectors = np.repeat(tastes, N_ITEMS // 40, axis=0) + rng.standard_normal((N_ITEMS, N_FACTORS))
    items = np.asfortranarray(vectors, np.float32)
    bought = np.sort(rng.integers(0, 100, (N_CUSTOMERS, 6)) + 100 * rng.integers(0, 40, (60, 1)))
    flat = bought.ravel().astype(np.int32)
    ones, times = np.ones(len(flat), np.float32), np.zeros(len(flat), np.int64)
    histories = Histories(
        np.arange(0, len(flat) + 1, 6),
        *(flat, ones, ones, ones, np.ones(len(flat), np.int32), times, times, ones),
        np.full((N_CUSTOMERS, 5), -1, np.int32),
    )
    return Collaborative(Factors(items, items.T @ items, 1.0, 1.0)), histories


def test_a_large_catalogue_gets_one_that_finds_the_best() -> None:
    """Every product is in one list, the factors lie row by row, and it is made anew alike."""
    source, histories = shop(is_clustered=True)
    made = with_inverted_file(source, histories, 10, 0, min_items=N_ITEMS)
    found = made.inverted
    assert found is not None
    assert found.recall >= MIN_RECALL
    assert found.n_probes < len(found.centroids) // 4
    assert np.sort(found.items).tolist() == list(range(N_ITEMS))
    assert made.factors.items.flags.c_contiguous
    assert (made.factors.items == source.factors.items).all()
    again = with_inverted_file(source, histories, 10, 0, min_items=N_ITEMS).inverted
    assert again is not None
    assert again.items.tolist() == found.items.tolist()


def test_a_small_catalogue_gets_none() -> None:
    """Nor does one that nobody has bought of: nothing can be measured there."""
    source, histories = shop(is_clustered=True)
    assert with_inverted_file(source, histories, 10, 0) is source
    nobody = replace(histories, indptr=np.zeros(1, np.int64))
    assert with_inverted_file(source, nobody, 10, 0, min_items=1) is source


def test_where_no_few_lists_find_the_best_all_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source stays as it was, its factors too; it is the share found that decides."""
    source, histories = shop(is_clustered=False)
    assert with_inverted_file(source, histories, 10, 0, min_items=N_ITEMS) is source
    monkeypatch.setattr(inverted, "MIN_RECALL", 0.8)
    found = with_inverted_file(source, histories, 10, 0, min_items=N_ITEMS).inverted
    assert found is not None
    assert 0.8 <= found.recall < MIN_RECALL


def test_it_is_measured_with_what_serving_asks() -> None:
    """As many of all products, and twice as many of what the shopper has never bought."""
    source, histories = shop(is_clustered=True)
    n_best = 60  # of a taste's 100 products: twice as many lie in more than one list
    made = with_inverted_file(source, histories, n_best, 0, min_items=N_ITEMS)
    factors, lists = made.factors, made.inverted
    assert lists is not None
    n_found = n_all = 0
    for profile in map(histories.profile, range(N_CUSTOMERS)):
        user, is_new = factors.user(profile), np.ones(N_ITEMS, np.bool_)
        is_new[profile.purchased] = False
        for allowed, limit in ((np.ones(N_ITEMS, np.bool_), n_best), (is_new, 2 * n_best)):
            best = top(factors.items @ user, limit, allowed)
            near = lists.near(user, allowed)
            n_all += limit
            n_found += limit if near is None else int(np.isin(best, near).sum())
    assert lists.recall == round(n_found / n_all, 4)


def test_every_seed_that_can_be_given_will_do() -> None:
    """The clustering's own is a C int, which holds less."""
    source, histories = shop(is_clustered=True)
    for seed in (2**31, 2**64 + 1):
        made = with_inverted_file(source, histories, 10, seed, min_items=N_ITEMS)
        assert made.inverted is not None
