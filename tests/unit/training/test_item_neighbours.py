"""Item-item neighbours, by hand and against dense arithmetic."""

from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.sparse import SparseRows
from tests.purchases import SMALL, interactions_of, shop_interactions
from training.interactions import Interactions
from training.models.item_neighbours import fit_neighbours


def bought(*baskets: str) -> Interactions:
    """One customer a word, who has bought each of its letters once, all on one day."""
    return interactions_of(
        *(
            {"customer_id": f"c{number}", "product_id": letter, "day": 1}
            for number, basket in enumerate(baskets)
            for letter in basket
        )
    )


def dense(rows: SparseRows) -> np.ndarray:
    full = np.zeros((len(rows), len(rows)))
    for index in range(len(rows)):
        items, values = rows.row(index)
        full[index, items] = values
    return full


def test_similarity_by_hand() -> None:
    """Likeness is the cosine of BM25-weighted columns: rare customers' baskets say more."""
    # Products a, b, c, d; four documents, so a customer of n products weighs ln 4 - ln(1 + n).
    baskets = ("ab", "abc", "d")
    idf = np.log(4) - np.log([3, 4, 2])
    counts = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], float)
    lengths = 1 - 0.5 + 0.5 * counts.sum(axis=1) / counts.sum(axis=1).mean()
    weights = counts * 2.2 / (1.2 * lengths[:, None] + counts) * idf
    assert idf[1] == 0  # whoever bought three of four products says nothing
    # Only the first basket speaks for a and b, so they are the same; c weighs nothing.
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 1
    assert weights[2].tolist() == [0, 0, 0]

    found = dense(fit_neighbours(bought(*baskets), SMALL))

    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_neighbours_are_the_cosines_of_weighted_columns() -> None:
    """On a whole shop every kept neighbour has the cosine that dense arithmetic gives."""
    interactions = shop_interactions()
    weights = interactions.lines["weight"].to_numpy()
    values = weights * interactions.decayed(SMALL.long_half_life_days)
    counts = interactions.matrix(values).toarray().T.astype(np.float64)
    idf = np.log(len(counts)) - np.log1p((counts > 0).sum(axis=0))
    lengths = 0.5 + 0.5 * counts.sum(axis=1) / counts.sum(axis=1).mean()
    weighted = counts * 2.2 / (1.2 * lengths[:, None] + counts) * idf
    weighted /= np.linalg.norm(weighted, axis=1)[:, None]
    cosines = weighted @ weighted.T
    np.fill_diagonal(cosines, 0)

    found = dense(fit_neighbours(interactions, SMALL))

    kept = found > 0
    np.testing.assert_allclose(found[kept], cosines[kept], rtol=1e-4)
    for product, row in enumerate(cosines):
        assert kept[product].sum() == min(SMALL.n_neighbours, (row > 0).sum())
        assert row[kept[product]].min() >= np.sort(row)[::-1][SMALL.n_neighbours - 1] - 1e-6


def test_no_product_is_its_own_neighbour() -> None:
    """The diagonal is left out, and does not take the place of a neighbour."""
    settings = replace(SMALL, n_neighbours=2)

    rows = fit_neighbours(bought("abcd", "abcd", "bce", "f"), settings)

    for product in range(len(rows)):
        items, values = rows.row(product)
        assert product not in items
        assert len(items) <= 2
        assert (values > 0).all()


@pytest.mark.parametrize("baskets", [("a",), ("a", "b"), ("a", "ab"), ("ab", "b"), ("abc", "abc")])
def test_tiny_data_has_finite_neighbours(baskets: tuple[str, ...]) -> None:
    """Weights that vanish (a customer who bought all but one) leave no NaN behind."""
    values = fit_neighbours(bought(*baskets), SMALL).values

    assert np.isfinite(values).all()
    assert (values > 0).all()
