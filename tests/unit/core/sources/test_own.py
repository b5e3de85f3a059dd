"""Own repeat purchases."""

import numpy as np
import pytest

from recsvc.core.model import Model
from recsvc.core.sources import Moment, OwnPurchases, Source
from recsvc.core.sources.own import MIN_OWN
from tests.counting import decay
from tests.samples import item_indices
from tests.unit.core.sources.behaviour import ALL, Call, SourceBehaviour, names


class TestOwnPurchases(SourceBehaviour):
    """What the shopper has bought, and nothing else."""

    ranked_by = "own_long"

    def make(self, model: Model) -> Source:  # noqa: ARG002  # the suite's
        """Return it; the histories are all it needs."""
        return OwnPurchases()

    def most(self, limit: int, moment: Moment) -> int:  # noqa: ARG002  # the suite's
        """However few are asked for, the own purchases come."""
        return max(limit, MIN_OWN)

    def test_all_own_purchases_are_proposed(self, model: Model, source: Source) -> None:
        """However few are asked for, what was bought comes, unless it is forbidden."""
        found = source.propose(Call().moment(model), 1)
        assert names(model, found) == {"espresso", "milk", "bread"}
        left = source.propose(Call(forbidden=("espresso",)).moment(model), 1)
        assert names(model, left) == {"milk", "bread"}

    def test_scores_have_two_memories(self, model: Model, source: Source) -> None:
        """The short and the long memory of each product, 0 for what was never bought."""
        short, long = source.score(Call().moment(model), item_indices(model, "milk", "tea"))
        assert short == pytest.approx([decay(3) ** 2, 0])
        assert long == pytest.approx([decay(3), 0])

    def test_what_was_only_seen_is_not_bought_again(self, model: Model, source: Source) -> None:
        """A session's product is neither proposed as an own purchase nor scored as one."""
        moment = Call("stranger", session=("tea",)).moment(model)
        assert not len(source.propose(moment, 5))
        assert not np.any(source.score(moment, ALL))
