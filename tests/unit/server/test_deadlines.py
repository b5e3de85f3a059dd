"""How long callers wait."""

import math
from collections.abc import Iterable

import pytest

from recsvc.server.deadlines import Deadlines


def learnt(*lefts: float) -> Deadlines:
    """After calls with so much time left, seconds."""
    deadlines = Deadlines(0.25, 1.25)
    for left in lefts:
        deadlines.learn(left)
    return deadlines


@pytest.mark.parametrize(
    ("lefts", "seconds"),
    [
        ((), 0.25),
        ((1.0,), 1.0),
        ((1e6,), 1.25),
        ((0.001,), 0.25),
        ((-1.0,), 0.25),
        ((math.inf,), 0.25),
        ((math.inf, 1.0, math.inf), 1.0),
    ],
)
def test_the_first_says_all_within_bounds(lefts: Iterable[float], seconds: float) -> None:
    """Who waits for ever says nothing."""
    assert learnt(*lefts).seconds == seconds


def test_nearly_all_give_so_much() -> None:
    """A hundredth may give less and changes little; two of them bring it down to theirs."""
    few = learnt(*([0.3, *[1.0] * 199] * 20))
    many = learnt(*([0.3, *[1.0] * 49] * 20))
    assert few.seconds > 0.75
    assert many.seconds < 0.4


def test_who_is_in_a_hurry_is_soon_reckoned_with() -> None:
    """It takes ten of them, and a long while until they are forgotten."""
    deadlines = learnt(*[1.0] * 1_000)
    for _ in range(10):
        deadlines.learn(0.3)
    assert deadlines.seconds < 0.31
    for _ in range(300):
        deadlines.learn(1.0)
    assert deadlines.seconds < 0.6
    for _ in range(700):
        deadlines.learn(1.0)
    assert 0.8 < deadlines.seconds < 1.01  # then around it, as every hundredth may give less
