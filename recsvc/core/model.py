"""Everything that a version of the model knows, as arrays that agree with each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.baskets import Baskets
from recsvc.core.catalogue import Catalogue
from recsvc.core.histories import HalfLives, Histories
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.logistic import Logistic
from recsvc.core.places import Places
from recsvc.core.ranking import Ranker, Task
from recsvc.core.segments import Segments
from recsvc.core.sources import Popularity, Source, source_from_arrays
from recsvc.core.trees import Trees
from recsvc.core.visits import Visits
from recsvc.core.vocabulary import Arrays, Vocabulary

_RANKER_KEYS = frozenset({"weights", "trees", "logistic", "fusion", "n_sifted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One trained model; immutable, and shared by all threads.

    Attributes:
        customers: customer ids, by the index of ``histories``.
        histories: what each customer bought.
        catalogue: the products.
        statistics: numbers of each product.
        places: popularity by place.
        visits: where each customer usually buys.
        sources: what proposes and scores products; :class:`Popularity` is one of them.
        baskets: what is bought in one basket with what, ``None`` where nobody can tell.
        rankers: what orders the candidates of each task.
        without: groups of features that the trees do not see.
        data_end: time of the last event, seconds since 1970, UTC.
        half_lives: of the memories that ``histories`` were decayed with.
        recent_days: length of the window of the "recent" purchase counts, days.
        n_candidates: products that each source proposes.
        segments: groups of customers.
        buys_again: whether customers come back for a product they have; where they do not, lists
            leave it out unless it is asked for.
    """

    customers: Vocabulary
    histories: Histories
    catalogue: Catalogue
    statistics: ItemStatistics
    places: Places
    visits: Visits
    sources: tuple[Source, ...]
    baskets: Baskets | None = None
    rankers: Mapping[Task, Ranker]
    without: frozenset[str] = frozenset()
    data_end: float
    half_lives: HalfLives
    recent_days: float
    n_candidates: int
    segments: Segments = field(default_factory=Segments.none)
    buys_again: bool = True

    @property
    def popularity(self) -> Popularity:
        """The source that fills every list up.

        Raises:
            LookupError: the model has none.
        """
        for source in self.sources:
            if isinstance(source, Popularity):
                return source
        raise LookupError("a model needs popularity to fill its lists up")

    def source(self, name: str) -> Source | None:
        """The source of that name, ``None`` where the model was trained without."""
        return next((s for s in self.sources if s.name == name), None)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays of an artifact."""
        arrays: dict[str, NDArray[np.generic]] = {
            **self.customers.to_arrays("customers"),
            **self.histories.to_arrays("histories"),
            **self.catalogue.to_arrays("catalogue"),
            **self.statistics.to_arrays("statistics"),
            **self.places.to_arrays("places"),
            **self.visits.to_arrays("visits"),
            **self.segments.to_arrays("segments"),
        }
        for source in self.sources:
            arrays |= source.to_arrays(source.name)
        if self.baskets is not None:
            arrays |= self.baskets.to_arrays("baskets")
        for task, ranker in self.rankers.items():
            if ranker.trees is not None:
                arrays |= ranker.trees.to_arrays(f"trees.{task.value}")
            if ranker.logistic is not None:
                arrays |= ranker.logistic.to_arrays(f"logistic.{task.value}")
        return arrays

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        return {
            "data_end": self.data_end,
            "short_half_life_days": self.half_lives.short_days,
            "long_half_life_days": self.half_lives.long_days,
            "recent_days": self.recent_days,
            "n_candidates": self.n_candidates,
            "buys_again": self.buys_again,
            "place_shrinkage": self.places.shrinkage,
            "visits_level": self.visits.level.name,
            "without": sorted(self.without),
            "baskets": None if self.baskets is None else self.baskets.to_parameters(),
            "sources": [{"name": s.name, **s.to_parameters()} for s in self.sources],
            "rankers": {
                task.value: {
                    "trees": ranker.trees is not None,
                    "logistic": ranker.logistic is not None,
                    "fusion": ranker.fusion,
                    # Left out where it does nothing, so that versions from before it can read it.
                    **({"n_sifted": ranker.n_sifted} if ranker.n_sifted else {}),
                    "weights": [round(float(w), 6) for w in ranker.weights],
                }
                for task, ranker in self.rankers.items()
            },
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, parameters: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`.

        Raises:
            KeyError: an array or a parameter is missing.
            ValueError: a ranker has a part that is not known here, and would rank without it.
        """
        for task, ranker in parameters["rankers"].items():
            if unknown := ranker.keys() - _RANKER_KEYS:
                raise ValueError(f"the ranker of {task!r} has {', '.join(sorted(unknown))}")
        places = Places.from_arrays(arrays, "places", parameters)
        return cls(
            customers=Vocabulary.from_arrays(arrays, "customers"),
            histories=Histories.from_arrays(arrays, "histories"),
            catalogue=Catalogue.from_arrays(arrays, "catalogue"),
            statistics=ItemStatistics.from_arrays(arrays, "statistics"),
            places=places,
            visits=Visits.from_arrays(arrays, "visits", parameters),
            sources=tuple(
                source_from_arrays(source["name"], arrays, source["name"], source, places)
                for source in parameters["sources"]
            ),
            # Versions from before it was learnt have none.
            baskets=Baskets.from_arrays(arrays, "baskets", parameters["baskets"])
            if parameters.get("baskets")
            else None,
            rankers={
                Task(task): Ranker(
                    np.array(ranker["weights"], np.float32),
                    Trees.from_arrays(arrays, f"trees.{task}") if ranker["trees"] else None,
                    Logistic.from_arrays(arrays, f"logistic.{task}")
                    if ranker["logistic"]
                    else None,
                    float(ranker["fusion"]),
                    int(ranker.get("n_sifted", 0)),
                )
                for task, ranker in parameters["rankers"].items()
            },
            without=frozenset(parameters["without"]),
            data_end=float(parameters["data_end"]),
            half_lives=HalfLives(
                float(parameters["short_half_life_days"]),
                float(parameters["long_half_life_days"]),
            ),
            recent_days=float(parameters["recent_days"]),
            n_candidates=int(parameters["n_candidates"]),
            segments=Segments.from_arrays(arrays, "segments"),
            # Versions from before it was asked served everything.
            buys_again=bool(parameters.get("buys_again", True)),
        )
