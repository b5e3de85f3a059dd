"""What every candidate source promises; a new one inherits the whole suite.

A test class says how its source is made::

    class TestOracle(SourceBehaviour):
        ranked_by = "oracle"

        def make(self, model: Model) -> Source:
            return Oracle(model.histories)
"""

import json
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar, NamedTuple

import numpy as np
import pytest

from recsvc.core.assortment import Assortment
from recsvc.core.explanation import explain
from recsvc.core.histories import NO_HISTORY
from recsvc.core.model import Model
from recsvc.core.places import ANYWHERE, Location, Place
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.sources import (
    Explainable,
    Items,
    Moment,
    Shared,
    Source,
    Strategy,
    source_from_arrays,
)
from tests.counting import DATA_END, Shopping, model_of
from tests.rankers import weigh_alike
from tests.samples import PRODUCTS, item_indices, tiny_model

ALL = np.arange(len(PRODUCTS), dtype=np.int32)
LIMITS = (1, 3, 20)


class Call(NamedTuple):
    """Who calls from where, what they look at, and what may not be shown."""

    customer: str = "anna"
    store: str = ""
    session: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    only_new: bool = False

    def __str__(self) -> str:
        new = "new" if self.only_new else "all"
        return " ".join((self.customer, self.store, *self.session, f"-{len(self.forbidden)}", new))

    def moment(self, model: Model) -> Moment:
        """The call as the sources see it."""
        customer = model.customers.index(self.customer)
        profile = model.histories.profile(customer)
        profile = profile.with_session(item_indices(model, *self.session))
        allowed = np.ones(len(model.catalogue), np.bool_)
        allowed[item_indices(model, *self.forbidden)] = False
        if self.only_new:
            allowed[profile.purchased] = False
        return Moment(
            profile, at(model, self.store), allowed, model.data_end, customer, self.only_new
        )


CALLS = (
    Call(),
    Call(store="porto-1"),
    Call(forbidden=("espresso", "bread", "milk")),
    Call(only_new=True),
    Call("clara", session=("punch",), only_new=True),
    Call("dora", session=("tea", "bag")),
    Call("emil", store="no-such"),
    Call("stranger", store="york-1"),
    Call("stranger", session=("tea",)),
    Call("stranger"),
    Call("clara", "york-1", forbidden=tuple(product.product_id for product in PRODUCTS)),
)
"""Known, unknown and empty profiles, at home, away and nowhere, up to where nothing is allowed."""


def at(model: Model, store_id: str) -> Place:
    """Return the place of a store, ANYWHERE for one that nobody knows."""
    return model.places.resolve(Location(store_id=store_id))


def names(model: Model, items: Items) -> set[str]:
    """Return the ids of items, and see that they are distinct."""
    found = model.catalogue.items.ids.take(items)
    assert len(set(found)) == len(found)
    return set(found)


class SourceBehaviour(ABC):
    """The suite of a source that shows products for a positive score.

    Attributes:
        ranked_by: the score that it proposes by; ``""`` if by something else.
        fills_up: whether it proposes products without a positive score, too.
    """

    ranked_by: ClassVar[str]
    fills_up: ClassVar[bool] = False

    @abstractmethod
    def make(self, model: Model) -> Source:
        """Return the source, made of the parts of ``model``."""

    def most(self, limit: int, moment: Moment) -> int:  # noqa: ARG002  # for who may propose more
        """How many products it may propose when ``limit`` are asked for."""
        return limit

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> Model:
        """The small model."""
        return tiny_model()

    @pytest.fixture
    def source(self, model: Model) -> Source:
        """The source of the small model."""
        return self.make(model)

    @pytest.mark.parametrize("limit", LIMITS)
    @pytest.mark.parametrize("call", CALLS, ids=Call.__str__)
    def test_proposals_keep_the_rules(
        self, model: Model, source: Source, call: Call, limit: int
    ) -> None:
        """Proposals are distinct, allowed and within the limit."""
        moment = call.moment(model)
        proposed = source.propose(moment, limit)
        assert proposed.dtype == np.int32
        assert len(names(model, proposed)) <= self.most(limit, moment)
        assert moment.allowed[proposed].all()

    @pytest.mark.parametrize("call", CALLS, ids=Call.__str__)
    def test_there_is_one_finite_score_a_feature(
        self, model: Model, source: Source, call: Call
    ) -> None:
        """Each feature gives any products float32 numbers, those alone that were asked for."""
        columns = source.score(call.moment(model), ALL)
        assert len(columns) == len(source.features) > 0
        assert all(c.shape == ALL.shape and c.dtype == np.float32 for c in columns)
        assert np.isfinite(columns).all()
        some = np.array([7, 2], np.int32)
        of_some = source.score(call.moment(model), some)
        assert np.array_equal(of_some, np.array(columns)[:, some])
        of_none = source.score(call.moment(model), ALL[:0])
        assert len(of_none) == len(columns)
        assert all(c.shape == (0,) and c.dtype == np.float32 for c in of_none)

    @pytest.mark.parametrize("limit", LIMITS)
    @pytest.mark.parametrize("call", CALLS, ids=Call.__str__)
    def test_proposals_score_highest(
        self, model: Model, source: Source, call: Call, limit: int
    ) -> None:
        """No allowed product that is left out scores above the best proposed, or above 0."""
        if not self.ranked_by:
            return
        moment = call.moment(model)
        (scores,) = (
            column
            for name, column in zip(source.features, source.score(moment, ALL), strict=True)
            if name == self.ranked_by
        )
        proposed = source.propose(moment, limit)
        left = np.setdiff1d(np.flatnonzero(moment.allowed), proposed)
        assert self.fills_up or (scores[proposed] > 0).all()
        if len(proposed) < limit:
            assert self.fills_up or (scores[left] <= 0).all()
        elif len(left):
            assert scores[left].max() <= np.sort(scores[proposed])[-limit]

    @pytest.mark.parametrize("call", CALLS, ids=Call.__str__)
    def test_answers_do_not_depend_on_what_was_asked_before(
        self, model: Model, source: Source, call: Call
    ) -> None:
        """The same question has the same answer, again or anew, and changes nothing."""
        moment, anew = call.moment(model), call.moment(model)
        proposed, scores = source.propose(moment, 3), source.score(moment, ALL)
        assert np.array_equal(source.score(anew, ALL), scores)
        for again in (moment, anew):
            assert source.propose(again, 3).tolist() == proposed.tolist()
            assert np.array_equal(source.score(again, ALL), scores)
        untouched = call.moment(tiny_model())
        assert np.array_equal(moment.allowed, untouched.allowed)
        assert np.array_equal(moment.profile.weight, untouched.profile.weight)

    def test_what_is_computed_for_several_is_what_each_computes_alone(
        self, model: Model, source: Source
    ) -> None:
        """Bit for bit, for all kinds of shoppers at once."""
        if not isinstance(source, Shared):
            return
        moments = [call.moment(model) for call in CALLS]
        source.share(moments)
        for call, moment in zip(CALLS, moments, strict=True):
            alone = call.moment(model)
            assert np.array_equal(source.score(moment, ALL), source.score(alone, ALL))
            assert source.propose(moment, 3).tolist() == source.propose(alone, 3).tolist()
        source.share([])

    def test_no_purchases_at_all_are_no_error(self) -> None:
        """In a model of products that nobody has bought yet there is an answer all the same."""
        model = model_of(Shopping(PRODUCTS, (), (), ()))
        source = self.make(model)
        moment = Moment(NO_HISTORY, ANYWHERE, np.ones(len(ALL), np.bool_), 0.0)
        assert len(source.propose(moment, 3)) <= self.most(3, moment)
        assert np.isfinite(source.score(moment, ALL)).all()

    @pytest.mark.parametrize("call", CALLS, ids=Call.__str__)
    def test_it_survives_the_artifact(self, model: Model, source: Source, call: Call) -> None:
        """Read-only arrays, and parameters through JSON, make the same source again."""
        arrays = {name: array.copy(order="K") for name, array in source.to_arrays("prefix").items()}
        for array in arrays.values():
            array.flags.writeable = False
        parameters = json.loads(json.dumps(source.to_parameters(), allow_nan=False))
        assert all(name.startswith("prefix.") for name in arrays)
        read = source_from_arrays(source.name, arrays, "prefix", parameters, model.places)
        assert (read.name, read.features) == (source.name, source.features)
        moment = call.moment(model)
        assert np.array_equal(read.score(moment, ALL), source.score(call.moment(model), ALL))
        assert read.propose(moment, 3).tolist() == source.propose(moment, 3).tolist()

    @pytest.mark.parametrize("customer", ["anna", "dora", "emil", "stranger"])
    @pytest.mark.parametrize("store", ["", "porto-1"])
    def test_it_is_usable_alone(
        self, model: Model, source: Source, customer: str, store: str
    ) -> None:
        """With popularity to fill up, it makes full lists that can be explained."""
        sources = (source, *((model.popularity,) if source.name != "popularity" else ()))
        model = replace(model, sources=sources)
        recommender = Recommender(weigh_alike(model, **dict.fromkeys(source.features, 1.0)))
        index = model.customers.index(customer)
        place = recommender.place(index, Location(store_id=store))
        ranking = recommender.recommend(Query(customer=index, place=place, now=DATA_END, size=6))
        assert len(ranking.items) == 6
        assert set(ranking.strategies.tolist()) <= {*source.features.values(), Strategy.POPULAR}
        assert len(explain(model, Assortment.learnt(model.catalogue), ranking)) == 6


class ExplainableBehaviour(SourceBehaviour):
    """The suite of a source that says which own product speaks for another."""

    @pytest.mark.parametrize("call", CALLS, ids=Call.__str__)
    def test_contributions_add_up_to_the_score(
        self, model: Model, source: Source, call: Call
    ) -> None:
        """What the own products add is the score of each product, all of it."""
        assert isinstance(source, Explainable)
        moment = call.moment(model)
        terms = source.contributions(moment.profile, ALL)
        (scores,) = source.score(moment, ALL)
        assert terms.dtype == np.float32
        assert terms.shape == (len(ALL), len(moment.profile.items))
        assert terms.sum(axis=1) == pytest.approx(scores, abs=1e-5)
