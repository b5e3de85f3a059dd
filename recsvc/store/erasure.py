"""What makes an erasure final: a mark that late writers meet.

A call looks at the ledger, and writes to Redis a little later: the person may be erased between the
two, by any process. So whoever writes brings along the position of the ledger that it *heeds*, and
each script and transaction that writes of a person compares it with the mark of that person, which
holds the position of their last erasure and lies in the same slot of a cluster.

The ledger has one order, and it decides. An erasure is first written there, at a position P; then,
in the slot of each person concerned, one script sets the mark to P and deletes what is live; then
the stream is swept. A write that heeds H runs in the same slot, before that script or after it:

- before it: what was written is deleted with the rest, or swept from the stream, where nothing that
  is erased comes in any more;
- after it, and H < P: it is refused. The call was under way when the person was erased, and ends as
  if it had come just before: there is nothing left of it;
- after it, and H >= P: the call knows of the erasure. The person has come back, and starts afresh.

What touches two slots, a visitor's and a customer's, heeds one position and meets two marks: what
was set aside in the one is not added to the other. A visitor whose link stands in the ledger before
P is erased with the customer, whoever wrote it and when it was read.

The mark stays as long as event ids are remembered, which is far longer than a call can be late.
"""

from typing import Any

from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema

IS_LATE = """
local function is_late(mark, heeds)
  return (tonumber(redis.call('GET', mark) or '') or 0) > tonumber(heeds)
end
"""
"""What scripts ask before they write of a person."""

_FORGET = """
if tonumber(ARGV[1]) > (tonumber(redis.call('GET', KEYS[1]) or '') or 0) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
redis.call('DEL', KEYS[2], KEYS[3])
"""


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
        self._forget = guarded.client.register_script(_FORGET)

    def forget(self, shopper: str, position: int) -> None:
        """Mark a shopper, and delete what is live, on its way to a customer or not.

        Raises:
            StoreUnavailableError: Redis cannot answer in time; repeating it is safe.
        """
        keys = [
            self._keys.erased(shopper),
            self._keys.live(shopper),
            self._keys.moving(shopper),
        ]
        self._redis.ask(lambda: self._forget(keys=keys, args=[position, self._seconds]))


def is_late(mark: Any, heeds: int) -> bool:  # noqa: ANN401  # redis-py's answer
    """Whether who heeds so much of the ledger writes of somebody who was erased since.

    Args:
        mark: what lies under the person's key, None where they were never erased.
        heeds: position of the ledger.
    """
    return mark is not None and int(mark) > heeds
