"""How much more often than by chance two products are bought together."""

from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.pairs import Pair, counted, most_telling
from recsvc.core.sparse import SparseRows
from tests.pairs import counted_pairs

BREAD, BUTTER, JAM, SOAP = range(4)
BASKETS = [{BREAD, BUTTER}, {BREAD, BUTTER, JAM}, {BREAD, BUTTER}, {BREAD, SOAP}, {SOAP}] * 2
PAIRS = counted_pairs(BASKETS)


def of(item: int, *others: int) -> Pair | None:
    found = (counted(PAIRS, item, other) for other in others)
    return most_telling(one for one in found if one)


def test_lift_is_what_was_counted_over_what_was_to_be_expected() -> None:
    """Bread in 8 of 10 baskets, butter in 6: 4.8 would be chance, and 6 there are."""
    assert of(BREAD, BUTTER) == Pair(BUTTER, 6, 6 / 4.8)


def test_the_highest_lift_speaks() -> None:
    """Jam is with butter more tellingly than with bread, as far as that is telling at all."""
    found = of(BUTTER, SOAP, JAM, BREAD)
    assert found == Pair(BREAD, 6, 1.25)  # jam in 2 baskets alone may be chance
    assert found.is_telling
    twice = counted_pairs(BASKETS + BASKETS)
    assert counted(twice, BUTTER, JAM) == Pair(JAM, 4, 4 * 20 / (12 * 4))


@pytest.mark.parametrize(
    ("n_both", "lift", "is_telling"), [(3, 1.1, True), (2, 9.0, False), (30, 1.05, False)]
)
def test_what_may_be_chance_is_not_telling(n_both: int, lift: float, *, is_telling: bool) -> None:
    """Neither few baskets nor a lift that rounds to 1."""
    assert Pair(0, n_both, lift).is_telling is is_telling


def test_without_a_telling_lift_the_most_baskets_speak() -> None:
    """And nothing does where no basket had both."""
    assert of(JAM, SOAP, BUTTER) == Pair(BUTTER, 2, 10 * 2 / (2 * 6))
    assert of(JAM, SOAP) is None
    assert of(JAM) is None


def test_a_pair_is_known_from_either_side() -> None:
    """Of each product the closest others are kept; without counts there is none."""
    one_sided = replace(
        PAIRS,
        both=SparseRows(
            np.array([0, 1, *[1] * 9], np.int64),
            np.array([BUTTER], np.int32),
            np.array([6], np.float32),
        ),
    )
    assert counted(one_sided, BREAD, BUTTER) == of(BREAD, BUTTER)
    assert counted(one_sided, BUTTER, BREAD) == of(BUTTER, BREAD)
    assert counted(None, BREAD, BUTTER) is None
