"""Baskets of customers, by hand and against dense arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.histories import Histories
from recsvc.core.sources import Memory
from recsvc.core.sparse import SparseRows
from tests.purchases import SMALL, interactions_of, shop_interactions
from training.models import like_customers
from training.models.histories import fit_histories
from training.models.like_customers import fit_like_customers


def dense(rows: SparseRows, n_columns: int) -> NDArray[np.float64]:
    full = np.zeros((len(rows), n_columns))
    for index in range(len(rows)):
        columns, values = rows.row(index)
        full[index, columns] = values
    return full


@pytest.mark.parametrize("memory", ["short", "long", "weight", "confidence", "presence"])
def test_baskets_are_histories_of_length_1(memory: str) -> None:
    """The values are those that the server reads off a profile, each row divided by its length."""
    interactions = shop_interactions()
    histories, n_items = fit_histories(interactions, SMALL), len(interactions.items)
    settings = replace(SMALL, basket_memory=memory, n_like_customers=7, own_share=0.3)

    source = fit_like_customers(histories, n_items, settings)

    baskets = dense(source.baskets, n_items)
    expected = np.zeros_like(baskets)
    for customer in range(len(histories)):
        profile = histories.profile(customer)
        expected[customer, profile.items] = Memory(memory).of(profile)
    expected /= np.linalg.norm(expected, axis=1)[:, None]
    np.testing.assert_allclose(baskets, expected, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(baskets, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(dense(source.buyers, len(histories)), baskets.T)
    assert (source.memory, source.n_neighbours, source.own_share) == (Memory(memory), 7, 0.3)


def histories_of(values: list[float]) -> Histories:
    """One customer a value, who bought the only product; the next bought nothing at all."""
    interactions = interactions_of(
        *(
            {"customer_id": f"c{number}", "product_id": "x", "day": 1}
            for number in range(len(values) + 1)
        )
    )
    known = interactions.select(interactions.lines["customer"] < len(values))
    return replace(fit_histories(known, SMALL), long=np.array(values, np.float32))


def test_a_row_without_weight_stays_empty_of_it() -> None:
    """Purchases that have decayed to nothing, and no purchases, are like nobody's."""
    source = fit_like_customers(histories_of([0.0, 2.0]), 1, SMALL)

    assert dense(source.baskets, 1).tolist() == [[0], [1], [0]]
    assert np.isfinite(source.buyers.values).all()


def test_old_purchases_have_a_direction_all_the_same() -> None:
    """Even where the squares of what is left of them are too small for float32."""
    source = fit_like_customers(histories_of([1e-30, 1e-40]), 1, SMALL)

    assert dense(source.baskets, 1)[:2].tolist() == [[pytest.approx(1)], [pytest.approx(1)]]


def test_a_product_knows_its_keenest_buyers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more buyers than are looked through, those to whom it is most of their basket stay."""
    interactions = shop_interactions()
    histories, n_items = fit_histories(interactions, SMALL), len(interactions.items)
    everybody = dense(fit_like_customers(histories, n_items, SMALL).buyers, len(histories))
    monkeypatch.setattr(like_customers, "MAX_BUYERS", 5)

    kept = dense(fit_like_customers(histories, n_items, SMALL).buyers, len(histories))

    fifth = np.sort(everybody, axis=1)[:, -5]
    assert (np.count_nonzero(everybody, axis=1) > 5).any()
    np.testing.assert_array_equal(np.count_nonzero(kept, axis=1), np.minimum(
        np.count_nonzero(everybody, axis=1), 5
    ))  # fmt: skip
    assert (kept[kept > 0] == everybody[kept > 0]).all()
    assert (np.where(kept > 0, kept, np.inf).min(axis=1) >= fifth).all()
