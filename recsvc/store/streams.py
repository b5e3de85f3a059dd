"""Streams of which each partition of shoppers has one, read and trimmed by position.

What must be collected exactly once lies in such: positions grow, and are given by Redis itself.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from recsvc.store.guarded import GuardedRedis

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Logged(Generic[Entry]):
    """One entry of a log.

    Attributes:
        partition: which stream.
        position: its id there, ``milliseconds-number``; grows.
        entry: what happened.
    """

    partition: int
    position: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What lies in a log and cannot be read: damaged, or written by another version.

    Whoever meets it goes on: it must not stand in the way of other entries.

    Attributes:
        fields: as they lie there.
    """

    fields: Mapping[bytes, bytes]


class PartitionedStreams:
    """The streams of one log.

    Args:
        guarded: the client.
        key: of a partition's stream.
    """

    def __init__(self, guarded: GuardedRedis, key: Callable[[int], str]) -> None:
        self._redis = guarded
        self._key = key

    def read(
        self,
        partition: int,
        after: str,
        count: int,
        until: str = "+",
        deadline: float = math.inf,
    ) -> list[Logged[Mapping[bytes, bytes]]]:
        """The fields of the next entries of a partition.

        Args:
            partition: which stream.
            after: position of the last entry that is known already, ``""`` for the first.
            count: how many at most.
            until: position of the last one that may be among them, ``"+"`` for any.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        start = f"({after}" if after else "-"
        key = self._key(partition)
        rows: Any = self._redis.ask(
            lambda: self._redis.client.xrange(key, start, until, count), deadline
        )
        return [Logged(partition, position.decode(), fields) for position, fields in rows]

    def trim(self, partition: int, until: str) -> None:
        """Forget the entries of a partition up to a position, that one included.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        milliseconds, _, number = until.partition("-")
        key = self._key(partition)
        following = f"{milliseconds}-{int(number) + 1}"
        self._redis.ask(lambda: self._redis.client.xtrim(key, minid=following, approximate=False))

    def now(self) -> int:
        """The time of Redis, unix milliseconds: what positions are made of.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        found: Any = self._redis.ask(self._redis.client.time)
        seconds, microseconds = found
        return int(seconds) * 1_000 + int(microseconds) // 1_000
