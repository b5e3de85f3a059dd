"""The response cache of a single process: tests and batches that need no Redis."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from recsvc.service.ports import CachedEntry, CacheKey


class InMemoryResponseCache:
    """A ``ResponseCache`` in a dictionary; the least recently used entry leaves first.

    Args:
        clock: returns unix seconds.
        max_entries: how many responses are kept at most.
    """

    def __init__(self, clock: Callable[[], float], *, max_entries: int = 10_000) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._entries: OrderedDict[CacheKey, tuple[CachedEntry, float]] = OrderedDict()

    @property
    def available(self) -> bool:
        """Always true: memory answers."""
        return True

    def get(self, key: CacheKey) -> CachedEntry | None:
        """Return what was put under ``key`` and has not expired, else None."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            entry, expires_at = found
            if self._clock() >= expires_at:
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return entry

    def put(self, key: CacheKey, payload: bytes, ttl_seconds: float) -> None:
        """Keep ``payload`` for ``ttl_seconds``, in place of any earlier one."""
        now = self._clock()
        with self._lock:
            self._entries[key] = CachedEntry(payload, now), now + ttl_seconds
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def check(self) -> None:
        """Return at once: memory is there."""
