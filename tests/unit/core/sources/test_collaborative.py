"""Matrix factors."""

import numpy as np
import pytest

from recsvc.core.model import Model
from recsvc.core.sources import Collaborative, Source, Strategy
from tests.unit.core.sources.behaviour import ALL, Call, ExplainableBehaviour


class TestCollaborative(ExplainableBehaviour):
    """The small model's factors."""

    ranked_by = "collaborative"

    def make(self, model: Model) -> Source:
        """Return the model's own."""
        source = model.source("collaborative")
        assert source is not None
        return source

    def test_scores_are_products_of_factors(self, model: Model, source: Source) -> None:
        """A product's score is its factors times the folded-in user's; the best are proposed."""
        assert isinstance(source, Collaborative)
        moment = Call().moment(model)
        expected = source.factors.items @ source.factors.user(moment.profile)
        (scores,) = source.score(moment, ALL)
        assert scores == pytest.approx(expected)
        best = ALL[np.argsort(-expected)[:3]]
        assert set(source.propose(moment, 3).tolist()) == set(best.tolist())

    def test_a_session_counts_at_once(self, model: Model, source: Source) -> None:
        """Who has just looked at soap is folded in with it."""
        before, after = (
            source.score(Call(session=seen).moment(model), ALL)[0] for seen in ((), ("soap",))
        )
        soap = model.catalogue.items.index("soap")
        assert after[soap] > before[soap]


class TestOtherFactors(TestCollaborative):
    """Factors that another method has fitted go by their own name."""

    ranked_by = "bpr"

    def make(self, model: Model) -> Source:
        """Return the small model's factors under another name."""
        source = model.source("collaborative")
        assert isinstance(source, Collaborative)
        return Collaborative(source.factors, "bpr")

    def test_it_has_its_own_name(self, source: Source) -> None:
        """Two factor models of one artifact do not mix up their arrays and scores."""
        assert source.name == "bpr"
        assert source.features == {"bpr": Strategy.COLLABORATIVE}
