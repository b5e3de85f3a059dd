"""When a shopper needs again what was bought before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import SECONDS_A_DAY, Profile
from recsvc.core.item_statistics import ItemStatistics


@dataclass(frozen=True, slots=True)
class Due:
    """When products are needed again; all arrays have shape ``(n,)``.

    Attributes:
        due_time: float64, when it is expected to be needed again, seconds since 1970.
        interval_seconds: float64, the usual time between two purchases of it.
        quantity: float64, how much of it is usually bought at once.
    """

    due_time: NDArray[np.float64]
    interval_seconds: NDArray[np.float64]
    quantity: NDArray[np.float64]


def due_again(profile: Profile, items: NDArray[np.int32], statistics: ItemStatistics) -> Due:
    """When each of ``items``, which the profile has, is needed again."""
    own = profile.where(np.searchsorted(profile.items, items))
    n_gaps = np.maximum(own.n_purchases - 1, 0)
    mean = (own.last_time - own.first_time) / np.maximum(n_gaps, 1)
    usual = statistics.interval_days[items] * SECONDS_A_DAY
    interval = (mean * n_gaps + usual) / (n_gaps + 1)
    return Due(own.last_time + interval, interval, np.ones(len(items)))
