"""When a shopper needs again what was bought before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import SECONDS_A_DAY, Profile
from recsvc.core.item_statistics import ItemStatistics


@dataclass(frozen=True, slots=True)
class Due:
    """What is needed again; all arrays have shape ``(n,)``.

    Attributes:
        items: int32, distinct, ascending.
        due_time: float64, when it is expected to be needed again, seconds since 1970.
        interval_seconds: float64, the usual time between two purchases of it.
        quantity: float64, how much of it is usually bought at once.
    """

    items: NDArray[np.int32]
    due_time: NDArray[np.float64]
    interval_seconds: NDArray[np.float64]
    quantity: NDArray[np.float64]


def due_again(profile: Profile, statistics: ItemStatistics) -> Due:
    """When each product of a profile is needed again."""
    n = np.maximum(profile.n_purchases - 1, 0)
    own = (profile.last_time - profile.first_time) / np.maximum(n, 1)
    usual = statistics.interval_days[profile.items] * SECONDS_A_DAY
    interval = np.where(n > 0, (own * n + usual) / (n + 1), usual)
    return Due(
        profile.items,
        profile.last_time.astype(np.float64) + interval,
        interval,
        np.ones(len(profile.items)),
    )
