"""Purchases through the smoothest patterns of the catalogue."""

import numpy as np
import pytest
from scipy.sparse import csr_array, diags_array

from recsvc.core.model import Model
from recsvc.core.sources import Memory, Source, Spectral
from recsvc.core.sparse import SparseRows
from tests.counting import Shopping, model_of
from tests.samples import PRODUCTS, PURCHASES, item_indices
from tests.unit.core.sources.behaviour import ALL, Call, ExplainableBehaviour, names

PATTERNS = (("espresso", "filter", "tea", "punch"), ("milk", "butter", "bread", "jam"))
"""Drinks and breakfast: vectors of length 1 that hold half of each of four products."""


def nothing(n_rows: int) -> SparseRows:
    """Rows without entries."""
    indptr = np.zeros(n_rows + 1, np.int64)
    return SparseRows(indptr, np.zeros(0, np.int32), np.zeros(0, np.float32))


class TestSpectral(ExplainableBehaviour):
    """Two patterns, written by hand."""

    ranked_by = "spectral"

    def make(self, model: Model) -> Source:
        """Return the patterns, scaled by the roots of the numbers of buyers."""
        vectors = np.zeros((len(ALL), len(PATTERNS)), np.float32, order="F")
        for column, pattern in enumerate(PATTERNS):
            vectors[item_indices(model, *pattern), column] = 0.5
        buyers = np.bincount(model.histories.items, minlength=len(ALL))
        scale = np.sqrt(np.maximum(buyers, 1)).astype(np.float32)
        n_customers = len(model.histories)
        return Spectral(nothing(n_customers), nothing(len(ALL)), vectors, scale, Memory.PRESENCE, 1)

    def test_each_pattern_brings_up_its_products(self, model: Model, source: Source) -> None:
        """Jam, which one customer buys, speaks through breakfast for milk, which three buy."""
        assert len({p.customer_id for p in PURCHASES if p.product_id == "milk"}) == 3
        moment = Call("stranger", session=("jam",)).moment(model)
        (scores,) = source.score(moment, item_indices(model, "milk", "jam", "tea"))
        assert scores == pytest.approx([0.25 * np.sqrt(3), 0.25, 0])
        assert names(model, source.propose(moment, 10)) == set(PATTERNS[1])

    def test_what_is_common_says_less(self, model: Model, source: Source) -> None:
        """Milk, which three buy, says less of jam than butter does, which two buy."""
        moment = Call("emil").moment(model)
        assert isinstance(source, Spectral)
        terms = source.contributions(moment.profile, item_indices(model, "jam"))
        assert moment.profile.items.tolist() == item_indices(model, "milk", "butter").tolist()
        assert terms[0] == pytest.approx([0.25 / np.sqrt(3), 0.25 / np.sqrt(2)])

    def test_it_needs_no_customers(self) -> None:
        """A session is enough where nobody has bought anything yet."""
        model = model_of(Shopping(PRODUCTS, (), (), ()))
        moment = Call("stranger", session=("tea",)).moment(model)
        assert names(model, self.make(model).propose(moment, 10)) == set(PATTERNS[0])


class TestLinearFilter(ExplainableBehaviour):
    """The walk over the tiny model's own purchases, without patterns."""

    ranked_by = "spectral"

    def make(self, model: Model) -> Source:
        """Return the purchases, scaled by the roots of both sides' numbers."""
        histories = model.histories
        shape = (len(histories), len(ALL))
        ones = np.ones(len(histories.items), np.float32)
        bought = csr_array((ones, histories.items, histories.indptr), shape)
        of_items = np.maximum(bought.sum(axis=0), 1)
        of_customers = np.maximum(bought.sum(axis=1), 1)
        scaled = csr_array(diags_array(of_customers**-0.5) @ bought @ diags_array(of_items**-0.5))
        return Spectral(
            SparseRows.from_csr(scaled),
            SparseRows.from_csr(csr_array(scaled.T.tocsr())),
            np.zeros((len(ALL), 1), np.float32, order="F"),
            np.sqrt(of_items).astype(np.float32),
            Memory.PRESENCE,
            0.3,
        )

    def test_it_walks_to_what_the_buyers_bought(self, model: Model, source: Source) -> None:
        """Tea has one buyer, who bought three products: the walk ends at these alone."""
        moment = Call("stranger", session=("tea",)).moment(model)
        (scores,) = source.score(moment, item_indices(model, "tea", "jam", "bread"))
        assert scores == pytest.approx([1 / 3, 1 / 3, 1 / 3 / np.sqrt(3)])
        assert names(model, source.propose(moment, 10)) == {"tea", "jam", "bread"}
