"""The main use case: a list for a shopper, in a place, in a situation.

::

    question -> cache -> model -> answer
                  |        `-- no time left: what is popular at the place
                  `-- the same question was answered a short while ago
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from recsvc.core.live import NO_ACTS, NO_ITEMS
from recsvc.core.recommender import Query, newcomers_bought
from recsvc.core.vocabulary import MISSING
from recsvc.errors import NotFoundError
from recsvc.identity import customer_hash, visitor_hash
from recsvc.service.answer_cache import AnswerCache, CacheSlot
from recsvc.service.answers import answer
from recsvc.service.cost import CostEstimate
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.pages import next_page, shown_before
from recsvc.service.ports import ANONYMOUS, CacheKey
from recsvc.service.questions import Answer, AnswerCodec, Delivery, Question, ServedFrom
from recsvc.service.shopping import LiveProfile
from recsvc.service.situations import Asker, Situation, lacks_prices, situate, store_of
from recsvc.service.standing import Standing
from recsvc.service.stock import NOT_ASKED, Stock, Stocked
from recsvc.telemetry import Metrics, note

FIRST_COST_SECONDS = 0.005
"""What a list is assumed to take before one was made."""

SAFETY = 2.0
"""With less time left than so many times what a list takes of late, it is not begun."""

STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
DEADLINE = "DEADLINE"
MODEL_LOAD_FAILED = "MODEL_LOAD_FAILED"
UNKNOWN_CUSTOMER = "UNKNOWN_CUSTOMER"
NO_CONSENT = "NO_CONSENT"
CONSISTENCY_UNMET = "CONSISTENCY_UNMET"
STOCK_UNKNOWN = "STOCK_UNKNOWN"
PRICE_CURRENCY = "PRICE_CURRENCY"


@dataclass(frozen=True, slots=True)
class Served:
    """An answer as bytes, and what is true of this delivery."""

    payload: bytes
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Computed:
    """An answer that is not cached, and what is true of this delivery."""

    answer: Answer
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is true now, whatever the model has learnt.

    Attributes:
        standing: what people decided.
        live: what the shop has said of products and stores.
        stock: what is there.
    """

    standing: Standing
    live: LiveCatalogue
    stock: Stock


class Recommendations:
    """Answers questions from the cache or the model; always answers once a model is loaded.

    Args:
        slot: the current model.
        cache: keeps answers.
        codec: writes answers as the door sends them.
        circumstances: what is true beside the model.
        metrics: counts how lists were made.
        hash_key: secret that customers' ids are hashed with.
        now: unix seconds.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    def __init__(  # each argument is a part that app.py wires in
        self,
        slot: ModelSlot,
        cache: AnswerCache,
        codec: AnswerCodec,
        *,
        circumstances: Circumstances,
        metrics: Metrics,
        hash_key: bytes,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._cache = cache
        self._codec = codec
        self._standing = circumstances.standing
        self._live = circumstances.live
        self._stock = circumstances.stock
        self._metrics = metrics
        self._hash_key = hash_key
        self._now = now
        self._monotonic = monotonic
        self._hidden: tuple[LoadedModel, dict[str, datetime], NDArray[np.int32]] | None = None
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
        started = self._monotonic()
        who, loaded = self._asked(question, loaded or self._slot.current(), deadline)
        shown = shown_before(question, who.shopper, loaded)
        store_id, stocked = self._at_home(question, loaded, who, deadline)
        key = self._key(question, loaded, who, stocked.revision)
        cached = self._cache.slot(key, deadline)
        # With its stock unknown, nobody can say that a list still holds.
        found = cached.get((lambda _: False) if stocked.failed else self._is_allowed)
        if found is not None:
            payload, age = found
            return Served(payload, self._delivered(started, ServedFrom.CACHE, age))
        situation = self._situation(question, loaded, who, cached.live, shown)
        is_elsewhere = question.looks_at_shelf and situation.store_id != store_id
        if is_elsewhere:  # the shopper has moved since the model learnt
            stocked = self._stocked(question, loaded, situation.store_id, deadline)
        situation = _with_shelf(question, loaded, situation, stocked)
        cost, begun = self._costs[question.explain], self._monotonic()
        is_late = deadline - begun < SAFETY * cost.seconds
        rank = loaded.recommender.popular if is_late else loaded.recommender.recommend
        ranking = rank(situation.query)
        if not len(ranking.items) and not shown:
            # Whatever is allowed was just bought or is in the basket: better that than nothing.
            ranking = rank(_without_acts(loaded, situation.query))
        made = replace(
            answer(question, loaded, situation, ranking, unnamed=self._withdrawn_items(loaded)),
            next_page=next_page(question, who.shopper, loaded, ranking.items),
        )
        payload = self._codec.encode(made)
        if is_late:
            cost.relax()
            delivery = self._delivered(started, ServedFrom.FALLBACK, degraded_reason=DEADLINE)
            return Served(payload, delivery)
        cost.learn(self._monotonic() - begun)
        is_blind = cached.skipped and bool(who.shopper)
        if not is_elsewhere and not stocked.failed:
            now = situation.query.sold_at or 0.0
            unchanged = loaded.assortment.unchanged_until(now) - now
            cached.put(payload, unchanged - (self._monotonic() - started))
        reason = _degraded(cached, stocked, is_blind=is_blind)
        return Served(payload, self._delivered(started, ServedFrom.MODEL, degraded_reason=reason))

    def similar(self, product_id: str, question: Question, deadline: float) -> Computed:
        """List products like one.

        Args:
            product_id: which.
            question: who asks, and for what.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            NotFoundError: the model does not know it (PRODUCT_NOT_FOUND).
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        started = self._monotonic()
        who, loaded = self._asked(question, self._slot.current(), deadline)
        note(version_id=loaded.reference.version_id)
        item = loaded.assortment.catalogue.items.index(product_id)
        if item == MISSING:
            raise NotFoundError(
                f"product {product_id[:80]!r} is not in the catalogue",
                reason="PRODUCT_NOT_FOUND",
                metadata={"product_id": product_id[:80]},
            )
        cached = self._cache.slot(self._key(question, loaded, who, 0), deadline)
        if who.shopper:
            cached.get(lambda _: False)
        situation = self._situation(question, loaded, who, cached.live)
        stocked = self._stocked(question, loaded, situation.store_id, deadline)
        situation = _with_shelf(question, loaded, situation, stocked)
        ranking = loaded.recommender.similar(item, situation.query)
        reason = _degraded(cached, stocked, is_blind=cached.skipped)
        return Computed(
            answer(question, loaded, situation, ranking, item, self._withdrawn_items(loaded)),
            self._delivered(started, ServedFrom.MODEL, degraded_reason=reason),
        )

    def _asked(
        self, question: Question, loaded: LoadedModel, deadline: float
    ) -> tuple[Asker, LoadedModel]:
        """Who asks, and the model with the catalogue of the moment."""
        who = self._who(question, loaded)
        if not self._live.sees(question.must_see.catalogue, deadline):
            who = replace(who, warnings=(*who.warnings, CONSISTENCY_UNMET))
        return who, self._live.dressed(loaded)

    def _at_home(
        self, question: Question, loaded: LoadedModel, who: Asker, deadline: float
    ) -> tuple[str, Stocked]:
        """The store where the question is asked or the customer at home, and its stock."""
        if not question.looks_at_shelf:
            return "", NOT_ASKED
        store_id = store_of(loaded, question.location, who.customer)
        return store_id, self._stocked(question, loaded, store_id, deadline)

    def _stocked(
        self, question: Question, loaded: LoadedModel, store_id: str, deadline: float
    ) -> Stocked:
        if not question.looks_at_shelf:
            return NOT_ASKED
        must_see = question.must_see.catalogue
        return self._stock.at(store_id, loaded.assortment, deadline, must_see)

    def _situation(
        self,
        question: Question,
        loaded: LoadedModel,
        who: Asker,
        live: LiveProfile,
        shown: Sequence[int] = (),
    ) -> Situation:
        if question.customer_id and who.shopper and who.customer == MISSING and not live.deeds:
            who = replace(who, warnings=(*who.warnings, UNKNOWN_CUSTOMER))
        situation = situate(question, loaded, self._now(), replace(who, live=live))
        hidden = self._withdrawn_items(loaded)
        if not len(hidden) and not shown:
            return situation
        # Of what was on a page before, no variant comes on a later one.
        before = loaded.assortment.with_variants(np.array(shown, np.int32))
        excluded = np.concatenate([situation.query.excluded, hidden, before])
        query = replace(situation.query, excluded=excluded.astype(np.int32))
        return replace(situation, query=query)

    def _withdrawn_items(self, loaded: LoadedModel) -> NDArray[np.int32]:
        """Item indices of what was withdrawn, looked up once for each model and recall."""
        withdrawn = self._standing.withdrawn
        known = self._hidden
        if known is None or known[0] is not loaded or known[1] is not withdrawn:
            known = (loaded, withdrawn, loaded.assortment.catalogue.items.indices(withdrawn))
            self._hidden = known
        return known[2]

    def _is_allowed(self, payload: bytes) -> bool:
        withdrawn = self._standing.withdrawn
        return not withdrawn or withdrawn.keys().isdisjoint(self._codec.product_ids(payload))

    def _key(
        self, question: Question, loaded: LoadedModel, who: Asker, stock_revision: int
    ) -> CacheKey:
        # The version beside the generation: a pointer that was deleted by hand and made
        # anew counts generations from 1 again. Of who was erased nothing is known that was
        # known before, though the same person may have come back. What was restored is missing
        # on the lists from before.
        version_id = loaded.reference.version_id
        erased = self._standing.erased_at(who.shopper) if who.shopper else 0
        said = f"{loaded.revision}|{stock_revision}"
        state = f"{erased}|{self._standing.restored_at}|{said}|{','.join(who.warnings)}"
        digest = blake2b(f"{self._codec.schema}|{version_id}|{state}|".encode(), digest_size=16)
        digest.update(question.canonical())
        digest.update(question.page)
        return CacheKey(loaded.generation, who.shopper or ANONYMOUS, digest.hexdigest())

    def _who(self, question: Question, loaded: LoadedModel) -> Asker:
        """Who asks, as far as they have agreed to be known; notes what stands for them."""
        warnings = () if self._standing.sees(question.must_see.ledger) else (CONSISTENCY_UNMET,)
        if question.visitor_id:
            visitor = visitor_hash(self._hash_key, question.visitor_id)
            note(visitor=visitor)
            return Asker(shopper=visitor, warnings=warnings)
        if not question.customer_id:
            return Asker(warnings=warnings)
        shopper = customer_hash(self._hash_key, question.customer_id)
        note(customer=shopper)
        if not self._standing.allows(shopper):
            return Asker(warnings=(*warnings, NO_CONSENT))
        if self._standing.erased_at(shopper) > loaded.learnt.ledger:
            return Asker(shopper=shopper, warnings=warnings)
        customer = loaded.model.customers.index(question.customer_id)
        return Asker(customer, shopper, warnings=warnings)

    def _delivered(
        self,
        started: float,
        served_from: ServedFrom,
        cache_age_seconds: float | None = None,
        degraded_reason: str = "",
    ) -> Delivery:
        self._metrics.answers.labels(served_from).inc()
        if degraded_reason:
            self._metrics.degraded.labels(degraded_reason).inc()
        delivery = Delivery(
            recommendation_id=uuid4().hex,
            served_from=served_from,
            compute_seconds=self._monotonic() - started,
            cache_age_seconds=cache_age_seconds,
            degraded_reason=degraded_reason,
            warnings=(MODEL_LOAD_FAILED,) if self._slot.is_behind else (),
        )
        note(
            recommendation_id=delivery.recommendation_id,
            served_from=served_from.value,
            degraded_reason=degraded_reason,
        )
        return delivery


def _without_acts(loaded: LoadedModel, query: Query) -> Query:
    """The question without what the shopper did of late; new products stay new all the same."""
    bought = [NO_ITEMS]
    if query.only_new:
        n_learnt = loaded.assortment.n_learnt
        bought = [
            loaded.recommender.live(query).profile.purchased,
            newcomers_bought(query.acts, n_learnt, query.now),
        ]
    excluded = np.concatenate([query.excluded, *bought])
    return replace(query, acts=NO_ACTS, excluded=excluded)


def _with_shelf(
    question: Question, loaded: LoadedModel, situation: Situation, stocked: Stocked
) -> Situation:
    """A situation with what is there at the store.

    Where that cannot be read, a list of what may not be there is better than none, unless the
    question is a strict one.
    """
    if not question.looks_at_shelf:
        return situation
    is_blind = stocked.shelf is None and stocked.failed and not question.strict
    query = replace(
        situation.query,
        shelf=stocked.shelf,
        in_stock_only=question.in_stock_only and not is_blind,
    )
    prices = stocked.shelf or loaded.assortment.catalogue
    more = {
        STOCK_UNKNOWN: question.in_stock_only and stocked.shelf is None,
        CONSISTENCY_UNMET: stocked.failed and bool(question.must_see.catalogue),
        PRICE_CURRENCY: lacks_prices(prices, question.catalogue_filter),
    }
    warnings = (*situation.warnings, *(warning for warning, holds in more.items() if holds))
    return replace(situation, query=query, warnings=tuple(dict.fromkeys(warnings)))


def _degraded(cached: CacheSlot, stocked: Stocked, *, is_blind: bool) -> str:
    """Why a list is less than it should be, where it is."""
    if cached.failed or (stocked.failed and not stocked.late):
        return STORE_UNAVAILABLE
    return DEADLINE if is_blind or stocked.late else ""
