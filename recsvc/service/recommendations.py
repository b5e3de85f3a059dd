"""The main use case: a list for a shopper, in a place, in a situation.

::

    question -> cache -> model -> answer
                  |        `-- no time left: what is popular at the place
                  `-- the same question was answered a short while ago
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from uuid import uuid4

from recsvc.core.vocabulary import MISSING
from recsvc.errors import NotFoundError
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.answers import answer
from recsvc.service.cost import CostEstimate
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.ports import ANONYMOUS, CacheKey
from recsvc.service.questions import Answer, AnswerCodec, Delivery, Question, ServedFrom
from recsvc.service.situations import situate
from recsvc.telemetry import Metrics, customer_hash, note

FIRST_COST_SECONDS = 0.005
"""What a list is assumed to take before one was made."""

SAFETY = 2.0
"""With less time left than so many times what a list takes of late, it is not begun."""

STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
DEADLINE = "DEADLINE"
MODEL_LOAD_FAILED = "MODEL_LOAD_FAILED"


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


class Recommendations:
    """Answers questions from the cache or the model; always answers once a model is loaded.

    Args:
        slot: the current model.
        cache: keeps answers.
        codec: writes answers as the door sends them.
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
        metrics: Metrics,
        hash_key: bytes,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._cache = cache
        self._codec = codec
        self._metrics = metrics
        self._hash_key = hash_key
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
            loaded: the model to answer with; the current one unless given.

        Raises:
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        started = self._monotonic()
        loaded = loaded or self._slot.current()
        cached = self._cache.slot(self._key(question, loaded), deadline)
        found = cached.get()
        if found is not None:
            payload, age = found
            return Served(payload, self._delivered(started, ServedFrom.CACHE, age))
        situation = situate(question, loaded, self._now())
        cost, begun = self._costs[question.explain], self._monotonic()
        is_late = deadline - begun < SAFETY * cost.seconds
        rank = loaded.recommender.popular if is_late else loaded.recommender.recommend
        made = answer(question, loaded, situation, rank(situation.query))
        payload = self._codec.encode(made)
        if is_late:
            cost.relax()
            delivery = self._delivered(started, ServedFrom.FALLBACK, degraded_reason=DEADLINE)
            return Served(payload, delivery)
        cost.learn(self._monotonic() - begun)
        cached.put(payload)
        reason = STORE_UNAVAILABLE if cached.failed else ""
        return Served(payload, self._delivered(started, ServedFrom.MODEL, degraded_reason=reason))

    def similar(self, product_id: str, question: Question) -> Computed:
        """List products like one.

        Raises:
            NotFoundError: the model does not know it (PRODUCT_NOT_FOUND).
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        started = self._monotonic()
        loaded = self._slot.current()
        self._customer(question)
        note(version_id=loaded.reference.version_id)
        item = loaded.model.catalogue.items.index(product_id)
        if item == MISSING:
            raise NotFoundError(
                f"product {product_id[:80]!r} is not in the catalogue of the current model",
                reason="PRODUCT_NOT_FOUND",
                metadata={"product_id": product_id[:80]},
            )
        situation = situate(question, loaded, self._now())
        ranking = loaded.recommender.similar(item, situation.query)
        return Computed(
            answer(question, loaded, situation, ranking, similar_to=item),
            self._delivered(started, ServedFrom.MODEL),
        )

    def _key(self, question: Question, loaded: LoadedModel) -> CacheKey:
        # The version beside the generation: a pointer that was deleted by hand and made
        # anew counts generations from 1 again.
        version_id = loaded.reference.version_id
        digest = blake2b(f"{self._codec.schema}|{version_id}|".encode(), digest_size=16)
        digest.update(question.canonical())
        return CacheKey(loaded.generation, self._customer(question), digest.hexdigest())

    def _customer(self, question: Question) -> str:
        """Return and note what stands for the customer."""
        if not question.customer_id:
            return ANONYMOUS
        customer = customer_hash(self._hash_key, question.customer_id)
        note(customer=customer)
        return customer

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
