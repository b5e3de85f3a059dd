"""The response cache of a single process: tests and batches that need no Redis."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from recsvc.service.cache_port import CachedEntry, CacheKey, Claim, Claimed, Lookup, Put
from recsvc.service.shopping import LiveProfile
from recsvc.store.memory import InMemoryProfiles


@dataclass(frozen=True, slots=True)
class _Kept:
    entry: CachedEntry
    revision: int
    expires_at: float
    mark: bytes


class InMemoryResponseCache:
    """A ``ResponseCache`` in a dictionary; the least recently used entry leaves first.

    Args:
        clock: returns unix seconds.
        profiles: the live profiles that answers depend on.
        max_entries: how many responses are kept at most.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        profiles: InMemoryProfiles | None = None,
        *,
        max_entries: int = 10_000,
    ) -> None:
        self._clock = clock
        self._profiles = profiles or InMemoryProfiles()
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._entries: OrderedDict[CacheKey, _Kept] = OrderedDict()
        self._marks = count(1)
        self._claims: dict[tuple[CacheKey, int], tuple[str, float]] = {}

    @property
    def available(self) -> bool:
        """Always true: memory answers."""
        return True

    def get(self, key: CacheKey) -> Lookup:
        """Return what was put under ``key`` and still holds, else the shopper's live profile."""
        profile = self._profiles.get(key.customer)

        def live() -> LiveProfile:
            return profile

        with self._lock:
            found = self._kept(key)
            if found is None:
                return Lookup(None, live, b"")
            if found.revision != profile.revision:
                return Lookup(None, live, found.mark)
            self._entries.move_to_end(key)
            return Lookup(found.entry, live, found.mark)

    def get_all(self, keys: Sequence[CacheKey]) -> list[Lookup]:
        """The same for each of several keys."""
        return [self.get(key) for key in keys]

    def put(  # each says one thing of the list
        self,
        key: CacheKey,
        payload: bytes,
        ttl_seconds: float,
        revision: int = 0,
        *,
        fresh_seconds: float | None = None,
        cost_seconds: float = 0.0,
        claim: Claim | None = None,
    ) -> None:
        """Keep ``payload`` for ``ttl_seconds``, in place of any earlier one."""
        now = self._clock()
        fresh = ttl_seconds if fresh_seconds is None else fresh_seconds
        entry = CachedEntry(payload, now, fresh, ttl_seconds, cost_seconds)
        with self._lock:
            mark = str(next(self._marks)).encode()
            self._entries[key] = _Kept(entry, revision, now + ttl_seconds, mark)
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
            if claim is not None:
                self._drop(claim)

    def put_all(self, puts: Sequence[Put]) -> None:
        """The same for several answers."""
        for key, payload, ttl_seconds, revision, fresh, cost in puts:
            self.put(key, payload, ttl_seconds, revision, fresh_seconds=fresh, cost_seconds=cost)

    def claim(self, claim: Claim, mark: bytes, seconds: float) -> Claimed:
        """Ask to be the only one who makes a list, for ``seconds`` at most."""
        now, name = self._clock(), (claim.key, claim.revision)
        with self._lock:
            found = self._kept(claim.key)
            if mark != (b"" if found is None else found.mark):
                return Claimed.CHANGED
            if now < self._claims.get(name, ("", now))[1]:
                return Claimed.HELD
            self._claims[name] = claim.token, now + seconds
            return Claimed.TAKEN

    def release(self, claim: Claim) -> None:
        """Let others make the list; of no effect where the claim is held no more."""
        with self._lock:
            self._drop(claim)

    def _kept(self, key: CacheKey) -> _Kept | None:
        found = self._entries.get(key)
        if found is not None and self._clock() >= found.expires_at:
            del self._entries[key]
            return None
        return found

    def _drop(self, claim: Claim) -> None:
        name = (claim.key, claim.revision)
        if self._claims.get(name, ("", 0.0))[0] == claim.token:
            del self._claims[name]

    def check(self) -> None:
        """Return at once: memory is there."""
