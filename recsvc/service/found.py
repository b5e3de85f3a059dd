"""What a question finds kept, and when another answer should be made in its place."""

import math
from collections.abc import Callable
from typing import NamedTuple

from recsvc.service.questions import KeptList
from recsvc.service.shopping import NO_DEEDS, LiveProfile


def _nothing() -> LiveProfile:
    return NO_DEEDS


class Found(NamedTuple):
    """An answer that was kept.

    Attributes:
        payload: as it is sent.
        age_seconds: since it was made.
        fresh_seconds: up to that age it is as good as a new one.
        kept: what is told of it.
        is_due: whether another one should be made.
        mark: as of ``Lookup``.
        live: reads what the shopper had done.
        n_bytes: what ``live`` holds on to.
    """

    payload: bytes
    age_seconds: float
    fresh_seconds: float
    kept: KeptList
    is_due: bool = False
    mark: bytes = b""
    live: Callable[[], LiveProfile] = _nothing
    n_bytes: int = 0

    @property
    def is_stale(self) -> bool:
        """Whether a new one would be better."""
        return self.age_seconds >= self.fresh_seconds


def is_due(left_seconds: float, cost_seconds: float, drawn: float) -> bool:
    """Whether who has found an answer has another one made, though it may be fresh.

    Who makes it a little early spares everybody the moment at which it ends. The chance grows as
    that comes near, and with what the answer costs, so that about one of all who ask does it, as
    late as can be (Vattani et al. 2015, Optimal Probabilistic Cache Stampede Prevention).

    Args:
        left_seconds: until the answer is stale.
        cost_seconds: what it took to make.
        drawn: from 0 to 1, 1 left out, at random.
    """
    return left_seconds <= 0 or left_seconds < cost_seconds * -math.log(1 - drawn)
