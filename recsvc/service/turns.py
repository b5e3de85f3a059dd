"""One maker of a list at a time, however many ask for it.

::

    nothing found -> somebody of this process is at it?  -- yes: wait for them
                          |
                      the only one of this process -> somebody of another process? -- yes: look
                          |                                                           again soon
                      the only one of all: makes it, and ends the wait of the others

Nobody waits past their own time, nor much longer for who has died than the store holds a claim,
nor once the process ends. Whose time is over get the same: what sells there is put together once,
where each by itself would keep the last of them waiting for too long.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from recsvc.errors import InvalidRequestError
from recsvc.metrics import Totals
from recsvc.service.answer_cache import CLAIM_SECONDS, AnswerCache, CacheSlot
from recsvc.service.cache_port import CacheKey, Claimed
from recsvc.service.found import Found
from recsvc.service.making import Made
from recsvc.service.questions import KeptList

PATIENCE_SECONDS = 2 * CLAIM_SECONDS
"""Whoever has waited so long makes the list all the same, if there is time to."""

FIRST_PAUSE_SECONDS = 0.001
LAST_PAUSE_SECONDS = 0.016
"""Between two looks at what another process makes: at first about what a list takes, then longer,
so that of a slow one little is known late and few looks are in vain."""

TOGETHER_SECONDS = 0.02
"""Who is late waits so long for who puts together what sells: it takes a few milliseconds."""

_Name = tuple[CacheKey, int]


class _Outcome(NamedTuple):
    """What came of making a list; nothing where it was given up.

    Attributes:
        found: the list, for all who wait.
        is_private: it was made, and holds for nobody else.
        error: the question cannot be answered, whoever asks it.
    """

    found: Found | None = None
    is_private: bool = False
    error: InvalidRequestError | None = None


_NOTHING = _Outcome()


class _Hurried:
    """What those are given who wait no longer for the same list; the first of them makes it.

    Args:
        monotonic: monotonic seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._made: Made | None = None
        self._until = -math.inf
        self._is_private = False

    def once(self, make: Callable[[], Made], is_allowed: "_IsAllowed") -> Made:
        if self._is_private or not self._lock.acquire(timeout=TOGETHER_SECONDS):
            return make()
        try:
            made, now = self._made, self._monotonic()
            if made is None or now >= self._until or not is_allowed(made.kept):  # recalled since
                made = self._made = make()
                self._until = now + made.fresh_seconds
                self._is_private = made.fresh_seconds <= 0
            return made
        finally:
            self._lock.release()


@dataclass(slots=True)
class _Flight:
    """A list that is being made in this process.

    Attributes:
        hurried: what is given to whose time was over before.
        done: set once nobody makes it any more, or nobody is to wait for it.
        outcome: what came of it.
    """

    hurried: _Hurried
    done: threading.Event = field(default_factory=threading.Event)
    outcome: _Outcome = _NOTHING


class _Limit(NamedTuple):
    """How long somebody waits.

    Attributes:
        end: monotonic seconds.
        is_late: no time is left then to make the list.
        has_begun: whether they have waited already.
    """

    end: float
    is_late: bool
    has_begun: bool = False


_IsAllowed = Callable[[KeptList], bool]


class Turn:
    """What somebody is to do who has found nothing; ``with`` it, until it is done.

    Attributes:
        found: to be given; None where there still is nothing.
        is_late: no time is left to make a list.
        has_waited: time has gone by in waiting, which says nothing of what the list takes.

    Args:
        slot: where nothing was found.
        found: as the attribute.
        is_late: likewise.
        has_waited: likewise.
        finish: told what came of it.
        hurried: shared with those who have waited for the same, and are as late.
    """

    def __init__(
        self,
        slot: CacheSlot,
        found: Found | None = None,
        *,
        is_late: bool = False,
        has_waited: bool = False,
        finish: Callable[[_Outcome], None] | None = None,
        hurried: _Hurried | None = None,
    ) -> None:
        self.found = found
        self.is_late = is_late
        self.has_waited = has_waited
        self._slot = slot
        self._finish = finish
        self._hurried = hurried
        self._outcome = _NOTHING

    def made(self, payload: bytes, kept: KeptList, fresh_seconds: float) -> None:
        """Say what was made: for all who wait, or with nothing fresh about it for nobody else."""
        is_private = fresh_seconds <= 0
        found = None if is_private else Found(payload, 0.0, fresh_seconds, kept)
        self._outcome = _Outcome(found, is_private)

    def instead(self, make: Callable[[], Made], is_allowed: _IsAllowed) -> Made:
        """What is given in place of a list: made once for all who are late at the same time.

        Args:
            make: makes it.
            is_allowed: whether what was made may still be given.
        """
        return make() if self._hurried is None else self._hurried.once(make, is_allowed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._slot.let_go()
        if isinstance(error, InvalidRequestError):
            self._outcome = _Outcome(error=_anew(error))
        if self._finish is not None:
            self._finish(self._outcome)


class Turns:
    """Says whose turn it is; safe to share between threads.

    Args:
        cache: where the lists are kept.
    """

    def __init__(self, cache: AnswerCache) -> None:
        self._waits = Totals(cache.metrics.waits, cache.metrics.tallies)
        self._monotonic = cache.monotonic
        self._pause = cache.pause
        self._lock = threading.Lock()
        self._flights: dict[_Name, _Flight] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End all waits, those to come as well: nobody is there any more to be given a list."""
        with self._lock:
            self._stopping.set()
            for flight in self._flights.values():
                flight.done.set()

    def take(
        self, slot: CacheSlot, until: float, is_allowed: _IsAllowed, *, may_lead: bool
    ) -> Turn:
        """Wait for the list, or for the turn to make it.

        Args:
            slot: where nothing was found.
            until: how long there is time to wait, monotonic seconds.
            is_allowed: whether a list may still be given.
            may_lead: there is time to make the list.

        Raises:
            InvalidRequestError: whom this one waited for could not be answered, and asked the same.
        """
        patience = self._monotonic() + PATIENCE_SECONDS
        limit = _Limit(min(until, patience), until <= patience)
        turn: Turn | None = None
        followed: _Flight | None = None
        while turn is None:
            # Whoever gives up first has asked the store: the others need not, one after another.
            if followed is not None and limit.is_late and self._monotonic() >= limit.end:
                return self._in_vain(slot, limit, followed)
            name = (slot.key, slot.live.revision)
            with self._lock:
                if self._stopping.is_set():
                    return self._in_vain(slot, limit, followed)
                flight = self._flights.get(name)
                leads = flight is None and may_lead
                if leads:
                    flight = self._flights[name] = _Flight(_Hurried(self._monotonic))
            if flight is None:
                hurried = None if followed is None else followed.hurried
                return Turn(slot, is_late=True, has_waited=limit.has_begun, hurried=hurried)
            if leads:
                turn = self._lead(slot, name, flight, limit, is_allowed)
                followed = None  # whoever it was knew nothing of what the shopper has done since
            else:
                followed = flight
                turn = self._follow(slot, flight, limit, is_allowed)
                limit = limit._replace(has_begun=True)
        return turn

    def _follow(
        self, slot: CacheSlot, flight: _Flight, limit: _Limit, is_allowed: _IsAllowed
    ) -> Turn | None:
        """Wait for who is at it in this process; None where they have given up."""
        if not flight.done.wait(_until(limit.end - self._monotonic())):
            return self._in_vain(slot, limit, flight)
        found, is_private, error = flight.outcome
        if error is not None:
            raise _anew(error)
        if found is not None and is_allowed(found.kept):
            live = slot.live
            mine = found._replace(live=lambda: live, n_bytes=slot.n_bytes)
            return self._given(slot, mine)
        if found is not None or is_private:
            self._waits["alone"].add()
            return Turn(slot, has_waited=True)
        return None

    def _lead(
        self,
        slot: CacheSlot,
        name: _Name,
        flight: _Flight,
        limit: _Limit,
        is_allowed: _IsAllowed,
    ) -> Turn | None:
        """Be the only one of this process; None where the shopper has done something meanwhile."""
        found: Found | None = None
        pause, makes = FIRST_PAUSE_SECONDS, False
        try:
            while True:
                claimed = slot.take()
                if claimed is Claimed.CHANGED:
                    found = slot.get(is_allowed)
                    if found is not None:
                        return self._given(slot, found)
                    if slot.live.revision != name[1]:
                        return None
                    continue
                left = limit.end - self._monotonic()
                if claimed is Claimed.HELD and left > 0 and not self._stopping.is_set():
                    self._pause(self._stopping, min(pause, left))
                    pause = min(2 * pause, LAST_PAUSE_SECONDS)
                    continue
                has_waited = limit.has_begun or pause > FIRST_PAUSE_SECONDS
                is_skipped = claimed is None and not slot.failed
                if claimed is Claimed.HELD or (is_skipped and has_waited):
                    return self._in_vain(slot, limit, flight)
                makes = True
                finish = partial(self._end, name, flight)
                return Turn(slot, has_waited=has_waited, finish=finish)
        finally:
            if not makes:
                self._end(name, flight, _Outcome(found))

    def _end(self, name: _Name, flight: _Flight, outcome: _Outcome) -> None:
        with self._lock:
            del self._flights[name]
        flight.outcome = outcome
        flight.done.set()

    def _given(self, slot: CacheSlot, found: Found) -> Turn:
        self._waits["given"].add()
        return Turn(slot, found)

    def _in_vain(self, slot: CacheSlot, limit: _Limit, flight: _Flight | None) -> Turn:
        is_late = limit.is_late or self._stopping.is_set()
        self._waits["late" if is_late else "alone"].add()
        hurried = flight.hurried if is_late and flight is not None else None
        return Turn(slot, is_late=is_late, has_waited=True, hurried=hurried)


def _until(seconds: float) -> float:
    return min(max(0.0, seconds), threading.TIMEOUT_MAX)


def _anew(error: InvalidRequestError) -> InvalidRequestError:
    """The same of another thread: what one raises takes on where that was."""
    return InvalidRequestError(error.field, error.description, reason=error.reason)
