"""What is true of one delivery of an answer, and counting it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from recsvc.service.answer_cache import CacheSlot
from recsvc.service.models import ModelSlot
from recsvc.service.questions import Answer, Delivery, Need, ServedFrom
from recsvc.service.stock import Stocked
from recsvc.telemetry import Metrics, note

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


@dataclass(frozen=True, slots=True)
class Needed:
    """A list of what is needed again, when each product of it is, and its delivery."""

    answer: Answer
    needs: tuple[Need, ...]
    delivery: Delivery


class Deliveries:
    """Says what is true of each delivery; safe to share between threads.

    Args:
        slot: tells whether the current model is the one that was chosen.
        metrics: counts how lists were made.
        monotonic: monotonic seconds.
    """

    def __init__(
        self, slot: ModelSlot, metrics: Metrics, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._slot = slot
        self._metrics = metrics
        self._monotonic = monotonic

    def delivery(
        self,
        started: float,
        served_from: ServedFrom,
        cache_age_seconds: float | None = None,
        degraded_reason: str = "",
    ) -> Delivery:
        """Deliver an answer that was begun at ``started``, monotonic seconds."""
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


def degraded(cached: CacheSlot, stocked: Stocked, *, is_blind: bool) -> str:
    """Why a list is less than it should be, where it is.

    Args:
        cached: the store, as it was used for it.
        stocked: the stock, likewise.
        is_blind: whether there was no time to ask what the shopper did of late.
    """
    if cached.failed or (stocked.failed and not stocked.late):
        return STORE_UNAVAILABLE
    return DEADLINE if is_blind or stocked.late else ""
