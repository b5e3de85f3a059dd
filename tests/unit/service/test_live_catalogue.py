"""What the shop says between trainings, in every process: over memory and a small model."""

from dataclasses import replace

import h3
import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.places import Level, Location
from recsvc.errors import StoreUnavailableError
from recsvc.metrics import Metrics
from recsvc.service.live_catalogue import LiveCatalogue, has_seen
from recsvc.service.models import LoadedModel, load_model
from recsvc.service.selling import Shop
from recsvc.store.catalogue_store import PRODUCTS, STORES, TableCatalogueStore
from recsvc.store.tables import Row
from tests.samples import PRODUCTS as LEARNT
from tests.serving import Log, new_metrics, wait_until
from tests.stores import FailingTables

COLA = Product(
    product_id="cola",
    title="Green cola",
    category_path="Drinks > Soda",
    brand="Leaf",
    price=1.5,
    currency="GBP",
)
FLOSS = Product(product_id="floss", title="Floss", category_path="Household", available_from=7)
LEEDS_CELL = "861942c5fffffff"
FAR_FUTURE = 2**52

FOREVER = float("inf")


class Bench:
    """A process that follows, another one that writes, and what they share."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.tables = FailingTables()
        self.log = Log()
        metrics, self.numbers = new_metrics()
        self.live = self.process(self.log, metrics)
        self.writer = self.process()
        self.loaded = load_model(registry, "v1")

    def process(self, log: Log | None = None, metrics: Metrics | None = None) -> LiveCatalogue:
        """Another process, which knows nothing yet."""
        store = TableCatalogueStore(self.tables)
        return LiveCatalogue(store, store, (log or Log()).logger, metrics=metrics)

    def dressed(self) -> LoadedModel:
        return self.live.dressed(self.loaded)

    def ids(self) -> list[str]:
        """All products, in the order of their indices."""
        return ids(self.dressed())


def ids(loaded: LoadedModel) -> list[str]:
    names = loaded.assortment.catalogue.items.ids
    return names.take(range(len(names)))


def product(loaded: LoadedModel, product_id: str) -> Product:
    """What a model sells under an id."""
    assortment = loaded.assortment
    return assortment.product(assortment.catalogue.items.index(product_id))


def cells(loaded: LoadedModel, *store_ids: str) -> list[str]:
    return [loaded.located(Location(store_id=store_id)).cell for store_id in store_ids]


def shop(store_id: str, cell: str = "", name: str = "", country_code: str = "GB") -> Shop:
    return Shop(name, Location(store_id=store_id, cell=cell, country_code=country_code))


LEARNT_IDS = [item.product_id for item in LEARNT]


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def test_nothing_said_is_the_same_model(bench: Bench) -> None:
    """Not a copy of it, whether or not somebody has looked."""
    assert bench.dressed() is bench.loaded
    assert bench.live.follow()
    assert bench.dressed() is bench.loaded
    assert bench.live.shops == {}


def test_products_are_added_in_the_order_in_which_they_came(bench: Bench) -> None:
    """At once where they were said, and elsewhere as soon as it follows; the model is as it was."""
    bench.live.upsert_products([FLOSS])
    bench.live.upsert_products([COLA])
    assert bench.ids() == [*LEARNT_IDS, "floss", "cola"]
    loaded = bench.dressed()
    assert (product(loaded, "cola"), loaded.assortment.n_newcomers) == (COLA, 2)
    assert ids(bench.loaded) == LEARNT_IDS
    other = bench.process()
    assert other.dressed(bench.loaded) is bench.loaded
    other.follow()
    assert ids(other.dressed(bench.loaded)) == [*LEARNT_IDS, "floss", "cola"]


def test_a_product_that_is_said_again_is_replaced_whole(bench: Bench) -> None:
    """Learnt or new, it keeps its place; what is left out is unknown from then on."""
    bench.live.upsert_products([COLA, replace(COLA, product_id="tea", uri="shop.example/tea")])
    bench.live.upsert_products([Product(product_id="cola", brand="Zest", price=2.0)])
    loaded = bench.dressed()
    assert bench.ids() == [*LEARNT_IDS, "cola"]
    assert product(loaded, "tea") == replace(COLA, product_id="tea", uri="shop.example/tea")
    cola = product(loaded, "cola")
    assert (cola.title, cola.brand, cola.price, cola.currency) == ("", "Zest", 2.0, "")
    zest = loaded.assortment.index.matching(CatalogueFilter(brands=("zest",)))
    assert zest.tolist() == [False] * len(LEARNT) + [True]
    assert product(bench.loaded, "tea").title == "Green tea"


def test_step_by_step_is_the_same_as_at_once(bench: Bench) -> None:
    """Who followed every write and who came late sell the same, alike to the same."""
    for said in ([COLA], [FLOSS, replace(COLA, product_id="tea")], [replace(COLA, title="Cola")]):
        bench.writer.upsert_products(said)
        bench.writer.upsert_stores([shop(said[0].product_id, name=said[0].title)])
        bench.live.follow()
        bench.dressed()
    late = bench.process()
    late.follow()
    one, other = bench.dressed(), late.dressed(bench.loaded)
    assert ids(one) == ids(other) == [*LEARNT_IDS, "cola", "floss"]
    assert repr([product(one, p) for p in ids(one)]) == repr([product(other, p) for p in ids(one)])
    assert one.assortment.near.indptr.tolist() == other.assortment.near.indptr.tolist()
    assert one.assortment.near.indices.tolist() == other.assortment.near.indices.tolist()
    assert one.assortment.near.values.tolist() == other.assortment.near.values.tolist()
    assert len(one.assortment.near.row(0)[0]) > 0
    assert one.shops == other.shops
    assert one.revision == other.revision


def test_what_does_not_change_costs_nothing(bench: Bench) -> None:
    """The dressed model is made once, and again only where something is new."""
    bench.live.upsert_products([COLA])
    first = bench.dressed()
    bench.live.upsert_products([COLA])
    bench.live.follow()
    assert bench.dressed() is first
    bench.live.upsert_products([FLOSS])
    assert bench.dressed() is not first
    assert bench.dressed().revision != first.revision


def test_two_models_at_once_keep_their_own(bench: Bench) -> None:
    """While one takes over from the other, both are asked for."""
    other = load_model(bench.registry, "v2")
    bench.live.upsert_products([COLA])
    both = [bench.dressed(), bench.live.dressed(other)]
    assert [ids(loaded) for loaded in both] == [
        [*LEARNT_IDS, "cola"],
        [*(f"b-{name}" for name in LEARNT_IDS), "cola"],
    ]
    assert [bench.dressed(), bench.live.dressed(other)] == both
    bench.live.upsert_products([FLOSS])
    assert bench.ids()[-2:] == ids(bench.live.dressed(other))[-2:] == ["cola", "floss"]


def test_models_that_are_kept_follow_beside_the_current_one(bench: Bench) -> None:
    """Variants of an experiment: dressed once, however often all of them are asked in turn."""
    others = [load_model(bench.registry, name) for name in ("v2", "v3")]
    bench.live.keep(others)
    bench.live.upsert_products([COLA])
    every = [bench.loaded, *others]
    first = [bench.live.dressed(loaded) for loaded in every]
    assert [ids(loaded)[-1] for loaded in first] == ["cola"] * 3
    again = [bench.live.dressed(loaded) for loaded in [*every, *every]]
    assert all(one is two for one, two in zip([*first, *first], again, strict=True))
    bench.live.keep(others[1:])
    assert bench.live.dressed(others[1]) is first[2]


def test_what_a_model_has_learnt_since_is_no_newcomer_to_it(bench: Bench) -> None:
    """The next training knows the product; what was said of it still counts."""
    bench.live.upsert_products([replace(COLA, product_id="b-tea")])
    newer = bench.live.dressed(load_model(bench.registry, "v2"))
    assert newer.assortment.n_newcomers == 0
    assert product(newer, "b-tea").title == "Green cola"
    assert bench.dressed().assortment.n_newcomers == 1


def test_stores_lend_their_places(bench: Bench) -> None:
    """What the caller left empty comes from the store, in the nearest cell with purchases."""
    (near, *_), far = sorted(h3.grid_ring(LEEDS_CELL, 2)), "861fae6a7ffffff"
    bench.live.upsert_stores([shop("near", near), shop("far", far), shop("none", name="No cell")])
    loaded = bench.dressed()
    assert cells(loaded, "near", " near ", "far", "none", "york-1") == [
        *(LEEDS_CELL, LEEDS_CELL),
        *(far, "", ""),
    ]
    asked = Location(store_id="near", country_code="PT")
    assert loaded.located(asked) == replace(asked, cell=LEEDS_CELL)
    assert loaded.located(Location(country_code="PT")) == Location(country_code="PT")
    place = loaded.recommender.place(-1, loaded.located(Location(store_id="near")))
    assert place.level is Level.CELL
    # As they were described, for who lists them.
    assert bench.live.shops["near"].location.cell == near
    assert bench.live.shops["none"].name == "No cell"


def test_a_store_that_moved_lends_its_new_place(bench: Bench) -> None:
    """The last word counts, also of a store that the model has learnt."""
    bench.live.upsert_stores([shop("york-1", country_code="PT")])
    assert bench.dressed().located(Location(store_id="york-1")).country_code == "PT"
    bench.live.upsert_stores([shop("york-1", LEEDS_CELL)])
    assert cells(bench.dressed(), "york-1") == [LEEDS_CELL]


def test_what_is_known_stays_while_the_store_is_down(bench: Bench) -> None:
    """It is said once, and again only after it has been up."""
    bench.live.upsert_products([COLA])
    bench.tables.is_down = True
    assert not bench.live.follow()
    bench.tables.says = "still down"
    assert not bench.live.follow()
    bench.tables.says = "down"
    assert bench.ids() == [*LEARNT_IDS, "cola"]
    with pytest.raises(StoreUnavailableError):
        bench.live.upsert_products([FLOSS])
    assert [line["error"] for line in bench.log.lines("catalogue_unreadable")] == ["down"]
    assert bench.numbers.get_sample_value("recsvc_catalogue_unreadable") == 1
    bench.tables.is_down = False
    assert bench.live.follow()
    assert bench.numbers.get_sample_value("recsvc_catalogue_unreadable") == 0
    bench.tables.is_down = True
    assert not bench.live.follow()
    assert len(bench.log.lines("catalogue_unreadable")) == 2


def test_what_was_read_before_the_store_went_down_is_not_forgotten(bench: Bench) -> None:
    """Half of it may come, stores before products: it counts when the rest can be read."""
    bench.live.upsert_products([COLA])
    bench.writer.upsert_stores([shop("near", LEEDS_CELL)])
    bench.dressed()
    changes = bench.tables.changes

    def dies(table: str, known: int, deadline: float) -> object:
        bench.tables.is_down = table == PRODUCTS
        return changes(table, known, deadline)

    bench.tables.changes = dies  # type: ignore[method-assign, assignment]  # a lever of this test
    assert not bench.live.follow()
    bench.tables.changes = changes  # type: ignore[method-assign]  # the lever is let go
    bench.tables.is_down = False
    assert bench.live.follow()
    assert cells(bench.dressed(), "near") == [LEEDS_CELL]


def test_an_emptied_catalogue_leaves_what_was_learnt(bench: Bench) -> None:
    """Until the shop says it all again."""
    bench.live.upsert_products([COLA, replace(COLA, product_id="tea")])
    bench.live.upsert_stores([shop("near", LEEDS_CELL)])
    bench.dressed()
    bench.tables.empty()
    bench.live.follow()
    assert bench.ids() == LEARNT_IDS
    assert product(bench.dressed(), "tea").title == "Green tea"
    assert cells(bench.dressed(), "near") == [""]
    bench.live.upsert_products([FLOSS])
    assert bench.ids() == [*LEARNT_IDS, "floss"]


def test_what_was_written_between_a_failure_and_the_next_reading_counts(bench: Bench) -> None:
    """Nothing is skipped over."""
    bench.live.upsert_products([COLA])
    bench.tables.is_down = True
    bench.live.follow()
    bench.tables.is_down = False
    bench.writer.upsert_products([FLOSS])
    bench.live.follow()
    assert bench.ids() == [*LEARNT_IDS, "cola", "floss"]


def test_a_damaged_row_is_skipped_and_said(bench: Bench) -> None:
    """The others count, and so does the same product when it is sent again."""
    bench.tables.put(PRODUCTS, [Row("bad", b"{"), Row("tea", b"[]")])
    bench.tables.put(STORES, [Row("worse", b"")])
    bench.writer.upsert_products([COLA])
    assert bench.live.follow()
    assert bench.ids() == [*LEARNT_IDS, "cola"]
    assert product(bench.dressed(), "tea").title == "Green tea"
    rows = [line["row"] for line in bench.log.lines("catalogue_row_damaged")]
    assert sorted(rows) == ["bad", "tea", "worse"]
    bench.live.follow()
    assert len(bench.log.lines("catalogue_row_damaged")) == 3
    bench.writer.upsert_products([replace(COLA, product_id="bad")])
    bench.live.follow()
    assert bench.ids() == [*LEARNT_IDS, "cola", "bad"]


def test_a_token_makes_the_process_read_on(bench: Bench) -> None:
    """What it stands for is then known; without one nobody reads."""
    written_at = bench.writer.upsert_products([COLA])
    n_reads = bench.tables.n_reads
    assert bench.live.sees(0, FOREVER)
    assert bench.tables.n_reads == n_reads
    assert bench.dressed() is bench.loaded
    assert bench.live.sees(written_at, FOREVER)
    assert bench.ids() == [*LEARNT_IDS, "cola"]


def test_a_token_of_long_ago_needs_no_reading(bench: Bench) -> None:
    """Not even of a store that is down; another one is then not met."""
    written_at = bench.live.upsert_products([COLA])
    bench.tables.is_down = True
    n_reads = bench.tables.n_reads
    assert bench.live.sees(written_at - 60_000, FOREVER)
    assert bench.tables.n_reads == n_reads
    assert not bench.live.sees(written_at, FOREVER)
    assert not bench.live.sees(FAR_FUTURE, FOREVER)


def test_clocks_may_differ_by_a_second() -> None:
    """Only who has read well after a write has surely seen it."""
    assert not has_seen(10_000, 9_000)
    assert has_seen(10_001, 9_000)


def test_the_catalogue_is_watched(bench: Bench) -> None:
    """Without being asked, over a time in which it could not be read, and until it is stopped."""
    bench.tables.is_down = True
    bench.live.watch(0.01)
    wait_until(lambda: bool(bench.log.lines("catalogue_unreadable")))
    bench.tables.is_down = False
    bench.writer.upsert_products([COLA])
    wait_until(lambda: bench.ids() == [*LEARNT_IDS, "cola"])
    bench.live.stop()
    bench.writer.upsert_products([FLOSS])
    assert bench.ids() == [*LEARNT_IDS, "cola"]
