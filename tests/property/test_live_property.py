"""Whatever was bought, and whenever it is told, a profile is that of the purchases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsvc.core.histories import NO_HISTORY
from tests.acts import Did, assert_alike, bought, folded, moment, profile_of, returned

pytestmark = pytest.mark.usefixtures("unmeasured")

LAST_DAY = 8
OTHER_ORDER = 99

# Few days and orders, so that some are told apart by one of them alone, or by neither.
LINES = st.builds(
    bought,
    item=st.integers(0, 4),
    day=st.sampled_from([-3.0, 0.5, 1.0, 7.0, float(LAST_DAY)]),
    quantity=st.sampled_from([0.5, 1.0, 3.0, 500.0]),
    order=st.integers(0, 4),
)


@given(st.lists(LINES, max_size=20), LINES, st.data())
def test_a_folded_profile_is_that_of_the_purchases(
    purchases: list[Did], other: Did, data: st.DataObject
) -> None:
    """Items are distinct and ascend, each with its orders; what came back at once never was."""
    profile = folded(NO_HISTORY, *purchases, day=LAST_DAY).profile
    assert (np.diff(profile.items) > 0).all()
    orders = {(d.item, d.order or moment(d.day)) for d in purchases}
    expected = [sum(item == own for item, _ in orders) for own in profile.items.tolist()]
    assert profile.n_purchases.tolist() == expected
    assert sum(expected) == len(orders)
    assert (profile.first_time <= profile.last_time).all()
    assert_alike(profile, profile_of(*purchases, day=LAST_DAY))

    place = data.draw(st.integers(0, len(purchases)))
    other = other._replace(order=OTHER_ORDER)
    back = returned(other.item, other.day, other.quantity, OTHER_ORDER)
    did = [*purchases[:place], other, back, *purchases[place:]]
    assert_alike(folded(NO_HISTORY, *did, day=LAST_DAY).profile, profile)
