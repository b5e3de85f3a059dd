"""The response cache in Redis."""

import struct
import time
from collections.abc import Callable
from typing import Any, TypeVar

import redis

from recsvc.errors import StoreUnavailableError
from recsvc.service.ports import CachedEntry, CacheKey
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.keys import KeySchema

# A value is the time at which it was put, in unix microseconds, and then the payload.
_STORED_AT = struct.Struct(">Q")

_T = TypeVar("_T")


class RedisResponseCache:
    """A ``ResponseCache`` that all processes of a deployment share.

    Args:
        client: from ``connection.connect``; answers in bytes.
        keys: the key schema of this shop.
        breaker: turns callers away while Redis is down; one for all users of ``client``.
        clock: returns unix seconds.
    """

    def __init__(
        self,
        client: redis.Redis,
        keys: KeySchema,
        *,
        breaker: CircuitBreaker,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._keys = keys
        self._breaker = breaker
        self._clock = clock

    @property
    def available(self) -> bool:
        """Whether the last calls were answered; costs no I/O."""
        return not self._breaker.is_open

    def get(self, key: CacheKey) -> CachedEntry | None:
        """Return what was put under ``key`` and has not expired, else None.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        value: Any = self._ask(lambda: self._client.get(self._keys.response(key)))
        if value is None or len(value) < _STORED_AT.size:
            return None  # too short to be ours: a miss, and the next put replaces it
        (microseconds,) = _STORED_AT.unpack_from(value)
        return CachedEntry(value[_STORED_AT.size :], microseconds / 1_000_000)

    def put(self, key: CacheKey, payload: bytes, ttl_seconds: float) -> None:
        """Keep ``payload`` for ``ttl_seconds``, in place of any earlier one.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        value = _STORED_AT.pack(round(self._clock() * 1_000_000)) + payload
        ttl_milliseconds = max(1, round(ttl_seconds * 1000))
        self._ask(lambda: self._client.set(self._keys.response(key), value, px=ttl_milliseconds))

    def check(self) -> None:
        """Ping Redis.

        Raises:
            StoreUnavailableError: it cannot answer in time.
        """
        self._ask(self._client.ping)

    def _ask(self, command: Callable[[], _T]) -> _T:
        """Run a command past the breaker, with every failure as StoreUnavailableError."""
        if not self._breaker.allow():
            raise StoreUnavailableError("Redis is down; it is tried again within a second")
        try:
            answer = command()
        except redis.ResponseError as error:
            # It answered, if only to refuse (out of memory, read-only replica): it is not down.
            self._breaker.record_success()
            raise StoreUnavailableError(f"Redis refused: {error}") from error
        except (redis.RedisError, OSError) as error:
            self._breaker.record_failure()
            raise StoreUnavailableError(f"Redis did not answer: {error}") from error
        self._breaker.record_success()
        return answer
