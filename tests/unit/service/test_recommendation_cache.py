"""Lists from the cache: which questions are alike, and what happens while it fails."""

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.places import Location
from recsvc.core.sources import Strategy
from recsvc.core.stages import Stage
from recsvc.logs import collected_facts
from recsvc.service.cache_port import ANONYMOUS, CacheKey, Lookup
from recsvc.service.questions import Question, ServedFrom
from tests.bench import Bench
from tests.counting import DATA_END
from tests.serving import NOW


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def test_the_same_question_comes_from_the_cache(bench: Bench) -> None:
    """With its age, another id, and nothing computed."""
    first = bench.ask(Question(customer_id="anna"))
    bench.now += 12
    second = bench.ask(Question(customer_id="anna"))
    assert (first.delivery.served_from, second.delivery.served_from) == (
        ServedFrom.MODEL,
        ServedFrom.CACHE,
    )
    assert second.payload == first.payload
    assert (first.delivery.cache_age_seconds, second.delivery.cache_age_seconds) == (None, 12)
    assert first.delivery.recommendation_id != second.delivery.recommendation_id
    assert len(bench.codec.answers) == 1
    assert bench.count("recsvc_cache_operations_total", outcome="hit") == 1
    assert bench.count("recsvc_answers_total", served_from="CACHE") == 1


def test_the_key_holds_no_customer_id(bench: Bench) -> None:
    """It is a keyed hash, the log gets the same one, and nobody in particular has none."""
    with collected_facts() as facts:
        bench.ask(Question(customer_id="anna"))
    bench.ask(Question())
    assert "anna" not in repr(bench.cache.keys)
    assert facts["customer"] == bench.cache.keys[0].customer
    assert bench.cache.keys[1].customer == ANONYMOUS


def different_questions() -> list[Question]:
    base = Question(customer_id="anna")
    filters = [
        CatalogueFilter(category_paths=("Drinks",)),
        CatalogueFilter(brands=("Alta",)),
        CatalogueFilter(price_min=1.0, currency="GBP"),
        CatalogueFilter(price_max=1.0, currency="GBP"),
    ]
    return [
        base,
        Question(customer_id="ben"),
        Question(),
        base._replace(location=Location(store_id="york-1")),
        base._replace(location=Location(cell="861942c5fffffff")),
        *(base._replace(catalogue_filter=wanted) for wanted in filters),
        base._replace(strict=True),
        base._replace(size=5),
        base._replace(excluded=("milk",)),
        base._replace(basket=("milk",)),
        base._replace(recent=("milk",)),
        base._replace(only_new=True),
        base._replace(as_of_time=DATA_END),
        base._replace(explain=True),
        base._replace(include_products=True),
        base._replace(in_stock_only=True),
        base._replace(stage=Stage.CART),
        base._replace(explain=True, language="de"),
        base._replace(include_products=True, currency="EUR"),
    ]


def test_another_question_is_another_key(bench: Bench) -> None:
    """Whatever changes an answer changes its key, each in its own way."""
    for question in different_questions():
        bench.ask(question)
    assert len(set(bench.cache.keys)) == len(different_questions())


def test_order_without_meaning_is_the_same_key(bench: Bench) -> None:
    """Sets are sets however they are listed."""
    bench.ask(Question(excluded=("a", "b"), basket=("c", "d")))
    bench.ask(Question(excluded=("b", "a"), basket=("d", "c")))
    # Nor does the language of no sentence or the currency of no price make another list.
    bench.ask(Question(excluded=("b", "a"), basket=("d", "c"), language="de", currency="EUR"))
    assert len(set(bench.cache.keys)) == 1


def test_another_model_is_another_key(bench: Bench) -> None:
    """A promotion leaves the old lists unfound, even where generations count anew."""
    bench.ask(Question())
    bench.registry.promote("v2", NOW)
    bench.slot.refresh()
    assert bench.ids(Question())[0].startswith("b-")
    (bench.registry.root / "current.json").unlink()
    bench.registry.promote("v2", NOW)
    bench.slot.refresh()
    bench.ask(Question())
    assert bench.cache.keys[0].generation == bench.cache.keys[2].generation == 1
    assert len(set(bench.cache.keys)) == 3


def test_an_unreadable_entry_is_a_miss_and_replaced(bench: Bench) -> None:
    """Foreign bytes under our key are never sent."""
    bench.ask(Question())
    bench.cache.inner.put(bench.cache.keys[0], b"garbage", 60)
    assert bench.ask(Question()).delivery.served_from is ServedFrom.MODEL
    assert bench.ask(Question()).delivery.served_from is ServedFrom.CACHE
    assert bench.count("recsvc_cache_operations_total", outcome="unreadable") == 1


def test_a_store_that_is_down_degrades_and_never_fails(bench: Bench) -> None:
    """The list is computed, says why, and is whole again with the store."""
    bench.cache.is_down = True
    served = bench.ask(Question(customer_id="anna"))
    assert served.delivery.served_from is ServedFrom.MODEL
    assert served.delivery.degraded_reason == "STORE_UNAVAILABLE"
    assert served.payload
    assert bench.count("recsvc_degraded_answers_total", reason="STORE_UNAVAILABLE") == 1
    bench.cache.is_down = False
    assert bench.ask(Question(customer_id="anna")).delivery.degraded_reason == ""


def test_a_store_that_fails_between_read_and_write_degrades(bench: Bench) -> None:
    """Found missing, computed, and then not kept."""
    get = bench.cache.inner.get

    def dies(key: CacheKey) -> Lookup:
        bench.cache.is_down = True
        return get(key)

    bench.cache.inner.get = dies  # type: ignore[method-assign]  # a lever of this test
    assert bench.ask(Question()).delivery.degraded_reason == "STORE_UNAVAILABLE"


def test_little_time_leaves_the_store_alone(bench: Bench) -> None:
    """With less left than a read may take, the model is asked at once."""
    served = bench.ask(Question(), seconds=0.04)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert served.delivery.degraded_reason == ""
    assert bench.cache.keys == bench.cache.puts == []
    assert bench.count("recsvc_cache_operations_total", outcome="skipped") == 2


def test_hardly_any_time_leaves_what_is_popular(bench: Bench) -> None:
    """Still allowed products only, marked as a fallback, and not kept."""
    served = bench.ask(Question(customer_id="anna", excluded=("milk",)), seconds=0.005)
    assert served.delivery.served_from is ServedFrom.FALLBACK
    assert served.delivery.degraded_reason == "DEADLINE"
    answer = bench.codec.answers[-1]
    assert {item.strategy for item in answer.items} <= {Strategy.POPULAR, Strategy.POPULAR_NEARBY}
    assert "milk" not in {item.product_id for item in answer.items}
    assert bench.cache.puts == []


def test_who_had_no_time_at_all_says_nothing_of_what_lists_take(bench: Bench) -> None:
    """Or the estimate would fall with each, and lists be begun that are not there in time."""
    for _ in range(100):
        assert bench.ask(Question(), seconds=0).delivery.served_from is ServedFrom.FALLBACK
    assert bench.ask(Question(), seconds=0.009).delivery.served_from is ServedFrom.FALLBACK
    assert bench.cache.keys == []


def test_no_lifetime_is_no_cache(registry: Registry) -> None:
    """``cache_ttl_seconds=0`` computes every list and keeps none."""
    bench = Bench(registry, ttl_seconds=0)
    for _ in range(2):
        assert bench.ask(Question()).delivery.served_from is ServedFrom.MODEL
    assert bench.cache.puts == []
