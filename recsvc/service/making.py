"""Making a list: the question in the terms of its model, the ranking, and the answer as bytes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from recsvc.core.candidates import Prepared
from recsvc.core.lists import Ranking
from recsvc.core.live import NO_ACTS, NO_ITEMS
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.errors import InvalidRequestError
from recsvc.service.answer_cache import CacheSlot
from recsvc.service.answers import Answers
from recsvc.service.basis import Basis, basis_of
from recsvc.service.cost import CostEstimate
from recsvc.service.fair_lock import FairLock
from recsvc.service.inquiries import Inquiries
from recsvc.service.inquiry import Inquiry, with_shelf
from recsvc.service.models import LoadedModel
from recsvc.service.pages import next_page
from recsvc.service.process_cache import Permit
from recsvc.service.questions import AnswerCodec, KeptList, Question
from recsvc.service.shopping import LiveProfile
from recsvc.service.situations import Situation
from recsvc.service.stock import Stocked

FIRST_COST_SECONDS = 0.005
"""What a list is assumed to take before one was made."""

SAFETY = 2.0
"""With less time left than so many times what a list takes of late, it is not begun."""

LATE_SECONDS = 0.25
"""So long what sells, put together for one who is late, is given to others who are."""

MAX_PLACE_SECONDS = 60.0
"""So long at most a place is waited for by who has no deadline."""


class Begun(NamedTuple):
    """A question of which the store is still to be asked.

    Attributes:
        asked: the question as it was asked.
        written: the same as the caller wrote it.
        inquiry: the same in the service's terms.
        shown: item indices of the pages before.
        store_id: where it is asked, if stock is looked at.
        stocked: the stock there.
        permit: to keep the answer in the process with; None where it must not be.
        cached: the place of its answer.
    """

    asked: Question
    written: bytes
    inquiry: Inquiry
    shown: Sequence[int]
    store_id: str
    stocked: Stocked
    permit: Permit | None
    cached: CacheSlot


class Ahead(NamedTuple):
    """What is known of a list before it is ranked.

    Attributes:
        situation: the question in the terms of its model, its stock included.
        stocked: the stock of the store that it is for.
        is_elsewhere: whether that is another store than the place of the answer is named after.
        prepared: the question as the model ranks it; None where that is not done yet.
        seconds: what it took.
    """

    situation: Situation
    stocked: Stocked
    is_elsewhere: bool
    prepared: Prepared | None = None
    seconds: float = 0.0


class Made(NamedTuple):
    """A list that was made just now.

    Attributes:
        payload: as it is sent.
        kept: what is told of it.
        basis: what it was made from.
        stocked: the stock of the store that it is for.
        fresh_seconds: how long it is as good as a new one for others too, 0 or less where it is for
            nobody else; of what sells, put together for who is late, :data:`LATE_SECONDS` at most.
        cost_seconds: what it took to make, 0 for who is late.
        is_last_resort: whether it holds only what should rest.
    """

    payload: bytes
    kept: KeptList
    basis: Basis
    stocked: Stocked
    fresh_seconds: float
    cost_seconds: float
    is_last_resort: bool


class ListMaker:
    """Makes lists, and keeps them in the store; safe to share between threads.

    Args:
        inquiries: prepares questions.
        answers: turns rankings into answers.
        codec: writes answers as the door sends them.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    def __init__(
        self,
        inquiries: Inquiries,
        answers: Answers,
        codec: AnswerCodec,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inquiries = inquiries
        self._answers = answers
        self._codec = codec
        self._monotonic = monotonic
        # Lists want the interpreter, and its core, from beginning to end: a second one at the same
        # time makes both take twice as long, and the thread that takes calls in wait behind two.
        self._place = FairLock()
        # Reasons cost about as much again, so lists with them are estimated apart.
        self._costs = {explain: CostEstimate(FIRST_COST_SECONDS) for explain in (False, True)}

    def lacks_time(self, inquiry: Inquiry, now: float) -> bool:
        """Whether a list that is begun now, monotonic seconds, would hardly be there in time."""
        cost = self._costs[inquiry.question.explain]
        return inquiry.deadline - now < SAFETY * cost.seconds

    @contextmanager
    def place(self, inquiry: Inquiry, now: float) -> Iterator[bool]:
        """Wait until nobody who came before makes a list any more, and keep others from it.

        Args:
            inquiry: for whom.
            now: monotonic seconds.

        Yields:
            Whether it is the caller's turn, with the time that the list takes; else it is too late.
        """
        cost = self._costs[inquiry.question.explain]
        seconds = min(inquiry.deadline - now - SAFETY * cost.seconds, MAX_PLACE_SECONDS)
        has_place = seconds >= 0 and self._place.acquire(timeout=seconds)
        try:
            yield has_place
        finally:
            if has_place:
                self._place.release()

    def prepared(self, begun: Sequence[Begun], now: float) -> list[Ahead | None]:
        """Do before the first is made what costs less for several lists; None where it does not.

        Args:
            begun: questions that the store was asked about; those that it knew nothing of, and that
                there is time for, are prepared.
            now: monotonic seconds.
        """
        found = [self._known(each, now) for each in begun]
        shared: dict[Recommender, list[Prepared]] = {}
        for each, ahead in zip(begun, found, strict=True):
            if ahead is not None and ahead.prepared is not None:
                shared.setdefault(each.inquiry.loaded.recommender, []).append(ahead.prepared)
        for recommender, prepared in shared.items():
            recommender.share(prepared)
        n_known = sum(ahead is not None for ahead in found)
        seconds = (self._monotonic() - now) / max(1, n_known)
        return [None if ahead is None else ahead._replace(seconds=seconds) for ahead in found]

    def make(self, begun: Begun, now: float, *, is_late: bool, ahead: Ahead | None = None) -> Made:
        """Make a list, which nobody else can find before it is kept.

        Args:
            begun: the question, whose place in the store has been looked into.
            now: monotonic seconds.
            is_late: there is no time for more than what is popular at the place.
            ahead: what was prepared for it, if it was.

        Raises:
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        inquiry, cached = begun.inquiry, begun.cached
        question, loaded = inquiry.question, inquiry.loaded
        ahead = ahead or self._ahead(begun, cached.live)
        situation, stocked = ahead.situation, ahead.stocked
        ranking = recommended(loaded, situation.query, is_late=is_late, prepared=ahead.prepared)
        withdrawn = self._inquiries.withdrawn(loaded)
        made = replace(
            self._answers.answer(question, loaded, situation, ranking, withdrawn),
            next_page=next_page(begun.asked, inquiry.asker.shopper, loaded, ranking.items),
        )
        payload, basis = self._codec.encode(made), basis_of(made, situation, withdrawn)
        made_at = now if is_late else self._monotonic()  # who is late is given it in no time
        sold_at = situation.query.sold_at or 0.0
        unchanged = loaded.assortment.unchanged_until(sold_at) - sold_at
        unchanged -= made_at - inquiry.started
        holds_for_others = not ahead.is_elsewhere and not stocked.failed
        fresh_seconds = unchanged if holds_for_others else 0.0
        cost_seconds = 0.0
        if is_late:
            fresh_seconds = min(LATE_SECONDS, fresh_seconds)
        else:
            cost_seconds = made_at - now + ahead.seconds
            self._costs[question.explain].learn(cost_seconds)
        return Made(
            payload=payload,
            kept=KeptList(len(made.items), basis.product_ids),
            basis=basis,
            stocked=stocked,
            fresh_seconds=fresh_seconds,
            cost_seconds=cost_seconds,
            is_last_resort=ranking.is_last_resort,
        )

    def keep(self, begun: Begun, made: Made) -> Made:
        """Keep a list where others can find it, if it is for them.

        Args:
            begun: the question.
            made: the list, which is not one for who is late.

        Returns:
            The same, fresh for as long as it may be kept at most.
        """
        if made.fresh_seconds <= 0:
            return made
        kept = begun.cached.put(made.payload, made.fresh_seconds, made.cost_seconds)
        return made._replace(fresh_seconds=kept)

    def _ahead(self, begun: Begun, live: LiveProfile) -> Ahead:
        """The situation of a question.

        Raises:
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        inquiry, stocked = begun.inquiry, begun.stocked
        situation = self._inquiries.situation(inquiry, live, begun.shown)
        looks_at_shelf = inquiry.question.looks_at_shelf
        is_elsewhere = looks_at_shelf and situation.store_id != begun.store_id
        if is_elsewhere:  # the shopper has moved since the model learnt
            stocked = self._inquiries.stocked(inquiry, situation.store_id)
        return Ahead(with_shelf(inquiry, situation, stocked), stocked, is_elsewhere)

    def _known(self, begun: Begun, now: float) -> Ahead | None:
        """A list that has to be made, as far as the ranking; None of others, and of faulty ones."""
        live = begun.cached.missed()
        if live is None or self.lacks_time(begun.inquiry, now):
            return None
        try:
            ahead = self._ahead(begun, live)
        except InvalidRequestError:  # its caller is told when it is its turn
            return None
        recommender = begun.inquiry.loaded.recommender
        return ahead._replace(prepared=recommender.prepared(ahead.situation.query))

    def forgo(self, inquiry: Inquiry) -> None:
        """Know that a list was not made for want of time."""
        self._costs[inquiry.question.explain].relax()


def recommended(
    loaded: LoadedModel, query: Query, *, is_late: bool, prepared: Prepared | None = None
) -> Ranking:
    """The list that a model recommends.

    Args:
        loaded: the model.
        query: the question in its terms.
        is_late: there is no time for more than what is popular at the place.
        prepared: the same question, if it was prepared with others.
    """
    recommender = loaded.recommender
    rank = recommender.popular if is_late else recommender.recommend
    ranking = rank(query) if prepared is None or is_late else recommender.recommended(prepared)
    if len(ranking.items) or len(query.shown):
        return ranking
    # Whatever is allowed was just bought or is in the basket: better that than nothing.
    live = loaded.recommender.live(query)
    ranking = rank(_without_acts(loaded, query))
    # What was done of late has not shaped the list, and is told with it all the same.
    is_last_resort = len(ranking.items) > 0
    return replace(
        ranking, profile=live.profile, undated=live.undated, is_last_resort=is_last_resort
    )


def _without_acts(loaded: LoadedModel, query: Query) -> Query:
    """The question without what the shopper did of late; new products stay new all the same."""
    bought = [NO_ITEMS]
    if query.only_new:
        live = loaded.recommender.live(query)
        bought = [live.profile.purchased, live.newcomers.items]
    excluded = np.concatenate([query.excluded, *bought])
    return replace(query, acts=NO_ACTS, excluded=excluded)
