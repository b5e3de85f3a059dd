"""A model small enough to check by hand: ten products, six customers, three stores.

All of it is counted from :data:`PURCHASES`, so that a test can tell what is true of the
model.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsvc import __version__
from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.registry import Registry
from recsvc.core.model import Model
from recsvc.core.ranking import Task
from tests.counting import DATA_END_TIME, Item, Purchase, Shop, Shopping, model_of
from tests.rankers import weigh

PRODUCTS = (
    Item("espresso", "Espresso beans", "Drinks > Coffee", "Alta", 7.50, (0.9, 0.2, 0, 0),
         attributes={"roast": ("dark",), "label": ("organic", "fair")}),
    Item("filter", "Filter coffee", "Drinks > Coffee", "Alta", 5.20, (0.8, 0.3, 0, 0),
         attributes={"roast": ("light",)}),
    Item("tea", "Green tea", "Drinks > Tea", "Leaf", 3.10, (0.6, 0, 0.3, 0),
         attributes={"label": ("organic",)}),
    Item("milk", "Whole milk", "Food > Dairy", "Meadow", 1.15, (0.3, 0.9, 0, 0)),
    Item("butter", "Salted butter", "Food > Dairy", "Meadow", 2.40, (0, 0.8, 0.1, 0)),
    Item("bread", "Rye bread", "Food > Bakery", "Crumb", 2.80, (0.1, 0.9, 0, 0)),
    # Without a price or a brand.
    Item("jam", "Plum jam", "Food > Spreads", "", None, (0, 0.7, 0.2, 0)),
    Item("soap", "Olive soap", "Household > Soap", "Alta", 4.00, (0, 0, 0.9, 0.1)),
    # Sold in winter only, from 1 November 2025 to 15 April 2026.
    Item("punch", "Winter punch", "Drinks > Punch", "Crumb", 9.90, (0.2, 0.1, 0, 0.8),
         1_761_955_200, 1_776_211_200),
    # Never bought, and without a title.
    Item("bag", "", "Household", "", 0.10, (0, 0, 0, 0)),
)  # fmt: skip

STORES = (
    Shop("leeds-1", "Leeds Station", "GB|LS14DY", "861942c5fffffff", "GB-ENG", "GB"),
    Shop("york-1", "York Market", "GB|YO18SA", "8619429afffffff", "GB-ENG", "GB"),
    # Without a name and without coordinates.
    Shop("porto-1", "", "PT|4000-069", "", "PT-13", "PT"),
)

PURCHASES = (
    Purchase("anna", "espresso", "leeds-1", 3),
    Purchase("anna", "espresso", "leeds-1", 30),
    Purchase("anna", "espresso", "leeds-1", 60),
    Purchase("anna", "milk", "leeds-1", 3, quantity=2),
    Purchase("anna", "bread", "york-1", 45),
    Purchase("ben", "espresso", "leeds-1", 5),
    Purchase("ben", "filter", "leeds-1", 12),
    Purchase("ben", "milk", "york-1", 20),
    Purchase("ben", "soap", "leeds-1", 90),
    Purchase("clara", "tea", "york-1", 2),
    Purchase("clara", "tea", "york-1", 9),
    Purchase("clara", "jam", "york-1", 9),
    Purchase("clara", "bread", "york-1", 40),
    Purchase("dora", "punch", "porto-1", 75),
    Purchase("emil", "milk", "", 1),
    Purchase("emil", "butter", "", 15),
    Purchase("filipa", "bread", "porto-1", 0),
    Purchase("filipa", "butter", "porto-1", 8),
    Purchase("filipa", "soap", "porto-1", 33, quantity=3),
)
"""In the order of customers; dora bought once, and nobody knows where emil buys."""

SIMILARITY = (
    ("espresso", "filter", 0.6),
    ("espresso", "milk", 0.4),
    ("filter", "milk", 0.3),
    ("filter", "soap", 0.2),
    ("tea", "jam", 0.5),
    ("tea", "bread", 0.2),
    ("milk", "butter", 0.45),
    ("milk", "bread", 0.25),
    ("butter", "bread", 0.5),
    ("jam", "bread", 0.3),
)
"""Pairs of neighbours, alike both ways; soap has one, punch and bag have none."""

TINY = Shopping(PRODUCTS, STORES, PURCHASES, SIMILARITY)

WEIGHTS = {
    Task.ALL: {
        "own_short": 0.5, "own_long": 1.0, "collaborative": 0.4, "neighbours": 0.3,
        "transitions": 0.1, "next_basket": 0.1, "popularity": 0.1, "place": 0.2,
    },
    Task.AWAY: {
        "own_long": 1.0, "collaborative": 0.4, "neighbours": 0.3, "place": 0.3, "place_lift": 0.6,
    },
    Task.NEW: {
        "collaborative": 1.0, "neighbours": 0.6, "transitions": 0.2, "like_customers": 0.3,
        "popularity": 0.2, "place": 0.4,
    },
    Task.COLD: {"popularity": 0.4, "place": 1.0, "place_lift": 0.2},
}  # fmt: skip


def tiny_model(*, leave_out: Collection[str] = (), **changes: Any) -> Model:
    """Return the small model without the sources ``leave_out``, and with ``changes``.

    Unless ``changes`` give rankers, :data:`WEIGHTS` are given to the scores that are left,
    so that ``tiny_model(leave_out=["collaborative", "place"])`` can rank.
    """
    model = model_of(TINY)
    left = tuple(source for source in model.sources if source.name not in leave_out)
    model = replace(model, **{"sources": left, **changes})
    return model if "rankers" in changes else weigh(model, WEIGHTS)


def tiny_artifact(registry: Registry, model: Model, version_id: str | None = None) -> Manifest:
    """Publish ``model`` as a new version; ``registry.promote`` makes it current."""
    return registry.publish(
        model.to_arrays(),
        model_id="tiny",
        train_time=DATA_END_TIME,
        parameters=model.to_parameters(),
        metrics={},
        data={"n_interactions": len(PURCHASES)},
        code_version=__version__,
        version_id=version_id,
    )


def item_indices(model: Model, *product_ids: str) -> NDArray[np.int32]:
    """Indices of products that the model must know."""
    found = model.catalogue.items.indices(product_ids)
    assert len(found) == len(product_ids), f"unknown or repeated in {product_ids}"
    return found
