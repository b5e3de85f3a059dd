"""What is bought here, in itself and against everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recsvc.core.places import PLACE_LEVELS, Places
from recsvc.core.sources.base import Items, Moment, Scores, Strategy
from recsvc.core.sparse import distinct, top
from recsvc.core.vocabulary import MISSING


@dataclass(frozen=True, slots=True)
class PopularityByPlace:
    """What is bought here, in itself and against everywhere."""

    name: ClassVar[str] = "place"
    features: ClassVar[Mapping[str, Strategy]] = {
        "place": Strategy.POPULAR_NEARBY,
        "place_lift": Strategy.POPULAR_NEARBY,
    }

    places: Places

    def propose(self, moment: Moment, limit: int) -> Items:
        """The most bought at the finest level that has enough products to say so."""
        found: list[Items] = []
        for level in PLACE_LEVELS:
            index = moment.place.indices[level]
            if index == MISSING:
                continue
            items, counts = self.places.levels[level].counts.row(index)
            found.append(items[top(counts, limit, moment.allowed[items])])
            if len(found[-1]) == limit:
                break
        return distinct(found) if found else np.zeros(0, np.int32)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """Logarithms of the share here and of its ratio to the share everywhere."""
        here = np.log(self.places.shares_at(moment.place, items, moment.sales(self.places)))
        return [here, here - np.log(self.places.shares[items])]

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:  # noqa: ARG002  # the protocol's
        """None: the places are the model's."""
        return {}

    def to_parameters(self) -> dict[str, Any]:
        """None."""
        return {}
