"""The script that adds an event to the stream and to its shopper's profile, or does neither."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import redis
from redis.client import Pipeline

from recsvc.core.live import Act
from recsvc.errors import PreconditionError, StoreUnavailableError
from recsvc.identity import N_PARTITIONS
from recsvc.service.shopping import Event, Outcome, Person
from recsvc.store.erasure import IS_LATE
from recsvc.store.event_format import event_json
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.profile_format import FORMAT, record
from recsvc.store.profile_lua import REVISION

_ADD = (
    REVISION
    + IS_LATE
    + """
local length = redis.call('XLEN', KEYS[1])
local longest, remembered, heeds, changed = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local outcomes, named = {}, nil
for i = 1, (#KEYS - 1) / 3 do
  local profile, seen, mark = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1]
  local text, record, life = ARGV[3 * i + 2], ARGV[3 * i + 3], ARGV[3 * i + 4]
  if is_late(mark, heeds) then
    outcomes[i] = 'DROPPED_NO_CONSENT'
  elseif redis.call('EXISTS', seen) == 1 then
    -- A write, for WAITAOF to wait for: the event itself may not be on the disk yet.
    redis.call('EXPIRE', seen, remembered)
    outcomes[i] = 'DUPLICATE'
  elseif length >= longest then
    outcomes[i] = 'FULL'
  else
    local revision, rest
    if record ~= '' then
      revision, rest = opened(profile)
      if profile ~= named then
        redis.call('PUBLISH', changed, string.match(profile, '[^:]+$'))
        named = profile
      end
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

_NO_EFFECT = frozenset({Act.IMPRESSION})
"""Acts that shape no list: the log has them, the profile does not."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the script gets it.

    Attributes:
        event: what happened.
        text: what the stream holds.
        record: what the profile holds; empty for what shapes no list.
    """

    event: Event
    text: bytes
    record: bytes

    @classmethod
    def of(cls, event: Event) -> "Entry":
        """Write an event down."""
        return cls(event, event_json(event), b"" if event.act in _NO_EFFECT else record(event))

    @property
    def n_bytes(self) -> int:
        """What of it the script has to handle."""
        return len(self.text) + len(self.record)


class EventScript:
    """Runs the script.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
        limits: how much is kept.
    """

    def __init__(self, guarded: GuardedRedis, keys: KeySchema, limits: LogLimits) -> None:
        self._redis = guarded
        self._keys = keys
        self._limits = limits
        self._add = guarded.client.register_script(_ADD)

    def require_disk(self, deadline: float = math.inf) -> None:
        """Refuse a Redis that cannot tell when a write is on the disk.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
            PreconditionError: it cannot (DURABILITY_UNAVAILABLE).
        """
        self._redis.ask(self._ask_disk, deadline)

    def wait_for_disk(self, mark: str) -> bool:
        """Wait a moment until all that was written so far is on the disk.

        Args:
            mark: a key that is kept as long as event ids are: a connection waits for a write of its
                own, and so for all that came before it, and this is one.

        Returns:
            Whether it is; False where this Redis cannot tell, or not in time.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        return self._redis.ask(lambda: self._wait_for_disk(mark))

    def run(
        self,
        parts: Sequence[tuple[int, Sequence[Entry]]],
        *,
        durable: bool,
        heeds: int,
        deadline: float = math.inf,
    ) -> list[list[tuple[Outcome, int]]]:
        """Add events, once a part, all in one round trip.

        Args:
            parts: each of a partition, and of events of its shoppers.
            durable: return only when they are on the disk.
            heeds: position of the ledger; events of who was erased after it are dropped.
            deadline: monotonic seconds when the caller stops waiting.

        Returns:
            For each part, what became of each event, and how many bytes of its profile are not
            packed.

        Raises:
            StoreUnavailableError: Redis or its disk cannot answer in time; some may be stored.
        """
        added = self._redis.ask(
            lambda: self._add_all(parts, durable=durable, heeds=heeds), deadline
        )
        return [[_outcome(text) for text in texts] for texts in added]

    def _add_all(
        self, parts: Sequence[tuple[int, Sequence[Entry]]], *, durable: bool, heeds: int
    ) -> list[list[bytes]]:
        """Run the script for each part on one connection, which then waits for the disk."""
        with self._redis.client.pipeline(transaction=False) as pipeline:
            for partition, entries in parts:
                keys, arguments = self._arguments(partition, entries, heeds)
                self._add(keys=keys, args=arguments, client=pipeline)
            if durable:
                self._wait(pipeline)
            added = pipeline.execute()
        if durable and not added.pop()[0]:
            raise StoreUnavailableError(
                "the disk of Redis did not keep up; send the events again to be sure"
            )
        return list(added)

    def _wait_for_disk(self, mark: str) -> bool:
        with self._redis.client.pipeline(transaction=False) as pipeline:
            pipeline.expire(mark, self._limits.remembered_seconds)
            self._wait(pipeline)
            try:
                _, waited = pipeline.execute()
            except redis.ResponseError:
                return False
        return bool(waited[0])

    def _wait(self, pipeline: Pipeline) -> None:
        """Let what is sent so far be on the disk before the pipeline is answered."""
        wait = max(1, round(1_000 * self._limits.durable_seconds))  # 0 is for ever
        pipeline.execute_command("WAITAOF", 1, 0, wait)

    def _arguments(
        self, partition: int, entries: Sequence[Entry], heeds: int
    ) -> tuple[list[str], list[str | bytes | int]]:
        keys = [self._keys.events(partition)]
        arguments: list[str | bytes | int] = [
            max(1, self._limits.max_events // N_PARTITIONS),
            self._limits.remembered_seconds,
            heeds,
            self._keys.changed,
        ]
        for entry in entries:
            event, shopper = entry.event, entry.event.shopper
            keys += [
                self._keys.live(shopper.key),
                self._keys.seen(shopper.key, event.event_id),
                self._keys.erased(shopper.key),
            ]
            is_customer = shopper.kind is Person.CUSTOMER
            arguments += [
                entry.text,
                entry.record,
                self._limits.customer_seconds if is_customer else self._limits.visitor_seconds,
            ]
        return keys, arguments

    def _ask_disk(self) -> None:
        try:
            self._redis.client.execute_command("WAITAOF", 1, 0, 1)
        except redis.ResponseError as error:
            raise PreconditionError(
                "this Redis cannot tell when a write is on the disk: it needs WAITAOF (Redis 7.2 "
                "or later, or Valkey) and appendonly yes; nothing was stored",
                reason="DURABILITY_UNAVAILABLE",
            ) from error


def _outcome(text: bytes) -> tuple[Outcome, int]:
    """What became of an event, and how many bytes of its profile are not packed."""
    name, _, n_bytes = text.decode().partition(":")
    if name in {Outcome.DUPLICATE, Outcome.FULL, Outcome.DROPPED_NO_CONSENT}:
        return Outcome(name), 0
    return Outcome.ACCEPTED, int(n_bytes or 0)
