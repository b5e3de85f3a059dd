"""The store as a question uses it: only with time to spare, and never fatal."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from recsvc.errors import StoreUnavailableError
from recsvc.metrics import Metrics, Totals
from recsvc.service.ports import CacheKey, Lookup, ResponseCache
from recsvc.service.questions import AnswerCodec, KeptList
from recsvc.service.shopping import NO_DEEDS, LiveProfile


def _nothing() -> LiveProfile:
    return NO_DEEDS


@dataclass(frozen=True, slots=True)
class AnswerCache:
    """Where answers are kept, and how patiently.

    Attributes:
        cache: the store.
        codec: tells whether what it holds can still be sent.
        metrics: counts what comes of each use.
        ttl_seconds: how long an answer is kept; 0 keeps nothing.
        timeout_seconds: longest wait for the store; with less time left it is not asked.
        now: unix seconds.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    cache: ResponseCache
    codec: AnswerCodec
    metrics: Metrics
    ttl_seconds: float
    timeout_seconds: float
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    counts: Totals = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", Totals(self.metrics.cache, self.metrics.tallies))

    def slot(self, key: CacheKey, deadline: float) -> "CacheSlot":
        """The place of one question, which must be answered by ``deadline``."""
        return CacheSlot(self, key, deadline)

    def look_up(self, slots: Sequence["CacheSlot"]) -> None:
        """Ask for what several places hold in one round trip; each is then looked into as ever.

        A place that is among them twice is asked for once: by the second look it may hold what
        the first one has made.
        """
        asked = {slot.key: slot for slot in reversed(slots) if slot.is_affordable()}
        if not asked:
            return
        try:
            lookups = self.cache.get_all(list(asked))
        except StoreUnavailableError:
            for slot in asked.values():
                slot.fail()
            return
        for slot, lookup in zip(asked.values(), lookups, strict=True):
            slot.lookup = lookup

    def recent(self, shopper: str, deadline: float) -> "CacheSlot":
        """A place that holds no answer, asked for what a shopper (a hash) did of late.

        Nobody is not asked for: nothing of them is kept.
        """
        slot = self.slot(CacheKey(0, shopper, ""), deadline)
        if shopper:
            slot.get()
        return slot


@dataclass(frozen=True, slots=True)
class Found:
    """An answer that was kept.

    Attributes:
        payload: as it is sent.
        age_seconds: since it was made.
        kept: what is told of it.
        n_bytes: what reading the shopper's doings beside it holds on to.
    """

    payload: bytes
    age_seconds: float
    kept: KeptList
    n_bytes: int


@dataclass(slots=True)
class CacheSlot:
    """The place of one question in the store.

    Attributes:
        live: what the shopper did of late; known after ``get`` has found no answer.
        beside: reads what the shopper had done, beside an answer that was found.
        failed: whether the store could not be used, so that the answer is computed without it.
        skipped: whether there was no time to ask it.
        lookup: what it holds, where that was asked for already.
    """

    _owner: AnswerCache
    key: CacheKey
    _deadline: float
    live: LiveProfile = field(default=NO_DEEDS, init=False)
    beside: Callable[[], LiveProfile] = field(default=_nothing, init=False)
    failed: bool = field(default=False, init=False)
    skipped: bool = field(default=False, init=False)
    lookup: Lookup | None = field(default=None, init=False)

    def get(self, is_allowed: Callable[[KeptList], bool] = lambda _: True) -> Found | None:
        """What is kept; None where there is nothing to send.

        Args:
            is_allowed: whether an answer may still be given.
        """
        if self.failed or self.skipped or (self.lookup is None and not self.is_affordable()):
            return None
        owner = self._owner
        try:
            found = self.lookup or owner.cache.get(self.key)
            entry = found.entry
            outcome = "miss"
            if entry is not None and owner.ttl_seconds > 0:
                kept = owner.codec.kept(entry.payload)
                if kept is None:
                    outcome = "unreadable"
                elif is_allowed(kept):
                    self._count("hit")
                    self.beside = found.live
                    age_seconds = max(0.0, owner.now() - entry.stored_at)
                    return Found(entry.payload, age_seconds, kept, found.n_bytes)
            self.live = found.live()
        except StoreUnavailableError:
            self.fail()
        else:
            self._count(outcome)
        return None

    def put(self, payload: bytes, true_for_seconds: float = math.inf) -> None:
        """Keep an answer, if the store can be used.

        Args:
            payload: the answer.
            true_for_seconds: how long it can be given at most.
        """
        owner = self._owner
        ttl_seconds = min(owner.ttl_seconds, true_for_seconds)
        if ttl_seconds <= 0 or self.failed or not self.is_affordable():
            return
        try:
            owner.cache.put(self.key, payload, ttl_seconds, self.live.revision)
        except StoreUnavailableError:
            self.fail()

    def is_affordable(self) -> bool:
        """Whether there is time to ask the store; if not it is said to be skipped."""
        owner = self._owner
        if self._deadline - owner.monotonic() <= owner.timeout_seconds:
            self.skipped = True
            self._count("skipped")
            return False
        return True

    def fail(self) -> None:
        """Know that the store could not be used."""
        self.failed = True
        self._count("error")

    def _count(self, outcome: str) -> None:
        self._owner.counts[outcome].add()
