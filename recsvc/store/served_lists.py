"""Served lists in Redis: a hash for each hour and partition of shoppers, which expires as a whole.

The name of a list says when it was served, and so in which hour it lies; whoever asked says in
which partition, so that a shopper's lists are found without an index of them. A value begins with
the hash of the shopper: to erase them none need be unpacked.

A stream of each partition says in which order lists came, by their names alone: whoever collects
them goes on where the last run ended. A list that was erased, or has expired, is a name there with
nothing behind it.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from recsvc.core.recommendation_id import read_recommendation_id
from recsvc.errors import StoreUnavailableError
from recsvc.identity import N_PARTITIONS, partition_of
from recsvc.service.served import MAX_SERVED_DAYS, ServedList
from recsvc.service.shopping import Outcome
from recsvc.store.erasure import IS_LATE
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.served_format import pack, unpack
from recsvc.store.streams import Logged, PartitionedStreams, Unreadable

HOUR = 3_600
MAX_AN_HOUR = 64_000
"""Lists of an hour that are kept at most, of all partitions together."""

_SHOPPER_BYTES = 16
_NOBODY = b"-" * _SHOPPER_BYTES

_ADD = (
    IS_LATE
    + """
if is_late(KEYS[3], ARGV[7]) then
  return 'DROPPED_NO_CONSENT'
end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then
  return 'FULL'
end
if redis.call('HSET', KEYS[1], ARGV[3], ARGV[4]) == 1 then
  local since = string.format('%.0f', 1000 * (redis.call('TIME')[1] - ARGV[6]))
  redis.call('XADD', KEYS[2], 'MINID', '~', since, '*', 'n', ARGV[3], 'h', ARGV[5])
  redis.call('EXPIRE', KEYS[2], ARGV[6])
end
redis.call('EXPIREAT', KEYS[1], ARGV[2])
return 'ACCEPTED'
"""
)
"""A name leaves the stream once its list has expired: by the clock of Redis, since no worker's may
cost the others theirs."""


class RedisServedLists:
    """``ServedLists`` that all processes of a deployment share.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
        days: how long a list is kept, and up to an hour more.
        max_an_hour: lists of an hour at most.
        clock: returns unix seconds.
        unreadable: told where a list lies that cannot be read, and was passed over.
    """

    def __init__(
        self,
        guarded: GuardedRedis,
        keys: KeySchema,
        *,
        days: int = MAX_SERVED_DAYS,
        max_an_hour: int = MAX_AN_HOUR,
        clock: Callable[[], float] = time.time,
        unreadable: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._redis = guarded
        self._keys = keys
        self._seconds = days * 24 * HOUR
        self._max = max(1, max_an_hour // N_PARTITIONS)
        self._clock = clock
        self._unreadable = unreadable
        self._names = PartitionedStreams(guarded, keys.served_names)
        self._add = guarded.client.register_script(_ADD)

    def add(self, lists: Sequence[ServedList], heeds: int) -> list[Outcome]:
        """Keep lists, but of who was erased after ``heeds``; say what became of each, in order.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """

        def ask() -> list[Outcome]:
            with self._redis.client.pipeline(transaction=False) as pipeline:
                for served in lists:
                    hour, partition = int(served.served_time) // HOUR, _partition(served)
                    self._add(
                        keys=[
                            self._keys.served(partition, hour),
                            self._keys.served_names(partition),
                            self._keys.erased(_whose(served)),
                        ],
                        args=[
                            self._max,
                            (hour + 1) * HOUR + self._seconds,
                            served.recommendation_id,
                            (served.shopper.encode() or _NOBODY) + pack(served),
                            hour,
                            self._seconds + 2 * HOUR,
                            heeds,
                        ],
                        client=pipeline,
                    )
                return [Outcome(text.decode()) for text in pipeline.execute()]

        return self._redis.ask(ask) if lists else []

    def find(self, recommendation_id: str) -> ServedList | None:
        """Return a list by its name, None where it is not kept, or not any more.

        Raises:
            StoreUnavailableError: Redis cannot answer in time, or the list is damaged.
        """
        origin = read_recommendation_id(recommendation_id)
        if origin is None:
            return None
        # Named in one second, it may have been written down in the next hour.
        hours = dict.fromkeys((origin.time // HOUR, (origin.time + 60) // HOUR))
        names = [self._keys.served(p, hour) for hour in hours for p in range(N_PARTITIONS)]

        def ask() -> list[Any]:
            with self._redis.client.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.hget(name, recommendation_id)
                return list(pipeline.execute())

        found = [value for value in self._redis.ask(ask) if value is not None]
        return _read(found[0]) if found else None

    def every(self) -> Iterator[ServedList]:
        """Every list that is kept, by the hour in which it was served.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        for hour in self._hours():
            names = [self._keys.served(partition, hour) for partition in range(N_PARTITIONS)]
            for name, hashed in zip(names, self._whole(names), strict=True):
                yield from self._readable((name, *one) for one in hashed.items())

    def read(
        self, partition: int, after: str, count: int
    ) -> list[Logged[ServedList | Unreadable | None]]:
        """The next lists of a partition, in the order in which they came.

        Args:
            partition: which.
            after: position of the last one that is known already, ``""`` for the first.
            count: how many at most.

        Returns:
            Each with its position; None in place of what was erased or has expired since.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        entries = self._names.read(partition, after, count)

        def ask() -> list[Any]:
            with self._redis.client.pipeline(transaction=False) as pipeline:
                for found in entries:
                    key = self._keys.served(partition, int(found.entry[b"h"]))
                    pipeline.hget(key, found.entry[b"n"].decode())
                return list(pipeline.execute())

        values = self._redis.ask(ask) if entries else []
        return [
            Logged(partition, found.position, None if value is None else _entry(value))
            for found, value in zip(entries, values, strict=True)
        ]

    def trim(self, partition: int, until: str) -> None:
        """Have no list of a partition up to a position, that one included, collected any more.

        The lists themselves stay as long as they would.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        self._names.trim(partition, until)

    def now(self) -> int:
        """The time of Redis, unix milliseconds: what positions are made of.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        return self._names.now()

    def of_shopper(self, shopper: str, deadline: float = math.inf) -> list[ServedList]:
        """The lists that a shopper (a hash) was served, the oldest first.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        found = self._readable(
            (key, field.encode(), value) for key, field, value in self._theirs(shopper, deadline)
        )
        return sorted(found, key=lambda served: served.served_time)

    def erase(self, shopper: str) -> int:
        """Forget the lists of a shopper (a hash), and return how many those were.

        Raises:
            StoreUnavailableError: Redis cannot answer in time; repeating it is safe.
        """
        theirs = [(key, field) for key, field, _ in self._theirs(shopper)]

        def ask() -> int:
            with self._redis.client.pipeline(transaction=False) as pipeline:
                for key, field in theirs:
                    pipeline.hdel(key, field)
                return sum(map(int, pipeline.execute()))

        return self._redis.ask(ask) if theirs else 0

    def _theirs(self, shopper: str, deadline: float = math.inf) -> list[tuple[str, str, bytes]]:
        """Key, field and value of each list of a shopper."""
        partition = partition_of(shopper)
        names = [self._keys.served(partition, hour) for hour in self._hours()]

        def ask() -> list[Any]:
            with self._redis.client.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.exists(name)
                return list(pipeline.execute())

        found = self._redis.ask(ask, deadline)
        there = [name for name, is_there in zip(names, found, strict=True) if is_there]
        begins = shopper.encode()
        return [
            (name, field.decode(), value)
            for name, hashed in zip(there, self._whole(there, deadline), strict=True)
            for field, value in hashed.items()
            if value.startswith(begins)
        ]

    def _whole(self, names: Sequence[str], deadline: float = math.inf) -> list[dict[bytes, bytes]]:
        def ask() -> list[Any]:
            with self._redis.client.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.hgetall(name)
                return list(pipeline.execute())

        return self._redis.ask(ask, deadline) if names else []

    def _readable(self, lists: Iterable[tuple[str, bytes, bytes]]) -> Iterator[ServedList]:
        """Those of these lists (key, field, value) that can be read: the others must not wait."""
        for key, field, value in lists:
            entry = _entry(value)
            if isinstance(entry, Unreadable):
                self._unreadable(f"{key} {field.decode()}")
            else:
                yield entry

    def _hours(self) -> range:
        """Those of which something may be kept, whatever the setting was when it was."""
        now = int(self._clock()) // HOUR
        return range(now - 24 * MAX_SERVED_DAYS - 1, now + 2)


def _partition(served: ServedList) -> int:
    return partition_of(_whose(served))


def _whose(served: ServedList) -> str:
    # Those of nobody in particular are spread by their names.
    return served.shopper or served.recommendation_id


def _entry(value: bytes) -> ServedList | Unreadable:
    try:
        return unpack(value[_SHOPPER_BYTES:])
    except ValueError:
        return Unreadable({b"v": value})


def _read(value: bytes) -> ServedList:
    try:
        return unpack(value[_SHOPPER_BYTES:])
    except ValueError as error:
        raise StoreUnavailableError(str(error)) from error
