"""The event log in Redis: a stream for each partition of shoppers, and their live profiles.

An event is acknowledged only when both have it. What has not been collected is never trimmed.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from recsvc.errors import StoreUnavailableError
from recsvc.identity import N_PARTITIONS, partition_of
from recsvc.service.ports import Swept
from recsvc.service.shopping import NO_DEEDS, Event, Link, LiveProfile, Outcome, Shopper
from recsvc.store.erasure import Erasure
from recsvc.store.event_format import read_entry
from recsvc.store.event_script import Entry, EventScript
from recsvc.store.guarded import GuardedRedis
from recsvc.store.hand_over import HandOver
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.profile_format import read_profile
from recsvc.store.profile_packing import PACK_BYTES, ProfilePacker
from recsvc.store.streams import Logged, PartitionedStreams, Unreadable

BATCH = 100
BATCH_BYTES = 65_536
"""Events of one script call, and what they take, at most; one that takes more goes alone. Redis
answers nobody else meanwhile, some milliseconds."""


class RedisEventLog:
    """The event log that all processes of a deployment share.

    Args:
        guarded: the client; its timeout bounds each call.
        keys: the key schema of this shop.
        limits: how much is kept.
        clock: returns unix seconds.
        unreadable: told where an entry lies that cannot be read, and was passed over.
        changed: told of each shopper (a hash) of whom something else holds; other processes hear
            of it through Redis, this one at once.
    """

    def __init__(
        self,
        guarded: GuardedRedis,
        keys: KeySchema,
        limits: LogLimits,
        clock: Callable[[], float] = time.time,
        unreadable: Callable[[str], object] = lambda _: None,
        changed: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._redis = guarded
        self._keys = keys
        self._unreadable = unreadable
        self._changed = changed
        self._streams = PartitionedStreams(guarded, keys.events)
        self._script = EventScript(guarded, keys, limits)
        self._packer = ProfilePacker(guarded, keys, clock)
        self._hand_over = HandOver(guarded, keys, limits, unreadable, changed)
        self._erasure = Erasure(guarded, keys, limits.remembered_seconds)

    def append(
        self, events: Sequence[Event], *, durable: bool, heeds: int, deadline: float = math.inf
    ) -> list[Outcome]:
        """Store events, each wholly or not at all.

        Args:
            events: to store.
            durable: return only when they are on the disk.
            heeds: position of the ledger; events of who was erased after it are dropped.
            deadline: monotonic seconds when the caller stops waiting. All is sent at once, so that
                nothing is lost where nobody waits for its end: other processes hear of what was
                stored all the same, and so does this one.

        Returns:
            What became of each, in order; FULL where the log has no room until it is collected.

        Raises:
            StoreUnavailableError: Redis cannot answer in time; some may be stored, and sending
                all of them again is safe.
            PreconditionError: ``durable`` is more than this Redis promises
                (DURABILITY_UNAVAILABLE); nothing is stored.
        """
        entries = [Entry.of(event) for event in events]
        by_partition: dict[int, list[int]] = defaultdict(list)
        for index, event in enumerate(events):
            by_partition[partition_of(event.shopper.key)].append(index)
        parts = [
            (partition, batch)
            for partition, indices in by_partition.items()
            for batch in _batches(indices, [entries[index].n_bytes for index in indices])
        ]
        if durable:
            self._script.require_disk(deadline)
        added = self._script.run(
            [(partition, [entries[i] for i in batch]) for partition, batch in parts],
            durable=durable,
            heeds=heeds,
            deadline=deadline,
        )
        outcomes = [Outcome.FULL] * len(events)
        grown: dict[str, int] = {}
        for (_, indices), results in zip(parts, added, strict=True):
            for index, (outcome, n_bytes) in zip(indices, results, strict=True):
                outcomes[index] = outcome
                shopper = events[index].shopper.key
                if n_bytes:
                    grown[shopper] = max(n_bytes, grown.get(shopper, 0))
        for shopper in grown:
            self._changed(shopper)
        with suppress(StoreUnavailableError):  # all is stored, and the next event packs
            for shopper, n_bytes in grown.items():
                if n_bytes >= PACK_BYTES:
                    self._packer.pack(shopper, deadline)
        return outcomes

    def hand_over(self, visitor: Shopper, customer: Shopper, now: float, heeds: int) -> int:
        """Move a visitor's live profile into a customer's, and return how many events that were.

        A call that was cut off is finished by the next one, which then moves what came since. What
        cannot be read is dropped, and told of.

        Args:
            visitor: as whom they came.
            customer: who they are.
            now: unix seconds.
            heeds: position of the ledger; nothing of who was erased after it is moved.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        n_moved = self._hand_over.move(visitor, customer, now, heeds)
        if n_moved:
            with suppress(StoreUnavailableError):  # all is moved, and the next event packs
                self._packer.pack(customer.key)
        return n_moved

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

    def read(
        self, partition: int, after: str, count: int
    ) -> list[Logged[Event | Link | Unreadable]]:
        """The next entries of a partition.

        Args:
            partition: which stream.
            after: position of the last entry that is known already, ``""`` for the first.
            count: how many at most.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        return [
            Logged(partition, found.position, _entry(found.entry))
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

    def erase(self, shopper: str, position: int) -> Swept:
        """Delete what is live and set of a shopper, and every event of theirs that waits.

        An entry that cannot be read is theirs if it has their hash in it. No write comes after it
        that does not heed it: see ``erasure``.

        Args:
            shopper: who.
            position: of the ledger, where it says so.

        Raises:
            StoreUnavailableError: Redis cannot answer in time; repeating it is safe.
        """
        key = self._keys.events(partition_of(shopper))
        place = self._erasure.forget(shopper, position)
        self._changed(shopper)
        n_erased = 0
        for theirs in self._scan(shopper, place):
            n_erased += self._delete(key, [e for e in theirs if not isinstance(e.entry, Link)])
            self._delete(key, [e for e in theirs if isinstance(e.entry, Link)])
        return Swept(n_erased, int(place.partition("-")[0]))

    def settle(self, shopper: str) -> bool:
        """Wait a moment until what was deleted of a shopper is on the disk; whether it is.

        False where Redis cannot tell (before 7.2, or without its append-only file), or not in time.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        return self._script.wait_for_disk(self._keys.erased(shopper))

    def _delete(self, key: str, entries: Sequence[Logged[Event | Link | Unreadable]]) -> int:
        if not entries:
            return 0
        positions = [logged.position for logged in entries]
        found: Any = self._redis.ask(lambda: self._redis.client.xdel(key, *positions))
        return int(found)

    def events_of(self, shopper: str, deadline: float = math.inf) -> Iterator[Event]:
        """Every event of a shopper that waits to be collected, the oldest first.

        What cannot be read is passed over.
        """
        for theirs in self._scan(shopper, deadline=deadline):
            for logged in theirs:
                if isinstance(logged.entry, Event):
                    yield logged.entry

    def profile_of(self, shopper: str, deadline: float = math.inf) -> LiveProfile:
        """What a shopper did of late, collected or not; empty where it cannot be read.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        key = self._keys.live(shopper)
        value: Any = self._redis.ask(lambda: self._redis.client.get(key), deadline)
        try:
            return read_profile(value)
        except ValueError:
            self._unreadable(key)
            return NO_DEEDS

    def _scan(
        self, shopper: str, until: str = "+", deadline: float = math.inf
    ) -> Iterator[list[Logged[Event | Link | Unreadable]]]:
        """What waits of a shopper up to a position, of one page of their partition after another.

        Entries of others are known by their bytes, and not read: it takes a fraction of the time,
        and what is wrong with them is nothing to this shopper.
        """
        partition, sought, after = partition_of(shopper), shopper.encode(), ""
        while page := self._streams.read(partition, after, 1_000, until, deadline):
            near = [one for one in page if any(sought in value for value in one.entry.values())]
            yield [one for one in map(self._read_of, near) if _is_of(one.entry, shopper)]
            after = page[-1].position

    def _read_of(self, found: Logged[Mapping[bytes, bytes]]) -> Logged[Event | Link | Unreadable]:
        entry = _entry(found.entry)
        if isinstance(entry, Unreadable):
            self._unreadable(f"{self._keys.events(found.partition)} {found.position}")
        return Logged(found.partition, found.position, entry)


def _batches(indices: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """These events, in order, in batches that one script call takes."""
    batch: list[int] = []
    n_bytes = 0
    for index, size in zip(indices, sizes, strict=True):
        if batch and (len(batch) == BATCH or n_bytes + size > BATCH_BYTES):
            yield batch
            batch, n_bytes = [], 0
        batch.append(index)
        n_bytes += size
    if batch:
        yield batch


def _entry(fields: Mapping[bytes, bytes]) -> Event | Link | Unreadable:
    try:
        return read_entry(fields[b"e"])
    except (KeyError, ValueError):
        return Unreadable(fields)


def _is_of(entry: Event | Link | Unreadable, shopper: str) -> bool:
    """Whether an entry with the hash of a shopper in it is theirs; what cannot be read is."""
    match entry:
        case Event():
            return entry.shopper.key == shopper
        case Link():
            return shopper in {entry.visitor.key, entry.customer.key}
        case Unreadable():
            return True
