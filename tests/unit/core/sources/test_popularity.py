"""What everybody buys."""

import numpy as np
import pytest

from recsvc.core.histories import NO_HISTORY
from recsvc.core.model import Model
from recsvc.core.places import ANYWHERE
from recsvc.core.sources import Moment, Popularity, Source
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

    def test_the_head_of_its_order_is_proposed(self, model: Model, source: Source) -> None:
        """The most popular allowed products come, in the order of popularity."""
        moment = Call(forbidden=("espresso",)).moment(model)
        expected = [i for i in model.popularity.order.tolist() if moment.allowed[i]]
        assert source.propose(moment, 3).tolist() == expected[:3]

    def test_scores_are_logarithms_of_shares(self, model: Model, source: Source) -> None:
        """With a short memory and with a long one the shares of all products add up to 1."""
        short, long = source.score(Call().moment(model), ALL)
        assert np.exp(short).sum() == pytest.approx(1)
        assert np.exp(long).sum() == pytest.approx(1)
        sums = (UNSEEN + sum(decay(p.days_ago) for p in PURCHASES if p.product_id == name)
                for name in ("milk", "punch"))  # fmt: skip
        milk, punch = item_indices(model, "milk", "punch").tolist()
        ratio = next(sums) / next(sums)
        assert np.exp(long[milk] - long[punch]) == pytest.approx(ratio, rel=1e-5)


def test_it_looks_beyond_the_head() -> None:
    """Where the head of the order is forbidden, the tail fills the list."""
    order = np.arange(9, -1, -1, dtype=np.int32)
    log_shares = np.linspace(-3, -1, 10, dtype=np.float32)
    allowed = np.zeros(10, np.bool_)
    allowed[[0, 1, 9]] = True
    source = Popularity(log_shares, log_shares, order)
    assert source.propose(Moment(NO_HISTORY, ANYWHERE, allowed), 2).tolist() == [9, 1]
