"""The shopper's own repeat purchases."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recsvc.core.sources.base import Items, Moment, Scores, Strategy
from recsvc.core.sparse import top

MIN_OWN = 300
"""Proposed even where other sources may propose fewer: nearly half of what people buy, they
bought before."""


@dataclass(frozen=True, slots=True)
class OwnPurchases:
    """Own repeat purchases, with a short and a long memory."""

    name: ClassVar[str] = "own"
    features: ClassVar[Mapping[str, Strategy]] = {
        "own_short": Strategy.BUY_AGAIN,
        "own_long": Strategy.BUY_AGAIN,
    }

    def propose(self, moment: Moment, limit: int) -> Items:
        """The most frequent of late."""
        profile = moment.profile
        own = top(profile.long, max(limit, MIN_OWN), moment.allowed[profile.items])
        return profile.items[own]

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """Decayed purchases of each product."""
        profile, owned = moment.profile, moment.owned(items)
        return [owned.read(profile.short), owned.read(profile.long)]

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:  # noqa: ARG002  # the protocol's
        """None: the histories are the model's."""
        return {}

    def to_parameters(self) -> dict[str, Any]:
        """None."""
        return {}
