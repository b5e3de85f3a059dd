"""Candidate sources, one module each behind one interface."""

from collections.abc import Callable, Mapping
from typing import Any

from recsvc.core.places import Places
from recsvc.core.sources.base import (
    Explainable,
    Items,
    Memory,
    Moment,
    Scores,
    Shared,
    Source,
    Strategy,
)
from recsvc.core.sources.by_place import PopularityByPlace
from recsvc.core.sources.collaborative import Collaborative
from recsvc.core.sources.item_to_item import ItemToItem
from recsvc.core.sources.like_customers import LikeCustomers
from recsvc.core.sources.own import OwnPurchases
from recsvc.core.sources.popularity import Popularity
from recsvc.core.sources.spectral import Spectral
from recsvc.core.vocabulary import Arrays

__all__ = [
    "Collaborative",
    "Explainable",
    "ItemToItem",
    "Items",
    "LikeCustomers",
    "Memory",
    "Moment",
    "OwnPurchases",
    "Popularity",
    "PopularityByPlace",
    "Scores",
    "Shared",
    "Source",
    "Spectral",
    "Strategy",
    "source_from_arrays",
]


def source_from_arrays(
    name: str, arrays: Arrays, prefix: str, parameters: Mapping[str, Any], places: Places
) -> Source:
    """The source ``name`` of an artifact; the inverse of its ``to_arrays`` and parameters.

    Raises:
        KeyError: there is no such source, or an array or a parameter is missing.
    """
    readers: Mapping[str, Callable[[], Source]] = {
        "own": OwnPurchases,
        "place": lambda: PopularityByPlace(places),
        "popularity": lambda: Popularity.from_arrays(arrays, prefix),
        "like_customers": lambda: LikeCustomers.from_arrays(arrays, prefix, parameters),
        "spectral": lambda: Spectral.from_arrays(arrays, prefix, parameters),
        **dict.fromkeys(
            ("collaborative", "bpr"),
            lambda: Collaborative.from_arrays(name, arrays, prefix, parameters),
        ),
        **dict.fromkeys(
            ("neighbours", "ease", "transitions"),
            lambda: ItemToItem.from_arrays(name, arrays, prefix, parameters),
        ),
    }
    return readers[name]()
