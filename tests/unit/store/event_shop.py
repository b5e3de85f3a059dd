"""A shop's event log in Redis, and a look at what it keeps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recsvc.identity import partition_of
from recsvc.service.shopping import Event, LiveProfile, Outcome, Shopper
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.event_log import RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.profile_format import HEADER, read_profile
from tests.shoppers import ANNA, event

ACCEPTED, DUPLICATE, FULL = Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.FULL
PARTITION = partition_of(ANNA.key)


@dataclass(frozen=True)
class Shop:
    """A log, and a look at what it keeps."""

    guarded: GuardedRedis
    keys: KeySchema
    log: RedisEventLog

    @property
    def client(self) -> Any:  # noqa: ANN401  # redis-py's answers have no useful types
        return self.guarded.client

    def stored(self, shopper: Shopper) -> bytes:
        found = self.client.get(self.keys.live(shopper.key))
        assert isinstance(found, bytes)
        return found

    def live(self, shopper: Shopper) -> LiveProfile:
        return read_profile(self.client.get(self.keys.live(shopper.key)))

    def products(self, shopper: Shopper) -> list[str]:
        return [product for deed in self.live(shopper).deeds for product in deed.products]

    def n_packed(self, shopper: Shopper) -> int:
        return int(HEADER.unpack_from(self.stored(shopper))[2])

    def append(self, *events: Event) -> list[Outcome]:
        return self.log.append(events, durable=False, heeds=0)


def shop_of(
    guarded: GuardedRedis,
    keys: KeySchema,
    limits: LogLimits | None = None,
    clock: Callable[[], float] | None = None,
) -> Shop:
    limits = limits or LogLimits()
    log = (
        RedisEventLog(guarded, keys, limits, clock)
        if clock
        else RedisEventLog(guarded, keys, limits)
    )
    return Shop(guarded, keys, log)


def over(url: str, limits: LogLimits | None = None) -> Shop:
    client = connect(url, socket_timeout_seconds=5.0)
    return shop_of(GuardedRedis(client, CircuitBreaker()), KeySchema(), limits)


def many(n: int, shopper: Shopper = ANNA, **fields: Any) -> list[Event]:
    return [event(f"e{number:04}", shopper, **fields) for number in range(n)]
