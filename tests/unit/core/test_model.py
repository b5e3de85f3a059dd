"""A model as arrays and back."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.lists import Ranking
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from tests.counting import DATA_END
from tests.rankers import Stump, grow, regress
from tests.samples import STORES, tiny_artifact, tiny_model

VARIANTS: list[list[str]] = [
    [],
    ["collaborative"],
    ["neighbours", "transitions"],
    ["like_customers"],
    ["place"],
    ["own"],
    ["own", "collaborative", "neighbours", "transitions", "like_customers", "place"],
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


@pytest.mark.parametrize("leave_out", VARIANTS, ids=lambda names: "+".join(names) or "nothing")
def test_a_restored_model_gives_identical_lists(leave_out: list[str]) -> None:
    """Arrays, and parameters through JSON, hold everything that a list depends on."""
    model = tiny_model(leave_out=leave_out)
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


def test_trees_go_through_the_artifact(tmp_path: Path) -> None:
    """Tasks with trees, with a regression and without are what they were, feature groups too."""
    model = replace(tiny_model(), without=frozenset({"price", "trend"}))
    stumps = Stump("days_since", 4, 0.25, 1), Stump("lift_store", 0.125, 0, 0.5)
    model = grow(grow(model, Task.ALL, *stumps), Task.COLD, Stump("place_level", 0.5, 0, 1))
    model = regress(model, Task.ALL, n_purchases=0.5, lift_store=1)
    beside = replace(model.rankers[Task.ALL], fusion=0.5, n_sifted=7)
    model = replace(model, rankers={**model.rankers, Task.ALL: beside})
    registry = Registry(tmp_path / "registry")
    tiny_artifact(registry, model, version_id="v1")
    manifest, arrays = registry.load("v1")
    restored = Model.from_arrays(arrays, manifest.parameters)
    assert {task for task, r in restored.rankers.items() if r.trees} == {Task.ALL, Task.COLD}
    assert {task for task, r in restored.rankers.items() if r.logistic} == {Task.ALL}
    assert {task: r.fusion for task, r in restored.rankers.items() if r.fusion} == {Task.ALL: 0.5}
    assert {t: r.n_sifted for t, r in restored.rankers.items() if r.n_sifted} == {Task.ALL: 7}
    assert restored.without == {"price", "trend"}
    assert Recommender(restored).features.names == Recommender(model).features.names
    assert_same_lists(model, restored)


@pytest.mark.parametrize("buys_again", [True, False])
def test_whether_customers_buy_again_is_kept(*, buys_again: bool) -> None:
    """A version from before it was asked is of customers who do."""
    model = replace(tiny_model(), buys_again=buys_again)
    parameters = model.to_parameters()
    assert Model.from_arrays(model.to_arrays(), parameters).buys_again is buys_again
    del parameters["buys_again"]
    assert Model.from_arrays(model.to_arrays(), parameters).buys_again


def test_a_ranker_with_an_unknown_part_is_refused() -> None:
    """What another release ranks with beside the trees is not left out in silence."""
    model = tiny_model()
    parameters = model.to_parameters()
    parameters["rankers"]["all"]["oracle"] = True
    with pytest.raises(ValueError, match="the ranker of 'all' has oracle"):
        Model.from_arrays(model.to_arrays(), parameters)


def test_what_is_not_an_array_comes_back() -> None:
    """Windows, sizes, sources in their order and the weights of every task are restored."""
    model = tiny_model(n_candidates=7, data_end=123.5)
    restored = Model.from_arrays(model.to_arrays(), model.to_parameters())
    assert (restored.n_candidates, restored.data_end, restored.recent_days) == (7, 123.5, 28)
    assert [s.name for s in restored.sources] == [s.name for s in model.sources]
    assert Recommender(restored).scores == Recommender(model).scores
    assert restored.rankers.keys() == model.rankers.keys()
    for task, ranker in model.rankers.items():
        assert restored.rankers[task].weights.tolist() == ranker.weights.tolist()
        assert restored.rankers[task].trees is None


def test_sources_are_found_by_name() -> None:
    """Each source by its own name; one that the model was trained without is not there."""
    model = tiny_model(leave_out=["neighbours"])
    assert all(model.source(source.name) is source for source in model.sources)
    assert model.source("neighbours") is None
    assert model.popularity is model.source("popularity")


def test_a_model_needs_popularity() -> None:
    """Without it nothing could fill a list up: such a model is refused."""
    with pytest.raises(LookupError, match="needs popularity"):
        Recommender(tiny_model(leave_out=["popularity"], rankers={}))


def test_trees_of_other_features_are_refused() -> None:
    """Trees that were grown on other columns would read the wrong ones in silence."""
    model = grow(tiny_model(), Task.NEW, Stump("own_long", 0.5, 0, 1))
    with pytest.raises(ValueError, match="trees of 'new' read"):
        Recommender(replace(model, without=frozenset({"price"})))


def test_a_model_without_a_source_stores_nothing_of_it() -> None:
    """What was trained without has neither arrays nor parameters."""
    model = tiny_model(leave_out=["collaborative", "neighbours"])
    assert not [n for n in model.to_arrays() if n.startswith(("collaborative", "neighbours"))]
    names = [source["name"] for source in model.to_parameters()["sources"]]
    assert names == ["own", "transitions", "like_customers", "place", "popularity"]


@pytest.mark.parametrize(
    "lost",
    [
        "customers.hashes",
        "popularity.order",
        "collaborative.gram",
        "neighbours.values",
        "like_customers.buyers.indices",
        "statistics.position",
        "trees.all.masks",
    ],
)
def test_a_missing_array_is_an_error(lost: str) -> None:
    """A model is complete or it is not made."""
    model = grow(tiny_model(), Task.ALL, Stump("own_long", 0.5, 0, 1))
    arrays = {name: array for name, array in model.to_arrays().items() if name != lost}
    with pytest.raises(KeyError, match=lost):
        Model.from_arrays(arrays, model.to_parameters())


@pytest.mark.parametrize("lost", ["sources", "rankers", "without", "data_end", "place_shrinkage"])
def test_a_missing_parameter_is_an_error(lost: str) -> None:
    """Nothing is assumed in its place."""
    parameters = tiny_model().to_parameters()
    del parameters[lost]
    with pytest.raises(KeyError, match=lost):
        Model.from_arrays(tiny_model().to_arrays(), parameters)


def test_an_unknown_source_is_an_error() -> None:
    """A source that a later version trained is not passed over in silence."""
    model = tiny_model()
    parameters = model.to_parameters()
    parameters["sources"].append({"name": "oracle"})
    with pytest.raises(KeyError, match="oracle"):
        Model.from_arrays(model.to_arrays(), parameters)


def test_arrays_are_plain() -> None:
    """No array needs pickle."""
    assert not any(array.dtype == np.dtype(object) for array in tiny_model().to_arrays().values())
