"""What makes an erasure final: a mark that late writers meet.

A call looks at the ledger, and writes to Redis a little later: the person may be erased between
the two, by any process. So whoever writes brings along the position of the ledger that it *heeds*,
and each script and transaction that writes of a person compares it with the mark of that person,
which holds the position of their last erasure and lies in the same slot of a cluster.

The ledger has one order, and it decides. An erasure is first written there, at a position P, which
holds from then on, whatever becomes of Redis. Then, in the slot of each person concerned, one
script takes a place in the stream of their events, sets the mark to P and that place, and deletes
what is live and what was set of them. Then the stream is swept up to that place, and no further;
the lists they were served are deleted; and a last word in the ledger, SWEPT, says when that was by
the clock of Redis. A write that heeds H runs in the same slot, before that script or after it:

- before it, whatever H is: what was written is deleted with the rest, or lies before the place and
  is swept, or was collected with a time that SWEPT covers;
- after it, and H < P: it is refused. The call was under way when the person was erased, and ends
  as if it had come just before: there is nothing left of it;
- after it, and H >= P: the call knows of the erasure. The person has come back, and starts afresh:
  what they do lies after the place, in a later millisecond than SWEPT says, and is theirs to keep.

Of two erasures at once the later in the ledger counts: the earlier one finds its mark, deletes
nothing more that is live, and sweeps up to its place. Consent lies in the ledger itself: what a
call says that heeds H is written only where no erasure came after H, but for a withdrawal, which
always counts.

What touches two slots, a visitor's and a customer's, heeds one position and meets two marks: what
was set aside in the one is not added to the other. A visitor whose link stands in the ledger
before P is erased with the customer, whoever wrote it and when it was read.

Two things remain. A visitor may be linked to another customer just while the first one is erased;
a link that has looked at the visitor's mark a moment before it was set still adds what it holds to
the other customer's profile, where it stays until that one is erased or it expires. And lists of
the sample that is kept for replay, served to who came back while the erasure was under way, may be
deleted with the earlier ones.

The mark stays as long as event ids are remembered, which is far longer than a call can be late.
"""

from typing import Any

from recsvc.identity import partition_of
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema

IS_LATE = """
local function is_late(mark, heeds)
  local position = string.match(redis.call('GET', mark) or '', '^%d+')
  return position and tonumber(position) > tonumber(heeds)
end
"""
"""What scripts ask before they write of a person."""

FORGET = """
local position, place = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (.+)$')
if position and tonumber(position) >= tonumber(ARGV[1]) then
  return place
end
-- An entry that leaves at once: its id is the place, and those that follow get a later millisecond.
redis.call('PUBLISH', ARGV[3], ARGV[4])
place = redis.call('XADD', KEYS[2], '*', 'e', '')
redis.call('XDEL', KEYS[2], place)
redis.call('XSETID', KEYS[2], string.match(place, '^%d+') .. '-18446744073709551615')
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. place, 'EX', ARGV[2])
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
return place
"""
"""What erases a person in their slot, in one moment, and says which place in the stream that is."""


class Erasure:
    """Marks people as erased, and deletes what is live of them.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
        seconds: how long a mark stays.
    """

    def __init__(self, guarded: GuardedRedis, keys: KeySchema, seconds: int) -> None:
        self._redis = guarded
        self._keys = keys
        self._seconds = seconds
        self._forget = guarded.client.register_script(FORGET)

    def forget(self, shopper: str, position: int) -> str:
        """Mark a shopper, and delete what is live, on its way to a customer or not, and was set.

        Returns:
            The place of it in the stream of their partition: what lies before it is to go.

        Raises:
            StoreUnavailableError: Redis cannot answer in time; repeating it is safe.
        """
        keys = [
            self._keys.erased(shopper),
            self._keys.events(partition_of(shopper)),
            self._keys.live(shopper),
            self._keys.moving(shopper),
            self._keys.person(shopper),
        ]
        args: list[str | int] = [position, self._seconds, self._keys.changed, shopper]
        place: Any = self._redis.ask(lambda: self._forget(keys=keys, args=args))
        return str(place.decode())


def is_late(mark: Any, heeds: int) -> bool:  # noqa: ANN401  # redis-py's answer
    """Whether who heeds so much of the ledger writes of somebody who was erased since.

    Args:
        mark: what lies under the person's key, None where they were never erased.
        heeds: position of the ledger.
    """
    return mark is not None and int(mark.partition(b" ")[0]) > heeds
