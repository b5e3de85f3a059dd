"""What everybody buys."""

from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.histories import NO_HISTORY
from recsvc.core.model import Model
from recsvc.core.places import ANYWHERE
from recsvc.core.sources import Moment, Popularity, Source
from recsvc.core.sources.popularity import N_FIRST
from tests.counting import UNSEEN, decay
from tests.samples import PURCHASES, item_indices
from tests.unit.core.sources.behaviour import ALL, Call, SourceBehaviour


class TestPopularity(SourceBehaviour):
    """The source that fills every list up."""

    ranked_by = "popularity"
    fills_up = True

    def make(self, model: Model) -> Source:
        """Return the model's own."""
        return model.popularity

    def most(self, limit: int, moment: Moment) -> int:
        """Of new products also as many that find new buyers."""
        return limit * (2 if moment.only_new else 1)

    def test_the_head_of_its_order_is_proposed(self, model: Model, source: Source) -> None:
        """The most popular allowed products come, in the order of popularity."""
        moment = Call(forbidden=("espresso",)).moment(model)
        expected = [i for i in model.popularity.order.tolist() if moment.allowed[i]]
        assert source.propose(moment, 3).tolist() == expected[:3]

    def test_new_products_are_those_that_find_buyers(self, model: Model, source: Source) -> None:
        """Who wants new products also hears of what was bought first of late."""
        order = model.popularity.order
        first = int(order[-1])
        shares = np.full(len(ALL), -3, np.float32)
        shares[first] = -1
        finder = replace(model.popularity, log_shares_first=shares)
        asked = Call("stranger", only_new=True).moment(model)
        expected = {int(order[0]), first}
        assert set(finder.propose(asked, 1).tolist()) == expected
        assert finder.propose(Call("stranger").moment(model), 1).tolist() == [order[0]]
        asked.allowed[first] = False
        assert first not in finder.propose(asked, 1)
        assert len(source.propose(asked, 20)) == len(ALL) - 1

    def test_scores_are_logarithms_of_shares(self, model: Model, source: Source) -> None:
        """With each memory the shares of all products add up to 1, unseen ones included."""
        columns = source.score(Call().moment(model), ALL)
        assert np.exp(columns).sum(axis=1) == pytest.approx([1, 1, 1])
        sold = {
            name: [decay(p.days_ago) for p in PURCHASES if p.product_id == name]
            for name in ("tea", "punch")
        }
        tea, punch = item_indices(model, *sold).tolist()
        squares = [sum(d * d for d in days) for days in sold.values()]
        plain = [sum(days) for days in sold.values()]
        firsts = [days[-1] ** 2 for days in sold.values()]  # of one customer, the latest first
        for scores, counts in zip(columns, (squares, plain, firsts), strict=True):
            ratio = (counts[0] + UNSEEN) / (counts[1] + UNSEEN)
            assert np.exp(scores[tea] - scores[punch]) == pytest.approx(ratio, rel=1e-5)


def test_it_looks_beyond_the_head() -> None:
    """Where the head of the order is forbidden, the tail fills the list."""
    order = np.arange(9, -1, -1, dtype=np.int32)
    shares = np.linspace(-3, -1, 10, dtype=np.float32)
    allowed = np.zeros(10, np.bool_)
    allowed[[0, 1, 9]] = True
    source = Popularity(shares, shares, shares, order)
    assert source.propose(Moment(NO_HISTORY, ANYWHERE, allowed, 0.0), 2).tolist() == [9, 1]


def test_what_finds_new_buyers_is_known_beyond_the_head() -> None:
    """Where nearly all that finds most is forbidden, the best of the rest come."""
    n = 3 * N_FIRST
    shares = np.linspace(-9, -1, n, dtype=np.float32)
    order = np.arange(n, dtype=np.int32)  # the least first: nothing of it is among the firsts
    source = Popularity(shares, shares, shares, order)
    assert source.first.tolist() == list(range(n - 1, n - 1 - N_FIRST, -1))
    for allowed_from, expected in ((0, [0, 1, n - 2, n - 1]), (n, [0, 1, 3, 4])):
        allowed = np.arange(n) >= allowed_from
        allowed[:5] = True
        moment = Moment(NO_HISTORY, ANYWHERE, allowed, 0.0, only_new=True)
        assert source.propose(moment, 2).tolist() == expected
