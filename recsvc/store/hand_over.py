"""A visitor who turned out to be a customer: their live profile moves into the customer's.

The two may lie in different slots of a cluster, which no script reaches at once: the profile is set
aside, then added to the customer's once, then removed. A call that was cut off is finished by the
next one, which then moves what came since. Both steps heed erasures: see ``erasure``.

The log says who the visitor was, for the trainer, with the first of what is moved; and once also
where nothing is live any more, since the history may hold what the visitor did.
"""

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Any

from recsvc.identity import partition_of
from recsvc.service.shopping import Link, Shopper
from recsvc.store.erasure import IS_LATE, is_late
from recsvc.store.event_format import link_json
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.profile_format import FORMAT, RECEIVED_BYTES, records_of
from recsvc.store.profile_lua import REVISION

_SET_ASIDE = (
    IS_LATE
    + """
if is_late(KEYS[3], ARGV[1]) then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('PUBLISH', ARGV[2], string.match(KEYS[1], '[^:]+$'))
  redis.call('RENAME', KEYS[1], KEYS[2])
end
return redis.call('GET', KEYS[2])
"""
)

_HAND_OVER = (
    REVISION
    + IS_LATE
    + """
if is_late(KEYS[4], ARGV[4]) then
  return 0
end
local revision, rest = opened(KEYS[2])
if #ARGV > 6 then
  redis.call('PUBLISH', ARGV[6], string.match(KEYS[2], '[^:]+$'))
end
if redis.call('SET', KEYS[3], '', 'NX', 'EX', ARGV[3]) then
  local id = redis.call('XADD', KEYS[1], '*', 'e', ARGV[1])
  redis.call('SET', KEYS[5], '', 'EX', ARGV[5])
  if #ARGV == 6 then
    return 1
  end
  local milliseconds = tonumber(string.match(id, '^%d+'))
  local parts = {struct.pack('>BI4', FORMAT, revision or begun(milliseconds)), rest}
  for i = 7, #ARGV do
    parts[#parts + 1] = struct.pack('>I6', milliseconds)
    parts[#parts + 1] = ARGV[i]
  end
  redis.call('SET', KEYS[2], table.concat(parts), 'EX', ARGV[2])
end
return 1
""".replace("FORMAT", str(FORMAT))
)

_LINKED_SECONDS = 86_400
"""How long a link of whom nothing is live is not written down again. Shorter than a profile lives:
of a visitor who has been back since, and whose profile has expired, the trainer hears again."""

_DROP = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
"""


class HandOver:
    """Moves profiles.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
        limits: how much is kept.
        unreadable: told where a profile lay that could not be read to its end.
        changed: told of each shopper (a hash) of whom something else holds; other processes hear
            of it through Redis, this one at once.
    """

    def __init__(
        self,
        guarded: GuardedRedis,
        keys: KeySchema,
        limits: LogLimits,
        unreadable: Callable[[str], object] = lambda _: None,
        changed: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._redis = guarded
        self._keys = keys
        self._limits = limits
        self._unreadable = unreadable
        self._changed = changed
        self._set_aside = guarded.client.register_script(_SET_ASIDE)
        self._hand_over = guarded.client.register_script(_HAND_OVER)
        self._drop = guarded.client.register_script(_DROP)

    def move(self, visitor: Shopper, customer: Shopper, now: float, heeds: int) -> int:
        """Move a visitor's live profile into a customer's, and return how many events that were.

        Args:
            visitor: as whom they came.
            customer: who they are.
            now: unix seconds.
            heeds: position of the ledger; nothing of who was erased after it is moved.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        aside, mark = self._keys.moving(visitor.key), self._keys.erased(visitor.key)
        setting_aside = partial(
            self._set_aside,
            keys=[self._keys.live(visitor.key), aside, mark],
            args=[heeds, self._keys.changed],
        )
        value: Any = self._redis.ask(setting_aside)
        if value is None:
            self._add(None, visitor, customer, now, heeds)
        n_moved = 0
        while isinstance(value, bytes):
            self._changed(visitor.key)
            added = self._add(value, visitor, customer, now, heeds)
            if added is None:
                break
            self._changed(customer.key)
            n_moved += added
            # Only what was moved: meanwhile another process may have set more aside.
            dropping = partial(self._drop, keys=[aside], args=[value])
            self._redis.ask(dropping)
            value = self._redis.ask(setting_aside)
        return n_moved

    def _add(
        self, value: bytes | None, visitor: Shopper, customer: Shopper, now: float, heeds: int
    ) -> int | None:
        """Add a profile to a customer's, unless it has been; None where nothing is live.

        Returns:
            How many events it holds that can be read; None where either was erased.
        """
        records, is_whole = ([], True) if value is None else records_of(value)
        if not is_whole:
            self._unreadable(self._keys.moving(visitor.key))
        linked = self._keys.moved(customer.key, _digest(visitor.key.encode()))
        added = (
            linked
            if value is None
            else self._keys.moved(customer.key, _digest(visitor.key.encode() + value))
        )
        keys = [
            self._keys.events(partition_of(customer.key)),
            self._keys.live(customer.key),
            added,
            self._keys.erased(customer.key),
            linked,
        ]
        arguments: list[str | bytes | int] = [
            link_json(Link(visitor, customer, now)),
            self._limits.customer_seconds,
            # As long as what was set aside may lie there.
            max(self._limits.remembered_seconds, self._limits.visitor_seconds),
            heeds,
            min(_LINKED_SECONDS, self._limits.visitor_seconds),
            self._keys.changed,
            # Each counts as received now: what a model has learnt of a customer's partition until
            # then it cannot have learnt of the visitor's.
            *(record[RECEIVED_BYTES:] for record in records),
        ]
        # Again, for another customer's erasure may have reached the visitor since.
        mark: Any = self._redis.ask(lambda: self._redis.client.get(self._keys.erased(visitor.key)))
        if is_late(mark, heeds):
            return None
        is_added: Any = self._redis.ask(lambda: self._hand_over(keys=keys, args=arguments))
        return len(records) if is_added else None


def _digest(of: bytes) -> str:
    return blake2b(of, digest_size=12).hexdigest()
