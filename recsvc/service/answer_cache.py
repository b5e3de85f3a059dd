"""The store as a question uses it: only with time to spare, and never fatal."""

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from recsvc.core.recommendation_id import N_OWN
from recsvc.errors import StoreUnavailableError
from recsvc.metrics import Metrics, Totals
from recsvc.service.cache_port import CacheKey, Claim, Claimed, Lookup, Put, ResponseCache
from recsvc.service.found import Found, is_due
from recsvc.service.questions import AnswerCodec, KeptList
from recsvc.service.random_pieces import RandomPieces
from recsvc.service.shopping import NO_DEEDS, LiveProfile

WAIT_SECONDS = 5.0
"""So long at most an answer waits to be kept with others of its call. Who reads a stream slowly
holds them up, and an older one would be taken for new."""

CLAIM_SECONDS = 2.0
"""So long at most others wait for a process that has claimed a list and died."""

Waiting = list[tuple[float, Put]]
"""Answers that are kept later, each with the monotonic seconds at which it was made."""


@dataclass(frozen=True, slots=True)
class AnswerCache:
    """Where answers are kept, and how patiently.

    Attributes:
        cache: the store.
        codec: tells whether what it holds can still be sent.
        metrics: counts what comes of each use.
        ttl_seconds: how long an answer is as good as a new one; 0 keeps nothing.
        timeout_seconds: longest wait for the store; with less time left it is not asked.
        stale_seconds: how long after that it is given while another one is made, at most
            ``ttl_seconds``.
        now: unix seconds.
        monotonic: monotonic seconds, those of every ``deadline``.
        draw: from 0 to 1, 1 left out, at random.
        pause: lets so many seconds go by until another process is asked for again, or less if an
            event comes first.
    """

    cache: ResponseCache
    codec: AnswerCodec
    metrics: Metrics
    ttl_seconds: float
    timeout_seconds: float
    stale_seconds: float = 0.0
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    # Nobody tells this process when a list is there that another one makes: it has to look.
    pause: Callable[[threading.Event, float], object] = threading.Event.wait
    counts: Totals = field(init=False, repr=False, compare=False)
    tokens: RandomPieces = field(
        default_factory=lambda: RandomPieces(N_OWN), init=False, repr=False, compare=False
    )

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
        asked = {slot.key: slot for slot in reversed(slots) if slot.can_look()}
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

    def put_all(self, waiting: Waiting, deadline: float) -> None:
        """Keep what waits for it, in one round trip, if that can be done by ``deadline``."""
        if not waiting:
            return
        since = self.monotonic() - WAIT_SECONDS
        puts = [put for made, put in waiting if made >= since]
        waiting.clear()
        if puts and self.is_affordable(deadline):
            try:
                self.cache.put_all(puts)
            except StoreUnavailableError:  # the lists are as good
                self.counts["error"].add()

    def is_affordable(self, deadline: float) -> bool:
        """Whether there is time to use the store; that there is none is counted."""
        if deadline - self.monotonic() <= self.timeout_seconds:
            self.counts["skipped"].add()
            return False
        return True

    def recent(self, shopper: str, deadline: float) -> "CacheSlot":
        """A place that holds no answer, asked for what a shopper (a hash) did of late.

        Nobody is not asked for: nothing of them is kept.
        """
        slot = self.slot(CacheKey(0, shopper, ""), deadline)
        if shopper:
            slot.get()
        return slot


@dataclass(slots=True)
class CacheSlot:
    """The place of one question in the store.

    Attributes:
        live: what the shopper did of late; known after ``get`` has found no answer.
        n_bytes: what ``live`` holds on to.
        failed: whether the store could not be used, so that the answer is computed without it.
        skipped: whether there was no time to look into it, so that nothing is known of the shopper.
        lookup: what it holds, where that was asked for already.
        claim: held on making what it lacks; None where it is not.
        waiting: what waits to be kept with others; None where each is kept at once.
    """

    _owner: AnswerCache
    key: CacheKey
    _deadline: float
    live: LiveProfile = field(default=NO_DEEDS, init=False)
    n_bytes: int = field(default=0, init=False)
    failed: bool = field(default=False, init=False)
    skipped: bool = field(default=False, init=False)
    lookup: Lookup | None = field(default=None, init=False)
    claim: Claim | None = field(default=None, init=False)
    waiting: Waiting | None = field(default=None, init=False)
    _mark: bytes = field(default=b"", init=False)

    @property
    def is_usable(self) -> bool:
        """Whether the store is used for it: it keeps answers, and could be asked."""
        return self._owner.ttl_seconds > 0 and not (self.failed or self.skipped)

    def missed(self) -> LiveProfile | None:
        """What the shopper did of late, where it is known by now that no answer is kept."""
        if self.lookup is None or self.lookup.entry is not None:
            return None
        try:
            return self.lookup.live()
        except StoreUnavailableError:  # who looks into it is told
            return None

    def get(self, is_allowed: Callable[[KeptList], bool] = lambda _: True) -> Found | None:
        """What is kept; None where there is nothing to send.

        Args:
            is_allowed: whether an answer may still be given.
        """
        if self.failed or self.skipped or (self.lookup is None and not self.can_look()):
            return None
        owner = self._owner
        if self.waiting and self.lookup is None:  # it may be among them
            owner.put_all(self.waiting, self._deadline)
            if not self.can_look():  # that has taken what was left
                return None
        try:
            found = self.lookup or owner.cache.get(self.key)
            self.lookup = None  # who looks again wants to know what has come since
            self._mark = found.mark
            entry = found.entry
            outcome = "miss"
            age_seconds = 0.0 if entry is None else max(0.0, owner.now() - entry.stored_at)
            # The store lets go of it by itself, but may have been asked a while ago.
            is_kept = entry is not None and age_seconds < entry.kept_seconds
            if entry is not None and is_kept and owner.ttl_seconds > 0:
                kept = owner.codec.kept(entry.payload)
                if kept is None:
                    outcome = "unreadable"
                elif is_allowed(kept):
                    left_seconds = entry.fresh_seconds - age_seconds
                    self._count("hit" if left_seconds > 0 else "stale")
                    return Found(
                        entry.payload,
                        age_seconds,
                        entry.fresh_seconds,
                        kept,
                        is_due(left_seconds, entry.cost_seconds, owner.draw()),
                        found.mark,
                        found.live,
                        found.n_bytes,
                    )
            self.live, self.n_bytes = found.live(), found.n_bytes
        except StoreUnavailableError:
            self.fail()
        else:
            self._count(outcome)
        return None

    def reopen(self, mark: bytes) -> bool:
        """Read what is needed to make an answer again.

        Args:
            mark: of the answer that was found.

        Returns:
            Whether it still lies there.
        """
        try:
            found = self._owner.cache.get(self.key)
            if found.entry is None or found.mark != mark:
                return False
            self.live, self._mark = found.live(), found.mark
        except StoreUnavailableError:
            self.fail()
            return False
        return True

    def take(self) -> Claimed | None:
        """Ask to be the only one who makes what was not found; None where nobody can tell."""
        if self.failed or not self._is_affordable():
            return None
        owner = self._owner
        claim = Claim(self.key, self.live.revision, owner.tokens.take().hex())
        try:
            claimed = owner.cache.claim(claim, self._mark, CLAIM_SECONDS)
        except StoreUnavailableError:
            self.fail()
            return None
        self.claim = claim if claimed is Claimed.TAKEN else None
        return claimed

    def let_go(self) -> None:
        """Let others make it, if this one has not."""
        claim, self.claim = self.claim, None
        if claim is None or self.failed:
            return
        try:
            self._owner.cache.release(claim)
        except StoreUnavailableError:
            self.fail()

    def put(
        self, payload: bytes, true_for_seconds: float = math.inf, cost_seconds: float = 0.0
    ) -> float:
        """Keep an answer, if the store can be used; what was claimed is done.

        Args:
            payload: the answer.
            true_for_seconds: how long it can be given at most.
            cost_seconds: what it took to make.

        Returns:
            How long it is as good as a new one, whether it could be kept or not.
        """
        owner = self._owner
        fresh_seconds = min(owner.ttl_seconds, true_for_seconds)
        if fresh_seconds <= 0 or self.failed or not self._is_affordable():
            return fresh_seconds
        stale_seconds = min(owner.stale_seconds, owner.ttl_seconds)
        kept_seconds = min(owner.ttl_seconds + stale_seconds, true_for_seconds)
        claim, self.claim = self.claim, None
        if true_for_seconds < owner.ttl_seconds:
            cost_seconds = 0.0  # one that is made earlier ends no later: it is never due early
        # One that must end soon is put at once: what waits ends so much later.
        if self.waiting is not None and kept_seconds + WAIT_SECONDS < true_for_seconds:
            revision = self.live.revision
            put = Put(self.key, payload, kept_seconds, revision, fresh_seconds, cost_seconds)
            self.waiting.append((owner.monotonic(), put))
            return fresh_seconds
        try:
            owner.cache.put(
                self.key,
                payload,
                kept_seconds,
                self.live.revision,
                fresh_seconds=fresh_seconds,
                cost_seconds=cost_seconds,
                claim=claim,
            )
        except StoreUnavailableError:
            self.fail()
        return fresh_seconds

    def can_look(self) -> bool:
        """Whether there is time to look into it; if not it is said to be skipped."""
        self.skipped = not self._is_affordable()
        return not self.skipped

    def _is_affordable(self) -> bool:
        return self._owner.is_affordable(self._deadline)

    def fail(self) -> None:
        """Know that the store could not be used."""
        self.failed = True
        self._count("error")

    def _count(self, outcome: str) -> None:
        self._owner.counts[outcome].add()
