"""The main use case over a small model: lists, warnings, and what was done of late."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core import recommender
from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.diversity import Diversity
from recsvc.core.live import Act
from recsvc.core.places import Level, Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.sources import Strategy
from recsvc.core.vocabulary import MISSING
from recsvc.errors import (
    InvalidRequestError,
    NotFoundError,
    StoreUnavailableError,
    UnavailableError,
)
from recsvc.service.cache_port import CacheKey, Lookup
from recsvc.service.deliveries import Served
from recsvc.service.ledger_state import Consent
from recsvc.service.models import load_model
from recsvc.service.ports import Person
from recsvc.service.questions import Question, ServedFrom, listed
from recsvc.service.selling import Written
from recsvc.service.shopping import Line, LiveProfile
from recsvc.service.situations import ONLY_RESTING, Asker, situate, store_of
from tests.bench import FOREVER, JUST_AFTER, Bench
from tests.counting import DATA_END, DATA_END_TIME, DAY
from tests.samples import tiny_artifact, tiny_model
from tests.serving import new_standing
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


def questions(*customers: str) -> list[Question]:
    return [Question(customer_id=customer) for customer in customers]


def test_several_are_looked_up_in_one_trip(registry: Registry) -> None:
    """Each is answered as it would be alone.

    What is asked twice is looked up once more, as the first has left its answer there.
    """
    bench = Bench(registry, ttl_seconds=300)
    before = bench.ask(Question(customer_id="ben"))
    asked = questions("anna", "ben", "anna")
    begun = [bench.recommendations.begin(each, FOREVER) for each in asked]
    bench.cache.keys.clear()
    bench.recommendations.look_up(begun)
    assert bench.cache.trips == [2]
    anna, ben, again = [bench.recommendations.finish(each) for each in begun]
    assert len(bench.cache.keys) == 2 + 1
    assert [each.delivery.served_from for each in (anna, ben, again)] == [
        ServedFrom.MODEL,
        ServedFrom.CACHE,
        ServedFrom.CACHE,
    ]
    assert ben.payload == before.payload
    assert again.payload == anna.payload == Bench(registry).ask(asked[0]).payload


def test_several_are_answered_without_the_store(registry: Registry) -> None:
    """It is asked once for all, and not again for each."""
    bench = Bench(registry, ttl_seconds=300)
    begun = [bench.recommendations.begin(each, FOREVER) for each in questions("anna", "ben")]
    bench.cache.is_down = True
    bench.recommendations.look_up(begun)
    n_asked = len(bench.cache.keys)
    served = [bench.recommendations.finish(each) for each in begun]
    assert {each.delivery.degraded_reason for each in served} == {"STORE_UNAVAILABLE"}
    assert len(bench.cache.keys) == n_asked
    assert served[0].payload == Bench(registry).ask(Question(customer_id="anna")).payload


def test_without_time_the_store_is_not_asked_for_several(registry: Registry) -> None:
    """As for one: what is popular is listed, and that nothing was asked is said."""
    bench = Bench(registry, ttl_seconds=300)
    begun = [
        bench.recommendations.begin(each, bench.monotonic) for each in questions("anna", "ben")
    ]
    bench.recommendations.look_up(begun)
    assert bench.cache.trips == []
    served = [bench.recommendations.finish(each) for each in begun]
    assert {each.delivery.served_from for each in served} == {ServedFrom.FALLBACK}
    assert bench.count("recsvc_cache_operations_total", outcome="skipped") == len(served)


def test_several_that_are_prepared_are_the_lists_that_each_gets_alone(registry: Registry) -> None:
    """What is found, or asked for a second time, needs nothing prepared."""
    bench = Bench(registry, ttl_seconds=300)
    bench.did("bought-just-now")
    bench.ask(Question(customer_id="ben"))
    asked = questions("anna", "ben", "anna", "dora", "nobody")
    begun = [bench.recommendations.begin(each, FOREVER) for each in asked]
    bench.recommendations.look_up(begun)
    prepared, served = [], []
    for each, ahead in zip(begun, bench.recommendations.prepare(begun), strict=True):
        prepared.append(ahead is not None)
        served.append(bench.recommendations.finish(each, may_wait=False, ahead=ahead))
    assert prepared == [True, False, False, True, True]
    other = Bench(registry)
    other.did("bought-just-now")
    assert [each.payload for each in served] == [other.ask(each).payload for each in asked]


def made_together(bench: Bench, *customers: str) -> list[Served]:
    begun = [bench.recommendations.begin(each, FOREVER) for each in questions(*customers)]
    bench.recommendations.look_up(begun)
    return [
        bench.recommendations.finish(each, may_wait=False, ahead=ahead)
        for each, ahead in zip(begun, bench.recommendations.prepare(begun), strict=True)
    ]


def test_what_is_made_together_is_kept_in_one_trip(registry: Registry) -> None:
    """And found by whoever asks next."""
    bench = Bench(registry, ttl_seconds=300)
    made = made_together(bench, "anna", "ben", "dora")
    assert bench.cache.put_trips == [3]
    again = made_together(bench, "anna", "ben", "dora")
    assert bench.cache.put_trips == [3]
    assert [each.payload for each in again] == [each.payload for each in made]
    assert {each.delivery.served_from for each in again} == {ServedFrom.CACHE}


def test_what_is_asked_twice_is_kept_before_it_is_looked_for_again(registry: Registry) -> None:
    """It is made once; what waits with it is kept with it."""
    bench = Bench(registry, ttl_seconds=300)
    served = made_together(bench, "anna", "ben", "anna", "dora")
    assert bench.cache.put_trips == [2, 1]
    sources = [each.delivery.served_from for each in served]
    assert sources == [ServedFrom.MODEL, ServedFrom.MODEL, ServedFrom.CACHE, ServedFrom.MODEL]


def test_a_store_that_fails_as_lists_are_kept_degrades_none(registry: Registry) -> None:
    """Whatever they are made from was read before; that they are not kept is counted."""
    bench = Bench(registry, ttl_seconds=300)
    begun = [bench.recommendations.begin(each, FOREVER) for each in questions("anna", "ben")]
    bench.recommendations.look_up(begun)
    bench.cache.is_down = True
    prepared = bench.recommendations.prepare(begun)
    served = [
        bench.recommendations.finish(each, may_wait=False, ahead=ahead)
        for each, ahead in zip(begun, prepared, strict=True)
    ]
    assert {each.delivery.degraded_reason for each in served} == {""}
    assert bench.count("recsvc_cache_operations_total", outcome="error") == 1


def test_what_was_made_is_kept_though_no_more_is_asked_for(registry: Registry) -> None:
    """Who closes has what was made until then kept, if there is time for it and it is not old."""
    for has, later, trips in ((10, 4, 1), (5, 4.96, 0), (10, 6, 0)):
        bench = Bench(registry, ttl_seconds=300)
        end = bench.monotonic + has
        begun = [bench.recommendations.begin(each, end) for each in questions("anna", "ben")]
        bench.recommendations.look_up(begun)
        prepared = bench.recommendations.prepare(begun)
        bench.recommendations.finish(begun[0], may_wait=False, ahead=next(prepared))
        bench.monotonic += later
        prepared.close()
        assert len(bench.cache.put_trips) == trips


def test_keeping_some_takes_no_time_from_those_that_are_still_to_come(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each but the last has to be done earlier, so that the others get what sells at least."""
    monkeypatch.setattr(recommender, "MAX_TOGETHER", 1)
    bench = Bench(registry, ttl_seconds=300)
    ends = bench.monotonic + 1, bench.monotonic + 1.1
    begun = [
        bench.recommendations.begin(each, end)
        for each, end in zip(questions("anna", "ben"), ends, strict=True)
    ]
    bench.recommendations.look_up(begun)
    prepared = bench.recommendations.prepare(begun)
    bench.recommendations.finish(begun[0], may_wait=False, ahead=next(prepared))
    bench.monotonic = ends[0] - 0.02  # a wait for the store could take .05
    next(prepared)
    assert bench.cache.put_trips == []


def test_a_store_that_is_slow_to_keep_some_is_not_asked_past_the_time_of_another(
    registry: Registry,
) -> None:
    """Who asks for what was asked already has those kept first, which may take all that is left."""
    bench = Bench(registry, ttl_seconds=300)
    end = bench.monotonic + 1
    begun = [bench.recommendations.begin(each, end) for each in questions("anna", "anna")]
    bench.recommendations.look_up(begun)
    prepared = bench.recommendations.prepare(begun)
    bench.recommendations.finish(begun[0], may_wait=False, ahead=next(prepared))
    n_looks = len(bench.cache.keys)
    bench.monotonic = end - 0.08

    def silent() -> None:
        bench.monotonic += 0.05
        raise StoreUnavailableError("it did not answer in time")

    bench.cache.check = silent  # type: ignore[method-assign]  # as where it hangs
    bench.recommendations.finish(begun[1], may_wait=False, ahead=next(prepared))
    assert len(bench.cache.keys) == n_looks
    assert bench.monotonic < end


def test_several_of_two_models_are_prepared_each_by_its_own(registry: Registry) -> None:
    """As where an experiment gives some of them another model."""
    bench = Bench(registry, ttl_seconds=300)
    loaded = bench.slot.current()
    other = replace(loaded, recommender=Recommender(loaded.model))
    begun = [
        bench.recommendations.begin(question, FOREVER, of)
        for question, of in zip(questions("anna", "dora"), (loaded, other), strict=True)
    ]
    bench.recommendations.look_up(begun)
    for each, ahead in zip(begun, bench.recommendations.prepare(begun), strict=True):
        assert ahead is not None
        assert ahead.prepared is not None
        assert ahead.prepared.moment.dense("collaborative", lambda: None) is not None  # by now
        made = bench.recommendations.finish(each, ahead=ahead, may_wait=False)
        assert made.payload == Bench(registry).ask(each.asked).payload


def test_one_that_cannot_be_answered_does_not_keep_others_from_being_prepared(
    registry: Registry,
) -> None:
    """Its own caller is told, and nobody else."""
    bench = Bench(registry, ttl_seconds=300)
    unknown = CatalogueFilter(brands=("no-such",))
    strict = Question(customer_id="anna", catalogue_filter=unknown, strict=True)
    begun = [bench.recommendations.begin(each, FOREVER) for each in (strict, *questions("ben"))]
    bench.recommendations.look_up(begun)
    faulty, ben = bench.recommendations.prepare(begun)
    assert faulty is None
    with pytest.raises(InvalidRequestError):
        bench.recommendations.finish(begun[0], may_wait=False, ahead=faulty)
    assert ben is not None


def test_what_there_is_no_time_for_is_not_prepared(registry: Registry) -> None:
    """What sells at the place needs none of it."""
    bench = Bench(registry, ttl_seconds=300)
    end = bench.monotonic + 0.06
    begun = [bench.recommendations.begin(each, end) for each in questions("anna", "ben")]
    bench.recommendations.look_up(begun)
    bench.monotonic += 0.055
    ahead, other = bench.recommendations.prepare(begun)
    assert ahead is other is None
    served = bench.recommendations.finish(begun[0], may_wait=False, ahead=ahead)
    assert served.delivery.served_from is ServedFrom.FALLBACK


def test_one_alone_is_not_prepared(bench: Bench) -> None:
    """In a hurry each comes by itself, and is not to wait for what would be done for many."""
    begun = bench.recommendations.begin(Question(customer_id="anna"), FOREVER)
    bench.recommendations.look_up([begun])
    assert list(bench.recommendations.prepare([begun])) == [None]


def test_preparing_counts_in_what_a_list_took(registry: Registry) -> None:
    """Each has its share of what was done for all, as if it had been done for it alone."""
    bench = Bench(registry, ttl_seconds=300)
    begun = [bench.recommendations.begin(each, FOREVER) for each in questions("anna", "ben")]
    bench.recommendations.look_up(begun)
    ahead, _ = bench.recommendations.prepare(begun)
    assert ahead is not None
    ahead = ahead._replace(seconds=3.0)
    served = bench.recommendations.finish(begun[0], bench.monotonic, may_wait=False, ahead=ahead)
    assert served.delivery.compute_seconds == 3


def test_a_list_that_was_looked_up_with_others_took_its_own_time(bench: Bench) -> None:
    """What the others took in between is none of it."""
    begun = bench.recommendations.begin(Question(customer_id="anna"), FOREVER)
    bench.monotonic += 5
    assert bench.recommendations.finish(begun, bench.monotonic).delivery.compute_seconds == 0
    assert bench.recommendations.finish(begun).delivery.compute_seconds == 5


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
    # For who has no time it is not looked up what rests.
    assert [answer.warnings for answer in bench.codec.answers] == [(ONLY_RESTING,), ()]
    assert bench.count("recsvc_last_resort_answers_total") == 1
    # Where the caller's own filter leaves nothing, there is nothing.
    assert bench.ids(question._replace(excluded=("espresso", "filter"))) == []


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
        german = english._replace(language="de")
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
        bench.people.put(ANNA.key, Person(home=Location(store_id=home)), heeds=0)
        assert bench.answer(question).location.store_id == home
        assert bench.ask(question).delivery.served_from is ServedFrom.CACHE
    for n in range(5):
        bench.did(str(n), location=Location(store_id="leeds-1"), order_id=str(n))
    assert bench.answer(question).location.store_id == "york-1"
    given = question._replace(location=Location(store_id="porto-1"))
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


@pytest.fixture
def of_books(tmp_path: Path) -> Bench:
    """Its model has seen nobody buy anything twice."""
    registry = Registry(tmp_path / "books")
    tiny_artifact(registry, replace(tiny_model(), buys_again=False), version_id="v1")
    registry.promote("v1", now=DATA_END_TIME)
    return Bench(registry)


def test_where_nothing_is_bought_twice_what_was_bought_is_left_out(of_books: Bench) -> None:
    """Unless it is asked for."""
    bought = {"espresso", "milk", "bread"}
    assert not bought & set(of_books.ids(Question(customer_id="anna")))
    assert bought & set(of_books.ids(Question(customer_id="anna", only_new=False)))
