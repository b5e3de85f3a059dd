"""Reasons of a served shop, recomputed from its purchases: all surfaces, two languages."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import pytest
from threadpoolctl import threadpool_limits

from recsvc.artifacts.registry import Registry
from recsvc.core.cells import cell_of
from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import catalog_service_pb2 as catalogue
from recsvc.v1 import catalog_service_pb2_grpc as catalogue_grpc
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import event_service_pb2_grpc as events_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.purchases import (
    START,
    STORES,
    Lines,
    Store,
    built,
    shop_events,
    shop_products,
    write_shop,
)
from tests.samples import tiny_artifact
from tests.serving import NOW, local_server
from training.purchases import FitInput, read

pytestmark = pytest.mark.usefixtures("unmeasured")

SECONDS = 60.0
SECOND = timedelta(seconds=1)
LANGUAGES = ("en", "de")
HIDDEN = ("p03", "p27", "p41")
"""Sensitive, sensitive, withdrawn."""
CUSTOMERS = [f"c{n:03}" for n in range(0, 150, 10)]
BASKETS = [("p00", "p01"), ("p10",), ("p20", "p21", "p22"), ("p44", HIDDEN[0])]
LATER = START + timedelta(days=245)
"""When the customers are asked: some days after the data's end."""


class Bought(NamedTuple):
    """One product in one order."""

    customer_id: str
    product_id: str
    time: datetime
    order_id: str
    store_id: str


def history() -> list[Bought]:
    """All purchases that were kept, plainly: what was brought back is none."""
    rows = shop_events().to_dicts()
    returned = {(r["order_id"], r["product_id"]) for r in rows if r["quantity"] < 0}
    names = ("customer_id", "product_id", "event_time", "order_id", "store_id")
    return [
        Bought(*(row[name] for name in names))
        for row in rows
        if (row["order_id"], row["product_id"]) not in returned
    ]


@dataclass
class Shop:
    """A served shop, and everything that was bought there.

    Attributes:
        purchases: those that the model has learnt.
        since: those that came in as events.
    """

    recommendations: Any
    events: Any
    purchases: list[Bought]
    since: list[Bought]

    def buy(self, customer_id: str, *product_ids: str, time: datetime) -> None:
        """Buy at the door of the service."""
        order_id = f"{customer_id}-{time:%j}-live"
        event = events.Event(
            event_id=order_id,
            type=events.EVENT_TYPE_PURCHASE,
            shopper=common.Shopper(customer_id=customer_id),
            items=[common.LineItem(product_id=product_id) for product_id in product_ids],
            order_id=order_id,
            event_time=time,
        )
        request = events.IngestEventsRequest(events=[event])
        found = self.events.IngestEvents(request, timeout=SECONDS).results
        assert [one.outcome for one in found] == [events.EVENT_OUTCOME_ACCEPTED]
        self.since += [Bought(customer_id, name, time, order_id, "") for name in product_ids]

    def own(self, customer_id: str, product_id: str) -> list[datetime]:
        """When a customer bought a product."""
        return sorted(
            one.time
            for one in (*self.purchases, *self.since)
            if (one.customer_id, one.product_id) == (customer_id, product_id)
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Some 9,000 purchases, learnt and served; three products are not to be named."""
    folder = tmp_path_factory.mktemp("reasons")
    registry, files = Registry(folder / "models"), write_shop(folder)
    products = shop_products().to_dicts()
    learnt = read(
        FitInput(events=[files.events], products=files.products, stores=files.stores), Lines()
    )
    tiny_artifact(registry, built(learnt.interactions, products=learnt.products), "v1")
    registry.promote("v1", NOW)
    with threadpool_limits(1, "blas"), local_server(registry.root) as server:
        described = [
            catalog.Product(
                product_id=row["product_id"],
                title=row["title"],
                category_path=row["category_path"],
                brand=row["brand"],
                titles={"de": f"Artikel {row['product_id']}"},
                sensitive=row["product_id"] in HIDDEN,
            )
            for row in products
        ]
        shelf = catalogue_grpc.CatalogServiceStub(server.channel)
        shelf.BatchUpsertProducts(catalogue.BatchUpsertProductsRequest(products=described))
        shelf.WithdrawProducts(catalogue.WithdrawProductsRequest(product_ids=HIDDEN[2:]))
        shop = Shop(
            api_grpc.RecommendationServiceStub(server.channel),
            events_grpc.EventServiceStub(server.channel),
            history(),
            [],
        )
        for customer_id in CUSTOMERS[:8]:
            usual = [one for one in shop.purchases if one.customer_id == customer_id][-3:]
            names = dict.fromkeys(one.product_id for one in usual)
            shop.buy(customer_id, *names, time=START + timedelta(days=242, minutes=5))
        yield shop


class Told(NamedTuple):
    """One product of an answer, with its reason.

    Attributes:
        customer_id: who asked.
        language: in which language.
        about: products that were asked about.
        place: the one that was used.
        product: what was answered.
    """

    customer_id: str
    language: str
    about: frozenset[str]
    place: common.Location
    product: api.RecommendedProduct

    @property
    def why(self) -> api.Explanation:
        return self.product.explanation

    @property
    def facts(self) -> api.ReasonFacts:
        return self.product.explanation.facts


def answers(shop: Shop) -> Iterator[Told]:
    """Every product of the lists of every surface."""
    ask = shop.recommendations

    def context(language: str, store_id: str = "") -> common.RecommendationContext:
        place = common.Location(store_id=store_id)
        return common.RecommendationContext(
            language_code=language, as_of_time=LATER, location=place if store_id else None
        )

    def of(request: Any, found: Any) -> Iterator[Told]:  # noqa: ANN401  # of any surface
        about = {*getattr(request, "product_ids", ()), getattr(request, "product_id", "")} - {""}
        for one in found.recommendations:
            yield Told(
                request.shopper.customer_id,
                request.context.language_code,
                frozenset(about),
                found.serving.resolved_location,
                getattr(one, "recommended_product", one),
            )

    for number, (customer_id, language) in enumerate(product(CUSTOMERS, LANGUAGES)):
        fields: dict[str, Any] = {
            "shopper": common.Shopper(customer_id=customer_id),
            "page_size": 50,
            "explain": True,
        }
        for store_id, new in (("", False), (STORES[number % 6].store_id, False), ("", True)):
            wanted = common.ProductFilter(exclude_purchased=new)
            request = api.RecommendRequest(
                context=context(language, store_id), filter=wanted, **fields
            )
            yield from of(request, ask.Recommend(request, timeout=SECONDS))
        again = api.ListBuyAgainRequest(context=context(language), **fields)
        yield from of(again, ask.ListBuyAgain(again, timeout=SECONDS))
    for basket, language in product(BASKETS, LANGUAGES):
        fields = {"context": context(language), "page_size": 50, "explain": True}
        together = api.ListBoughtTogetherRequest(product_ids=basket, **fields)
        yield from of(together, ask.ListBoughtTogether(together, timeout=SECONDS))
        similar = api.ListSimilarProductsRequest(product_id=basket[-1], **fields)
        yield from of(similar, ask.ListSimilarProducts(similar, timeout=SECONDS))
        anonymous = api.RecommendRequest(**fields)
        yield from of(anonymous, ask.Recommend(anonymous, timeout=SECONDS))


@pytest.fixture(scope="module")
def told(shop: Shop) -> list[Told]:
    """All products of all lists."""
    return list(answers(shop))


def coded(told: Sequence[Told], *codes: str) -> list[Told]:
    """Return what has a reason of these kinds; there is some of each kind."""
    found = [one for one in told if one.why.reason_code in codes]
    assert {one.why.reason_code for one in found} == set(codes)
    return found


def test_reasons_are_sentences_in_the_language_asked(told: list[Told]) -> None:
    """Each ends with a full stop, leaves nothing open, and calls products as its readers do."""
    starts: dict[str, set[str]] = defaultdict(set)
    for one in told:
        text, language = one.why.text, one.language
        assert one.why.language_code == language
        assert text.endswith(".")
        assert not set("{}\n") & set(text)
        assert ("Artikel" in text) <= (language == "de")
        assert (" no. " in text) <= (language == "en")
        starts[language].add(text.split()[0])
    assert not starts["en"] & starts["de"]
    assert len(told) > 3_000


def test_no_reason_names_what_is_hidden(told: list[Told]) -> None:
    """Neither by title nor by id, nor tells of its own purchase by the customer."""
    numbers = "|".join(str(int(name[1:])) for name in HIDDEN)
    named = re.compile(rf"no\. ({numbers})\b|{'|'.join(HIDDEN)}")
    for one in told:
        assert one.product.product_id != HIDDEN[2]
        assert not set(HIDDEN) & set(one.why.evidence_product_ids)
        assert not named.search(one.why.text)
        if one.product.product_id in HIDDEN:
            assert one.why.reason_code not in {"BOUGHT_BEFORE", "DUE_AGAIN"}


def test_own_purchases_are_as_many_and_as_late_as_told(shop: Shop, told: list[Told]) -> None:
    """Those that came in as events included; the interval is the mean of theirs."""
    fresh = {(one.customer_id, one.product_id) for one in shop.since}
    n_fresh = 0
    for one in coded(told, "BOUGHT_BEFORE", "DUE_AGAIN"):
        text, facts, product_id = one.why.text, one.facts, one.product.product_id
        times = shop.own(one.customer_id, product_id)
        last = times[-1]
        n_fresh += (one.customer_id, product_id) in fresh
        assert list(one.why.evidence_product_ids) == [product_id]
        assert facts.n_purchases == len(times)
        assert facts.last_purchase_time.ToSeconds() == int(last.timestamp())
        assert f" {last.day}" in text
        assert str(last.year) in text
        if one.why.reason_code == "DUE_AGAIN":
            mean = (last - times[0]) / (len(times) - 1)
            assert facts.mean_interval.ToTimedelta() == pytest.approx(mean, abs=SECOND)
            days = round(mean / timedelta(days=1))
            assert f" {days} " in text or days == 1
            assert len(times) >= 3
        else:
            assert str(len(times)) in text or len(times) == 1
    assert n_fresh > 20


def cell_at(store: Store) -> str:
    return cell_of(store.latitude, store.longitude) if store.latitude and store.longitude else ""


def is_at(store: Store, place: common.Location, level: str) -> bool:
    """Whether a store lies at a level of a place."""
    match level:
        case "STORE":
            return store.store_id == place.store_id
        case "POSTAL_CODE":
            same = "".join(store.postal_code.split()) == place.postal_code
            return same and store.country_code == place.country_code
        case "CELL":
            return cell_at(store) == cell_of(place.lat_lng.latitude, place.lat_lng.longitude)
        case "SUBDIVISION":
            return store.subdivision_code == place.subdivision_code
        case "COUNTRY":
            return store.country_code == place.country_code
        case _:
            return level == "EVERYWHERE"


def test_what_sells_is_counted_at_the_place_and_in_the_window(shop: Shop, told: list[Told]) -> None:
    """In the purchases of the data, whoever asks."""
    stores = {store.store_id: store for store in STORES}
    levels = set()
    for one in coded(told, "POPULAR", "POPULAR_NEARBY"):
        text, facts = one.why.text, one.facts
        level = common.LocationLevel.Name(facts.location_level).removeprefix("LOCATION_LEVEL_")
        since, until = facts.window_start_time.ToSeconds(), facts.window_end_time.ToSeconds()
        sold = [
            purchase
            for purchase in shop.purchases
            if purchase.product_id == one.product.product_id
            and since <= int(purchase.time.timestamp()) < until
            and is_at(stores[purchase.store_id], one.place, level)
        ]
        assert facts.n_purchases == len(sold), text
        assert str(len(sold)) in text or len(sold) == 1
        assert (level == "EVERYWHERE") == (one.why.reason_code == "POPULAR")
        if level == "STORE":
            store = stores[one.place.store_id]
            assert (store.name or store.store_id) in text
        if since:
            assert until - since == 28 * 86_400 + 1
            assert "28 " in text
        levels.add(level)
    assert {"STORE", "EVERYWHERE"} < levels


def test_what_is_bought_by_the_same_customers_was_so(shop: Shop, told: list[Told]) -> None:
    """Somebody bought both; and what is named is the customer's own, or was asked about."""
    buyers: dict[str, set[str]] = defaultdict(set)
    for one_purchase in (*shop.purchases, *shop.since):
        buyers[one_purchase.product_id].add(one_purchase.customer_id)
    n_checked = 0
    for one in told:
        for evidence in one.why.evidence_product_ids:
            if one.about:
                assert evidence in one.about
            else:
                assert one.customer_id in buyers[evidence]
            if one.why.text.startswith(("Customers who buy", "Wer ", "Bought by customers who b")):
                assert buyers[evidence] & buyers[one.product.product_id]
                n_checked += 1
    assert n_checked > 100


def test_lifts_are_those_of_the_baskets(shop: Shop, told: list[Told]) -> None:
    """Counted again from the orders of the data."""
    baskets: dict[tuple[str, str], set[str]] = defaultdict(set)
    for p in shop.purchases:
        baskets[p.customer_id, p.order_id].add(p.product_id)
    orders = list(baskets.values())
    together = coded(told, "BOUGHT_TOGETHER")
    lifted = [one for one in told if one.facts.lift]
    assert {one.why.reason_code for one in lifted} > {"BOUGHT_TOGETHER", "SIMILAR_PRODUCT"}
    for one in (*together, *lifted):
        if not one.why.evidence_product_ids:
            continue
        facts, (evidence,) = one.facts, one.why.evidence_product_ids
        pair = {one.product.product_id, evidence}
        n_both = sum(pair <= order for order in orders)
        assert facts.n_purchases == n_both
        if facts.lift:
            n_each = [sum(name in order for order in orders) for name in pair]
            lift = n_both * len(orders) / (n_each[0] * n_each[1])
            assert facts.lift == pytest.approx(lift, rel=1e-5)
            assert n_both >= 3
            assert lift >= 1.1
            shown = f"{facts.lift:.1f}"
            assert (shown if one.language == "en" else shown.replace(".", ",")) in one.why.text
