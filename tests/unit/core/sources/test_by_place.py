"""What is bought here."""

import numpy as np
import pytest

from recsvc.core.model import Model
from recsvc.core.places import PLACE_LEVELS
from recsvc.core.sources import Moment, PopularityByPlace, Source
from tests.samples import item_indices
from tests.unit.core.sources.behaviour import ALL, Call, SourceBehaviour, at, names


class TestPopularityByPlace(SourceBehaviour):
    """Counts propose, shares that back off to wider places score."""

    ranked_by = ""

    def make(self, model: Model) -> Source:
        """Return the model's places."""
        return PopularityByPlace(model.places)

    def most(self, limit: int, moment: Moment) -> int:  # noqa: ARG002  # the suite's
        """As many a level as are asked for."""
        return limit * len(PLACE_LEVELS)

    def test_a_place_proposes_what_it_sells(self, model: Model, source: Source) -> None:
        """A store with enough products speaks alone."""
        found = names(model, source.propose(Call(store="leeds-1").moment(model), 2))
        assert found == {"espresso", "milk"}

    def test_a_place_with_too_little_asks_the_wider_one(self, model: Model, source: Source) -> None:
        """A store that cannot fill the list is joined by its subdivision's and country's sales."""
        found = names(model, source.propose(Call(store="york-1").moment(model), 5))
        assert {"tea", "jam", "bread", "milk"} <= found  # of York itself
        assert found & {"espresso", "filter"}  # of England

    def test_no_place_proposes_nothing(self, model: Model, source: Source) -> None:
        """Without any place there is nothing local to propose."""
        assert len(source.propose(Call().moment(model), 5)) == 0

    def test_scores_are_shares_and_their_lift(self, model: Model, source: Source) -> None:
        """Scores are the logarithms of the share here, and of its ratio to everywhere's."""
        here, lift = source.score(Call(store="porto-1").moment(model), ALL)
        shares = model.places.shares_at(at(model, "porto-1"), ALL)
        assert np.exp(here) == pytest.approx(shares)
        assert np.exp(lift) == pytest.approx(shares / model.places.shares)
        assert lift[item_indices(model, "punch")] > 0 > lift[item_indices(model, "tea")]

    def test_everywhere_has_no_lift(self, model: Model, source: Source) -> None:
        """Without a place nothing is bought more here than everywhere."""
        _, lift = source.score(Call().moment(model), ALL)
        assert lift.tolist() == [0] * len(ALL)
