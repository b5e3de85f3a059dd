"""The candidates of one call, with what every source says of them."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsvc.core.model import Model
from recsvc.core.sources import Moment

if TYPE_CHECKING:  # it makes them
    from recsvc.core.panel import Panel

_NONE = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class Case:
    """The candidates of one call.

    Attributes:
        model: what was learnt.
        panel: who scored them.
        moment: who and where.
        items: int32, shape ``(n,)``.
        scores: float32, shape ``(n, n_scores)``, as the sources gave them.
        standardised: the same, standardised within the list.
        newcomers: int32: which products that the model has not learnt are allowed, the latest
            first.
        stand_ins: int32: items that the profile holds in place of such products.
        undated: int32: items of the profile whose times are a guess.
    """

    model: Model
    panel: "Panel"
    moment: Moment
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    standardised: NDArray[np.float32]
    newcomers: NDArray[np.int32] = field(default_factory=lambda: _NONE)
    stand_ins: NDArray[np.int32] = field(default_factory=lambda: _NONE)
    undated: NDArray[np.int32] = field(default_factory=lambda: _NONE)

    def only(self, kept: NDArray[np.bool_]) -> "Case":
        """The candidates that a mask of shape ``(n,)`` keeps, still standardised among all."""
        items, scores, standardised = self.items[kept], self.scores[kept], self.standardised[kept]
        return replace(self, items=items, scores=scores, standardised=standardised)
