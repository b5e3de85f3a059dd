"""Segments of customers: by what they bought and when, and by a file of the shop's."""

from collections.abc import Mapping

import numpy as np

from recsvc.core.histories import SECONDS_A_DAY, Histories
from recsvc.core.segments import Segments
from recsvc.core.vocabulary import Vocabulary
from training.interactions import ids

NEW, LAPSED, LOYAL = "new", "lapsed", "loyal"

NEW_DAYS = 28.0
"""Whose first purchase is no longer ago, before the end of the data, is new."""

LAPSED_DAYS = 90.0
"""Whose last purchase is longer ago has lapsed."""

LOYAL_SHARE = 0.25
"""Of the others, those with the most purchases are loyal."""


def fit_segments(
    customers: Vocabulary, histories: Histories, data_end: float, given: Mapping[str, str]
) -> Segments:
    """Put every customer into segments.

    Args:
        customers: ids, by the index of ``histories``.
        histories: what each bought.
        data_end: seconds since 1970; 0 where nothing is known of times, and so of who is new.
        given: segment by customer id; it may be one of the names here.
    """
    n_customers = len(histories)
    rows = np.repeat(np.arange(n_customers), np.diff(histories.indptr))
    n_purchases = np.bincount(rows, histories.n_purchases, n_customers)
    first = np.full(n_customers, np.inf)
    last = np.full(n_customers, -np.inf)
    np.minimum.at(first, rows, histories.first_time)
    np.maximum.at(last, rows, histories.last_time)
    is_timed = data_end > 0
    is_new = is_timed & (n_purchases > 0) & (first >= data_end - NEW_DAYS * SECONDS_A_DAY)
    is_lapsed = is_timed & (n_purchases > 0) & (last < data_end - LAPSED_DAYS * SECONDS_A_DAY)
    others = is_timed & (n_purchases > 0) & ~is_new & ~is_lapsed
    most = np.quantile(n_purchases[others], 1 - LOYAL_SHARE) if others.any() else np.inf
    is_loyal = others & (n_purchases >= most)
    members = {NEW: is_new, LAPSED: is_lapsed, LOYAL: is_loyal}
    return Segments.of_names(
        [
            sorted({name for name, holds in members.items() if holds[i]} | _named(given, customer))
            for i, customer in enumerate(ids(customers))
        ]
    )


def _named(given: Mapping[str, str], customer: str) -> set[str]:
    segment = given.get(customer, "").strip()
    return {segment} if segment else set()
