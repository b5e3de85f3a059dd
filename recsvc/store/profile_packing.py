"""Packing of live profiles: what is not needed any more is left out, and the rest compressed."""

import math
from collections.abc import Callable

from recsvc.service.shopping import is_needed
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.profile_format import compacted, read_profile

PACK_BYTES = 1_024
"""What has grown by so much is packed."""

_REPLACE = """
local old = redis.call('GET', KEYS[1])
if old == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
  return 1
end
return 0
"""


class ProfilePacker:
    """Packs profiles in place.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
        clock: returns unix seconds.
    """

    def __init__(self, guarded: GuardedRedis, keys: KeySchema, clock: Callable[[], float]) -> None:
        self._redis = guarded
        self._keys = keys
        self._clock = clock
        self._replace = guarded.client.register_script(_REPLACE)

    def pack(self, shopper: str, deadline: float = math.inf) -> None:
        """Leave what is not needed any more out of a profile, and compress the rest.

        An event that comes in meanwhile is not lost: the profile then stays as it is.

        Args:
            shopper: whose it is.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            StoreUnavailableError: Redis cannot answer in time.
        """
        key = self._keys.live(shopper)
        value = self._redis.ask(lambda: self._redis.client.get(key), deadline)
        if not isinstance(value, bytes):
            return
        now = self._clock()
        try:
            keep = [is_needed(deed, now) for deed in read_profile(value).deeds]
        except ValueError:
            return  # whoever reads it says so
        smaller = compacted(value, keep)
        if len(smaller) < len(value):
            self._redis.ask(lambda: self._replace(keys=[key], args=[value, smaller]), deadline)
