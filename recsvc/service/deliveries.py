"""What is true of one delivery of an answer, and counting it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client import Counter

from recsvc.core.recommendation_id import ListOrigin
from recsvc.logs import note
from recsvc.metrics import Children, Metrics, Totals
from recsvc.service.answer_cache import CacheSlot
from recsvc.service.basis import Basis
from recsvc.service.experiments import VARIANT_UNAVAILABLE
from recsvc.service.inquiry import Inquiry
from recsvc.service.list_names import ListNames
from recsvc.service.models import ModelSlot
from recsvc.service.questions import Answer, Delivery, Need, ServedFrom
from recsvc.service.served_log import ServedLog
from recsvc.service.stock import Stocked

STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
DEADLINE = "DEADLINE"
MODEL_LOAD_FAILED = "MODEL_LOAD_FAILED"


class Served(NamedTuple):
    """An answer as bytes, and what is true of this delivery.

    Attributes:
        payload: the answer.
        delivery: what is true of this delivery.
        n_items: how many products are on it.
        version_id: the version that made it.
    """

    payload: bytes
    delivery: Delivery
    n_items: int
    version_id: str


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
        log: keeps a sample of what was delivered; None keeps nothing.
        now: unix seconds.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        slot: ModelSlot,
        metrics: Metrics,
        log: ServedLog | None = None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._log = log
        self._names = ListNames()
        self._answers = Totals(metrics.answers, metrics.tallies)
        self._degraded: Children[Counter] = Children(metrics.degraded)
        self._last_resorts = metrics.tallies.total(metrics.last_resorts.inc)
        self._of_experiments: Children[Counter] = Children(metrics.experiment_answers)
        self._now = now
        self._monotonic = monotonic

    def delivery(
        self,
        inquiry: Inquiry,
        served_from: ServedFrom,
        basis: Basis,
        *,
        started: float | None = None,
        cache_age_seconds: float | None = None,
        degraded_reason: str = "",
        is_last_resort: bool = False,
    ) -> Delivery:
        """Deliver the answer to a question.

        Args:
            inquiry: the question.
            served_from: how the answer came about.
            basis: what it was made from.
            started: when the work began, monotonic seconds; None as the inquiry says.
            cache_age_seconds: since it was computed; None where it was computed now.
            degraded_reason: why it is less than it should be, ``""`` where it is not.
            is_last_resort: whether it was made of what should rest, as nothing else is allowed.
        """
        self._answers[served_from].add()
        if is_last_resort:
            self._last_resorts.add()
        if degraded_reason:
            self._degraded[degraded_reason].inc()
        now = self._now()
        seconds = self._monotonic() - (inquiry.started if started is None else started)
        delivery = self._made(
            inquiry, basis, now, (served_from, seconds, cache_age_seconds, degraded_reason)
        )
        note(
            recommendation_id=delivery.recommendation_id,
            served_from=served_from.value,
            degraded_reason=degraded_reason,
        )
        return delivery

    def again(
        self, answers: Sequence[tuple[Inquiry, Basis, float]], started: float
    ) -> list[Delivery]:
        """Deliver answers that were kept, all at once.

        Args:
            answers: of each the question, what it was made from, and when: unix seconds.
            started: when the work began, monotonic seconds.
        """
        self._answers[ServedFrom.CACHE].add(len(answers))
        now, seconds = self._now(), self._monotonic() - started
        return [
            self._made(
                inquiry, basis, now, (ServedFrom.CACHE, seconds, max(0.0, now - made_time), "")
            )
            for inquiry, basis, made_time in answers
        ]

    def _made(
        self,
        inquiry: Inquiry,
        basis: Basis,
        now: float,
        how: tuple[ServedFrom, float, float | None, str],
    ) -> Delivery:
        """A delivery, named and offered to the log.

        Args:
            inquiry: the question.
            basis: what the answer was made from.
            now: unix seconds.
            how: of the delivery what follows its name.
        """
        warnings = (MODEL_LOAD_FAILED,) if self._slot.is_behind else ()
        assigned = inquiry.assignment
        if assigned is None:
            name = self._names.take(ListOrigin(inquiry.surface, int(now)))
            delivery = Delivery(name, *how, warnings)
        else:
            number, index = assigned.experiment.number, assigned.index
            name = self._names.take(ListOrigin(inquiry.surface, int(now), number, index))
            experiment_id = assigned.experiment.experiment_id
            variant_id = assigned.variant.variant_id
            self._of_experiments[experiment_id, variant_id].inc()
            if assigned.is_lacking:
                warnings = (*warnings, VARIANT_UNAVAILABLE)
            note(experiment_id=experiment_id, variant_id=variant_id)
            delivery = Delivery(name, *how, warnings, experiment_id, variant_id)
        if self._log is not None:
            self._log.offer(inquiry, delivery, basis)
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
