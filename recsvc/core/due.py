"""When a shopper needs again what was bought before."""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import SECONDS_A_DAY, HalfLives, Profile
from recsvc.core.item_statistics import ItemStatistics

REMEMBERED = 0.125
"""What was bought once may be needed again until three half-lives of the long memory have passed,
about a year."""

REST_SHARE = 2 / 3
"""Of the usual interval: so long after the last purchase nothing is due. Less than all of it, since
intervals are skewed: most are shorter than their mean."""

WAIT_SHARE = 1 / 3
"""Of the interval at the present pace: how far from now the next purchase is expected."""

GIVEN_UP_INTERVALS = 6.0
"""Not bought for so many usual intervals, a product was given up: it is due, if ever, as long from
now as the last purchase is past."""


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


def needed_again(profile: Profile) -> NDArray[np.int32]:
    """Items that this shopper buys again, and what was bought once and not long ago.

    Those bought once fill up the lists of who has bought little: a week of groceries without them
    loses .005 of recall@10.
    """
    once = (profile.n_purchases == 1) & (profile.long >= REMEMBERED)
    again: NDArray[np.int32] = profile.items[(profile.n_purchases > 1) | once]
    return again


def due_again(
    profile: Profile,
    items: NDArray[np.int32],
    statistics: ItemStatistics,
    half_lives: HalfLives,
    now: float,
) -> Due:
    """When each of ``items`` is expected to be needed again.

    Two thirds of the usual interval after the last purchase; where that is over, or nearly, a
    third of the interval at the present pace from now. The pace slows while nothing is bought, and
    what a shopper has evidently given up comes behind what they still buy, rather than first as
    the most overdue of all.

    Args:
        profile: what was bought, decayed up to ``now``.
        items: int32, shape ``(n,)``, of the profile.
        statistics: how soon others buy each product again.
        half_lives: of the profile's memories.
        now: the moment that is asked about, seconds since 1970.
    """
    own = profile.where(np.searchsorted(profile.items, items))
    n_gaps = np.maximum(own.n_purchases - 1, 0)
    mean_days = (own.last_time - own.first_time) / SECONDS_A_DAY / np.maximum(n_gaps, 1)
    usual = statistics.interval_days[items].astype(np.float64)
    usual = np.where(usual > 0, usual, mean_days)  # nobody else came back
    interval = (mean_days * n_gaps + usual) / (n_gaps + 1)
    since = (now - own.last_time) / SECONDS_A_DAY
    pace = _pace_days(own, usual, half_lives, now)
    wait = np.maximum(REST_SHARE * interval - since, WAIT_SHARE * pace)
    is_given_up = (interval > 0) & (since > GIVEN_UP_INTERVALS * interval)
    wait = np.where(is_given_up, np.maximum(wait, since), wait)
    # Whole seconds, of this moment too: the same in every door, however it writes times.
    due_time = np.ceil(now + wait * SECONDS_A_DAY)
    return Due(due_time, np.round(interval * SECONDS_A_DAY), own.bought_at_once)


def _pace_days(
    own: Profile, usual_days: NDArray[np.float64], half_lives: HalfLives, now: float
) -> NDArray[np.float64]:
    """Days from purchase to purchase as of now: time over purchases, both of the long memory.

    The first purchase opens the time and does not count; one more interval, the product's usual
    one, steadies what was bought a few times.
    """
    left = half_lives.long(now - own.first_time.astype(np.float64))
    remembered_days = half_lives.long_days / log(2) * (1 - left)
    n_remembered = np.maximum(own.long - left, 0.0)
    # Where nobody has ever come back, nobody is expected to before the memory fades.
    steady_days = np.where(usual_days > 0, usual_days, half_lives.long_days)
    pace: NDArray[np.float64] = (remembered_days + steady_days) / (n_remembered + 1)
    return pace
