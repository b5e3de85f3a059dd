"""The main use case: a list for a shopper, in a place, in a situation.

::

    question -> process -> store -> model -> answer
                  |         |        `-- no time left: what is popular at the place
                  |         `-- the same question was answered a short while ago
                  `-- and it was asked here again since
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from recsvc.core.lists import Ranking
from recsvc.core.live import NO_ACTS, NO_ITEMS
from recsvc.core.query import Query
from recsvc.logs import note
from recsvc.service.answer_cache import AnswerCache, CacheSlot, Found
from recsvc.service.answers import Answers
from recsvc.service.basis import Basis, basis_of
from recsvc.service.cost import CostEstimate
from recsvc.service.deliveries import DEADLINE, Deliveries, Served, degraded
from recsvc.service.inquiries import Inquiries, Inquiry, Moment, with_shelf
from recsvc.service.models import LoadedModel
from recsvc.service.pages import next_page, shown_before
from recsvc.service.ports import ANONYMOUS, CacheKey
from recsvc.service.process_cache import MAX_SECONDS, KeptAnswer, ProcessCache, Ticket
from recsvc.service.questions import AnswerCodec, KeptList, Question, ServedFrom
from recsvc.service.selling import NOTHING
from recsvc.service.situations import store_of
from recsvc.service.standing import Heeded
from recsvc.service.stock import NOT_ASKED, Stocked

FIRST_COST_SECONDS = 0.005
"""What a list is assumed to take before one was made."""

SAFETY = 2.0
"""With less time left than so many times what a list takes of late, it is not begun."""


class _Before(NamedTuple):
    """What was true before anything was looked up.

    Attributes:
        now: unix seconds.
        moment: what everybody's lists depend on.
        heeded: what people had decided of who asks.
    """

    now: float
    moment: Moment
    heeded: Heeded


class Begun(NamedTuple):
    """A question of which the store is still to be asked.

    Attributes:
        asked: the question as it was asked.
        written: the same as the caller wrote it.
        inquiry: the same in the service's terms.
        shown: item indices of the pages before.
        store_id: where it is asked, if stock is looked at.
        stocked: the stock there.
        heeded: what people had decided of who asks; None where the answer is not to be kept.
        ticket: to keep the answer in the process with; None where it must not.
        cached: the place of its answer.
    """

    asked: Question
    written: bytes
    inquiry: Inquiry
    shown: Sequence[int]
    store_id: str
    stocked: Stocked
    heeded: Heeded | None
    ticket: Ticket | None
    cached: CacheSlot


class Recommendations:
    """Answers questions from the cache or the model; always answers once a model is loaded.

    Args:
        inquiries: prepares questions.
        answers: turns rankings into answers.
        cache: keeps answers.
        codec: writes answers as the door sends them.
        deliveries: says what is true of each.
        process: keeps answers that were asked for again.
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
        process: ProcessCache | None = None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inquiries = inquiries
        self._answers = answers
        self._cache = cache
        self._codec = codec
        self._deliveries = deliveries
        self._process = process if process is not None and process.is_on else None
        self._now = now
        self._monotonic = monotonic
        # Reasons cost about as much again, so lists with them are estimated apart.
        self._costs = {explain: CostEstimate(FIRST_COST_SECONDS) for explain in (False, True)}

    def again(self, written: bytes, loaded: LoadedModel | None = None) -> Served | None:
        """Answer a question that was answered a moment ago, unread; None where it must be read.

        Args:
            written: the question as the caller wrote it.
            loaded: as for ``recommend``.
        """
        if self._process is None:
            return None
        started, moment, now = self._monotonic(), self._inquiries.moment(), self._now()
        if loaded is not None and loaded is not moment[0]:
            return None
        known = self._process.get(written, moment, now)
        if known is None:
            return None
        if not self._inquiries.still(known.heeded):
            self._process.forget(written)
            return None
        inquiry = known.inquiry
        (delivery,) = self._deliveries.again([(inquiry, known.basis, known.made_time)], started)
        note(recommendation_id=delivery.recommendation_id, **known.facts)
        version_id = inquiry.loaded.reference.version_id
        return Served(known.payload, delivery, known.n_items, version_id)

    def all_again(self, written: Sequence[bytes], loaded: LoadedModel) -> list[Served | None]:
        """The same for each of several questions, with one look at what all of them depend on."""
        process = self._process
        started, moment, now = self._monotonic(), self._inquiries.moment(), self._now()
        if process is None or loaded is not moment[0]:
            return [None] * len(written)
        found = process.get_all(written, moment, now)
        for at, known in enumerate(found):
            if known is not None and not self._inquiries.still(known.heeded):
                process.forget(written[at])
                found[at] = None
        given = [(known.inquiry, known.basis, known.made_time) for known in found if known]
        deliveries = iter(self._deliveries.again(given, started))
        return [
            None
            if known is None
            else Served(
                known.payload,
                next(deliveries),
                known.n_items,
                known.inquiry.loaded.reference.version_id,
            )
            for known in found
        ]

    def recommend(
        self,
        question: Question,
        deadline: float,
        loaded: LoadedModel | None = None,
        written: bytes = b"",
    ) -> Served:
        """Answer a question.

        Args:
            question: what is asked.
            deadline: monotonic seconds when the caller stops waiting.
            loaded: the model to answer with, as it was loaded; the current one unless given.
            written: the question as the caller wrote it, under which :meth:`again` may find what is
                answered; nothing where it must not.

        Raises:
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: a strict filter names what the catalogue does not know, or the
                page token belongs to another question or model (PAGE_TOKEN_MISMATCH).
        """
        return self.finish(self.begin(question, deadline, loaded, written))

    def begin(
        self,
        question: Question,
        deadline: float,
        loaded: LoadedModel | None = None,
        written: bytes = b"",
    ) -> Begun:
        """Begin to answer a question, as :meth:`recommend`: all that comes before the store."""
        before = self._before(question, loaded, written)
        inquiry = self._inquiries.open(question, deadline, loaded)
        shown = shown_before(question, inquiry.asker.shopper, inquiry.loaded)
        store_id, stocked = self._at_home(inquiry)
        heeded, ticket = (before.heeded, self._ticket(before, inquiry)) if before else (None, None)
        cached = self._cache.slot(self._key(inquiry, stocked.revision), deadline)
        return Begun(question, written, inquiry, shown, store_id, stocked, heeded, ticket, cached)

    def look_up(self, begun: Sequence[Begun]) -> None:
        """Ask the store for all of them in one round trip."""
        self._cache.look_up([each.cached for each in begun])

    def finish(self, begun: Begun, started: float | None = None) -> Served:
        """Answer a question that was begun.

        Args:
            begun: the question.
            started: where others came in between, when the work on it went on, monotonic seconds.

        Raises:
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        asked, written, inquiry, shown, store_id, stocked, heeded, ticket, cached = begun
        question, loaded, shopper = inquiry.question, inquiry.loaded, inquiry.asker.shopper
        deadline, version_id = inquiry.deadline, loaded.reference.version_id
        deliver = partial(self._deliveries.delivery, inquiry, started=started)
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
            if ticket is not None and heeded is not None:
                self._keep(written, inquiry, found, kept, ticket, heeded)
            delivery = deliver(ServedFrom.CACHE, kept, cache_age_seconds=found.age_seconds)
            return Served(found.payload, delivery, found.kept.n_items, version_id)
        situation = self._inquiries.situation(inquiry, cached.live, shown)
        is_elsewhere = question.looks_at_shelf and situation.store_id != store_id
        if is_elsewhere:  # the shopper has moved since the model learnt
            stocked = self._inquiries.stocked(inquiry, situation.store_id)
        situation = with_shelf(inquiry, situation, stocked)
        cost, since = self._costs[question.explain], self._monotonic()
        is_late = deadline - since < SAFETY * cost.seconds
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
        cost.learn(self._monotonic() - since)
        is_blind = cached.skipped and bool(shopper)
        if not is_elsewhere and not stocked.failed:
            now = situation.query.sold_at or 0.0
            unchanged = loaded.assortment.unchanged_until(now) - now
            cached.put(payload, unchanged - (self._monotonic() - inquiry.started))
        reason = degraded(cached, stocked, is_blind=is_blind)
        delivery = deliver(ServedFrom.MODEL, basis, degraded_reason=reason)
        return Served(payload, delivery, len(made.items), version_id)

    def _before(
        self, question: Question, loaded: LoadedModel | None, written: bytes
    ) -> _Before | None:
        """What is true before anything is looked up; None where nothing is to be kept.

        What must have seen a write, and what a page follows from, is not asked twice.
        """
        if self._process is None or not written or question.page or question.must_see != NOTHING:
            return None
        now, moment = self._now(), self._inquiries.moment()
        if loaded is not None and loaded is not moment[0]:  # another was promoted meanwhile
            return None
        return _Before(now, moment, self._inquiries.heeded(question))

    def _ticket(self, before: _Before, inquiry: Inquiry) -> Ticket | None:
        # Stock is read anew at every call, of whatever store.
        if self._process is None or inquiry.question.looks_at_shelf:
            return None
        heeded, shopper = before.heeded, inquiry.asker.shopper
        # Who decides otherwise in between, and as before again, seems to have decided nothing.
        if shopper != (heeded.person if heeded.may_be_known else ""):
            return None
        return self._process.ticket(before.moment, shopper, before.now)

    def _keep(
        self,
        written: bytes,
        inquiry: Inquiry,
        found: Found,
        basis: Basis,
        ticket: Ticket,
        heeded: Heeded,
    ) -> None:
        """Keep in the process what was found in the store: it was asked for before."""
        if self._process is None:
            return
        now = self._now()
        until = min(
            now + MAX_SECONDS,
            now - found.age_seconds + self._cache.ttl_seconds,
            self._inquiries.unchanged_until(inquiry, ticket.now),
        )
        if until <= now:  # the clock has passed an edge since the list was begun
            return
        payload = found.payload
        # What was found is looked into anew should anybody ask: the message would lie here too.
        basis = replace(basis, product_ids=partial(_product_ids, self._codec, payload))
        answer = KeptAnswer(
            payload,
            found.kept.n_items,
            basis.made_time,
            until,
            inquiry,
            heeded,
            basis,
            _facts(inquiry, heeded, found.kept.n_items),
            found.n_bytes,
        )
        self._process.put(written, answer, ticket)

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


def _facts(inquiry: Inquiry, heeded: Heeded, n_items: int) -> dict[str, str | float]:
    """What the log line of each call says that is given a kept list."""
    facts: dict[str, str | float] = {
        "served_from": ServedFrom.CACHE.value,
        "degraded_reason": "",
        "n_items": n_items,
        "version_id": inquiry.loaded.reference.version_id,
    }
    if inquiry.asker.shopper:
        facts["visitor" if heeded.is_visitor else "customer"] = inquiry.asker.shopper
    return facts


def _product_ids(codec: AnswerCodec, payload: bytes) -> Sequence[str]:
    kept = codec.kept(payload)
    return () if kept is None else kept.product_ids()


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
