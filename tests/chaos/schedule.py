"""When what goes wrong: drawn from a seed, each fault at least once."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How faults follow each other, seconds.

    Attributes:
        quiet: before the first.
        lasting: how long one lasts, at least and at most.
        between: from the end of one to the next, likewise.
        after: without faults at the end, when everything must be as before.
        share: of the load that there is at full strength.
    """

    quiet: float
    lasting: tuple[float, float]
    between: tuple[float, float]
    after: float
    share: float


LONG = Pace(quiet=20.0, lasting=(3.0, 8.0), between=(3.0, 7.0), after=10.0, share=1.0)
SHORT = Pace(quiet=2.0, lasting=(1.0, 1.5), between=(0.5, 1.0), after=2.0, share=0.4)


def rounds(faults: Sequence[T], random: Random) -> Iterator[T]:
    """All faults in an order drawn by lot, and then again in another, without end."""
    while faults:
        yield from random.sample(faults, len(faults))


def in_turn(
    faults: Sequence[T],
    until: float,
    random: Random,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """Rounds until a moment, each fault at least once.

    Args:
        faults: which.
        until: none begins later that has had its turn, monotonic seconds.
        random: the lot.
        monotonic: monotonic seconds.
    """
    for number, fault in enumerate(rounds(faults, random)):
        if number >= len(faults) and monotonic() > until:
            return
        yield fault


def drawn(bounds: tuple[float, float], random: Random) -> float:
    """A time between two bounds."""
    return random.uniform(*bounds)
