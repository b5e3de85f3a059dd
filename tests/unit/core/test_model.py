"""A model as arrays and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.recommender import Query, Ranking, Recommender
from recsvc.core.vocabulary import MISSING
from tests.samples import DATA_END, STORES, tiny_artifact, tiny_model

VARIANTS: list[dict[str, Any]] = [
    {},
    {"collaborative": None},
    {"neighbours": None},
    {"uses_place": False},
    {"uses_own": False},
    {"collaborative": None, "neighbours": None, "uses_place": False, "uses_own": False},
]


def everything(model: Model) -> list[Ranking]:
    """Return the lists of every customer and a stranger at every store, and products' own."""
    recommender = Recommender(model)
    locations = [Location(), *(Location(store_id=store.store_id) for store in STORES)]
    lists = []
    for customer in (MISSING, *range(len(model.customers))):
        for location in locations:
            for only_new in (False, True):
                query = Query(
                    customer=customer,
                    place=recommender.place(customer, location),
                    now=DATA_END,
                    only_new=only_new,
                    catalogue_filter=CatalogueFilter(price_max=8, currency="GBP"),
                )
                lists += [recommender.recommend(query), recommender.popular(query)]
    lists += [recommender.similar(item, Query(now=DATA_END)) for item in range(10)]
    return lists


def assert_same_lists(one: Model, other: Model) -> None:
    """See that two models answer everything alike, to the last bit."""
    for a, b in zip(everything(one), everything(other), strict=True):
        assert a.items.tolist() == b.items.tolist()
        assert a.scores.tolist() == b.scores.tolist()
        assert a.strategies.tolist() == b.strategies.tolist()
        assert a.levels.tolist() == b.levels.tolist()
        assert a.place == b.place


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda c: "+".join(c) or "complete")
def test_a_restored_model_gives_identical_lists(changes: dict[str, Any]) -> None:
    """Arrays, and parameters through JSON, hold everything that a list depends on."""
    model = tiny_model(**changes)
    parameters = json.loads(json.dumps(model.to_parameters(), allow_nan=False))
    assert_same_lists(model, Model.from_arrays(model.to_arrays(), parameters))


def test_a_published_model_gives_identical_lists(tmp_path: Path) -> None:
    """A model that went through a registry, memory-mapped and read-only, ranks as before."""
    model, registry = tiny_model(), Registry(tmp_path / "registry")
    manifest = tiny_artifact(registry, model, version_id="v1")
    assert manifest.version_id == "v1"
    loaded, arrays = registry.load("v1")
    assert not any(array.flags.writeable for array in arrays.values())
    assert_same_lists(model, Model.from_arrays(arrays, loaded.parameters))


def test_what_is_not_an_array_comes_back() -> None:
    """Windows, sizes and the names of the features are restored."""
    model = tiny_model(n_candidates=7, data_end=123.5)
    restored = Model.from_arrays(model.to_arrays(), model.to_parameters())
    assert (restored.n_candidates, restored.data_end, restored.recent_days) == (7, 123.5, 28)
    assert restored.blend.features == model.blend.features
    assert restored.blend.features == Recommender(restored).features


def test_a_model_without_a_source_stores_nothing_of_it() -> None:
    """What was trained without has neither arrays nor parameters."""
    model = tiny_model(collaborative=None, neighbours=None)
    assert not [n for n in model.to_arrays() if n.startswith(("factors", "neighbours"))]
    assert "als_alpha" not in model.to_parameters()


@pytest.mark.parametrize("lost", ["customers.hashes", "popularity.order", "factors.gram"])
def test_a_missing_array_is_an_error(lost: str) -> None:
    """A model is complete or it is not made."""
    model = tiny_model()
    arrays = {name: array for name, array in model.to_arrays().items() if name != lost}
    with pytest.raises(KeyError, match=lost):
        Model.from_arrays(arrays, model.to_parameters())


@pytest.mark.parametrize("lost", ["weights", "data_end", "place_shrinkage", "als_alpha"])
def test_a_missing_parameter_is_an_error(lost: str) -> None:
    """Nothing is assumed in its place."""
    parameters = tiny_model().to_parameters()
    del parameters[lost]
    with pytest.raises(KeyError, match=lost):
        Model.from_arrays(tiny_model().to_arrays(), parameters)


def test_arrays_are_plain() -> None:
    """No array needs pickle."""
    assert not any(array.dtype == np.dtype(object) for array in tiny_model().to_arrays().values())
