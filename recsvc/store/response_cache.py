"""The response cache in Redis, and beside each answer the live profile of its shopper."""

import struct
import time
from collections.abc import Callable, Sequence
from functools import partial
from zlib import crc32

from recsvc.errors import StoreUnavailableError
from recsvc.service.cache_port import ANONYMOUS, CachedEntry, CacheKey, Claim, Claimed, Lookup, Put
from recsvc.service.shopping import LiveProfile
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.people import read_person
from recsvc.store.profile_format import read_profile, revision_of
from recsvc.store.shared_reads import SharedReads

# A value is the format, the time at which it was put, in unix microseconds, the revision of the
# live profile that it was made from, how long it is fresh and how long it is kept, in milliseconds,
# what it took to make, in microseconds, and then the payload.
_HEAD = struct.Struct(">BQIIII")
# Raised when this head changes, and not the version in all keys, under which events and profiles
# lie too. What begins with another one is a miss: a time, as values once did, begins with 0.
_FORMAT = 1
_MAX = 0xFFFF_FFFF

# Each of them is one step, so that no list is made twice: whoever claims has seen what was put
# before, and whoever puts is done.
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""
_PUT = (
    _RELEASE
    + """
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
"""
)
_CLAIM = f"""
if redis.call('GETRANGE', KEYS[2], 0, {_HEAD.size - 1}) ~= ARGV[2] then return 'CHANGED' end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[3]) then return 'TAKEN' end
return 'HELD'
"""


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
        self._put = guarded.client.register_script(_PUT)
        self._claim = guarded.client.register_script(_CLAIM)
        self._release = guarded.client.register_script(_RELEASE)

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

    def _names(self, key: CacheKey) -> Sequence[str]:
        """What an answer lies under, and what it depends on."""
        names = self._keys.of_list(key)
        return names[:1] if key.customer == ANONYMOUS else names

    def _lookup(self, found: Sequence[bytes | None]) -> Lookup:
        value, live, person = found if len(found) > 1 else (found[0], None, None)
        read = partial(_read, live, person)
        if value is None:
            return Lookup(None, read)
        mark = value[: _HEAD.size]
        # Too short to be ours, or of another layout: a miss, and the next put replaces it.
        if len(mark) == _HEAD.size and mark[0] == _FORMAT:
            _, microseconds, revision, fresh, kept, cost = _HEAD.unpack(mark)
            if revision == _revision(live, person):
                entry = CachedEntry(
                    value[_HEAD.size :],
                    microseconds / 1_000_000,
                    fresh / 1_000,
                    kept / 1_000,
                    cost / 1_000_000,
                )
                n_bytes = len(live or b"") + len(person or b"")
                return Lookup(entry, read, mark, n_bytes)
        return Lookup(None, read, mark)

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
        """Keep ``payload`` for ``ttl_seconds``, in place of any earlier one.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        fresh = ttl_seconds if fresh_seconds is None else fresh_seconds
        put = Put(key, payload, ttl_seconds, revision, fresh, cost_seconds)
        name, value, milliseconds = self._value(put)
        if claim is None:
            self._redis.ask(lambda: self._redis.client.set(name, value, px=milliseconds))
            return
        names = [self._keys.claim(claim.key, claim.revision), name]
        self._redis.ask(lambda: self._put(keys=names, args=[claim.token, value, milliseconds]))

    def put_all(self, puts: Sequence[Put]) -> None:
        """The same for several answers that nobody has claimed, in one round trip.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        pipeline = self._redis.client.pipeline(transaction=False)
        for put in puts:
            name, value, milliseconds = self._value(put)
            pipeline.set(name, value, px=milliseconds)
        self._redis.ask(pipeline.execute)

    def _value(self, put: Put) -> tuple[str, bytes, int]:
        """Under which name what is kept of an answer, and for how many milliseconds."""
        milliseconds = _milliseconds(put.ttl_seconds)
        head = _HEAD.pack(
            _FORMAT,
            round(self._clock() * 1_000_000),
            put.revision,
            min(round(put.fresh_seconds * 1_000), _MAX),
            min(milliseconds, _MAX),
            min(round(put.cost_seconds * 1_000_000), _MAX),
        )
        return self._keys.response(put.key), head + put.payload, milliseconds

    def claim(self, claim: Claim, mark: bytes, seconds: float) -> Claimed:
        """Ask to be the only one who makes a list, for ``seconds`` at most.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        names = [self._keys.claim(claim.key, claim.revision), self._keys.response(claim.key)]
        arguments: list[str | bytes | int] = [claim.token, mark, _milliseconds(seconds)]
        said = self._redis.ask(lambda: self._claim(keys=names, args=arguments))
        return Claimed[said.decode()]

    def release(self, claim: Claim) -> None:
        """Let others make the list; of no effect where the claim is held no more.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        names = [self._keys.claim(claim.key, claim.revision)]
        self._redis.ask(lambda: self._release(keys=names, args=[claim.token]))

    def check(self) -> None:
        """Ping Redis.

        Raises:
            StoreUnavailableError: it cannot answer in time.
        """
        self._redis.ask(self._redis.client.ping)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1_000))  # Redis takes no 0


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
