"""The event log in Redis: a stream for each partition of shoppers, and their live profiles.

One script adds an event to the stream and to its shopper's profile, or does neither: an event is
acknowledged only when both have it. What has not been collected is never trimmed.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

import redis

from recsvc.core.live import Act
from recsvc.errors import PreconditionError, StoreUnavailableError
from recsvc.identity import N_PARTITIONS, partition_of
from recsvc.service.shopping import Event, Link, Outcome, Person, Shopper, is_needed
from recsvc.store.event_format import event_json, link_json, read_entry
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.profile_format import (
    FORMAT,
    RECEIVED_BYTES,
    compacted,
    read_profile,
    record,
    records_of,
)
from recsvc.store.streams import Logged, PartitionedStreams

PACK_BYTES = 1_024
"""What has grown by so much is packed."""

BATCH = 100
"""Events of one script call: Redis answers nobody else meanwhile, some milliseconds."""

_REVISION = """
local function opened(profile)
  local old = redis.call('GET', profile)
  if old and #old >= 7 and string.byte(old) == FORMAT then
    return struct.unpack('>I4', old, 2) + 1, string.sub(old, 6)
  end
  return nil, string.char(0, 0)
end
local function begun(milliseconds)
  return milliseconds % 2147483647 + 1
end
""".replace("FORMAT", str(FORMAT))
"""What both scripts need that write profiles: the next revision and the rest of one, and where
revisions begin, so that no answer of an earlier profile fits. A script reads before it writes: what
fails while it reads has changed nothing."""

_ADD = (
    _REVISION
    + """
local length = redis.call('XLEN', KEYS[1])
local longest, remembered = tonumber(ARGV[1]), ARGV[2]
local outcomes = {}
for i = 1, (#KEYS - 1) / 2 do
  local profile, seen = KEYS[2 * i], KEYS[2 * i + 1]
  local text, record, life = ARGV[3 * i], ARGV[3 * i + 1], ARGV[3 * i + 2]
  if redis.call('EXISTS', seen) == 1 then
    -- A write, for WAITAOF to wait for: the event itself may not be on the disk yet.
    redis.call('EXPIRE', seen, remembered)
    outcomes[i] = 'DUPLICATE'
  elseif length >= longest then
    outcomes[i] = 'FULL'
  else
    local revision, rest
    if record ~= '' then
      revision, rest = opened(profile)
    end
    local id = redis.call('XADD', KEYS[1], '*', 'e', text)
    redis.call('SET', seen, '', 'EX', remembered)
    length = length + 1
    outcomes[i] = id
    if record ~= '' then
      local milliseconds = tonumber(string.match(id, '^%d+'))
      revision = revision or begun(milliseconds)
      rest = rest .. struct.pack('>I6', milliseconds) .. record
      redis.call('SET', profile, struct.pack('>BI4', FORMAT, revision) .. rest, 'EX', life)
      outcomes[i] = 'GROWN:' .. (#rest - 2 - struct.unpack('>I2', rest))
    end
  end
end
return outcomes
""".replace("FORMAT", str(FORMAT))
)

_REPLACE = """
local old = redis.call('GET', KEYS[1])
if old == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  return 1
end
return 0
"""

_SET_ASIDE = """
if redis.call('EXISTS', KEYS[2]) == 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[2])
end
return redis.call('GET', KEYS[2])
"""

_HAND_OVER = (
    _REVISION
    + """
local revision, rest = opened(KEYS[2])
if redis.call('SET', KEYS[3], '', 'NX', 'EX', ARGV[3]) then
  local id = redis.call('XADD', KEYS[1], '*', 'e', ARGV[1])
  local milliseconds = tonumber(string.match(id, '^%d+'))
  local parts = {struct.pack('>BI4', FORMAT, revision or begun(milliseconds)), rest}
  for i = 4, #ARGV do
    parts[#parts + 1] = struct.pack('>I6', milliseconds)
    parts[#parts + 1] = ARGV[i]
  end
  redis.call('SET', KEYS[2], table.concat(parts), 'EX', ARGV[2])
end
""".replace("FORMAT", str(FORMAT))
)

_DROP = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
"""

_NO_EFFECT = frozenset({Act.IMPRESSION})
"""Acts that shape no list: the log has them, the profile does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """How much is kept, and how long.

    Attributes:
        max_events: events that wait to be collected, at most, of all partitions together.
        remembered_seconds: how long an event's id is known, so that a repetition is recognised.
        customer_seconds: how long a customer's live profile is kept after its last event.
        visitor_seconds: likewise a visitor's.
        durable_seconds: longest wait for the disk.
    """

    max_events: int = 1_000_000
    remembered_seconds: int = 7 * 86_400
    customer_seconds: int = 120 * 86_400
    visitor_seconds: int = 30 * 86_400
    durable_seconds: float = 5.0


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
        self._limits = limits
        self._clock = clock
        self._streams = PartitionedStreams(guarded, keys.events)
        self._add = guarded.client.register_script(_ADD)
        self._replace = guarded.client.register_script(_REPLACE)
        self._set_aside = guarded.client.register_script(_SET_ASIDE)
        self._hand_over = guarded.client.register_script(_HAND_OVER)
        self._drop = guarded.client.register_script(_DROP)

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
            self._redis.ask(lambda: self._wait_for_disk(milliseconds=1))
        added = self._redis.ask(
            lambda: self._append(
                [(partition, [events[i] for i in indices]) for partition, indices in parts],
                durable=durable,
            )
        )
        outcomes = [Outcome.FULL] * len(events)
        grown: dict[str, int] = {}
        for (_, indices), texts in zip(parts, added, strict=True):
            for index, text in zip(indices, texts, strict=True):
                outcomes[index], n_bytes = _outcome(text)
                shopper = events[index].shopper.key
                grown[shopper] = max(n_bytes, grown.get(shopper, 0))
        with suppress(StoreUnavailableError):  # all is stored, and the next event packs
            for shopper, n_bytes in grown.items():
                if n_bytes >= PACK_BYTES:
                    self._pack(shopper)
        return outcomes

    def _append(
        self, parts: Sequence[tuple[int, Sequence[Event]]], *, durable: bool
    ) -> list[list[bytes]]:
        """Run the script for each part, all in one round trip on one connection."""
        with self._redis.client.pipeline(transaction=False) as pipeline:
            for partition, events in parts:
                keys, arguments = self._arguments(partition, events)
                self._add(keys=keys, args=arguments, client=pipeline)
            if durable:
                wait = max(1, round(1_000 * self._limits.durable_seconds))  # 0 is for ever
                pipeline.execute_command("WAITAOF", 1, 0, wait)  # type: ignore[no-untyped-call]
            added = pipeline.execute()
        if durable and not added.pop()[0]:
            raise StoreUnavailableError(
                "the disk of Redis did not keep up; send the events again to be sure"
            )
        return list(added)

    def _arguments(
        self, partition: int, events: Sequence[Event]
    ) -> tuple[list[str], list[bytes | int]]:
        keys = [self._keys.events(partition)]
        arguments: list[bytes | int] = [
            max(1, self._limits.max_events // N_PARTITIONS),
            self._limits.remembered_seconds,
        ]
        for event in events:
            shopper = event.shopper
            keys += [self._keys.live(shopper.key), self._keys.seen(shopper.key, event.event_id)]
            is_customer = shopper.kind is Person.CUSTOMER
            arguments += [
                event_json(event),
                b"" if event.act in _NO_EFFECT else record(event),
                self._limits.customer_seconds if is_customer else self._limits.visitor_seconds,
            ]
        return keys, arguments

    def _wait_for_disk(self, milliseconds: int) -> None:
        try:
            self._redis.client.execute_command("WAITAOF", 1, 0, milliseconds)  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:
            raise PreconditionError(
                "this Redis cannot tell when a write is on the disk: it needs WAITAOF (Redis 7.2 "
                "or later, or Valkey) and appendonly yes; nothing was stored",
                reason="DURABILITY_UNAVAILABLE",
            ) from error

    def hand_over(self, visitor: Shopper, customer: Shopper, now: float) -> int:
        """Move a visitor's live profile into a customer's, and return how many events that were.

        The two may lie in different slots of a cluster, which no script reaches at once: the
        profile is set aside, then added to the customer's once, then removed. A call that was cut
        off is finished by the next one, which then moves what came since.

        Raises:
            StoreUnavailableError: Redis cannot answer in time, or the profile is damaged.
        """
        aside = self._keys.moving(visitor.key)
        setting_aside = partial(self._set_aside, keys=[self._keys.live(visitor.key), aside])
        n_moved = 0
        while True:
            value: Any = self._redis.ask(setting_aside)
            if value is None:
                return n_moved
            n_moved += self._move(value, visitor, customer, now)
            # Only what was moved: meanwhile another process may have set more aside.
            dropping = partial(self._drop, keys=[aside], args=[value])
            self._redis.ask(dropping)

    def _move(self, value: bytes, visitor: Shopper, customer: Shopper, now: float) -> int:
        """Add a profile to a customer's, unless it has been; return how many events it holds."""
        try:
            records = records_of(value)
        except ValueError as error:
            raise StoreUnavailableError(str(error)) from error
        digest = blake2b(visitor.key.encode() + value, digest_size=12).hexdigest()
        keys = [
            self._keys.events(partition_of(customer.key)),
            self._keys.live(customer.key),
            self._keys.moved(customer.key, digest),
        ]
        arguments: list[bytes | int] = [
            link_json(Link(visitor, customer, now)),
            self._limits.customer_seconds,
            # As long as what was set aside may lie there.
            max(self._limits.remembered_seconds, self._limits.visitor_seconds),
            # Each counts as received now: what a model has learnt of a customer's partition until
            # then it cannot have learnt of the visitor's.
            *(record[RECEIVED_BYTES:] for record in records),
        ]
        self._redis.ask(lambda: self._hand_over(keys=keys, args=arguments))
        return len(records)

    def _pack(self, shopper: str) -> None:
        """Leave what is not needed any more out of a profile, and compress the rest.

        An event that comes in meanwhile is not lost: the profile then stays as it is.
        """
        key = self._keys.live(shopper)
        value = self._redis.ask(lambda: self._redis.client.get(key))
        if not isinstance(value, bytes):
            return
        now = self._clock()
        try:
            keep = [is_needed(deed, now) for deed in read_profile(value).deeds]
        except ValueError:
            return  # whoever reads it says so
        smaller = compacted(value, keep)
        if len(smaller) < len(value):
            self._redis.ask(lambda: self._replace(keys=[key], args=[value, smaller]))

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


def _outcome(text: bytes) -> tuple[Outcome, int]:
    """What became of an event, and how many bytes of its profile are not packed."""
    name, _, n_bytes = text.decode().partition(":")
    if name in {Outcome.DUPLICATE, Outcome.FULL}:
        return Outcome(name), 0
    return Outcome.ACCEPTED, int(n_bytes or 0)


def _keys(entry: Event | Link) -> tuple[str, ...]:
    """Hashes of the people in an entry."""
    if isinstance(entry, Link):
        return entry.visitor.key, entry.customer.key
    return (entry.shopper.key,)
