"""What callers may still ask for, in Redis, for all processes together."""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import blake2b

from recsvc.service.ports import Lease
from recsvc.service.rate_limits import burst_of
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema

_HASH_BYTES = 12

_LEASE = """
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local owed, wanted = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, at = tonumber(kept[1]) or burst, tonumber(kept[2]) or now
level = math.min(burst, level + rate * math.max(0, now - at)) - owed
local given = math.max(0, math.min(wanted, level))
level = level - given
redis.call('HSET', KEYS[1], 'level', string.format('%.17g', level))
redis.call('HSET', KEYS[1], 'at', string.format('%.6f', now))
-- Once it is full again it is as that of who was never here.
local seconds = math.ceil((burst - level) / rate) + 1
redis.call('EXPIRE', KEYS[1], string.format('%.0f', math.min(seconds, tonumber(ARGV[5]))))
return string.format('%.17g', given)
"""

_MAX_KEPT = 20_000
"""Of callers in memory; beyond it those leave who are as if they had never been here."""

_KEPT_SECONDS = 30 * 86_400
"""The longest that a debt is remembered: a month's worth of requests."""


class RedisRateStore:
    """A ``RateStore`` that all processes of a deployment share.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
        hash_key: secret that callers' names are hashed with: some are customers' ids.
    """

    def __init__(self, guarded: GuardedRedis, keys: KeySchema, hash_key: bytes) -> None:
        self._redis = guarded
        self._keys = keys
        self._hash_key = hash_key
        self._lease = guarded.client.register_script(_LEASE)

    def lease(self, leases: Sequence[Lease]) -> list[float | None]:
        """Charge and give tokens, each caller's by itself, in one round trip."""
        return self._redis.ask(partial(self._ask, leases))

    def _ask(self, leases: Iterable[Lease]) -> list[float | None]:
        pipe = self._redis.client.pipeline(transaction=False)
        for lease in leases:
            arguments = [
                lease.rate,
                burst_of(lease.rate),
                lease.owed,
                lease.wanted,
                _KEPT_SECONDS,
            ]
            self._lease(keys=[self._key(lease.caller)], args=arguments, client=pipe)
        answers = pipe.execute(raise_on_error=False)
        return [None if isinstance(answer, Exception) else float(answer) for answer in answers]

    def _key(self, caller: str) -> str:
        name = caller.encode(errors="surrogatepass")
        return self._keys.rate(
            blake2b(name, key=self._hash_key, digest_size=_HASH_BYTES).hexdigest()
        )


class InMemoryRateStore:
    """A ``RateStore`` of one process.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}
        self._full_at: dict[str, float] = {}  # the same callers
        self._n_swept = 0

    def lease(self, leases: Sequence[Lease]) -> list[float | None]:
        """Charge and give tokens."""
        with self._lock:
            given: list[float | None] = [self._one(lease) for lease in leases]
            # Not again until there are twice as many: a sweep looks at all.
            if len(self._levels) > max(_MAX_KEPT, 2 * self._n_swept):
                self._sweep(self._clock())
            return given

    def _sweep(self, now: float) -> None:
        for caller in [caller for caller, at in self._full_at.items() if at <= now]:
            self._forget(caller)
        self._n_swept = len(self._levels)

    def _forget(self, caller: str) -> None:
        del self._levels[caller], self._full_at[caller]

    def _one(self, lease: Lease) -> float:
        now, burst = self._clock(), burst_of(lease.rate)
        level, at = self._levels.get(lease.caller, (math.inf, now))
        level = min(burst, level + lease.rate * max(0.0, now - at)) - lease.owed
        given = max(0.0, min(lease.wanted, level))
        self._levels[lease.caller] = (level - given, now)
        self._full_at[lease.caller] = now + (burst - level + given) / lease.rate
        if level - given >= burst:  # as of who was never here
            self._forget(lease.caller)
        return given
