"""Mixing a list of unlike products, one after another.

Greedy max-sum diversification (Borodin, Lee and Ye, "Max-sum diversification, monotone submodular
functions and dynamic updates", 2012): the next product is the one with the best score once its
likenesses to those just before it are taken away. It differs from maximal marginal relevance
(Carbonell and Goldstein 1998) in the sum in place of the maximum, which at the same cost in nDCG
gave lists more varied.
"""

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from recsvc.core.diversity import Diversity, Likeness

Vector = NDArray[np.float32]

PENALTIES: Mapping[Diversity, float] = MappingProxyType(
    {Diversity.NONE: 0.0, Diversity.LOW: 0.15, Diversity.MEDIUM: 0.35, Diversity.HIGH: 0.8}
)
"""What one product just like it costs the next, in deviations of the candidates' scores. Chosen
for what they cost: docs/rules.md has the figures."""

WINDOW = 10
"""Products back that a likeness counts. Without an end the tail of a long list, with so much before
it to be like, would be in no order but that of novelty (a window as in Chen et al. 2018)."""

POOL = 300
"""Candidates that are mixed, the best: the ones after those only follow."""


class Mixer:
    """Chooses one candidate after another for a list.

    Args:
        likeness: of the assortment.
        shown: int32: items that stand above the list, the first first.
        pinned: int32: items that are put into it by others.
        items: int32, shape ``(n,)``: the candidates, the best first.
        values: float32, likewise: their scores.
        penalty: one of :data:`PENALTIES`; 0 takes them as they come.
    """

    def __init__(  # what there is, what stands above, and what comes between
        self,
        likeness: Likeness,
        shown: NDArray[np.int32],
        pinned: NDArray[np.int32],
        items: NDArray[np.int32],
        values: Vector,
        penalty: float,
    ) -> None:
        self._is_left = np.ones(len(items), np.bool_)
        self._next = 0
        self._n_pool = min(POOL, len(items)) if penalty else 0
        if not self._n_pool:
            return
        pool, above = items[: self._n_pool], shown[-WINDOW:]
        self._worth = standardised(values[: self._n_pool])
        self._penalty = np.float32(penalty)
        self._n_above, self._first = len(above), len(above) + len(pinned)
        alike = likeness.among(np.concatenate([above, pinned, pool]))
        self._alike = alike.matrix()[:, self._first :]
        self._window: deque[Vector] = deque()
        self._near = np.zeros(self._n_pool, np.float32)
        for position in range(len(above)):
            self._pass(position)

    def best(self, barred: NDArray[np.bool_] | None = None) -> int | None:
        """Position of the best candidate that is left and not ``barred``, if there is one."""
        is_open = self._is_left if barred is None else self._is_left & ~barred
        if self._n_pool and is_open[: self._n_pool].any():
            worth = self._worth - self._penalty * self._near
            return int(np.where(is_open[: self._n_pool], worth, -np.inf).argmax())
        # Those before the next one are gone.
        found = int(is_open[self._next :].argmax()) + self._next if self._next < len(is_open) else 0
        return found if found < len(is_open) and is_open[found] else None

    def put(self, position: int) -> None:
        """Put the candidate at ``position`` next."""
        self._is_left[position] = False
        while self._next < len(self._is_left) and not self._is_left[self._next]:
            self._next += 1
        if self._n_pool:
            self._pass(self._first + position if position < self._n_pool else None)

    def put_pin(self, number: int) -> None:
        """Put the pinned item of that number next."""
        if self._n_pool:
            self._pass(self._n_above + number)

    def _pass(self, position: int | None) -> None:
        """Let the window slide by one; of what is not mixed nothing is known."""
        zeros = np.zeros(self._n_pool, np.float32)
        self._window.append(zeros if position is None else self._alike[position])
        self._near = self._near + self._window[-1]
        if len(self._window) > WINDOW:
            self._near = self._near - self._window.popleft()


def standardised(values: Vector) -> Vector:
    """Mean 0 and deviation 1, so that what is taken away means the same on every list."""
    standard: Vector = (values - values.mean()) / np.float32(max(float(values.std()), 1e-6))
    return standard
