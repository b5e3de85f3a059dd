"""Tables in Redis: rows by name, and a short memory of which were written last.

A table is a hash and a stream. The hash holds the rows; the stream the names of the rows that were
written of late, each entry with the number of the one before it, so that who follows a table reads
what is new to it, and reads all of it where the chain is broken: who has fallen behind, and who has
read what a Redis has lost since.
"""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from recsvc.errors import StoreUnavailableError
from recsvc.service.selling import Changes
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema

N_REMEMBERED = 10_000
"""Changes that a table remembers; who is further behind reads it whole."""

BATCH = 1_000
"""Rows of one call: Redis answers nobody else meanwhile, some milliseconds."""

_STAMP_BYTES = 7

_PUT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local revision = last[1] and tonumber(string.match(last[1][1], '^%d+')) or 0
local function shown(value)
  local n = struct.unpack('>I4', value)
  return string.sub(value, 5, 4 + n)
end
local applied = {}
for i = 2, #ARGV, 3 do
  local name, given, value = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local old = redis.call('HGET', KEYS[1], name)
  if old and #old < 11 then
    old = false  -- damaged
  end
  local stamp = old and struct.unpack('>I7', old)
  if given > 0 and stamp and stamp >= given then
    applied[#applied + 1] = 0
  else
    stamp = given > 0 and given or stamp or now + i
    redis.call('HSET', KEYS[1], name, struct.pack('>I7', stamp) .. value)
    if not old or shown(string.sub(old, 8)) ~= shown(value) then
      -- By the clock, so that no number that a Redis has lost comes again.
      local before = revision
      revision = math.max(revision + 1, now)
      local number = string.format('%.0f-0', revision)
      before = string.format('%.0f', before)
      redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], number, 'n', name, 'p', before)
    end
    applied[#applied + 1] = 1
  end
end
applied[#applied + 1] = math.floor(now / 1000)
return applied
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A row to write.

    Attributes:
        name: which row.
        shown: the part that lists depend on.
        hidden: the rest; a change of it is kept, and not among the changes.
        stamp: microseconds since 1970 that say how new it is: an older one, or an equal one,
            changes nothing. 0 where the last word counts; the row then keeps when it was first
            written.
    """

    name: str
    shown: bytes
    hidden: bytes = b""
    stamp: int = 0

    @property
    def value(self) -> bytes:
        """Both parts."""
        return len(self.shown).to_bytes(4) + self.shown + self.hidden


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that was read."""

    shown: bytes
    hidden: bytes
    stamp: int

    @classmethod
    def of(cls, value: bytes) -> "Kept":
        """Take a value apart."""
        end = _STAMP_BYTES + 4
        n_shown = int.from_bytes(value[_STAMP_BYTES:end])
        stamp = int.from_bytes(value[:_STAMP_BYTES])
        return cls(value[end : end + n_shown], value[end + n_shown :], stamp)


class Tables(Protocol):
    """Keeps tables; safe to use from many threads."""

    def put(self, table: str, rows: Sequence[Row]) -> tuple[list[bool], int]:
        """Write rows.

        Returns:
            Whether each was applied, and when, unix milliseconds of the store.

        Raises:
            StoreUnavailableError: the store cannot answer in time; repeating it is safe.
        """
        ...

    def get(
        self, table: str, names: Sequence[str], deadline: float = math.inf
    ) -> list[Kept | None]:
        """Read rows, None for each that was never written.

        Args:
            table: which.
            names: of the rows.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def changes(self, table: str, known: int, deadline: float) -> Changes[Kept]:
        """Read what has been written since a revision; 0 is the beginning.

        Args:
            table: which.
            known: the revision.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...


class RedisTables:
    """Tables that all processes of a deployment share.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
    """

    def __init__(self, guarded: GuardedRedis, keys: KeySchema) -> None:
        self._redis = guarded
        self._keys = keys
        self._put = guarded.client.register_script(_PUT)

    def put(self, table: str, rows: Sequence[Row]) -> tuple[list[bool], int]:
        """Write rows; those of one call stand one after another among the changes."""
        keys = [self._keys.rows(table), self._keys.changes(table)]
        arguments: list[str | bytes | int] = [N_REMEMBERED]
        for row in rows:
            arguments += [row.name, row.stamp, row.value]
        answer: Any = self._redis.ask(lambda: self._put(keys=keys, args=arguments))
        *applied, written_at = answer
        return [bool(one) for one in applied], int(written_at)

    def get(
        self, table: str, names: Sequence[str], deadline: float = math.inf
    ) -> list[Kept | None]:
        """Read rows, None for each that was never written."""
        values = self._redis.ask(lambda: self._values(table, names), deadline)
        return [None if value is None else Kept.of(value) for value in values]

    def changes(self, table: str, known: int, deadline: float) -> Changes[Kept]:
        """Read what has been written since a revision."""
        as_of, last, chain, names = self._redis.ask(lambda: self._ask(table, known))
        if last == known:
            return Changes(known, as_of)
        follows = (
            known > 0
            and bool(chain)
            and [before for before, _ in chain]
            == [
                known,
                *(number for _, number in chain[:-1]),
            ]
        )
        if not follows:
            return Changes(last, as_of, self._all(table, deadline), is_whole=True)
        distinct = list(dict.fromkeys(names))
        found = self.get(table, distinct)
        rows = {n: kept for n, kept in zip(distinct, found, strict=True) if kept is not None}
        # With more than one call brings, nothing is known of the moment yet.
        revision = chain[-1][1]
        return Changes(revision, as_of if revision >= last else 0, rows)

    def _ask(self, table: str, known: int) -> tuple[int, int, list[tuple[int, int]], list[str]]:
        """The time, the last revision, and what came since ``known``.

        Returns:
            Of each change also the number of the one before it and its own, and its name.
        """
        key = self._keys.changes(table)
        with self._redis.client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.xrevrange(key, count=1)
            pipeline.xrange(key, min=f"({known}-0", count=BATCH)
            (seconds, micros), last, entries = pipeline.execute()
        numbers = [int(number.partition(b"-")[0]) for number, _ in entries]
        before = [int(fields.get(b"p", -1)) for _, fields in entries]
        chain = list(zip(before, numbers, strict=True))
        names = [fields[b"n"].decode() for _, fields in entries]
        as_of = int(seconds) * 1000 + int(micros) // 1000
        return as_of, int(last[0][0].partition(b"-")[0]) if last else 0, chain, names

    def _all(self, table: str, deadline: float) -> dict[str, Kept]:
        found: dict[str, Kept] = {}
        key, cursor = self._keys.rows(table), 0
        while True:
            page: Any = self._redis.ask(
                lambda at=cursor: self._redis.client.hscan(key, at, count=BATCH)  # type: ignore[misc]  # the cursor of this turn
            )
            cursor, values = page
            found |= {name.decode(): Kept.of(value) for name, value in values.items()}
            if not cursor:
                return dict(sorted(found.items(), key=lambda row: (row[1].stamp, row[0])))
            if time.monotonic() > deadline:
                raise StoreUnavailableError(f"there was no time to read all of {table!r}")

    def _values(self, table: str, names: Sequence[str]) -> list[bytes | None]:
        if not names:
            return []
        found: Any = self._redis.client.hmget(self._keys.rows(table), list(names))
        return list(found)


class InMemoryTables:
    """Tables of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, dict[str, Kept]] = {}
        self._changes: dict[str, list[str]] = {}

    def put(self, table: str, rows: Sequence[Row]) -> tuple[list[bool], int]:
        """Write rows."""
        now = time.time_ns() // 1_000
        with self._lock:
            kept, changes = self._rows.setdefault(table, {}), self._changes.setdefault(table, [])
            applied = [_is_applied(kept, changes, row, now + at) for at, row in enumerate(rows)]
            return applied, now // 1_000

    def get(
        self,
        table: str,
        names: Sequence[str],
        deadline: float = math.inf,  # noqa: ARG002  # nothing is waited for
    ) -> list[Kept | None]:
        """Read rows, None for each that was never written."""
        rows = self._rows.get(table, {})
        return [rows.get(name) for name in names]

    def changes(self, table: str, known: int, deadline: float) -> Changes[Kept]:  # noqa: ARG002  # the protocol's
        """Read what has been written since a revision."""
        as_of = time.time_ns() // 1_000_000
        with self._lock:
            names, rows = self._changes.get(table, []), self._rows.get(table, {})
            return Changes(len(names), as_of, {n: rows[n] for n in dict.fromkeys(names[known:])})


def _is_applied(kept: dict[str, Kept], changes: list[str], row: Row, now: int) -> bool:
    """Write a row, unless there is a newer one."""
    old = kept.get(row.name)
    if row.stamp and old is not None and old.stamp >= row.stamp:
        return False
    kept[row.name] = Kept(row.shown, row.hidden, row.stamp or (now if old is None else old.stamp))
    if old is None or old.shown != row.shown:
        changes.append(row.name)
    return True
