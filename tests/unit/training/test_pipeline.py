"""A training run, top to bottom, on the synthetic shop and on data with little to say."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.registry import Registry
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.ranking import BESIDE_BASKET, Task
from recsvc.core.recommender import Recommender
from recsvc.errors import InputError
from tests.purchases import (
    SMALL,
    START,
    Lines,
    ShopFiles,
    built,
    interactions_of,
    products_of,
    shop_events,
    shop_products,
    shop_stores,
    stores_of,
    write_shop,
)
from tests.quick import QUICK
from tests.rankers import Stump, grow, weigh_alike
from training.fusion import TUNED
from training.interactions import Interactions
from training.pipeline import MODEL_ID, fit, usable
from training.purchases import FitInput, read
from training.settings import FEATURE_GROUPS, REMOVABLE, TrainingSettings

Row = dict[str, object]
SETTINGS = replace(SMALL, n_windows=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ShopFiles:
    return write_shop(tmp_path_factory.mktemp("shop"))


def source_of(files: ShopFiles) -> FitInput:
    return FitInput(events=[files.events], products=files.products, stores=files.stores)


@pytest.fixture(scope="module")
def runs(
    files: ShopFiles, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Registry, list[Manifest], Lines]:
    """Two runs of one seed."""
    registry = Registry(tmp_path_factory.mktemp("runs") / "registry")
    lines = Lines()
    manifests = [fit(source_of(files), SETTINGS, registry, lines) for _ in range(2)]
    return registry, manifests, lines


@pytest.mark.parametrize(
    ("names", "days"), [(("unit_price",), 10), (("latitude", "longitude"), 40)]
)
def test_what_was_recorded_of_late_only_is_learnt_from(
    names: tuple[str, ...], days: int, tmp_path: Path
) -> None:
    """Prices or coordinates of the last weeks alone: all windows have the same features."""
    events = shop_events()
    late = pl.col("event_time") > pl.col("event_time").max() - timedelta(days=days)
    number = pl.col("product_id").str.len_chars() + pl.col("quantity")
    events.with_columns(
        pl.when(late).then(number * 1.5).alias(name) for name in names
    ).write_parquet(tmp_path / "events.parquet")
    registry = Registry(tmp_path / "registry")

    settings = replace(QUICK, n_windows=1)  # the features are what is asked about

    manifest = fit(FitInput(events=[tmp_path / "events.parquet"]), settings, registry, Lines())

    groups = recommender_of(registry, manifest).features.groups
    assert ("price" if names == ("unit_price",) else "distance") in groups


def test_what_early_baskets_taught_goes_where_all_data_have_too_few() -> None:
    """A model without baskets would be refused with it; one with baskets keeps it."""
    weekly = [
        {"customer_id": f"c{n % 5}", "product_id": product, "order_id": f"{n}", "day": n}
        for n in range(40)
        for product in ("tea", "milk")
    ]
    single = [
        {"customer_id": "bulk", "product_id": "tea", "order_id": f"b{n}", "day": 39 + n / 1_000}
        for n in range(500)
    ]
    early, whole = (built(interactions_of(*rows), QUICK) for rows in (weekly, weekly + single))
    learnt = grow(weigh_alike(early, popularity=1), Task.TOGETHER, Stump("together", 0, 0, 1))
    assert whole.baskets is None

    assert usable(learnt.rankers, early) == learnt.rankers
    with pytest.raises(ValueError, match=r"the trees of 'together' read"):
        Recommender(replace(whole, rankers=learnt.rankers))
    kept = usable(learnt.rankers, whole)
    assert set(kept) == set(Task) - BESIDE_BASKET
    assert Recommender(replace(whole, rankers=kept)).ranker(Task.TOGETHER).trees is None


def recommender_of(registry: Registry, manifest: Manifest) -> Recommender:
    loaded, arrays = registry.load(manifest.version_id)
    return Recommender(Model.from_arrays(arrays, loaded.parameters))


def test_the_same_seed_gives_the_same_model(
    runs: tuple[Registry, list[Manifest], Lines],
) -> None:
    """Two runs agree in every byte of every array, in parameters and in metrics."""
    registry, (first, second), _ = runs

    assert first.version_id != second.version_id
    assert first.parameters == second.parameters
    assert first.metrics == second.metrics
    assert first.data == second.data
    digests = [{f.name: f.sha256 for f in manifest.files} for manifest in (first, second)]
    assert digests[0] == digests[1]
    assert registry.pointer() is None  # publishing is not promoting


def test_the_manifest_says_what_was_learnt_from_what(
    runs: tuple[Registry, list[Manifest], Lines],
) -> None:
    """A version carries its settings, the numbers of its data and what both windows said."""
    _, (manifest, _), _ = runs

    events = shop_events()
    assert manifest.model_id == MODEL_ID
    assert manifest.data["n_rows"] == events.height
    assert manifest.data["n_returns"] == events.filter(pl.col("quantity") < 0).height > 0
    assert manifest.data["n_customers"] == 150
    assert manifest.data["n_stores"] == 6
    assert manifest.data["test_customers"] > 100
    assert len(manifest.data["events_sha256"]) == 64
    assert manifest.parameters["training"]["n_like_customers"] == SMALL.n_like_customers
    fusion, guard, test = (manifest.metrics[name] for name in ("fusion", "guard", "test"))
    assert fusion["tuned"]
    assert set(fusion["ndcg@10"]) == {task.value for task in TUNED}
    assert guard["from"] < test["from"]
    for task in ("all", "new"):
        assert guard[task]["served"] in {"trees", "fusion", *guard[task]["ndcg@10"]}
        assert {"trees", "fusion", "popularity"} <= guard[task]["ndcg@10"].keys()
    assert test["split"] == "temporal"
    # 28 days before the last event, which is what the test window is.
    assert manifest.data["end_time"] > test["from"] > str(START + timedelta(days=200))
    assert {row["name"] for row in test["slices"]["country"]} == {"GB", "PT"}


def test_the_model_beats_the_baselines(runs: tuple[Registry, list[Manifest], Lines]) -> None:
    """On the held-out month the model is above every baseline, for all and for new purchases."""
    _, (manifest, _), _ = runs

    rankers = manifest.metrics["test"]["rankers"]
    ours = rankers.pop("recsvc")
    assert set(rankers) == {"popularity", "popularity by place", "own purchases"}
    for baseline in rankers.values():
        for task in ("all", "new"):
            assert ours[task]["ndcg@10"] > baseline[task]["ndcg@10"]


def test_the_log_tells_the_run(runs: tuple[Registry, list[Manifest], Lines]) -> None:
    """The log has the stages, the rows, the weights and the table of metrics."""
    _, _, lines = runs

    said = "\n".join(lines.said)
    for stage in ("read and check", "tune the fusion", "learn the rankers", "publish"):
        assert stage in said
    assert f"{shop_events().height:,} rows, 0 quarantined" in said
    assert "all: nDCG@10 0." in said
    assert "guard, new: " in said
    assert "popularity by place" in said


def test_the_published_model_knows_all_the_data(
    runs: tuple[Registry, list[Manifest], Lines], files: ShopFiles
) -> None:
    """The model that is published has seen the test window too, and the catalogue."""
    registry, (manifest, _), _ = runs
    model = recommender_of(registry, manifest).model

    newest = pl.read_parquet(files.events).filter(pl.col("quantity") > 0)["event_time"].max()
    assert abs(model.data_end - newest.timestamp()) < 3600 * 24  # type: ignore[union-attr]  # a time
    assert model.catalogue.title(model.catalogue.items.index("p00")) == "Bakery no. 0"
    assert model.places.store_name(model.places.resolve(Location(store_id="york-1"))) == (
        "York Shambles"
    )


@pytest.fixture(scope="module")
def paid() -> tuple[Interactions, pl.DataFrame, Recommender]:
    """Purchases with prices, the products, and a model of both with all its parts."""
    events = shop_events().filter(quantity=1.0).with_columns(unit_price=pl.lit(2.5)).to_dicts()
    interactions = interactions_of(*events, stores=stores_of(shop_stores().to_dicts()))
    products = products_of(shop_products().to_dicts())
    return interactions, products, Recommender(built(interactions, SMALL, products))


@pytest.mark.parametrize("part", REMOVABLE)
def test_parts_can_be_left_out(
    paid: tuple[Interactions, pl.DataFrame, Recommender], part: str
) -> None:
    """A model without one of its parts ranks with the scores and features that are left."""
    interactions, products, whole = paid

    less = Recommender(built(interactions, replace(SMALL, without=frozenset({part})), products))

    parts = {
        "own": ("own_short", "own_long"),
        "collaborative": ("collaborative",),
        "neighbours": ("neighbours",),
        "place": ("place", "place_lift"),
    }
    assert set(less.scores) <= set(whole.scores)
    assert set(whole.scores) - set(less.scores) >= set(parts.get(part, ()))
    assert "popularity" in less.scores
    if part in FEATURE_GROUPS:
        assert len(less.features.names) < len(whole.features.names)
    query = Query(customer=3, place=less.place(3, Location()), now=interactions.end)
    assert len(less.recommend(query).items) == 20


def test_a_run_without_factors_tunes_the_rest(files: ShopFiles, tmp_path: Path) -> None:
    """Without factors, places and trees the fusion of the rest is tuned all the same."""
    settings = replace(SETTINGS, without=frozenset({"collaborative", "place", "trees"}))
    registry = Registry(tmp_path / "registry")

    manifest = fit(FitInput(events=[files.events]), settings, registry, Lines())

    assert manifest.metrics["fusion"]["tuned"]
    recommender = recommender_of(registry, manifest)
    assert not {"collaborative", "place"} & set(recommender.scores)
    assert all(ranker.trees is None for ranker in recommender.model.rankers.values())
    assert manifest.parameters["training"]["without"] == ["collaborative", "place", "trees"]


def daily(n_customers: int, n_days: int) -> list[Row]:
    """Everybody buys something every third day, some things again and again."""
    return [
        {
            "customer_id": f"c{c}",
            "product_id": f"p{(c + day // 3 * (c % 3)) % 11}",
            "event_time": (START + timedelta(days=day, hours=c % 9)).isoformat(),
            "store_id": f"s{c % 3}",
        }
        for c in range(n_customers)
        for day in range(0, n_days, 3)
    ]


def without(rows: Sequence[Row], *names: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


ONE: list[Row] = [{"customer_id": "a", "product_id": "x"}]
LITTLE: dict[str, Callable[[], list[Row]]] = {
    "no times": lambda: without(daily(40, 90), "event_time"),
    "no stores": lambda: without(daily(40, 90), "store_id"),
    "neither": lambda: without(daily(40, 90), "store_id", "event_time"),
    "three customers": lambda: daily(3, 90),
    "three customers, a week": lambda: daily(3, 7),
    "one customer": lambda: daily(1, 90),
    "one day": lambda: daily(40, 1),
    "one purchase": lambda: daily(1, 1),
    "one purchase without anything": lambda: [*ONE],
    "one product": lambda: [row | {"product_id": "x"} for row in daily(40, 90)],
    "everybody always the same": lambda: [
        row | {"product_id": str(row["customer_id"])} for row in daily(40, 90)
    ],
    "everybody everything": lambda: [
        row | {"product_id": f"p{p}"} for row in daily(30, 20) for p in range(4)
    ],
}


@pytest.mark.parametrize("rows", LITTLE.values(), ids=LITTLE.keys())
def test_data_with_little_to_say_still_gives_a_model(
    tmp_path: Path, rows: Callable[[], list[Row]]
) -> None:
    """Thin data trains without an error or a warning, and every customer gets a list."""
    data = rows()
    events = tmp_path / "events.csv"
    pl.DataFrame(data).write_csv(events)
    registry = Registry(tmp_path / "registry")
    lines = Lines()

    manifest = fit(FitInput(events=[events]), replace(SMALL, n_windows=1), registry, lines)

    recommender = recommender_of(registry, manifest)
    model = recommender.model
    n_products = len({row["product_id"] for row in data})
    for customer in [*range(len(model.customers)), -1]:
        place = recommender.place(customer, Location())
        ranking = recommender.recommend(
            Query(customer=customer, place=place, now=model.data_end, size=5)
        )
        assert len(ranking.items) == min(5, n_products)
        assert np.isfinite(ranking.scores).all()
    tuned = manifest.metrics["fusion"]["tuned"]
    assert tuned or any("the default weights are used" in line for line in lines.said)
    tested = manifest.metrics["test"]
    if "event_time" not in data[0]:
        assert manifest.data["start_time"] is None
        assert tested["split"] == "random"


def test_returns_that_undo_every_purchase_leave_nothing(tmp_path: Path) -> None:
    """When nothing is left to learn from, a run stops with one line that says so."""
    events = tmp_path / "events.csv"
    rows = daily(5, 9)
    back = [row | {"quantity": -1} for row in rows]
    pl.DataFrame([row | {"quantity": 1} for row in rows] + back).write_csv(events)

    with pytest.raises(
        InputError, match=r"^no purchase is left of 30 rows in .*events\.csv; check"
    ):
        read(FitInput(events=[events]), Lines())


def test_views_alone_are_nothing_to_learn_from(tmp_path: Path) -> None:
    """Events without a purchase stop a run too."""
    events = tmp_path / "events.csv"
    pl.DataFrame([row | {"event_type": "VIEW"} for row in daily(2, 9)]).write_csv(events)

    with pytest.raises(InputError, match="no purchase is left"):
        read(FitInput(events=[events]), Lines())


def test_quarantined_rows_are_told_by_reason(tmp_path: Path) -> None:
    """The log counts rows that could not be used by reason and says where they are."""
    events = tmp_path / "events.csv"
    bad: list[Row] = [
        {"customer_id": "", "product_id": "x"},
        {"customer_id": "", "product_id": "y"},
    ]
    pl.DataFrame([*without(daily(5, 60), "event_time", "store_id"), *bad]).write_csv(events)
    lines = Lines()
    quarantine = tmp_path / "bad.csv"

    purchases = read(FitInput(events=[events], quarantine=quarantine), lines)

    assert purchases.report.n_quarantined == 2
    assert f"  quarantined: 2 no_customer -> {quarantine}" in lines.said


def test_a_seed_of_its_own_gives_another_model(
    runs: tuple[Registry, list[Manifest], Lines], files: ShopFiles, tmp_path: Path
) -> None:
    """Another seed starts the factors elsewhere; the data are the same."""
    settings: TrainingSettings = replace(SETTINGS, seed=1, without=frozenset({"trees"}))

    manifest = fit(source_of(files), settings, Registry(tmp_path / "registry"), Lines())

    assert manifest.parameters["training"]["seed"] == 1
    assert manifest.metrics["fusion"]["tuned"]
    _, (first, _), _ = runs
    assert manifest.data["events_sha256"] == first.data["events_sha256"]
    factors = [
        {file.sha256 for file in one.files if file.name.startswith("collaborative.")}
        for one in (manifest, first)
    ]
    assert all(factors)
    assert not factors[0] & factors[1]
