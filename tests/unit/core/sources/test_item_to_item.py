"""Sums over what each own product says of every other."""

import numpy as np
import pytest
from scipy.sparse import csr_array, diags_array

from recsvc.core.histories import NO_HISTORY
from recsvc.core.model import Model
from recsvc.core.places import ANYWHERE
from recsvc.core.sources import ItemToItem, Memory, Moment, Source
from recsvc.core.sources.item_to_item import N_OWN
from recsvc.core.sparse import SparseRows
from tests.counting import decay
from tests.samples import PRODUCTS, item_indices
from tests.unit.core.sources.behaviour import ALL, Call, ExplainableBehaviour, names

REGRESSION = (
    ("espresso", "filter", 0.3),
    ("espresso", "milk", 0.2),
    ("milk", "butter", 0.4),
    ("milk", "filter", -0.1),
    ("bread", "butter", -0.5),
    ("tea", "jam", 0.6),
)
"""What a row's product says of another, for it or against it."""


def taken(model: Model, name: str) -> Source:
    """Return the source of that name."""
    source = model.source(name)
    assert source is not None
    return source


class TestNeighbours(ExplainableBehaviour):
    """Likeness, weighed by the purchases."""

    ranked_by = "neighbours"

    def make(self, model: Model) -> Source:
        """Return the model's own."""
        return taken(model, "neighbours")

    def test_scores_add_up_weighted_likeness(self, model: Model, source: Source) -> None:
        """A product scores the likenesses to the own products times their weights."""
        moment = Call().moment(model)
        espresso, milk, bread = moment.profile.weight
        wanted = item_indices(model, "filter", "butter", "espresso", "punch")
        (scores,) = source.score(moment, wanted)
        assert scores == pytest.approx(
            [0.6 * espresso + 0.3 * milk, 0.45 * milk + 0.5 * bread, 0.4 * milk, 0]
        )

    def test_what_is_near_alone_is_proposed(self, model: Model, source: Source) -> None:
        """Products without any likeness to the own ones do not come, however many may."""
        found = names(model, source.propose(Call().moment(model), 10))
        assert found == {"espresso", "filter", "milk", "butter", "bread", "tea", "jam"}


class TestTransitions(ExplainableBehaviour):
    """What was bought next, which leads one way."""

    ranked_by = "transitions"

    def make(self, model: Model) -> Source:
        """Return the model's own."""
        return taken(model, "transitions")

    def test_scores_follow_the_order_of_purchases(self, model: Model, source: Source) -> None:
        """Ben bought soap, milk, filter coffee and espresso, one after another."""
        moment = Call("stranger").moment(model)
        profile = model.histories.profile(model.customers.index("ben"))
        soap, milk, filter_, espresso = item_indices(model, "soap", "milk", "filter", "espresso")
        weights = dict(zip(profile.items.tolist(), profile.short.tolist(), strict=True))
        moment = Moment(profile, moment.place, moment.allowed, moment.now)
        (scores,) = source.score(moment, np.array([filter_, soap], np.int32))
        assert scores == pytest.approx([weights[milk] * decay(12), 0])
        assert weights[soap] == pytest.approx(decay(90) ** 2)
        assert espresso in source.propose(moment, 10)


class TestRegression(ExplainableBehaviour):
    """Weights that may speak against a product."""

    ranked_by = "ease"

    def make(self, model: Model) -> Source:  # noqa: ARG002  # the suite's
        """Return what reads :data:`REGRESSION` as it was fitted."""
        ids = [product.product_id for product in PRODUCTS]
        dense = np.zeros((len(ids), len(ids)), np.float32)
        for one, other, weight in REGRESSION:
            dense[ids.index(one), ids.index(other)] = weight
        return ItemToItem("ease", SparseRows.from_csr(csr_array(dense)), Memory.CONFIDENCE)

    def test_what_speaks_against_a_product_counts(self, model: Model, source: Source) -> None:
        """Negative weights lower a score, below 0 where nothing speaks for it."""
        moment = Call().moment(model)
        espresso, milk, bread = np.log1p(moment.profile.weight)
        (scores,) = source.score(moment, item_indices(model, "filter", "butter"))
        assert scores == pytest.approx([0.3 * espresso - 0.1 * milk, 0.4 * milk - 0.5 * bread])

    def test_what_is_spoken_against_is_not_proposed(self, model: Model, source: Source) -> None:
        """Anna's loaf rules butter out where there is no milk."""
        profile = NO_HISTORY.with_session(item_indices(model, "bread"))
        moment = Moment(profile, ANYWHERE, np.ones(len(ALL), np.bool_), 0.0)
        (scores,) = source.score(moment, item_indices(model, "butter"))
        assert scores[0] < 0
        assert not len(source.propose(moment, 10))


def test_a_large_household_is_known_by_its_weightiest_products() -> None:
    """Of more products than are looked up those with the largest weights count alone."""
    n_items = N_OWN + 50
    weights = SparseRows.from_csr(csr_array(diags_array(np.full(n_items, 0.5, np.float32))))
    profile = NO_HISTORY.with_session(np.arange(n_items, dtype=np.int32))
    profile.weight[:] = np.arange(1, n_items + 1)
    source = ItemToItem("neighbours", weights)
    every = np.arange(n_items, dtype=np.int32)
    (scores,) = source.score(Moment(profile, ANYWHERE, np.ones(n_items, np.bool_), 0.0), every)
    expected = np.where(every >= 50, 0.5 * profile.weight, 0)
    assert scores.tolist() == expected.tolist()
    assert source.contributions(profile, every).sum(axis=1).tolist() == expected.tolist()
