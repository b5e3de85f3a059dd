"""Questions that were answered a moment ago, answered again from the process.

What may be kept is found out while a question is answered: :meth:`Repeats.before` looks at what its
answer depends on, :meth:`Repeats.permit` whether that may be told again, :meth:`Repeats.keep` keeps
what was found in the store in the meantime.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from recsvc.logs import note
from recsvc.service.basis import Basis
from recsvc.service.deliveries import Deliveries, Served
from recsvc.service.found import Found
from recsvc.service.inquiries import Inquiries, Moment
from recsvc.service.inquiry import Inquiry
from recsvc.service.models import LoadedModel
from recsvc.service.process_cache import MAX_SECONDS, KeptAnswer, Permit, ProcessCache
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.selling import NOTHING
from recsvc.service.standing import Heeded


class Before(NamedTuple):
    """What was true before anything was looked up.

    Attributes:
        now: unix seconds.
        moment: what everybody's lists depend on.
        heeded: what people had decided of who asks.
    """

    now: float
    moment: Moment
    heeded: Heeded


class Repeats:
    """Answers questions from the process, and keeps answers there; safe to share between threads.

    Args:
        inquiries: knows what answers depend on.
        deliveries: says what is true of each.
        process: keeps them; without one, and without room in it, nothing is.
        now: unix seconds.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        inquiries: Inquiries,
        deliveries: Deliveries,
        process: ProcessCache | None,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inquiries = inquiries
        self._deliveries = deliveries
        self._process = process if process is not None and process.is_on else None
        self._now = now
        self._monotonic = monotonic

    def again(self, written: bytes, loaded: LoadedModel | None = None) -> Served | None:
        """Answer a question that was answered a moment ago, unread; None where it must be read.

        Args:
            written: the question as the caller wrote it.
            loaded: the model to answer with, the current one unless given.
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

    def before(
        self, question: Question, loaded: LoadedModel | None, written: bytes
    ) -> Before | None:
        """What is true before anything is looked up; None where nothing is to be kept.

        What must have seen a write, and what a page follows from, is not asked twice.
        """
        if self._process is None or not written or question.page or question.must_see != NOTHING:
            return None
        now, moment = self._now(), self._inquiries.moment()
        if loaded is not None and loaded is not moment[0]:  # another was promoted meanwhile
            return None
        return Before(now, moment, self._inquiries.heeded(question))

    def permit(self, before: Before, inquiry: Inquiry) -> Permit | None:
        """What the answer may be kept with; None where it must not be.

        Args:
            before: what was true before.
            inquiry: the question, as it was opened since.
        """
        # Stock is read anew at every call, of whatever store.
        if self._process is None or inquiry.question.looks_at_shelf:
            return None
        heeded, shopper = before.heeded, inquiry.asker.shopper
        # Who decides otherwise in between, and as before again, seems to have decided nothing.
        if shopper != (heeded.person if heeded.may_be_known else ""):
            return None
        ticket = self._process.ticket(before.moment, shopper, before.now)
        return None if ticket is None else Permit(ticket, heeded)

    def keep(
        self, written: bytes, inquiry: Inquiry, found: Found, basis: Basis, permit: Permit
    ) -> None:
        """Keep what was found in the store: it was asked for before.

        Args:
            written: the question as the caller wrote it.
            inquiry: the same in the service's terms.
            found: the answer.
            basis: what it was made from.
            permit: of :meth:`permit`.
        """
        if self._process is None:
            return
        ticket, heeded = permit
        now = self._now()
        until = min(
            now + MAX_SECONDS,
            now - found.age_seconds + found.fresh_seconds,
            self._inquiries.unchanged_until(inquiry, ticket.now),
        )
        if until <= now:  # the clock has passed an edge since the list was begun
            return
        answer = KeptAnswer(
            found.payload,
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
