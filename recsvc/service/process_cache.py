"""Lists in the process: what was asked twice of late is answered without asking anybody.

A list lies under the bytes of its question. It may be given as long as nothing has changed that it
depends on: what everybody's lists depend on is compared at each look (see ``Inquiries.moment``), a
shopper's own doings are told by whoever writes them, in this process or another (``drop``), and
time has an end that was known when the list was put. Who has not heard of the others of late gives
nothing away: what they did may not have arrived.
"""

import collections
import math
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import NamedTuple
from zlib import crc32

from prometheus_client import Counter

from recsvc.metrics import Children, Metrics, Totals
from recsvc.service.basis import Basis
from recsvc.service.inquiries import Moment
from recsvc.service.inquiry import Inquiry
from recsvc.service.standing import Heeded

MAX_SECONDS = 60.0
"""A list lies here so long at most, whatever nobody has told."""

LEASE_SECONDS = 0.75
"""So long after the others could be heard nothing is given away any more: with what it takes to
bring a message that makes a second."""

ENTRY_BYTES = 2_000
"""What a list takes beside its own bytes, about: its question in the service's terms."""

ASKED_BYTES = 9
"""What a byte of a question takes, about: itself, and eight as objects of what was read of it."""

_N_COUNTS = 1_024


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A list, and all that must be known to give it again.

    Attributes:
        payload: as it is sent.
        n_items: how many products are on it.
        made_time: when it was made, unix seconds.
        until: when it may no longer be given, likewise.
        inquiry: the question in the service's terms.
        heeded: what people had decided of who asks.
        basis: what it was made from.
        facts: what the log line of a call says of it, its name aside.
        n_bytes: what else it holds on to.
    """

    payload: bytes
    n_items: int
    made_time: float
    until: float
    inquiry: Inquiry
    heeded: Heeded
    basis: Basis
    facts: Mapping[str, str | float] = field(default_factory=dict)
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Ticket:
    """What was true when a list was begun: it is not put if that is no longer so."""

    moment: Moment
    shopper: str
    now: float
    n_lost: int
    n_drops: int


class Permit(NamedTuple):
    """What an answer may be kept with.

    Attributes:
        ticket: of when it was begun.
        heeded: what people had decided of who asks.
    """

    ticket: Ticket
    heeded: Heeded


class ProcessCache:
    """Keeps lists in memory; safe to share between threads.

    What was asked for longest ago leaves first. Nothing is given or taken until it has ``heard``
    that it will be told of changes.

    Args:
        max_bytes: room for all lists together; 0 keeps none.
        metrics: counts what comes of each look.
        monotonic: monotonic seconds.
    """

    def __init__(
        self, max_bytes: int, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._answers: OrderedDict[bytes, KeptAnswer] = OrderedDict()
        self._of_shopper: defaultdict[str, set[bytes]] = defaultdict(set)
        self._n_bytes = 0
        self._moment: Moment = ()
        self._hears_until = -math.inf
        self._n_lost = 0
        # By shopper, several on one count: a list that was begun before a drop must not come after
        # it, and which shoppers were dropped cannot be remembered for ever.
        self._n_drops = [0] * _N_COUNTS
        self._looks = Totals(metrics.process_cache, metrics.tallies)
        self._drops: Children[Counter] = Children(metrics.process_cache_drops)
        self._bytes = metrics.process_cache_bytes

    @property
    def is_on(self) -> bool:
        """Whether there is any room."""
        return self._max_bytes > 0

    def get(self, asked: bytes, moment: Moment, now: float) -> KeptAnswer | None:
        """The list that may be given at ``now``, unix seconds; None where there is none."""
        with self._lock:
            answer, outcome = self._look(asked, moment, now)
        self._looks[outcome].add()
        return answer

    def get_all(
        self, asked: Sequence[bytes], moment: Moment, now: float
    ) -> list[KeptAnswer | None]:
        """The same for each of several questions."""
        with self._lock:
            found = [self._look(each, moment, now) for each in asked]
        for outcome, count in collections.Counter(outcome for _, outcome in found).items():
            self._looks[outcome].add(count)
        return [answer for answer, _ in found]

    def _look(self, asked: bytes, moment: Moment, now: float) -> tuple[KeptAnswer | None, str]:
        """The list that may be given, and what came of the look."""
        answer = self._answers.get(asked)
        if answer is None:
            return None, "miss"
        if self._monotonic() >= self._hears_until:
            return None, "deaf"
        if not _same(self._moment, moment):
            self._clear("outdated")
            return None, "miss"
        if now >= answer.until:
            self._remove(asked, "expired")
            return None, "miss"
        self._answers.move_to_end(asked)
        return answer, "hit"

    def ticket(self, moment: Moment, shopper: str, now: float) -> Ticket | None:
        """Begin to make a list; None while the others cannot be heard.

        What they do until they are heard again is never told, and the list may be of before it.

        Args:
            moment: as it was before anything was looked up.
            shopper: whom it is for (a hash), ``""`` nobody in particular.
            now: unix seconds, likewise.
        """
        with self._lock:
            if self._monotonic() >= self._hears_until:
                return None
            return Ticket(moment, shopper, now, self._n_lost, self._n_drops[_count_of(shopper)])

    def put(self, asked: bytes, answer: KeptAnswer, ticket: Ticket) -> None:
        """Keep a list, unless something has changed since its ticket, or there is no room."""
        shopper = ticket.shopper
        n_bytes = _n_bytes(asked, answer)
        with self._lock:
            if (
                n_bytes > self._max_bytes
                or ticket.n_lost != self._n_lost
                or ticket.n_drops != self._n_drops[_count_of(shopper)]
                or self._monotonic() >= self._hears_until
            ):
                return
            if not _same(self._moment, ticket.moment):
                self._clear("outdated")
                self._moment = ticket.moment
            self._remove(asked)
            self._answers[asked] = answer
            self._n_bytes += n_bytes
            if shopper:
                self._of_shopper[shopper].add(asked)
            while self._n_bytes > self._max_bytes:
                self._remove(next(iter(self._answers)), "room")
            self._bytes.set(self._n_bytes)

    def forget(self, asked: bytes) -> None:
        """Drop a list that may no longer be given."""
        with self._lock:
            self._remove(asked, "outdated")

    def drop(self, shopper: str) -> None:
        """Drop all lists of a shopper (a hash), who has done something."""
        if not self._max_bytes:
            return
        with self._lock:
            self._n_drops[_count_of(shopper)] += 1
            for asked in list(self._of_shopper.get(shopper, ())):
                self._remove(asked, "told")

    def sweep(self, now: float) -> None:
        """Let go of what may no longer be given at ``now``, unix seconds, and of its model."""
        with self._lock:
            for asked in [asked for asked, each in self._answers.items() if now >= each.until]:
                self._remove(asked, "expired")
            if not self._answers:
                self._moment = ()

    def heard(self, as_of: float) -> None:
        """Know that everything was told that was done before ``as_of``, monotonic seconds."""
        self._hears_until = as_of + LEASE_SECONDS

    def lost(self) -> None:
        """Drop everything: what was told since may not have arrived."""
        with self._lock:
            self._hears_until = -math.inf
            self._n_lost += 1
            self._clear("lost")

    def _remove(self, asked: bytes, reason: str = "") -> None:
        answer = self._answers.pop(asked, None)
        if answer is None:
            return
        self._n_bytes -= _n_bytes(asked, answer)
        shopper = answer.inquiry.asker.shopper
        if shopper:
            theirs = self._of_shopper[shopper]
            theirs.discard(asked)
            if not theirs:
                del self._of_shopper[shopper]
        if reason:
            self._drops[reason].inc()
            self._bytes.set(self._n_bytes)

    def _clear(self, reason: str) -> None:
        if self._answers:
            self._drops[reason].inc(len(self._answers))
        self._answers.clear()
        self._of_shopper.clear()
        self._n_bytes = 0
        self._moment = ()
        self._bytes.set(0)


def _same(one: Moment, other: Moment) -> bool:
    return len(one) == len(other) and all(map(is_, one, other))


def _count_of(shopper: str) -> int:
    return crc32(shopper.encode()) % _N_COUNTS


def _n_bytes(asked: bytes, answer: KeptAnswer) -> int:
    return ASKED_BYTES * len(asked) + len(answer.payload) + answer.n_bytes + ENTRY_BYTES
