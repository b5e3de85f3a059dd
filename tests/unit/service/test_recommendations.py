"""The main use case over a small model: lists, warnings, the cache and its failures."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.places import Level, Location
from recsvc.core.recommender import Query
from recsvc.core.sources import Strategy
from recsvc.errors import (
    InvalidRequestError,
    NotFoundError,
    StoreUnavailableError,
    UnavailableError,
)
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.models import ModelSlot, load_model
from recsvc.service.ports import ANONYMOUS, CachedEntry, CacheKey
from recsvc.service.questions import Answer, Question, ServedFrom, listed
from recsvc.service.recommendations import Recommendations, Served
from recsvc.service.situations import situate
from recsvc.store.memory import InMemoryResponseCache
from recsvc.telemetry import collected_facts
from tests.counting import DATA_END, DAY
from tests.samples import tiny_model
from tests.serving import NOW, Log, new_metrics

FOREVER = math.inf
JUST_AFTER = DATA_END + DAY


MakeRegistry = Callable[..., Registry]


class Codec:
    """Writes an answer as its product ids, and remembers the answers."""

    schema = "test"

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def encode(self, answer: Answer) -> bytes:
        self.answers.append(answer)
        return " ".join(item.product_id for item in answer.items).encode()

    def is_readable(self, payload: bytes) -> bool:
        return payload != b"garbage"


class Cache:
    """A cache in memory that can be down, and that remembers its keys."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.inner = InMemoryResponseCache(clock)
        self.is_down = False
        self.keys: list[CacheKey] = []
        self.puts: list[CacheKey] = []

    @property
    def available(self) -> bool:
        return not self.is_down

    def get(self, key: CacheKey) -> CachedEntry | None:
        self.keys.append(key)
        self.check()
        return self.inner.get(key)

    def put(self, key: CacheKey, payload: bytes, ttl_seconds: float) -> None:
        self.check()
        self.puts.append(key)
        self.inner.put(key, payload, ttl_seconds)

    def check(self) -> None:
        if self.is_down:
            raise StoreUnavailableError("down")


class Bench:
    """The use case with everything that it needs, and levers for the tests."""

    def __init__(
        self, registry: Registry, now: float = JUST_AFTER, ttl_seconds: float = 60
    ) -> None:
        self.registry = registry
        self.now = now
        self.monotonic = 1000.0
        self.codec = Codec()
        self.cache = Cache(lambda: self.now)
        metrics, self.numbers = new_metrics()
        self.slot = ModelSlot(registry, logger=Log().logger, metrics=metrics)
        self.slot.refresh()
        answer_cache = AnswerCache(
            self.cache,
            self.codec,
            metrics,
            ttl_seconds=ttl_seconds,
            timeout_seconds=0.05,
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )
        self.recommendations = Recommendations(
            self.slot,
            answer_cache,
            self.codec,
            metrics=metrics,
            hash_key=b"key",
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )

    def ask(self, question: Question, seconds: float = FOREVER) -> Served:
        return self.recommendations.recommend(question, self.monotonic + seconds)

    def answer(self, question: Question) -> Answer:
        """The answer as the codec saw it."""
        self.ask(question)
        return self.codec.answers[-1]

    def ids(self, question: Question) -> list[str]:
        return [item.product_id for item in self.answer(question).items]

    def count(self, name: str, **labels: str) -> float | None:
        return self.numbers.get_sample_value(name, labels)


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def test_a_known_customer_gets_the_models_own_list(bench: Bench) -> None:
    """Order, scores, strategies and levels are the recommender's; ranks count from 1."""
    answer = bench.answer(Question(customer_id="anna", size=4))
    model = tiny_model()
    recommender = bench.slot.current().recommender
    customer = model.customers.index("anna")
    place = recommender.place(customer, Location())
    ranking = recommender.recommend(Query(customer=customer, place=place, size=4, now=JUST_AFTER))
    assert [item.product_id for item in answer.items] == model.catalogue.items.ids.take(
        ranking.items.tolist()
    )
    assert [item.rank for item in answer.items] == [1, 2, 3, 4]
    assert [item.score for item in answer.items] == ranking.scores.tolist()
    assert [item.strategy for item in answer.items] == [Strategy(s) for s in ranking.strategies]
    assert answer.level is Level.STORE
    assert answer.location.store_id == "leeds-1"
    assert answer.warnings == ()
    assert answer.model.version_id == "v1"
    assert {item.reason for item in answer.items} == {None}
    assert {item.product for item in answer.items} == {None}


def test_an_unknown_customer_gets_the_list_of_the_place(bench: Bench) -> None:
    """As an anonymous shopper would, with a warning; that is no degradation."""
    here = Location(store_id="york-1")
    served = bench.ask(Question(customer_id="stranger", location=here))
    assert served.delivery.degraded_reason == ""
    stranger = bench.codec.answers[-1]
    assert stranger.warnings == ("UNKNOWN_CUSTOMER",)
    anonymous = bench.answer(Question(location=here))
    assert anonymous.items == stranger.items
    assert anonymous.warnings == ()


@pytest.mark.parametrize(
    ("location", "level", "is_unknown"),
    [
        (Location(), Level.EVERYWHERE, False),
        (Location(store_id="york-1"), Level.STORE, False),
        (Location(store_id="nowhere"), Level.EVERYWHERE, True),
        (Location(store_id="nowhere", country_code="PT"), Level.COUNTRY, True),
        (Location(country_code="PT"), Level.COUNTRY, False),
    ],
)
def test_a_place_without_evidence_backs_off_with_a_warning(
    bench: Bench, location: Location, level: Level, *, is_unknown: bool
) -> None:
    """The finest place that was named decides whether there is something to warn of."""
    answer = bench.answer(Question(location=location))
    assert answer.level is level
    assert ("UNKNOWN_LOCATION" in answer.warnings) is is_unknown


def test_nothing_excluded_is_on_the_list(bench: Bench) -> None:
    """Excluded products and those in the basket stay away; unknown ids do no harm."""
    ids = bench.ids(Question(customer_id="anna", excluded=("milk", "?"), basket=("tea", "??")))
    assert ids
    assert not {"milk", "tea"} & set(ids)


def test_only_new_leaves_out_what_was_bought(bench: Bench) -> None:
    """All that anna ever bought is gone."""
    ids = bench.ids(Question(customer_id="anna", only_new=True))
    assert ids
    assert not {"espresso", "milk", "bread"} & set(ids)


def test_the_visit_shapes_the_list(bench: Bench) -> None:
    """What was looked at counts, and unlike the basket may be on the list."""
    plain = bench.ids(Question(size=3))
    assert bench.ids(Question(size=3, recent=("filter",))) != plain
    assert bench.ids(Question(size=3, basket=("filter",))) != plain


def test_a_filter_holds_for_every_product(bench: Bench) -> None:
    """Category and price; a product without a price is left out with a warning."""
    drinks = CatalogueFilter(category_paths=("Drinks",))
    assert set(bench.ids(Question(catalogue_filter=drinks))) == {
        "espresso",
        "filter",
        "tea",
        "punch",
    }
    cheap = CatalogueFilter(price_max=3.0, currency="GBP")
    assert set(bench.ids(Question(catalogue_filter=cheap))) == {"milk", "butter", "bread", "bag"}
    assert bench.codec.answers[-1].warnings == ("PRICE_CURRENCY",)
    foreign = CatalogueFilter(price_min=0.0, currency="EUR")
    assert bench.ids(Question(catalogue_filter=foreign)) == []
    assert bench.codec.answers[-1].warnings == ("PRICE_CURRENCY",)


@pytest.mark.parametrize(
    ("wanted", "warning", "field"),
    [
        (CatalogueFilter(category_paths=("Toys", "Toys > Cars")), "UNKNOWN_CATEGORY", "category"),
        (CatalogueFilter(brands=("Nobody",)), "UNKNOWN_BRAND", "brands"),
    ],
)
def test_an_unknown_filter_value_is_a_warning_or_strictly_an_error(
    bench: Bench, wanted: CatalogueFilter, warning: str, field: str
) -> None:
    """Once, however many values there are."""
    assert bench.answer(Question(catalogue_filter=wanted)).warnings == (warning,)
    with pytest.raises(InvalidRequestError) as caught:
        bench.ask(Question(catalogue_filter=wanted, strict=True))
    assert caught.value.reason == "FILTER_UNSUPPORTED"
    assert field in caught.value.field


def test_known_filter_values_are_no_warning(bench: Bench) -> None:
    """Letter case and blanks aside, as the catalogue compares them."""
    wanted = CatalogueFilter(category_paths=("Drinks>Coffee",), brands=(" ALTA ",))
    assert bench.ids(Question(catalogue_filter=wanted, strict=True)) == ["espresso", "filter"]
    assert bench.codec.answers[-1].warnings == ()


def test_data_that_ended_long_ago_is_warned_of(registry: Registry) -> None:
    """Beyond seven days a warning says so; what may be sold is a matter of today all the same."""
    loaded = load_model(registry, "v1")
    week = 7 * DAY
    fresh = situate(Question(), loaded, DATA_END + week)
    assert (fresh.query.now, fresh.warnings) == (DATA_END + week, ())
    stale = situate(Question(), loaded, DATA_END + week + 1)
    assert (stale.query.now, stale.warnings) == (DATA_END + week + 1, ("STALE_DATA",))
    chosen = situate(Question(as_of_time=5.0), loaded, DATA_END + 2 * week)
    assert (chosen.query.now, chosen.warnings) == (5.0, ())


def test_what_was_asked_and_is_not_there_is_said(bench: Bench) -> None:
    """The door's own warnings follow those of the model."""
    answer = bench.answer(Question(customer_id="?", unmet=("UNKNOWN_EXPERIMENT",)))
    assert answer.warnings == ("UNKNOWN_CUSTOMER", "UNKNOWN_EXPERIMENT")


def test_reasons_and_products_come_if_asked(bench: Bench) -> None:
    """Evidence is told in ids, and a product is the catalogue's."""
    answer = bench.answer(Question(customer_id="anna", explain=True, include_products=True))
    first = answer.items[0]
    assert first.product_id == "espresso"
    assert first.reason is not None
    assert first.reason.code == "BOUGHT_BEFORE"
    assert first.reason.evidence == ("espresso",)
    assert first.product is not None
    assert first.product.title == "Espresso beans"


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
        replace(base, location=Location(store_id="york-1")),
        replace(base, location=Location(cell="861942c5fffffff")),
        *(replace(base, catalogue_filter=wanted) for wanted in filters),
        replace(base, strict=True),
        replace(base, size=5),
        replace(base, excluded=("milk",)),
        replace(base, basket=("milk",)),
        replace(base, recent=("milk",)),
        replace(base, only_new=True),
        replace(base, as_of_time=DATA_END),
        replace(base, explain=True),
        replace(base, include_products=True),
        replace(base, unmet=("X",)),
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

    def dies(key: CacheKey) -> CachedEntry | None:
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


def test_no_lifetime_is_no_cache(registry: Registry) -> None:
    """``cache_ttl_seconds=0`` computes every list and asks no store."""
    bench = Bench(registry, ttl_seconds=0)
    for _ in range(2):
        assert bench.ask(Question()).delivery.served_from is ServedFrom.MODEL
    assert bench.cache.keys == []


def test_without_a_model_there_is_no_answer(make_registry: MakeRegistry) -> None:
    """The one exception to always answering."""
    bench = Bench(make_registry(promote=False))
    with pytest.raises(UnavailableError):
        bench.ask(Question())
    with pytest.raises(UnavailableError):
        bench.recommendations.similar("milk", Question())


def test_a_model_that_cannot_be_loaded_is_warned_of(bench: Bench) -> None:
    """The old one answers, and every answer says so."""
    (bench.registry.root / "current.json").write_text("{}")
    bench.slot.refresh()
    assert bench.ask(Question()).delivery.warnings == ("MODEL_LOAD_FAILED",)


def test_similar_products(bench: Bench) -> None:
    """Never the product itself; explained by it; filters hold."""
    question = Question(explain=True, excluded=("milk",), size=3)
    computed = bench.recommendations.similar("espresso", question)
    ids = [item.product_id for item in computed.answer.items]
    assert ids[0] == "filter"
    assert not {"espresso", "milk"} & set(ids)
    reason = computed.answer.items[0].reason
    assert reason is not None
    assert (reason.code, reason.evidence) == ("SIMILAR_PRODUCT", ("espresso",))
    assert computed.delivery.served_from is ServedFrom.MODEL


def test_similar_to_an_unknown_product_is_not_found(bench: Bench) -> None:
    """Said with the id, cut to a length that fits a line."""
    with pytest.raises(NotFoundError) as caught:
        bench.recommendations.similar("x" * 200, Question())
    assert caught.value.reason == "PRODUCT_NOT_FOUND"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("page_size", "n"), [(0, 20), (1, 1), (100, 100), (101, 100)])
def test_page_sizes_are_defaulted_and_lowered(page_size: int, n: int) -> None:
    """0 is the default, and too much is the maximum."""
    assert listed(page_size) == n
