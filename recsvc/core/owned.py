"""What a shopper has bought of the candidates, looked up once for the sources and the features."""

from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import SECONDS_A_DAY, Profile
from recsvc.core.sparse import Positions

Number = TypeVar("Number", np.float32, np.int32, np.int64)

MAX_DAYS = np.float32(180)
UNKNOWN = np.float32(-1)


class Owned:
    """Columns of a profile at some items, each of shape ``(len(items),)``.

    Args:
        profile: what the shopper has bought.
        items: int32.
        now: the moment that recency is measured at, seconds since 1970.
    """

    def __init__(self, profile: Profile, items: NDArray[np.int32], now: float) -> None:
        self._profile = profile
        self._found = Positions.of(profile.items, items)
        self._now = now

    @property
    def items(self) -> NDArray[np.int32]:
        """The items, as they were asked for."""
        return self._found.wanted

    def read(self, column: NDArray[Number]) -> NDArray[Number]:
        """A column of the profile, 0 for what it does not hold."""
        return self._found.read(column)

    @cached_property
    def n_purchases(self) -> NDArray[np.int32]:
        """How often each was bought."""
        return self.read(self._profile.n_purchases)

    @cached_property
    def last_time(self) -> NDArray[np.int64]:
        """When each was last bought, seconds since 1970; 0 never."""
        return self.read(self._profile.last_time)

    @cached_property
    def days_since(self) -> NDArray[np.float32]:
        """Days since each was last bought, at most :data:`MAX_DAYS`; UNKNOWN where never."""
        last = self.last_time
        days = ((self._now - last) / SECONDS_A_DAY).astype(np.float32)
        # As of an earlier moment, what was bought since was bought just now.
        np.maximum(days, np.float32(0), out=days)
        np.minimum(days, MAX_DAYS, out=days)
        days[last == 0] = UNKNOWN
        return days
