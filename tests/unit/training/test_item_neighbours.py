"""Item-item neighbours, by hand and against dense arithmetic."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.sources import ItemToItem, Memory
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


def dense(source: ItemToItem) -> NDArray[np.float64]:
    rows = source.weights
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


def idf_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each customer: how little their purchases are everybody's."""
    return np.asarray(np.log(len(counts)) - np.log1p((counts > 0).sum(axis=0)), np.float64)


def bm25(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products by customers, with k1 = 1.2 and b = .5."""
    lengths = 0.5 + 0.5 * counts.sum(axis=1) / counts.sum(axis=1).mean()
    return np.asarray(counts * 2.2 / (1.2 * lengths[:, None] + counts) * idf_of(counts), np.float64)


def tfidf(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The root of what was bought, so that the tenth carton says little more than the fifth."""
    return np.sqrt(counts) * idf_of(counts)


def plain(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """What was bought, and no more."""
    return counts


@pytest.mark.parametrize(
    ("kind", "weigh"),
    [("bm25", bm25), ("tfidf", tfidf), ("cosine", plain)],
    ids=["bm25", "tfidf", "cosine"],
)
def test_neighbours_are_the_cosines_of_weighted_columns(
    kind: str, weigh: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    """On a whole shop every kept neighbour has the cosine that dense arithmetic gives."""
    interactions = shop_interactions()
    values = interactions.lines["weight"].to_numpy() * interactions.decayed(
        SMALL.long_half_life_days
    )
    weighted = weigh(interactions.matrix(values).toarray().T.astype(np.float64))
    weighted = weighted / np.linalg.norm(weighted, axis=1)[:, None]
    cosines = weighted @ weighted.T
    np.fill_diagonal(cosines, 0)

    source = fit_neighbours(interactions, replace(SMALL, neighbours_kind=kind))

    found = dense(source)
    kept = found > 0
    np.testing.assert_allclose(found[kept], cosines[kept], rtol=1e-4)
    for product, row in enumerate(cosines):
        assert kept[product].sum() == min(SMALL.n_neighbours, (row > 0).sum())
        assert row[kept[product]].min() >= np.sort(row)[::-1][SMALL.n_neighbours - 1] - 1e-6
    assert (source.name, source.memory) == ("neighbours", Memory.WEIGHT)


@pytest.mark.parametrize("kind", ["bm25", "tfidf", "cosine"])
def test_lately_counts_more(kind: str) -> None:
    """Of two products that were as often bought with a third, the one of late is the nearer."""
    interactions = interactions_of(
        *(
            {"customer_id": customer, "product_id": product, "day": day}
            for customer, basket, day in [("a", "xy", 0), ("b", "xz", 300), ("c", "yzw", 150)]
            for product in basket
        ),
        {"customer_id": "d", "product_id": "v", "day": 300},
    )

    found = dense(fit_neighbours(interactions, replace(SMALL, neighbours_kind=kind)))

    _, _, x, y, z = range(5)  # after v and w
    assert found[x, z] > found[x, y] > 0


def test_no_product_is_its_own_neighbour() -> None:
    """The diagonal is left out, and does not take the place of a neighbour."""
    settings = replace(SMALL, n_neighbours=2)

    rows = fit_neighbours(bought("abcd", "abcd", "bce", "f"), settings).weights

    for product in range(len(rows)):
        items, values = rows.row(product)
        assert product not in items
        assert len(items) <= 2
        assert (values > 0).all()


@pytest.mark.parametrize("kind", ["bm25", "tfidf", "cosine"])
@pytest.mark.parametrize("baskets", [("a",), ("a", "b"), ("a", "ab"), ("ab", "b"), ("abc", "abc")])
def test_tiny_data_has_finite_neighbours(baskets: tuple[str, ...], kind: str) -> None:
    """Weights that vanish (a customer who bought all but one) leave no NaN behind."""
    source = fit_neighbours(bought(*baskets), replace(SMALL, neighbours_kind=kind))

    values = source.weights.values

    assert np.isfinite(values).all()
    assert (values > 0).all()
