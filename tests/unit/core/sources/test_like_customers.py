"""Neighbours among customers."""

from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.histories import Profile
from recsvc.core.model import Model
from recsvc.core.sources import LikeCustomers, Memory, Source
from recsvc.core.vocabulary import MISSING
from tests.counting import Shopping, model_of
from tests.samples import PRODUCTS, item_indices
from tests.unit.core.sources.behaviour import ALL, Call, SourceBehaviour, names


def like_customers(model: Model) -> LikeCustomers:
    """Return the small model's."""
    source = model.source("like_customers")
    assert isinstance(source, LikeCustomers)
    return source


def basket(profile: Profile) -> dict[int, float]:
    """Return what each product counts in a basket of length 1."""
    lengths = profile.long / np.linalg.norm(profile.long)
    return dict(zip(profile.items.tolist(), lengths.tolist(), strict=True))


class TestLikeCustomers(SourceBehaviour):
    """The two customers who are most like the shopper."""

    ranked_by = "like_customers"

    def make(self, model: Model) -> Source:
        """Return the model's own."""
        return like_customers(model)

    def test_the_nearest_customers_are_averaged(self, model: Model, source: Source) -> None:
        """Of Anna's kind are Ben and Emil: their baskets, weighed by how like her they are."""
        moment = Call().moment(model)
        of = {
            name: basket(model.histories.profile(model.customers.index(name)))
            for name in ("anna", "ben", "clara", "emil", "filipa")
        }
        likeness = {
            name: sum(value * of["anna"].get(item, 0) for item, value in theirs.items())
            for name, theirs in of.items()
            if name != "anna"
        }
        assert sorted(likeness, key=lambda name: likeness[name])[-2:] == ["emil", "ben"]
        total = likeness["ben"] + likeness["emil"]
        expected = [
            sum(likeness[name] * of[name].get(item, 0) for name in ("ben", "emil")) / total
            for item in ALL.tolist()
        ]
        theirs, mixed = source.score(moment, ALL)
        assert theirs == pytest.approx(expected)
        own = [of["anna"].get(item, 0) for item in ALL.tolist()]
        assert mixed == pytest.approx((np.array(own) + expected) / 2)

    def test_what_the_like_have_is_proposed(self, model: Model, source: Source) -> None:
        """Ben's and Emil's products come, Clara's and Filipa's do not."""
        found = names(model, source.propose(Call().moment(model), 10))
        assert found == {"espresso", "filter", "milk", "soap", "butter"}

    def test_nobody_is_their_own_neighbour(self, model: Model, source: Source) -> None:
        """Dora alone buys punch: the model says nothing of it to her, to a stranger it does."""
        punch = item_indices(model, "punch")
        dora = Call("dora").moment(model)
        theirs, mixed = source.score(dora, punch)
        assert theirs.tolist() == [0]
        assert mixed == pytest.approx([0.5])
        assert not len(source.propose(dora, 10))
        stranger = replace(Call("dora").moment(model), customer=MISSING)
        assert source.score(stranger, punch)[0] == pytest.approx([1])

    @pytest.mark.parametrize("session", [(), ("tea",)])
    @pytest.mark.parametrize("customer", ["anna", "ben", "clara", "dora", "emil", "filipa"])
    def test_own_purchases_do_not_come_back_as_others(
        self, model: Model, customer: str, session: tuple[str, ...]
    ) -> None:
        """Even who asks everybody hears of everybody else alone, with a session or without."""
        source = replace(like_customers(model), n_neighbours=len(model.customers))
        moment = Call(customer, session=session).moment(model)
        index = model.customers.index(customer)
        others = (c for c in range(len(model.customers)) if c != index)
        known = np.concatenate([model.histories.profile(other).items for other in others])
        theirs, _ = source.score(moment, ALL)
        assert not theirs[np.setdiff1d(ALL, known)].any()

    def test_who_has_only_looked_has_no_neighbours(self, model: Model, source: Source) -> None:
        """Purchases alone make baskets alike: a session is none."""
        moment = Call("stranger", session=("tea",)).moment(model)
        assert not np.any(source.score(moment, ALL))


class TestWithAnotherMemory(SourceBehaviour):
    """Presence alone: a session makes neighbours, too."""

    ranked_by = "like_customers"

    def make(self, model: Model) -> Source:
        """Return the model's own with another memory."""
        return replace(like_customers(model), memory=Memory.PRESENCE, own_share=0.25)

    def test_a_session_finds_neighbours(self, model: Model, source: Source) -> None:
        """Who looks at tea is like Clara, who buys it, and hears of her basket."""
        moment = Call("stranger", session=("tea",)).moment(model)
        assert names(model, source.propose(moment, 10)) == {"tea", "jam", "bread"}
        clara = basket(model.histories.profile(model.customers.index("clara")))
        wanted = item_indices(model, "tea", "jam")
        theirs, mixed = source.score(moment, wanted)
        assert theirs == pytest.approx([clara[item] for item in wanted.tolist()])
        assert mixed == pytest.approx(0.75 * theirs + 0.25 * np.array([1, 0]))


def test_nobody_to_ask() -> None:
    """Where there are no customers there is no likeness, and no error."""
    model = model_of(Shopping(PRODUCTS, (), (), ()))
    moment = Call("stranger", session=("tea",)).moment(model)
    source = replace(like_customers(model), memory=Memory.PRESENCE)
    assert not len(source.propose(moment, 3))
    theirs, mixed = source.score(moment, item_indices(model, "tea"))
    assert (theirs.tolist(), mixed.tolist()) == ([0], [0.5])
