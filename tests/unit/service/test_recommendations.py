"""The main use case over a small model: lists, warnings, the cache and its failures."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.diversity import Diversity
from recsvc.core.live import Act
from recsvc.core.places import Level, Location
from recsvc.core.query import Query
from recsvc.core.sources import Strategy
from recsvc.core.stages import Stage
from recsvc.core.vocabulary import MISSING
from recsvc.errors import (
    InvalidRequestError,
    NotFoundError,
    StoreUnavailableError,
    UnavailableError,
)
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.models import load_model
from recsvc.service.ports import ANONYMOUS, CacheKey, Lookup, Person
from recsvc.service.questions import Answer, Question, ServedFrom, listed
from recsvc.service.selling import Shop, StockRecord, Written
from recsvc.service.shopping import Line, LiveProfile
from recsvc.service.situations import Asker, situate, store_of
from recsvc.service.standing import Consent
from recsvc.service.stock import FRESH_SECONDS
from recsvc.store.catalogue_store import TableCatalogueStore
from recsvc.telemetry import collected_facts
from tests.bench import FOREVER, JUST_AFTER, Bench
from tests.counting import DATA_END, DAY
from tests.samples import tiny_model
from tests.serving import NOW, Log, new_standing
from tests.shoppers import ANNA, customer, visitor

MakeRegistry = Callable[..., Registry]


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
        (
            CatalogueFilter(attributes={"colour": ("red",), "size": ("S",)}),
            "UNKNOWN_ATTRIBUTE",
            "attributes_any",
        ),
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
    """Recency then counts up to its end; what may be sold is a matter of today all the same."""
    loaded = load_model(registry, "v1")
    week = 7 * DAY
    fresh = situate(Question(), loaded, DATA_END + week, Asker())
    assert (fresh.query.now, fresh.warnings) == (DATA_END + week, ())
    stale = situate(Question(), loaded, DATA_END + week + 1, Asker())
    assert (stale.query.now, stale.warnings) == (DATA_END, ("STALE_DATA",))
    assert stale.query.sold_at == DATA_END + week + 1
    chosen = situate(Question(as_of_time=5.0), loaded, DATA_END + 2 * week, Asker())
    assert (chosen.query.now, chosen.query.sold_at, chosen.warnings) == (5.0, 5.0, ())


def test_what_was_asked_and_is_not_there_is_said(bench: Bench) -> None:
    """All of it, each once."""
    answer = bench.answer(Question(customer_id="?", experiment_id="summer"))
    assert answer.warnings == ("UNKNOWN_EXPERIMENT", "UNKNOWN_CUSTOMER")


def test_reasons_and_products_come_if_asked(bench: Bench) -> None:
    """Evidence is told in ids, and a product is the catalogue's."""
    answer = bench.answer(Question(customer_id="anna", explain=True, include_products=True))
    first = answer.items[0]
    assert first.product_id == "espresso"
    assert first.reason is not None
    assert first.reason.why.code == "BOUGHT_BEFORE"
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
        replace(base, in_stock_only=True),
        replace(base, stage=Stage.CART),
        replace(base, explain=True, language="de"),
        replace(base, include_products=True, currency="EUR"),
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


def test_no_lifetime_is_no_cache(registry: Registry) -> None:
    """``cache_ttl_seconds=0`` computes every list and keeps none."""
    bench = Bench(registry, ttl_seconds=0)
    for _ in range(2):
        assert bench.ask(Question()).delivery.served_from is ServedFrom.MODEL
    assert bench.cache.puts == []


def test_without_a_model_there_is_no_answer(make_registry: MakeRegistry) -> None:
    """The one exception to always answering."""
    bench = Bench(make_registry(promote=False))
    with pytest.raises(UnavailableError):
        bench.ask(Question())
    with pytest.raises(UnavailableError):
        bench.similar("milk", Question())


def test_a_model_that_cannot_be_loaded_is_warned_of(bench: Bench) -> None:
    """The old one answers, and every answer says so."""
    (bench.registry.root / "current.json").write_text("{}")
    bench.slot.refresh()
    assert bench.ask(Question()).delivery.warnings == ("MODEL_LOAD_FAILED",)


def test_a_purchase_changes_the_next_list(bench: Bench) -> None:
    """Though a list was cached a moment ago; what is asked after that is cached again."""
    question = Question(customer_id="anna")
    before = bench.ids(question)
    assert "filter" in before
    bench.did("filter")
    served = bench.ask(question)
    assert served.delivery.served_from is ServedFrom.MODEL
    assert "filter" not in served.payload.decode().split()  # nobody needs two of it at once
    again = bench.ask(question)
    assert (again.delivery.served_from, again.payload) == (ServedFrom.CACHE, served.payload)


def test_a_look_changes_the_next_list(bench: Bench) -> None:
    """What was looked at shapes it, what is in the basket or was just bought is not on it."""
    question = Question(customer_id="emil")
    before = bench.answer(question)
    bench.did("1", customer("emil"), act=Act.VIEW, lines=(Line("filter"),))
    after = bench.answer(question)
    scores = [{item.product_id: item.score for item in found.items} for found in (before, after)]
    assert scores[0] != scores[1]
    bench.did("2", customer("emil"), act=Act.ADD_TO_CART, lines=(Line("filter"),))
    assert "filter" not in bench.ids(question)
    # A sale of long ago that comes late is no reason to hide anything.
    bench.did("3", customer("emil"), time=DATA_END - 90 * DAY, lines=(Line("soap"),))
    assert "soap" in bench.ids(question)


@pytest.mark.parametrize("is_visitor", [False, True])
def test_one_event_makes_a_stranger_known(bench: Bench, *, is_visitor: bool) -> None:
    """From then on the list is theirs, and there is nothing to warn of."""
    who = visitor("stranger") if is_visitor else customer("stranger")
    name = "visitor_id" if is_visitor else "customer_id"
    question = Question(**{name: "stranger"})  # type: ignore[arg-type]  # both are text
    before = bench.answer(question)
    assert before.items == bench.answer(Question()).items
    assert before.warnings == (() if is_visitor else ("UNKNOWN_CUSTOMER",))
    bench.did("1", who, act=Act.VIEW, lines=(Line("filter"),))
    after = bench.answer(question)
    assert [item.product_id for item in after.items] != [item.product_id for item in before.items]
    assert Strategy.SIMILAR in {item.strategy for item in after.items}
    assert after.warnings == ()


@pytest.mark.parametrize("act", [Act.PURCHASE, Act.ADD_TO_CART, Act.FEEDBACK])
def test_there_is_a_list_for_who_has_everything(bench: Bench, act: Act) -> None:
    """Though whatever is allowed was just bought, lies in the basket, or displeased."""
    model = bench.slot.current().model
    everything = model.catalogue.items.ids.take(range(len(model.catalogue)))
    rating = 1.0 if act is Act.FEEDBACK else None
    bench.did("1", act=act, lines=tuple(map(Line, everything)), rating=rating)
    coffee = CatalogueFilter(category_paths=("Drinks > Coffee",))
    question = Question(customer_id="anna", catalogue_filter=coffee)
    for seconds in (FOREVER, 0.005):
        served = bench.ask(question, seconds)
        assert set(served.payload.decode().split()) == {"espresso", "filter"}
    # Where the caller's own filter leaves nothing, there is nothing.
    assert bench.ids(replace(question, excluded=("espresso", "filter"))) == []


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (0, "You have bought this 4 times, last on 1 April 2026."),
        # Recency is measured at the end of the data, and that is not when it was bought.
        (30, "You have bought this 4 times."),
    ],
)
def test_what_was_just_bought_is_told_where_nothing_else_is_left(
    bench: Bench, days: int, told: str
) -> None:
    """The list was made as if it had not been bought; its reasons were not."""
    bench.now += days * 86_400
    bench.did("1", time=bench.now - 3_600, lines=(Line("espresso"), Line("filter")))
    coffee = CatalogueFilter(category_paths=("Drinks > Coffee",))
    found = bench.answer(Question(customer_id="anna", catalogue_filter=coffee, explain=True))
    reasons = {item.product_id: item.reason.text for item in found.items if item.reason}
    assert reasons["espresso"] == told


def test_a_language_has_lists_of_its_own(bench: Bench) -> None:
    """Where reasons are asked; without them the same one serves all."""
    for explain in (False, True):
        english = Question(customer_id="anna", explain=explain)
        german = replace(english, language="de")
        assert (english.canonical() == german.canonical()) is not explain
    found = bench.answer(german).items[0].reason
    assert found is not None
    assert (found.language_code, found.text) == (
        "de",
        "Sie haben das schon 3-mal gekauft, zuletzt am 28. März 2026.",
    )


def test_a_visitor_is_not_the_customer_of_that_id(bench: Bench) -> None:
    """Neither gets the list of the other."""
    assert bench.answer(Question(visitor_id="anna")).items == bench.answer(Question()).items
    assert len({key.customer for key in bench.cache.keys}) == 2


def test_a_home_that_was_set_goes_before_what_was_learnt(bench: Bench) -> None:
    """At once, cached lists included; a place that is given goes before both."""
    question = Question(customer_id="anna")
    assert bench.answer(question).location.store_id == "leeds-1"
    for home in ("porto-1", "york-1"):
        bench.people.put(ANNA.key, Person(home=Location(store_id=home)))
        assert bench.answer(question).location.store_id == home
        assert bench.ask(question).delivery.served_from is ServedFrom.CACHE
    for n in range(5):
        bench.did(str(n), location=Location(store_id="leeds-1"), order_id=str(n))
    assert bench.answer(question).location.store_id == "york-1"
    given = replace(question, location=Location(store_id="porto-1"))
    assert bench.answer(given).location.store_id == "porto-1"
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    assert bench.answer(question).level is Level.EVERYWHERE


def test_home_follows_the_customer(bench: Bench) -> None:
    """From the first visit where none is known, after several where one is."""
    york = Location(store_id="york-1")
    bench.did("1", customer("emil"), location=york, lines=(Line("tea"),))
    assert bench.answer(Question(customer_id="emil")).location.store_id == "york-1"
    for n, home in enumerate(("leeds-1", "leeds-1", "york-1")):
        bench.did(f"a{n}", time=bench.now + n, location=york, lines=(Line("tea"),))
        bench.now += 10
        assert bench.answer(Question(customer_id="anna")).location.store_id == home
    porto = Location(store_id="porto-1")
    assert bench.answer(Question(customer_id="anna", location=porto)).location.country_code == "PT"


def test_without_consent_a_list_is_anybodys(bench: Bench) -> None:
    """As of somebody unknown in that place; neither the store nor the model is asked for them."""
    bench.did("filter")
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    for location in (Location(), Location(store_id="york-1")):
        anonymous = bench.answer(Question(location=location, only_new=True))
        bench.cache.keys.clear()
        anna = bench.answer(Question(customer_id="anna", location=location, only_new=True))
        assert anna.warnings == ("NO_CONSENT",)
        assert (anna.items, anna.location) == (anonymous.items, anonymous.location)
        assert {key.customer for key in bench.cache.keys} == {ANONYMOUS}
    bench.standing.set_consent(ANNA.key, Consent.GRANTED)
    assert bench.answer(Question(customer_id="anna")).location.store_id == "leeds-1"


def test_a_visitor_who_is_a_customer_without_consent_is_anybody(bench: Bench) -> None:
    """What they do unnamed is as much theirs; no other visitor is touched by it."""
    guest = visitor("guest")
    bench.did("filter", guest)
    bench.standing.link(guest.key, ANNA.key)
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    bench.cache.keys.clear()
    answer = bench.answer(Question(visitor_id="guest"))
    assert answer.warnings == ("NO_CONSENT",)
    assert answer.items == bench.answer(Question()).items
    assert {key.customer for key in bench.cache.keys} == {ANONYMOUS}
    assert bench.answer(Question(visitor_id="somebody")).warnings == ()


def test_the_log_line_names_nobody_without_consent(bench: Bench) -> None:
    """It names the list as well, which would lead back to them."""
    bench.standing.link(visitor("guest").key, ANNA.key)
    shoppers = (Question(customer_id="anna"), Question(visitor_id="guest"))
    for consent, names in ((Consent.GRANTED, ["customer", "visitor"]), (Consent.WITHDRAWN, [])):
        bench.standing.set_consent(ANNA.key, consent)
        noted = []
        for question in shoppers:
            with collected_facts() as facts:
                bench.answer(question)
            noted += [name for name in ("customer", "visitor") if name in facts]
        assert noted == names


def test_silence_is_taken_as_the_shop_has_set_it(registry: Registry) -> None:
    """Where the law wants consent first, only who gave it is known."""
    bench = Bench(registry, consents_by_default=False)
    assert bench.answer(Question(customer_id="anna")).warnings == ("NO_CONSENT",)
    bench.standing.set_consent(ANNA.key, Consent.GRANTED)
    assert bench.answer(Question(customer_id="anna")).warnings == ()


def test_what_is_withdrawn_is_on_no_list(bench: Bench) -> None:
    """Not on a fresh one, a cached one, one made in a hurry, nor among similar products."""
    question = Question(customer_id="anna")
    assert "espresso" in bench.ids(question)
    bench.standing.withdraw(["espresso"])
    served = bench.ask(question)
    assert served.delivery.served_from is ServedFrom.MODEL  # the cached one may not be given
    assert bench.ask(question).delivery.served_from is ServedFrom.CACHE
    hurried = bench.ask(question, seconds=0.005)
    assert hurried.delivery.served_from is ServedFrom.FALLBACK
    others = bench.similar("filter", Question()).answer.items
    lists = [served.payload.decode().split(), hurried.payload.decode().split()]
    lists += [bench.ids(Question()), [item.product_id for item in others]]
    for products in lists:
        assert products
        assert "espresso" not in products


def test_what_is_restored_is_back_on_the_next_list(bench: Bench) -> None:
    """Though a list without it is cached."""
    question = Question(customer_id="anna")
    bench.standing.withdraw(["espresso"])
    assert "espresso" not in bench.ids(question)
    _, position = bench.standing.restore(["espresso"])
    assert "espresso" in bench.ids(replace(question, must_see=Written(position)))


def test_a_list_from_between_recalls_is_not_given_after_the_next(bench: Bench) -> None:
    """Withdrawn, restored and withdrawn again: the list from between is cached and outdated."""
    question = Question(customer_id="anna")
    for _ in range(2):
        bench.standing.withdraw(["espresso"])
        assert "espresso" not in bench.ask(question).payload.decode().split()
        bench.standing.restore(["espresso"])
        assert "espresso" in bench.ask(question).payload.decode().split()


def test_an_erased_customer_is_unknown_to_an_older_model(bench: Bench) -> None:
    """No cached list of theirs is given, and what they do afterwards is all that counts."""
    question, short = Question(customer_id="anna"), Question(customer_id="anna", size=3)
    bench.ask(short)  # a list of who has done nothing of late, as they have after the erasure
    bench.did("1", act=Act.VIEW, lines=(Line("soap"),))
    known = bench.answer(question)
    bench.log.erase(ANNA.key)
    bench.standing.erase([ANNA.key])
    assert bench.answer(short).warnings == ("UNKNOWN_CUSTOMER",)
    erased = bench.answer(question)
    assert erased.warnings == ("UNKNOWN_CUSTOMER",)
    assert erased.items == bench.answer(Question()).items != known.items
    bench.did("2", act=Act.VIEW, lines=(Line("tea"),))
    back = bench.answer(question)
    assert back.items not in {known.items, erased.items}
    assert (back.warnings, back.location) == ((), Location())


def test_a_token_makes_the_service_read_on(bench: Bench) -> None:
    """A recall by another process counts at once for who carries its token, and then for all."""
    other = new_standing(bench.registry)
    assert "espresso" in bench.ids(Question())
    _, position = other.withdraw(["espresso"])
    assert "espresso" in bench.ask(Question()).payload.decode().split()
    answer = bench.answer(Question(must_see=Written(position)))
    assert "espresso" not in {item.product_id for item in answer.items}
    assert answer.warnings == ()
    assert "espresso" not in bench.ask(Question()).payload.decode().split()


def test_a_token_that_cannot_be_met_is_said(bench: Bench) -> None:
    """There is an answer all the same, and nobody without a token hears of it."""
    assert bench.answer(Question(must_see=Written(1))).warnings == ("CONSISTENCY_UNMET",)
    assert bench.answer(Question()).warnings == ()
    unmet = bench.similar("milk", Question(must_see=Written(1))).answer
    assert unmet.warnings == ("CONSISTENCY_UNMET",)


def test_a_list_that_knows_nothing_of_late_says_so(bench: Bench) -> None:
    """Without the time to ask the store, and without a store, for who did something or might."""
    bench.did("filter")
    anna, anybody = Question(customer_id="anna"), Question()
    assert bench.ask(anna, seconds=0.04).delivery.degraded_reason == "DEADLINE"
    assert bench.ask(anybody, seconds=0.04).delivery.degraded_reason == ""
    found = [bench.similar("tea", question, seconds=0.04) for question in (anna, anybody)]
    assert [one.delivery.degraded_reason for one in found] == ["DEADLINE", ""]
    bench.cache.is_down = True
    assert bench.ask(anna).delivery.degraded_reason == "STORE_UNAVAILABLE"
    assert bench.similar("tea", anna).delivery.degraded_reason == "STORE_UNAVAILABLE"
    assert bench.similar("tea", anybody).delivery.degraded_reason == ""


def test_a_profile_that_cannot_be_read_degrades(bench: Bench) -> None:
    """The list is made without it."""
    get = bench.cache.inner.get

    def damaged(key: CacheKey) -> Lookup:
        def live() -> LiveProfile:
            raise StoreUnavailableError("damaged")

        return Lookup(get(key).entry, live)

    bench.cache.inner.get = damaged  # type: ignore[method-assign]  # a lever of this test
    served = bench.ask(Question(customer_id="anna"))
    assert served.delivery.degraded_reason == "STORE_UNAVAILABLE"
    assert served.payload


def test_similar_products_heed_what_was_done_of_late(bench: Bench) -> None:
    """What is in the basket is not among them."""
    bench.did("1", act=Act.ADD_TO_CART, lines=(Line("filter"),))
    items = bench.similar("espresso", Question(customer_id="anna")).answer.items
    assert "filter" not in {item.product_id for item in items}
    assert bench.cache.puts == []


def test_similar_products(bench: Bench) -> None:
    """Never the product itself; explained by it; filters hold."""
    question = Question(explain=True, excluded=("milk",), size=3)
    computed = bench.similar("espresso", question)
    ids = [item.product_id for item in computed.answer.items]
    assert ids[0] == "filter"
    assert not {"espresso", "milk"} & set(ids)
    reason = computed.answer.items[0].reason
    assert reason is not None
    assert (reason.why.code, reason.evidence) == ("SIMILAR_PRODUCT", ("espresso",))
    assert computed.delivery.served_from is ServedFrom.MODEL


def test_similar_to_an_unknown_product_is_not_found(bench: Bench) -> None:
    """Said with the id, cut to a length that fits a line."""
    with pytest.raises(NotFoundError) as caught:
        bench.similar("x" * 200, Question())
    assert caught.value.reason == "PRODUCT_NOT_FOUND"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("page_size", "n"), [(0, 20), (1, 1), (100, 100), (101, 100)])
def test_page_sizes_are_defaulted_and_lowered(page_size: int, n: int) -> None:
    """0 is the default, and too much is the maximum."""
    assert listed(page_size) == n


COLA = Product(
    product_id="cola",
    title="Green cola",
    category_path="Drinks > Tea",
    brand="Leaf",
    price=1.5,
    currency="GBP",
)
LEEDS, YORK = Location(store_id="leeds-1"), Location(store_id="york-1")
IN_STOCK = Question(location=LEEDS, in_stock_only=True)


def test_only_what_is_there_is_listed_if_asked(bench: Bench) -> None:
    """At the store of the question, of the customer's home, or where nobody names one."""
    bench.say("leeds-1", "milk", "soap", "unheard-of")
    bench.say("leeds-1", "tea", is_in_stock=False)
    bench.say("york-1", "tea")
    bench.say("", "bread")
    anna = Question(customer_id="anna", in_stock_only=True)
    for question, there in (
        (IN_STOCK, {"milk", "soap"}),
        (anna, {"milk", "soap"}),
        (replace(anna, location=YORK), {"tea"}),
        (Question(in_stock_only=True), {"bread"}),
        (replace(IN_STOCK, location=Location(country_code="GB")), {"bread"}),
    ):
        assert set(bench.ids(question)) == there
        assert bench.codec.answers[-1].warnings == ()
    assert "tea" in bench.ids(Question(location=LEEDS))
    similar = bench.similar("espresso", IN_STOCK).answer.items
    assert [item.product_id for item in similar] == ["milk"]  # and not filter, which is more so


def test_what_is_there_is_popular_enough_in_a_hurry(bench: Bench) -> None:
    """The list that is made without time heeds the stock as well."""
    bench.say("leeds-1", "soap", "jam")
    bench.ask(IN_STOCK)
    served = bench.ask(IN_STOCK, seconds=0.005)
    assert served.delivery.served_from is ServedFrom.FALLBACK
    assert set(served.payload.decode().split()) == {"jam", "soap"}


def test_stock_that_nobody_has_said_leaves_nothing(bench: Bench) -> None:
    """With a warning and no degradation: the shop must say what is there."""
    served = bench.ask(IN_STOCK)
    assert (served.payload, served.delivery.degraded_reason) == (b"", "")
    assert bench.codec.answers[-1].warnings == ("STOCK_UNKNOWN",)
    similar = bench.similar("espresso", IN_STOCK).answer
    assert (similar.items, similar.warnings) == ((), ("STOCK_UNKNOWN",))
    # A price that nobody has said otherwise is no stock that is missing.
    assert bench.answer(Question(location=LEEDS, include_products=True)).warnings == ()


def test_stock_that_cannot_be_read_is_no_reason_for_an_empty_list(bench: Bench) -> None:
    """What may not be there is better than nothing, and said; strictly it is not. None is kept."""
    bench.tables.is_down = True
    for _ in range(2):
        served = bench.ask(IN_STOCK)
        assert served.delivery.served_from is ServedFrom.MODEL
        assert served.delivery.degraded_reason == "STORE_UNAVAILABLE"
        assert {"milk", "tea"} <= set(served.payload.decode().split())
        assert bench.codec.answers[-1].warnings == ("STOCK_UNKNOWN",)
        strict = bench.ask(replace(IN_STOCK, strict=True))
        assert (strict.payload, strict.delivery.degraded_reason) == (b"", "STORE_UNAVAILABLE")
    assert bench.cache.puts == []
    similar = bench.similar("espresso", IN_STOCK)
    assert similar.answer.items
    assert similar.delivery.degraded_reason == "STORE_UNAVAILABLE"
    assert bench.ask(Question(location=LEEDS)).delivery.degraded_reason == ""


def test_stock_of_a_moment_ago_does_while_it_cannot_be_read(bench: Bench) -> None:
    """The list says that it is degraded, not that nothing is known; it is whole again in time."""
    bench.say("leeds-1", "milk")
    assert bench.ids(IN_STOCK) == ["milk"]
    bench.tables.is_down = True
    bench.monotonic += FRESH_SECONDS
    explained = replace(IN_STOCK, explain=True)
    served = bench.ask(explained)
    assert (served.payload, served.delivery.degraded_reason) == (b"milk", "STORE_UNAVAILABLE")
    assert bench.codec.answers[-1].warnings == ()
    bench.tables.is_down = False
    bench.say("leeds-1", "tea")
    served = bench.ask(explained)
    assert set(served.payload.decode().split()) == {"milk", "tea"}
    assert served.delivery.degraded_reason == ""


def test_a_cached_list_follows_the_stock(bench: Bench) -> None:
    """At once for who carries the token of the write, and for all after a quarter of a second."""
    bench.say("leeds-1", "milk", "tea")
    assert set(bench.ids(IN_STOCK)) == {"milk", "tea"}
    assert bench.ask(IN_STOCK).delivery.served_from is ServedFrom.CACHE
    bench.say("leeds-1", "milk", is_in_stock=False)
    assert bench.ask(IN_STOCK).payload == b"tea"
    assert bench.ask(IN_STOCK).delivery.served_from is ServedFrom.CACHE
    soap = StockRecord(product_id="soap", is_in_stock=True, effective=99)
    written_at = bench.stock.put("leeds-1", [soap])[1]
    assert bench.ask(IN_STOCK).payload == b"tea"
    seen = bench.ask(replace(IN_STOCK, must_see=Written(catalogue=written_at)))
    assert set(seen.payload.decode().split()) == {"soap", "tea"}
    # A count alone changes no list, nor does the stock of another store.
    bench.say("leeds-1", "soap", quantity=3.0)
    bench.say("york-1", "milk")
    assert bench.ask(IN_STOCK).delivery.served_from is ServedFrom.CACHE


def test_a_list_that_depends_on_no_stock_reads_none(bench: Bench) -> None:
    """It costs nothing, and a change of stock leaves it in the cache."""
    question = Question(customer_id="anna")
    bench.ask(question)
    n_reads = bench.tables.n_reads
    bench.say("leeds-1", "milk", is_in_stock=False)
    assert bench.ask(question).delivery.served_from is ServedFrom.CACHE
    assert bench.tables.n_reads == n_reads


def test_a_cached_list_follows_the_catalogue(bench: Bench) -> None:
    """A product that is new, or was changed, counts at once, on similar products too."""
    tea = Question(catalogue_filter=CatalogueFilter(category_paths=("Drinks > Tea",)))
    assert bench.ids(tea) == ["tea"]
    assert bench.ask(tea).delivery.served_from is ServedFrom.CACHE
    bench.live.upsert_products([COLA])
    assert set(bench.ids(tea)) == {"tea", "cola"}
    assert bench.ask(tea).delivery.served_from is ServedFrom.CACHE
    bench.live.upsert_products([replace(COLA, product_id="tea", category_path="Food")])
    assert bench.ids(tea) == ["cola"]
    similar = [item.product_id for item in bench.similar("cola", Question()).answer.items]
    assert "cola" not in similar
    assert similar[0] == "tea"
    assert "cola" in {item.product_id for item in bench.similar("tea", Question()).answer.items}


def test_what_another_process_was_told_counts_with_its_token(bench: Bench) -> None:
    """Without one it may take a moment; what cannot be read is said, once."""
    store = TableCatalogueStore(bench.tables)
    other = LiveCatalogue(store, store, Log().logger)
    written_at = other.upsert_products([COLA])
    assert "cola" not in bench.ids(Question())
    question = Question(must_see=Written(catalogue=written_at))
    assert "cola" in bench.ids(question)
    assert bench.codec.answers[-1].warnings == ()
    bench.tables.is_down = True
    unmet = replace(question, must_see=Written(1, written_at))
    assert bench.answer(unmet).warnings == ("CONSISTENCY_UNMET",)


def test_a_newcomer_that_was_withdrawn_is_on_no_list(bench: Bench) -> None:
    """Recalls hold for what the model has not learnt, before and after it is known."""
    bench.standing.withdraw(["cola"])
    assert "cola" not in bench.ids(Question())
    bench.live.upsert_products([COLA])
    ids = bench.ids(Question())
    assert ids
    assert "cola" not in ids
    _, position = bench.standing.restore(["cola"])
    assert "cola" in bench.ids(Question(must_see=Written(position)))


def test_a_list_does_not_outlive_a_products_window(bench: Bench) -> None:
    """What begins or ends is on time, though lists are kept for a minute."""
    now = int(bench.now)
    soon = replace(COLA, available_from=now + 5, available_to=now + 20)
    bench.live.upsert_products([soon])
    for later, is_there, served_from in (
        (0, False, ServedFrom.MODEL),
        (4, False, ServedFrom.CACHE),
        (5, True, ServedFrom.MODEL),
        (19, True, ServedFrom.CACHE),
        (20, False, ServedFrom.MODEL),
        (79, False, ServedFrom.CACHE),
        (80, False, ServedFrom.MODEL),
    ):
        bench.now = now + later
        served = bench.ask(Question())
        assert ("cola" in served.payload.decode().split()) is is_there, later
        assert served.delivery.served_from is served_from, later


def test_a_home_that_moved_asks_for_its_own_stock(bench: Bench) -> None:
    """Where the customer shops of late, known to the model or not."""
    emil = Question(customer_id="emil", in_stock_only=True)
    bench.say("", "bread")
    bench.say("york-1", "tea")
    bench.say("leeds-9", "soap")
    bench.live.upsert_stores([Shop("Leeds Nine", Location(store_id="leeds-9", country_code="GB"))])
    assert bench.ids(emil) == ["bread"]
    bench.did("1", customer("emil"), location=YORK, lines=(Line("filter"),))
    assert bench.ids(emil) == ["tea"]
    # Nobody watches that store's revision for him, so his list is made each time.
    assert bench.ask(emil).delivery.served_from is ServedFrom.MODEL
    bench.say("york-1", "jam")
    assert set(bench.ids(emil)) == {"jam", "tea"}
    guest = Question(visitor_id="guest", in_stock_only=True)
    new = Location(store_id="leeds-9")
    bench.did("2", visitor("guest"), location=new, lines=(Line("filter"),))
    assert bench.ids(guest) == ["soap"]


def test_a_described_store_lends_its_country(bench: Bench) -> None:
    """One that the model has never seen backs off like one that has sold nothing yet."""
    porto = replace(IN_STOCK, location=Location(store_id="porto-2"), in_stock_only=False)
    assert bench.answer(porto).warnings == ("UNKNOWN_LOCATION",)
    place = Location(store_id="porto-2", country_code="PT")
    bench.live.upsert_stores([Shop("Porto Two", place)])
    answer = bench.answer(porto)
    assert (answer.level, answer.location.country_code) == (Level.COUNTRY, "PT")
    assert answer.warnings == ()


def prices(answer: Answer) -> dict[str, tuple[float, str]]:
    """What each product costs on a list."""
    found = {item.product_id: item.product for item in answer.items}
    return {name: (one.price, one.currency) for name, one in found.items() if one is not None}


def test_a_price_of_the_store_is_told_and_filtered_by(bench: Bench) -> None:
    """Where the question is asked; elsewhere the product's own price holds."""
    bench.say("leeds-1", "espresso", price=2.0, currency="GBP")
    bench.say("leeds-1", "milk", price=9.0, currency="GBP")
    asked = Question(location=LEEDS, include_products=True)
    here = prices(bench.answer(asked))
    assert (here["espresso"], here["milk"], here["tea"]) == (
        *((2.0, "GBP"), (9.0, "GBP")),
        (3.10, "GBP"),
    )
    there = prices(bench.answer(replace(asked, location=YORK)))
    assert (there["espresso"], there["milk"]) == ((7.5, "GBP"), (1.15, "GBP"))
    cheap = CatalogueFilter(price_max=2.5, currency="GBP")
    here_cheap = bench.ids(Question(location=LEEDS, catalogue_filter=cheap))
    there_cheap = bench.ids(Question(location=YORK, catalogue_filter=cheap))
    assert set(here_cheap) == {"espresso", "butter", "bag"}
    assert set(there_cheap) == {"milk", "butter", "bag"}
    similar = bench.similar("filter", asked).answer
    assert prices(similar)["espresso"] == (2.0, "GBP")


def test_a_price_in_a_currency_of_the_store_alone_is_told_and_filtered_by(bench: Bench) -> None:
    """The catalogue is in pounds, one store in Porto takes euros."""
    porto = Location(store_id="porto-1")
    bench.say("porto-1", "milk", price=1.4, currency="EUR")
    answer = bench.answer(Question(location=porto, include_products=True))
    assert prices(answer)["milk"] == (1.4, "EUR")
    euros = CatalogueFilter(price_max=2.0, currency="EUR")
    assert bench.ids(Question(location=porto, catalogue_filter=euros)) == ["milk"]


def test_pages_with_newcomers_hold_no_product_twice(bench: Bench) -> None:
    """Nor do they leave one out, though another process numbers newcomers in its own way."""
    new = [replace(COLA, product_id=f"cola-{n}", title=f"Cola {n}") for n in range(6)]
    bench.live.upsert_products(new[:5])
    other = Bench(bench.registry)
    other.live.upsert_products(new[4::-1])
    anna = Question(customer_id="anna", size=4)
    whole = bench.ids(replace(anna, size=100))
    assert {product.product_id for product in new[:5]} < set(whole)
    pages: list[list[str]] = []
    page = b""
    while not pages or page:
        process = (bench, other)[len(pages) % 2]
        answer = process.answer(replace(anna, page=page))
        pages.append([item.product_id for item in answer.items])
        page = answer.next_page
        if len(pages) == 2:  # one more comes in between
            bench.live.upsert_products([new[5]])
            other.live.upsert_products([new[5]])
    listed_ids = [name for one in pages for name in one]
    assert len(listed_ids) == len(set(listed_ids))
    assert set(listed_ids) == {*whole, "cola-5"}
    assert [len(one) for one in pages[:-1]] == [4] * (len(pages) - 1)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (Location(), "leeds-1"),
        (Location(country_code="GB"), "leeds-1"),
        (Location(postal_code="ls1 4dy"), "leeds-1"),
        (Location(subdivision_code="GB-ENG", country_code="GB"), "leeds-1"),
        (Location(store_id=" york-1 ", country_code="GB"), "york-1"),
        (Location(country_code="PT"), ""),
        (Location(postal_code="YO1 8SA", country_code="GB"), ""),
        (Location(country_code="FR"), ""),
    ],
)
def test_the_store_of_a_question(bench: Bench, location: Location, expected: str) -> None:
    """The one that is named, else home, unless another place is named."""
    loaded = bench.slot.current()
    anna = loaded.model.customers.index("anna")
    assert store_of(loaded, location, anna) == expected
    assert store_of(loaded, location, MISSING) == location.store_id.strip()


def test_a_withdrawn_product_is_in_no_reason(bench: Bench) -> None:
    """Neither in its text nor in its evidence; of similar products neither."""
    question = Question(customer_id="anna", explain=True)
    assert any("espresso" in i.reason.evidence for i in bench.answer(question).items if i.reason)
    bench.standing.withdraw(["espresso"])
    for items in (
        bench.answer(question).items,
        bench.similar("espresso", question).answer.items,
    ):
        assert items
        for item in items:
            assert item.reason is not None
            assert "espresso" not in item.reason.evidence
            assert "Espresso" not in item.reason.text


def test_pages_of_a_varied_list_hold_no_product_twice(bench: Bench) -> None:
    """Each goes on where the one before ended, and none is in the order of the scores alone."""
    plain = bench.ids(Question(customer_id="anna", size=6))
    pages: list[str] = []
    ranks: list[int] = []
    page = b""
    for _ in range(3):
        asked = Question(customer_id="anna", size=2, diversity=Diversity.HIGH, page=page)
        answer = bench.answer(asked)
        pages += [item.product_id for item in answer.items]
        ranks += [item.rank for item in answer.items]
        page = answer.next_page
    assert len(set(pages)) == 6
    assert ranks == [1, 2, 3, 4, 5, 6]
    assert pages != plain
