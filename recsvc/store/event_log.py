"""The event log in Redis: a stream for each partition of shoppers, and their live profiles.

An event is acknowledged only when both have it. What has not been collected is never trimmed.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from recsvc.errors import StoreUnavailableError
from recsvc.identity import N_PARTITIONS, partition_of
from recsvc.service.shopping import Event, Link, Outcome, Shopper
from recsvc.store.event_format import read_entry
from recsvc.store.event_script import EventScript
from recsvc.store.guarded import GuardedRedis
from recsvc.store.hand_over import HandOver
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.profile_packing import PACK_BYTES, ProfilePacker
from recsvc.store.streams import Logged, PartitionedStreams

BATCH = 100
"""Events of one script call: Redis answers nobody else meanwhile, some milliseconds."""


class RedisEventLog:
    """The event log that all processes of a deployment share.

    Args:
        guarded: the client; its timeout bounds each call.
        keys: the key schema of this shop.
        limits: how much is kept.
        clock: returns unix seconds.
    """

    def __init__(
        self,
        guarded: GuardedRedis,
        keys: KeySchema,
        limits: LogLimits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = guarded
        self._keys = keys
        self._streams = PartitionedStreams(guarded, keys.events)
        self._script = EventScript(guarded, keys, limits)
        self._packer = ProfilePacker(guarded, keys, clock)
        self._hand_over = HandOver(guarded, keys, limits)

    def append(self, events: Sequence[Event], *, durable: bool) -> list[Outcome]:
        """Store events, each wholly or not at all.

        Args:
            events: to store.
            durable: return only when they are on the disk.

        Returns:
            What became of each, in order; FULL where the log has no room until it is collected.

        Raises:
            StoreUnavailableError: Redis cannot answer in time; some may be stored, and sending
                all of them again is safe.
            PreconditionError: ``durable`` is more than this Redis promises
                (DURABILITY_UNAVAILABLE); nothing is stored.
        """
        by_partition: dict[int, list[int]] = defaultdict(list)
        for index, event in enumerate(events):
            by_partition[partition_of(event.shopper.key)].append(index)
        parts = [
            (partition, indices[start : start + BATCH])
            for partition, indices in by_partition.items()
            for start in range(0, len(indices), BATCH)
        ]
        if durable:
            self._script.require_disk()
        added = self._script.run(
            [(partition, [events[i] for i in indices]) for partition, indices in parts],
            durable=durable,
        )
        outcomes = [Outcome.FULL] * len(events)
        grown: dict[str, int] = {}
        for (_, indices), results in zip(parts, added, strict=True):
            for index, (outcome, n_bytes) in zip(indices, results, strict=True):
                outcomes[index] = outcome
                shopper = events[index].shopper.key
                grown[shopper] = max(n_bytes, grown.get(shopper, 0))
        with suppress(StoreUnavailableError):  # all is stored, and the next event packs
            for shopper, n_bytes in grown.items():
                if n_bytes >= PACK_BYTES:
                    self._packer.pack(shopper)
        return outcomes

    def hand_over(self, visitor: Shopper, customer: Shopper, now: float) -> int:
        """Move a visitor's live profile into a customer's, and return how many events that were.

        A call that was cut off is finished by the next one, which then moves what came since.

        Raises:
            StoreUnavailableError: Redis cannot answer in time, or the profile is damaged.
        """
        return self._hand_over.move(visitor, customer, now)

    def length(self) -> int:
        """How many events wait to be collected.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """

        def ask() -> int:
            with self._redis.client.pipeline(transaction=False) as pipeline:
                for partition in range(N_PARTITIONS):
                    pipeline.xlen(self._keys.events(partition))
                return sum(map(int, pipeline.execute()))

        return self._redis.ask(ask)

    def read(self, partition: int, after: str, count: int) -> list[Logged[Event | Link]]:
        """The next entries of a partition.

        Args:
            partition: which stream.
            after: position of the last entry that is known already, ``""`` for the first.
            count: how many at most.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
            ValueError: an entry is of another version.
        """
        return [
            Logged(partition, found.position, read_entry(found.entry[b"e"]))
            for found in self._streams.read(partition, after, count)
        ]

    def now(self) -> int:
        """The time of Redis, unix milliseconds: what positions are made of.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        return self._streams.now()

    def trim(self, partition: int, until: str) -> None:
        """Forget the entries of a partition up to a position, that one included.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        self._streams.trim(partition, until)

    def erase(self, shopper: str) -> int:
        """Delete a shopper's profile and every event of theirs that waits to be collected.

        Returns:
            How many events were deleted.

        Raises:
            StoreUnavailableError: Redis cannot answer in time; repeating it is safe.
        """
        partition = partition_of(shopper)
        key = self._keys.events(partition)
        names = (self._keys.live(shopper), self._keys.moving(shopper))
        self._redis.ask(lambda: self._redis.client.delete(*names))
        n_erased = 0
        for part in self._scan(partition):
            theirs = [logged for logged in part if shopper in _keys(logged.entry)]
            n_erased += self._delete(key, [e for e in theirs if isinstance(e.entry, Event)])
            self._delete(key, [e for e in theirs if isinstance(e.entry, Link)])
        return n_erased

    def _delete(self, key: str, entries: Sequence[Logged[Event | Link]]) -> int:
        if not entries:
            return 0
        positions = [logged.position for logged in entries]
        found: Any = self._redis.ask(lambda: self._redis.client.xdel(key, *positions))
        return int(found)

    def events_of(self, shopper: str) -> Iterator[Event]:
        """Every event of a shopper that waits to be collected, the oldest first."""
        for part in self._scan(partition_of(shopper)):
            for logged in part:
                if isinstance(logged.entry, Event) and logged.entry.shopper.key == shopper:
                    yield logged.entry

    def _scan(self, partition: int) -> Iterator[list[Logged[Event | Link]]]:
        after = ""
        while part := self.read(partition, after, 1_000):
            yield part
            after = part[-1].position


def _keys(entry: Event | Link) -> tuple[str, ...]:
    """Hashes of the people in an entry."""
    if isinstance(entry, Link):
        return entry.visitor.key, entry.customer.key
    return (entry.shopper.key,)
