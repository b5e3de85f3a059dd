"""The response cache in Redis, and beside each answer the live profile of its shopper."""

import struct
import time
from collections.abc import Callable, Sequence
from zlib import crc32

from recsvc.errors import StoreUnavailableError
from recsvc.service.ports import ANONYMOUS, CachedEntry, CacheKey, Lookup
from recsvc.service.shopping import LiveProfile
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.people import read_person
from recsvc.store.profile_format import read_profile, revision_of
from recsvc.store.shared_reads import SharedReads

# A value is the time at which it was put, in unix microseconds, the revision of the live profile
# that it was made from, and then the payload.
_HEAD = struct.Struct(">QI")


class RedisResponseCache:
    """A ``ResponseCache`` that all processes of a deployment share.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
        clock: returns unix seconds.
    """

    def __init__(
        self,
        guarded: GuardedRedis,
        keys: KeySchema,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = guarded
        self._reads = SharedReads(guarded.client)
        self._keys = keys
        self._clock = clock

    @property
    def available(self) -> bool:
        """Whether the last calls were answered; costs no I/O."""
        return self._redis.available

    def get(self, key: CacheKey) -> Lookup:
        """Return what was put under ``key`` and still holds, else the shopper's live profile.

        All are asked for in one round trip, so that no answer is given that its shopper's last
        event, or another home, should have changed.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        names = self._names(key)
        return self._lookup(self._redis.ask(lambda: self._reads.get([names]))[0])

    def get_all(self, keys: Sequence[CacheKey]) -> list[Lookup]:
        """The same for each of several keys, in one round trip.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        names = [self._names(key) for key in keys]
        return [self._lookup(found) for found in self._redis.ask(lambda: self._reads.get(names))]

    def _names(self, key: CacheKey) -> list[str]:
        """What an answer lies under, and what it depends on."""
        names = [self._keys.response(key)]
        if key.customer != ANONYMOUS:
            names += [self._keys.live(key.customer), self._keys.person(key.customer)]
        return names

    def _lookup(self, found: Sequence[bytes | None]) -> Lookup:
        value, live, person = (*found, None, None)[:3]
        # Too short to be ours: a miss, and the next put replaces it.
        if value is not None and len(value) >= _HEAD.size:
            microseconds, revision = _HEAD.unpack_from(value)
            if revision == _revision(live, person):
                entry = CachedEntry(value[_HEAD.size :], microseconds / 1_000_000)
                n_bytes = len(live or b"") + len(person or b"")
                return Lookup(entry, lambda: _read(live, person), n_bytes)
        return Lookup(None, lambda: _read(live, person))

    def put(self, key: CacheKey, payload: bytes, ttl_seconds: float, revision: int = 0) -> None:
        """Keep ``payload`` for ``ttl_seconds``, in place of any earlier one.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        value = _HEAD.pack(round(self._clock() * 1_000_000), revision) + payload
        ttl_milliseconds = max(1, round(ttl_seconds * 1000))
        name = self._keys.response(key)
        self._redis.ask(lambda: self._redis.client.set(name, value, px=ttl_milliseconds))

    def check(self) -> None:
        """Ping Redis.

        Raises:
            StoreUnavailableError: it cannot answer in time.
        """
        self._redis.ask(self._redis.client.ping)


def _revision(live: bytes | None, person: bytes | None) -> int:
    """Of the live profile and of what callers have set, together."""
    return revision_of(live) ^ (crc32(person) if person else 0)


def _read(live: bytes | None, person: bytes | None) -> LiveProfile:
    try:
        profile = read_profile(live)
    except ValueError as error:
        raise StoreUnavailableError(str(error)) from error
    if person is None:
        return profile
    return LiveProfile(_revision(live, person), profile.deeds, read_person(person).home)
