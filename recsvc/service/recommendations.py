"""The main use case: a list for a shopper, in a place, in a situation.

::

    question -> cache -> model -> answer
                  |        `-- no time left: what is popular at the place
                  `-- the same question was answered a short while ago
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import blake2b

import numpy as np

from recsvc.core.lists import Ranking
from recsvc.core.live import NO_ACTS, NO_ITEMS
from recsvc.core.query import Query
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.answers import Answers
from recsvc.service.basis import Basis, basis_of
from recsvc.service.cost import CostEstimate
from recsvc.service.deliveries import DEADLINE, Deliveries, Served, degraded
from recsvc.service.inquiries import Inquiries, Inquiry, with_shelf
from recsvc.service.models import LoadedModel
from recsvc.service.pages import next_page, shown_before
from recsvc.service.ports import ANONYMOUS, CacheKey
from recsvc.service.questions import AnswerCodec, KeptList, Question, ServedFrom
from recsvc.service.situations import store_of
from recsvc.service.stock import NOT_ASKED, Stocked

FIRST_COST_SECONDS = 0.005
"""What a list is assumed to take before one was made."""

SAFETY = 2.0
"""With less time left than so many times what a list takes of late, it is not begun."""


class Recommendations:
    """Answers questions from the cache or the model; always answers once a model is loaded.

    Args:
        inquiries: prepares questions.
        answers: turns rankings into answers.
        cache: keeps answers.
        codec: writes answers as the door sends them.
        deliveries: says what is true of each.
        now: unix seconds.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    def __init__(
        self,
        inquiries: Inquiries,
        answers: Answers,
        cache: AnswerCache,
        codec: AnswerCodec,
        deliveries: Deliveries,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inquiries = inquiries
        self._answers = answers
        self._cache = cache
        self._codec = codec
        self._deliveries = deliveries
        self._now = now
        self._monotonic = monotonic
        # Reasons cost about as much again, so lists with them are estimated apart.
        self._costs = {explain: CostEstimate(FIRST_COST_SECONDS) for explain in (False, True)}

    def recommend(
        self, question: Question, deadline: float, loaded: LoadedModel | None = None
    ) -> Served:
        """Answer a question.

        Args:
            question: what is asked.
            deadline: monotonic seconds when the caller stops waiting.
            loaded: the model to answer with, as it was loaded; the current one unless given.

        Raises:
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: a strict filter names what the catalogue does not know, or the
                page token belongs to another question or model (PAGE_TOKEN_MISMATCH).
        """
        inquiry = self._inquiries.open(question, deadline, loaded)
        loaded, shopper = inquiry.loaded, inquiry.asker.shopper
        version_id = loaded.reference.version_id
        deliver = partial(self._deliveries.delivery, inquiry)
        shown = shown_before(question, shopper, loaded)
        asked, question = question, inquiry.question
        store_id, stocked = self._at_home(inquiry)
        cached = self._cache.slot(self._key(inquiry, stocked.revision), deadline)
        # With its stock unknown, nobody can say that a list still holds.
        found = cached.get((lambda _: False) if stocked.failed else self._is_allowed)
        if found is not None:
            kept = Basis(
                made_time=self._now() - found.age_seconds,
                product_ids=found.kept.product_ids,
                live=cached.beside,
                shelf=stocked.shelf,
                in_stock_only=bool(question.in_stock_only),
                withdrawn=self._inquiries.withdrawn(loaded),
                shown=shown,
            )
            delivery = deliver(ServedFrom.CACHE, kept, cache_age_seconds=found.age_seconds)
            return Served(found.payload, delivery, found.kept.n_items, version_id)
        situation = self._inquiries.situation(inquiry, cached.live, shown)
        is_elsewhere = question.looks_at_shelf and situation.store_id != store_id
        if is_elsewhere:  # the shopper has moved since the model learnt
            stocked = self._inquiries.stocked(inquiry, situation.store_id)
        situation = with_shelf(inquiry, situation, stocked)
        cost, begun = self._costs[question.explain], self._monotonic()
        is_late = deadline - begun < SAFETY * cost.seconds
        ranking = recommended(loaded, situation.query, is_late=is_late)
        withdrawn = self._inquiries.withdrawn(loaded)
        made = replace(
            self._answers.answer(question, loaded, situation, ranking, withdrawn),
            next_page=next_page(asked, shopper, loaded, ranking.items),
        )
        payload = self._codec.encode(made)
        basis = basis_of(made, situation, withdrawn)
        if is_late:
            cost.relax()
            delivery = deliver(ServedFrom.FALLBACK, basis, degraded_reason=DEADLINE)
            return Served(payload, delivery, len(made.items), version_id)
        cost.learn(self._monotonic() - begun)
        is_blind = cached.skipped and bool(shopper)
        if not is_elsewhere and not stocked.failed:
            now = situation.query.sold_at or 0.0
            unchanged = loaded.assortment.unchanged_until(now) - now
            cached.put(payload, unchanged - (self._monotonic() - inquiry.started))
        reason = degraded(cached, stocked, is_blind=is_blind)
        delivery = deliver(ServedFrom.MODEL, basis, degraded_reason=reason)
        return Served(payload, delivery, len(made.items), version_id)

    def _at_home(self, inquiry: Inquiry) -> tuple[str, Stocked]:
        """The store where the question is asked or the customer at home, and its stock."""
        question = inquiry.question
        if not question.looks_at_shelf:
            return "", NOT_ASKED
        store_id = store_of(inquiry.loaded, question.location, inquiry.asker.customer)
        return store_id, self._inquiries.stocked(inquiry, store_id)

    def _is_allowed(self, kept: KeptList) -> bool:
        withdrawn = self._inquiries.withdrawn_ids
        return not withdrawn or withdrawn.isdisjoint(kept.product_ids())

    def _key(self, inquiry: Inquiry, stock_revision: int) -> CacheKey:
        # The version beside the generation: a pointer that was deleted by hand and made
        # anew counts generations from 1 again.
        question, loaded = inquiry.question, inquiry.loaded
        version_id = loaded.reference.version_id
        state = f"{self._inquiries.state(inquiry)}|{stock_revision}"
        digest = blake2b(f"{self._codec.schema}|{version_id}|{state}|".encode(), digest_size=16)
        digest.update(question.canonical())
        digest.update(question.page)
        shopper = inquiry.asker.shopper or ANONYMOUS
        return CacheKey(loaded.generation, shopper, digest.hexdigest())


def recommended(loaded: LoadedModel, query: Query, *, is_late: bool) -> Ranking:
    """The list that a model recommends.

    Args:
        loaded: the model.
        query: the question in its terms.
        is_late: there is no time for more than what is popular at the place.
    """
    rank = loaded.recommender.popular if is_late else loaded.recommender.recommend
    ranking = rank(query)
    if len(ranking.items) or len(query.shown):
        return ranking
    # Whatever is allowed was just bought or is in the basket: better that than nothing.
    live = loaded.recommender.live(query)
    ranking = rank(_without_acts(loaded, query))
    # What was done of late has not shaped the list, and is told with it all the same.
    return replace(ranking, profile=live.profile, undated=live.undated)


def _without_acts(loaded: LoadedModel, query: Query) -> Query:
    """The question without what the shopper did of late; new products stay new all the same."""
    bought = [NO_ITEMS]
    if query.only_new:
        live = loaded.recommender.live(query)
        bought = [live.profile.purchased, live.newcomers.items]
    excluded = np.concatenate([query.excluded, *bought])
    return replace(query, acts=NO_ACTS, excluded=excluded)
