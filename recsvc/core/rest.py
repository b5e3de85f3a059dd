"""What was bought so lately that it is not needed yet."""

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import SECONDS_A_DAY, Profile
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.live import Act, Acts
from recsvc.core.sparse import gather
from recsvc.core.vocabulary import MISSING

REST_SHARE = 0.2
"""Of the usual time between purchases: bought this lately, a product rests."""

MAX_REST_DAYS = 2.0
"""However long that is: households buy again sooner than usual. Left out for up to a week, what
was bought in the days before cost a list for a month of groceries .05 of its nDCG@10."""

DURABLE_RATE = 0.1
"""Below this share of buyers who bought it again, nearly everybody needs one alone."""

DURABLE_DAYS = 90.0
"""How long such a product rests."""


def resting(
    profile: Profile, acts: Acts, statistics: ItemStatistics, now: float
) -> NDArray[np.int32]:
    """Items that the shopper bought a while ago and does not need yet.

    Of live purchases alone. A list of the night is for the weeks to come, and the ranker has
    learnt what is bought within those; who bought something an hour ago is asked about now.

    Args:
        profile: what was bought, and when, live purchases included.
        acts: what the shopper did of late.
        statistics: how soon others bought each product again.
        now: seconds since 1970.

    Returns:
        int32, distinct items, ascending.
    """
    bought = (acts.kinds == Act.PURCHASE) & (acts.items != MISSING) & (acts.times <= now)
    items = np.unique(acts.items[bought & (acts.items < len(statistics.interval_days))])
    n_purchases = gather(profile.items, profile.n_purchases, items)
    # What came back since is not there any more.
    items, n_purchases = items[n_purchases > 0], n_purchases[n_purchases > 0]
    first = gather(profile.items, profile.first_time, items)
    last = gather(profile.items, profile.last_time, items)
    own = (last - first) / SECONDS_A_DAY / np.maximum(n_purchases - 1, 1)
    # What was bought twice within a day was needed twice that day, not every day.
    is_repeated = own >= 1
    usual = np.where(is_repeated, own, statistics.interval_days[items])
    days = np.minimum(REST_SHARE * usual, MAX_REST_DAYS)
    days[~is_repeated & (statistics.repeat_rate[items] < DURABLE_RATE)] = DURABLE_DAYS
    return items[(now - last) / SECONDS_A_DAY < days]
