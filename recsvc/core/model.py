"""Everything that a version of the model knows, as arrays that agree with each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.catalogue import Catalogue
from recsvc.core.factors import Factors
from recsvc.core.histories import Histories
from recsvc.core.places import Places
from recsvc.core.ranking import Blend, Task
from recsvc.core.sources import Collaborative, Neighbours, Popularity
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import Arrays, Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One trained model; immutable, and shared by all threads.

    Attributes:
        customers: customer ids, by the index of ``histories``.
        histories: what each customer bought.
        catalogue: the products.
        places: popularity by place.
        popularity: popularity everywhere, and the order that fills lists up.
        collaborative: matrix factors; ``None`` where trained without.
        neighbours: item-item similarity; ``None`` where trained without.
        blend: how the sources are weighed.
        uses_place: whether place takes part in the ranking.
        uses_own: whether the customer's own purchases do.
        data_end: time of the last event, seconds since 1970, UTC.
        recent_days: length of the window of the "recent" purchase counts, days.
        n_candidates: products that each source proposes.
    """

    customers: Vocabulary
    histories: Histories
    catalogue: Catalogue
    places: Places
    popularity: Popularity
    collaborative: Collaborative | None
    neighbours: Neighbours | None
    blend: Blend
    uses_place: bool
    uses_own: bool
    data_end: float
    recent_days: float
    n_candidates: int

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays of an artifact."""
        arrays: dict[str, NDArray[np.generic]] = {
            **self.customers.to_arrays("customers"),
            **self.histories.to_arrays("histories"),
            **self.catalogue.to_arrays("catalogue"),
            **self.places.to_arrays("places"),
            "popularity.log_shares": self.popularity.log_shares,
            "popularity.order": self.popularity.order,
        }
        if self.collaborative is not None:
            arrays |= self.collaborative.factors.to_arrays("factors")
        if self.neighbours is not None:
            arrays |= self.neighbours.similarity.to_arrays("neighbours")
        return arrays

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        parameters: dict[str, Any] = {
            "data_end": self.data_end,
            "recent_days": self.recent_days,
            "n_candidates": self.n_candidates,
            "uses_place": self.uses_place,
            "uses_own": self.uses_own,
            "place_shrinkage": self.places.shrinkage,
            "features": list(self.blend.features),
            "weights": {
                task.value: [round(float(w), 6) for w in weights]
                for task, weights in self.blend.weights.items()
            },
        }
        if self.collaborative is not None:
            parameters["als_alpha"] = self.collaborative.factors.alpha
        return parameters

    @classmethod
    def from_arrays(cls, arrays: Arrays, parameters: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`.

        Raises:
            KeyError: an array or a parameter is missing.
        """
        collaborative = neighbours = None
        if "factors.items" in arrays:
            collaborative = Collaborative(Factors.from_arrays(arrays, "factors", parameters))
        if "neighbours.indptr" in arrays:
            neighbours = Neighbours(SparseRows.from_arrays(arrays, "neighbours"))
        return cls(
            customers=Vocabulary.from_arrays(arrays, "customers"),
            histories=Histories.from_arrays(arrays, "histories"),
            catalogue=Catalogue.from_arrays(arrays, "catalogue"),
            places=Places.from_arrays(arrays, "places", parameters),
            popularity=Popularity(
                np.asarray(arrays["popularity.log_shares"], np.float32),
                np.asarray(arrays["popularity.order"], np.int32),
            ),
            collaborative=collaborative,
            neighbours=neighbours,
            blend=Blend(
                tuple(parameters["features"]),
                {
                    Task(task): np.array(weights, np.float32)
                    for task, weights in parameters["weights"].items()
                },
            ),
            uses_place=bool(parameters["uses_place"]),
            uses_own=bool(parameters["uses_own"]),
            data_end=float(parameters["data_end"]),
            recent_days=float(parameters["recent_days"]),
            n_candidates=int(parameters["n_candidates"]),
        )
