"""Writes down a sample of the lists that are served, off the request path.

A call leaves what it has at hand in a bounded queue and goes on; one thread turns that into records
and stores them. Where the queue is full a list is dropped and counted: no call ever waits.
"""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from zlib import crc32

from recsvc import __version__
from recsvc.core.vocabulary import MISSING
from recsvc.errors import StoreUnavailableError
from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.service.basis import Basis, HeldBack
from recsvc.service.inquiry import Inquiry
from recsvc.service.ports import ServedLists
from recsvc.service.questions import Delivery
from recsvc.service.selling import NOTHING
from recsvc.service.served import ServedList
from recsvc.service.shopping import NO_DEEDS, Outcome
from recsvc.service.standing import Standing
from recsvc.service.stopping import STOP_SECONDS

MAX_WAITING = 1_000
"""Lists that wait to be written at most."""
BATCH = 100
LINGER_SECONDS = 0.5
"""So long the first list of a batch waits for others: many cost little more than one."""


@dataclass(frozen=True, slots=True)
class _Serving:
    """What a call has left."""

    inquiry: Inquiry
    delivery: Delivery
    basis: Basis
    time: float


class ServedLog:
    """Keeps a sample of the lists that are served; safe to share between threads.

    Args:
        lists: where they are kept.
        standing: says who may be known, and who was erased.
        sample: share of lists, 0 to 1; which ones depends on their names alone.
        metrics: counts what became of them.
        logger: told when they cannot be written.
        max_waiting: lists that wait at most.
        now: unix seconds.
    """

    def __init__(
        self,
        lists: ServedLists,
        standing: Standing,
        sample: float,
        *,
        metrics: Metrics,
        logger: Logger,
        max_waiting: int = MAX_WAITING,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._lists = lists
        self._standing = standing
        self._below = math.floor(sample * 2**32)
        self._metrics = metrics
        self._logger = logger
        self._now = now
        self._waiting: queue.Queue[_Serving | None] = queue.Queue(max_waiting)
        self._thread: threading.Thread | None = None
        self._is_failing = False
        self._held_back = HeldBack()
        self._stopping = threading.Event()

    def wants(self, recommendation_id: str) -> bool:
        """Whether a list is in the sample."""
        return crc32(recommendation_id.encode()) < self._below

    def offer(self, inquiry: Inquiry, delivery: Delivery, basis: Basis) -> None:
        """Leave a list of the sample to be written; returns at once, whatever happens to it.

        Lists of who has not consented are left out: even without an id, a basket or the time of
        the call may lead back to them, and an erasure would not find them.
        """
        may_know = inquiry.asker.shopper or not inquiry.question.is_by_somebody
        if not (may_know and self.wants(delivery.recommendation_id)):
            return
        try:
            self._waiting.put_nowait(_Serving(inquiry, delivery, basis, self._now()))
        except queue.Full:
            self._count("dropped", 1)

    def start(self) -> None:
        """Write from a thread of its own, until ``stop``."""
        if not self._below:
            return
        self._thread = threading.Thread(target=self._run, name="served-log", daemon=True)
        self._thread.start()

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """End, with what waits written if that takes no longer."""
        if self._thread is None:
            return
        self._stopping.set()
        with suppress(queue.Full):  # then it does not wait for any to come
            self._waiting.put_nowait(None)
        self._thread.join(wait_seconds)

    def _run(self) -> None:
        while not self._stopping.is_set() or not self._waiting.empty():
            batch = self._batch()
            if not batch:
                continue
            try:
                self.write(batch)
            except (
                Exception
            ) as error:  # a thread that ended would leave the process behind for good
                self._count("failed", len(batch))
                self._logger.exception("served_list_failed", error=str(error))

    def _batch(self) -> list[_Serving]:
        """What waits, once there is any; nothing at the end."""
        found = [self._waiting.get()]
        if self._waiting.qsize() < BATCH:
            self._stopping.wait(LINGER_SECONDS)
        while len(found) < BATCH and not self._waiting.empty():  # nobody else takes any
            found.append(self._waiting.get_nowait())
        return [serving for serving in found if serving is not None]

    def write(self, servings: Sequence[_Serving]) -> None:
        """Store lists, but those of who may not be known any more."""
        try:
            self._standing.refresh()
            heeds = self._standing.position
            kept = [serving for serving in servings if self._may_keep(serving)]
            self._count("forgotten", len(servings) - len(kept))
            records = [_record(serving, self._held_back) for serving in kept]
            outcomes = self._lists.add(records, heeds)
        except (StoreUnavailableError, OSError) as error:
            self._count("failed", len(servings))
            # Its words change with each attempt: down, refused, down.
            if not self._is_failing:
                self._logger.warning("served_lists_not_written", error=str(error))
            self._is_failing = True
            return
        self._is_failing = False
        self._count("kept", outcomes.count(Outcome.ACCEPTED))
        self._count("dropped", outcomes.count(Outcome.FULL))
        self._count("forgotten", outcomes.count(Outcome.DROPPED_NO_CONSENT))

    def _may_keep(self, serving: _Serving) -> bool:
        shopper, question = serving.inquiry.asker.shopper, serving.inquiry.question
        if not shopper:
            return True
        if self._standing.erased_at(shopper) > serving.inquiry.heeds:
            return False
        if question.visitor_id:
            return self._standing.allows_visitor(shopper)
        return self._standing.allows(shopper)

    def _count(self, outcome: str, n: int) -> None:
        self._metrics.served_lists.labels(outcome).inc(n)


def _record(serving: _Serving, held_back: HeldBack) -> ServedList:
    inquiry, delivery, basis = serving.inquiry, serving.delivery, serving.basis
    loaded, asker = inquiry.loaded, inquiry.asker
    question = inquiry.question._replace(session_id="", page=b"", must_see=NOTHING)
    sold_at = basis.made_time if question.as_of_time is None else question.as_of_time
    names = loaded.assortment.catalogue.items.ids
    return ServedList(
        recommendation_id=delivery.recommendation_id,
        served_time=serving.time,
        made_time=basis.made_time,
        surface=inquiry.surface,
        shopper=asker.shopper,
        question=question,
        about=basis.about,
        is_known=asker.index_in(loaded.model.customers) != MISSING,
        live=basis.live() if asker.shopper else NO_DEEDS,
        version_id=loaded.reference.version_id,
        generation=loaded.generation,
        rules_version_id=inquiry.rules.book.version_id,
        experiment_id=delivery.experiment_id,
        variant_id=delivery.variant_id,
        revision=loaded.revision,
        held_back=held_back.of(loaded, question.catalogue_filter, basis, sold_at),
        n_items=len(names),
        shown=tuple(names[item] for item in basis.shown),
        served_from=delivery.served_from,
        degraded_reason=delivery.degraded_reason,
        product_ids=tuple(basis.product_ids()),
        scores=tuple(basis.scores()),
        code_version=__version__,
    )
