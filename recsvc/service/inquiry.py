"""A question that is being worked on, and the situation that it is asked in."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsvc.core.conditions import Occasion
from recsvc.core.recommendation_id import Surface
from recsvc.core.ruling import PreparedRules
from recsvc.service.experiments import Assignment
from recsvc.service.models import LoadedModel
from recsvc.service.questions import Question
from recsvc.service.shopping import LiveProfile
from recsvc.service.situations import PRICE_CURRENCY, Asker, Situation, lacks_prices, situate
from recsvc.service.stock import Stocked

CONSISTENCY_UNMET = "CONSISTENCY_UNMET"
STOCK_UNKNOWN = "STOCK_UNKNOWN"


class Inquiry(NamedTuple):
    """A question that is being worked on.

    Attributes:
        question: what is asked, with nothing left open.
        asker: who asks.
        loaded: the model that answers, with the catalogue of the moment.
        started: when the work began, monotonic seconds.
        deadline: when the caller stops waiting, likewise.
        rules: the shop's rules for the products of the model.
        surface: the kind of list.
        assignment: what the lot of an experiment has given the shopper, if any.
        heeds: position of the ledger; every decision before it is heeded.
    """

    question: Question
    asker: Asker
    loaded: LoadedModel
    started: float
    deadline: float
    rules: PreparedRules
    surface: Surface
    assignment: Assignment | None = None
    heeds: int = 0

    def occasion(self, now: float) -> Occasion:
        """What the rules look at, as far as the question tells it; ``now`` in unix seconds."""
        question = self.question
        return Occasion(
            surface=self.surface,
            channel=question.channel,
            placement_id=question.placement_id,
            stage=question.stage,
            now=now if question.as_of_time is None else question.as_of_time,
        )

    def situation(
        self,
        live: LiveProfile,
        now: float,
        withdrawn: NDArray[np.int32],
        shown: Sequence[int] = (),
    ) -> Situation:
        """The question in the terms of its model, its stock aside.

        Args:
            live: what the shopper did of late.
            now: unix seconds.
            withdrawn: item indices that must not be on the list, whatever the rules say.
            shown: item indices of the pages before.

        Raises:
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        loaded = self.loaded
        situation = situate(self.question, loaded, now, self.asker._replace(live=live))
        book = self.rules.book
        occasion = replace(
            self.occasion(now),
            location=situation.location,
            segments=loaded.model.segments.of(situation.query.customer),
        )
        query = replace(
            situation.query,
            excluded=np.concatenate([situation.query.excluded, withdrawn]),
            shown=np.array(shown, np.int32),
            ruling=self.rules.ruling(occasion),
        )
        return replace(situation, query=query, rules_version_id=book.version_id)


def with_shelf(inquiry: Inquiry, situation: Situation, stocked: Stocked) -> Situation:
    """A situation with what is there at the store.

    Where that cannot be read, a list of what may not be there is better than none, unless the
    question is a strict one.
    """
    question = inquiry.question
    if not question.looks_at_shelf:
        return situation
    is_blind = stocked.shelf is None and stocked.failed and not question.strict
    query = replace(
        situation.query,
        shelf=stocked.shelf,
        in_stock_only=bool(question.in_stock_only) and not is_blind,
    )
    prices = stocked.shelf or inquiry.loaded.assortment.catalogue
    more = {
        STOCK_UNKNOWN: question.in_stock_only and stocked.shelf is None,
        CONSISTENCY_UNMET: stocked.failed and bool(question.must_see.catalogue),
        PRICE_CURRENCY: lacks_prices(prices, question.catalogue_filter),
    }
    warnings = (*situation.warnings, *(warning for warning, holds in more.items() if holds))
    return replace(situation, query=query, warnings=tuple(dict.fromkeys(warnings)))
