"""The stores of a single process: tests and batches that need no Redis."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from zlib import crc32

from recsvc.core.live import Act
from recsvc.errors import ErasedMeanwhileError, PreconditionError
from recsvc.service.ports import Person, Swept
from recsvc.service.served import MAX_SERVED_DAYS, ServedList
from recsvc.service.shopping import NO_DEEDS, Deed, Event, LiveProfile, Outcome, Shopper
from recsvc.store.profile_format import deed_of


@dataclass(slots=True)
class InMemoryProfiles:
    """Live profiles, what was set of people, and the marks of erasures, by the hash of a shopper.

    A mark is a position of the ledger, and when it was set, unix milliseconds.

    Attributes:
        changed: told of each shopper (a hash) of whom something else holds.
    """

    people: dict[str, Person] = field(default_factory=dict)
    profiles: dict[str, LiveProfile] = field(default_factory=dict)
    erased: dict[str, tuple[int, int]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    revisions: Iterator[int] = field(default_factory=lambda: count(1))
    changed: Callable[[str], object] = lambda _: None

    def get(self, shopper: str) -> LiveProfile:
        """The profile of a shopper, empty where nothing is known."""
        profile, person = self.profiles.get(shopper, NO_DEEDS), self.people.get(shopper)
        if person is None:
            return profile
        revision = profile.revision ^ crc32(repr(person).encode())
        return LiveProfile(revision, profile.deeds, person.home)

    def is_late(self, shopper: str, heeds: int) -> bool:
        """Whether who heeds so much of the ledger writes of somebody who was erased since."""
        return self.erased.get(shopper, (0, 0))[0] > heeds

    def add(self, shopper: str, deeds: Sequence[Deed]) -> None:
        """Add to a profile, under a revision that none has had before; call it with the lock."""
        before = self.get(shopper)
        self.profiles[shopper] = LiveProfile(next(self.revisions), (*before.deeds, *deeds))
        self.changed(shopper)


class InMemoryEventLog:
    """An ``EventLog`` of one process; it promises nothing of the disk.

    Args:
        clock: returns unix seconds.
        profiles: where live profiles are kept.
        max_events: events that wait to be collected, at most.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        profiles: InMemoryProfiles,
        *,
        max_events: int = 1_000_000,
    ) -> None:
        self._clock = clock
        self._profiles = profiles
        self._max_events = max_events
        self._events: list[Event] = []
        self._seen: set[tuple[str, str]] = set()

    def append(
        self,
        events: Sequence[Event],
        *,
        durable: bool,
        heeds: int,
        deadline: float = math.inf,  # noqa: ARG002  # nothing is waited for
    ) -> list[Outcome]:
        """Store events and say what became of each, in order.

        Raises:
            PreconditionError: always with ``durable`` (DURABILITY_UNAVAILABLE).
        """
        if durable:
            raise PreconditionError(
                "events are kept in memory alone; serve over Redis or Valkey",
                reason="DURABILITY_UNAVAILABLE",
            )
        with self._profiles.lock:
            return [self._append(event, heeds) for event in events]

    def _append(self, event: Event, heeds: int) -> Outcome:
        shopper = event.shopper.key
        if self._profiles.is_late(shopper, heeds):
            return Outcome.DROPPED_NO_CONSENT
        if (shopper, event.event_id) in self._seen:
            return Outcome.DUPLICATE
        if len(self._events) >= self._max_events:
            return Outcome.FULL
        self._seen.add((shopper, event.event_id))
        self._events.append(event)
        if event.act is not Act.IMPRESSION:
            self._profiles.add(shopper, [deed_of(event, round(self._clock() * 1000))])
        return Outcome.ACCEPTED

    def erase(self, shopper: str, position: int) -> Swept:
        """Delete a shopper's profile, what was set of them, and waiting events."""
        with self._profiles.lock:
            known, until = self._profiles.erased.get(shopper, (-1, 0))
            if known >= position:
                return Swept(0, until)
            until = round(self._clock() * 1_000)
            self._profiles.erased[shopper] = position, until
            self._profiles.profiles.pop(shopper, None)
            self._profiles.people.pop(shopper, None)
            self._profiles.changed(shopper)
            kept = [event for event in self._events if event.shopper.key != shopper]
            n_erased = len(self._events) - len(kept)
            self._events = kept
            return Swept(n_erased, until)

    def settle(self, shopper: str) -> bool:  # noqa: ARG002  # the protocol's
        """Say at once that nothing is on a disk."""
        return False

    def hand_over(
        self,
        visitor: Shopper,
        customer: Shopper,
        now: float,  # noqa: ARG002  # the protocol's
        heeds: int,
    ) -> int:
        """Move a visitor's live profile into a customer's, and return how many events that were."""
        with self._profiles.lock:
            if any(self._profiles.is_late(one.key, heeds) for one in (visitor, customer)):
                return 0
            moved = self._profiles.profiles.pop(visitor.key, NO_DEEDS).deeds
            self._profiles.changed(visitor.key)
            if moved:
                received = round(self._clock() * 1000)
                self._profiles.add(
                    customer.key, [replace(deed, received=received) for deed in moved]
                )
            return len(moved)

    def events_of(
        self,
        shopper: str,
        deadline: float = math.inf,  # noqa: ARG002  # nothing is waited for
    ) -> Iterator[Event]:
        """Every event of a shopper that waits to be collected, the oldest first."""
        return iter([event for event in self._events if event.shopper.key == shopper])

    def profile_of(
        self,
        shopper: str,
        deadline: float = math.inf,  # noqa: ARG002  # nothing is waited for
    ) -> LiveProfile:
        """What a shopper did of late, collected or not."""
        return self._profiles.profiles.get(shopper, NO_DEEDS)

    def length(self) -> int:
        """How many events wait to be collected."""
        return len(self._events)


class InMemoryAnswerStore:
    """An ``AnswerStore`` of one process."""

    def __init__(self) -> None:
        self._answers: dict[str, bytes] = {}

    def get(
        self,
        request_id: str,
        deadline: float = math.inf,  # noqa: ARG002  # nothing is waited for
    ) -> bytes | None:
        """Return what was kept under a request_id, None where nothing was."""
        return self._answers.get(request_id)

    def put(
        self,
        request_id: str,
        answer: bytes,
        deadline: float = math.inf,  # noqa: ARG002  # nothing is waited for
    ) -> None:
        """Keep an answer, unless there is one."""
        self._answers.setdefault(request_id, answer)


class InMemoryPeople:
    """``People`` of one process.

    Args:
        profiles: where they are kept, beside the live profiles.
    """

    def __init__(self, profiles: InMemoryProfiles | None = None) -> None:
        self._profiles = profiles or InMemoryProfiles()
        self._people = self._profiles.people

    def get(
        self,
        customer: str,
        deadline: float = math.inf,  # noqa: ARG002  # nothing is waited for
    ) -> Person:
        """Return what was set, an empty person where nothing was."""
        return self._people.get(customer, Person())

    def put(
        self, customer: str, person: Person, before: Person | None = None, *, heeds: int
    ) -> bool:
        """Keep a person, in place of any earlier one, or of ``before`` alone."""
        with self._profiles.lock:
            if self._profiles.is_late(customer, heeds):
                raise ErasedMeanwhileError("the customer was erased meanwhile; nothing was kept")
            if before is not None and self._people.get(customer, Person()) != before:
                return False
            self._people[customer] = person
            self._profiles.changed(customer)
            return True


class InMemoryServedLists:
    """``ServedLists`` of one process; the oldest leaves first.

    Args:
        profiles: where erasures are marked, beside the live profiles.
        max_lists: how many are kept at most.
        seconds: how long each is kept.
        clock: returns unix seconds.
    """

    def __init__(
        self,
        profiles: InMemoryProfiles | None = None,
        *,
        max_lists: int = 10_000,
        seconds: float = MAX_SERVED_DAYS * 86_400,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._profiles = profiles or InMemoryProfiles()
        self._max_lists = max_lists
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._lists: OrderedDict[str, ServedList] = OrderedDict()

    def add(self, lists: Sequence[ServedList], heeds: int) -> list[Outcome]:
        """Keep lists, but of who was erased after ``heeds``; say what became of each, in order."""
        outcomes = []
        with self._lock, self._profiles.lock:
            for served in lists:
                if self._profiles.is_late(served.shopper, heeds):
                    outcomes.append(Outcome.DROPPED_NO_CONSENT)
                    continue
                self._lists[served.recommendation_id] = served
                outcomes.append(Outcome.ACCEPTED)
            while len(self._lists) > self._max_lists:
                self._lists.popitem(last=False)
        return outcomes

    def find(self, recommendation_id: str) -> ServedList | None:
        """Return a list by its name, None where it is not kept, or not any more."""
        return next(
            (one for one in self.every() if one.recommendation_id == recommendation_id), None
        )

    def every(self) -> Iterator[ServedList]:
        """Every list that is kept, the oldest first."""
        since = self._clock() - self._seconds
        with self._lock:
            return iter([one for one in self._lists.values() if one.served_time >= since])

    def of_shopper(
        self,
        shopper: str,
        deadline: float = math.inf,  # noqa: ARG002  # nothing is waited for
    ) -> list[ServedList]:
        """The lists that a shopper (a hash) was served, the oldest first."""
        return [one for one in self.every() if one.shopper == shopper]

    def erase(self, shopper: str) -> int:
        """Forget the lists of a shopper (a hash), and return how many those were."""
        with self._lock:
            theirs = [name for name, one in self._lists.items() if one.shopper == shopper]
            for name in theirs:
                del self._lists[name]
        return len(theirs)
