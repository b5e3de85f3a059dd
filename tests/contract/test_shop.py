"""One suite for the shop in this process and the shop behind gRPC: they answer alike."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money
from pydantic import ValidationError

from recsvc.agents.arguments import Recommend
from recsvc.agents.local import OffersCodec
from recsvc.agents.remote import RemoteShop
from recsvc.agents.shop import Offers, OnShelf, Opinion, Shop, Wish
from recsvc.app.shop import shop_on
from recsvc.client import Client
from recsvc.errors import InvalidRequestError, NotFoundError, RecsvcError
from recsvc.v1 import catalog_pb2 as catalogue
from tests.serving import NOW, local_server, small_registry

WISHES = (
    Wish(),
    Wish(customer_id="anna", size=3),
    Wish(customer_id="clara", store_id="leeds-1", language="de"),
    Wish(customer_id="anna", categories=("Drinks",), budget=6.0, currency="GBP"),
    Wish(customer_id="ben", brands=("Alta",), excluded=("soap",), only_new=True),
    Wish(store_id="york-1", in_stock_only=True, basket=("milk",), channel="CHAT"),
    Wish(customer_id="nobody", categories=("Nope",)),
)


@dataclass(frozen=True)
class Both:
    """Two shops over the same stores, and a client of the service that one of them is in."""

    local: Shop
    remote: Shop
    client: Client


@contextmanager
def both_over(registry: Path) -> Iterator[Both]:
    """Both shops, one of them in a service that runs."""
    with local_server(registry) as server, Client(server.target, deadline_seconds=20) as client:
        yield Both(shop_on(server.worker.ground), RemoteShop(client), client)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    registry = small_registry(tmp_path_factory.mktemp("shops"))
    with both_over(registry.root) as both:
        product = catalogue.Product(
            product_id="kit",
            title="Test kit",
            titles={"de": "Testset"},
            category_path="Health",
            brand="Alta",
            uri="https://shop.example/kit",
            image_uri="https://img.example/kit.png",
            sensitive=True,
        )
        store = catalogue.Store(
            store_id="hull-1",
            name="Hull",
            country_code="GB",
            postal_code="HU1",
            lat_lng=LatLng(latitude=53.7, longitude=-0.3),
            time_zone="Europe/London",
        )
        record = catalogue.InventoryRecord(
            key=catalogue.InventoryKey(store_id="york-1", product_id="tea"),
            quantity=4,
            price=Money(currency_code="GBP", units=2, nanos=990_000_000),
            effective_time=Timestamp(seconds=1_775_000_000),
        )
        central = catalogue.InventoryRecord(
            key=catalogue.InventoryKey(product_id="tea"),
            availability=catalogue.AVAILABILITY_OUT_OF_STOCK,
            effective_time=Timestamp(seconds=1_775_000_000),
        )
        new = catalogue.InventoryRecord(
            key=catalogue.InventoryKey(store_id="hull-1", product_id="tea"),
            availability=catalogue.AVAILABILITY_IN_STOCK,
            price=Money(currency_code="GBP", units=3),
            effective_time=Timestamp(seconds=1_775_000_000),
        )
        both.client.batch_upsert_products([product])
        both.client.batch_upsert_stores([store])
        both.client.batch_set_inventory([record, central, new])
        yield both


@pytest.fixture(params=["local", "remote"])
def shop(both: Both, request: pytest.FixtureRequest) -> Shop:
    return both.local if request.param == "local" else both.remote


def plain(offers: Offers) -> Offers:
    """A list without what differs at each delivery."""
    assert offers.recommendation_id
    return replace(offers, recommendation_id="")


@pytest.mark.parametrize("wish", WISHES)
def test_lists_are_the_same_in_process_and_behind_grpc(both: Both, wish: Wish) -> None:
    """Products, prices, reasons, warnings: one voice."""
    assert plain(both.local.recommend(wish)) == plain(both.remote.recommend(wish))
    local, remote = both.local.similar("tea", wish), both.remote.similar("tea", wish)
    assert (local.offers, local.store_id) == (remote.offers, remote.store_id)
    basket = ["espresso", "gone"]
    assert plain(both.local.together(basket, wish)) == plain(both.remote.together(basket, wish))
    if wish.customer_id and not wish.only_new:
        assert plain(both.local.again(wish)) == plain(both.remote.again(wish))


def test_the_list_is_that_of_any_other_caller(both: Both) -> None:
    """The client's, product by product."""
    listed = both.client.recommend("anna", store_id="leeds-1", page_size=5).recommendations
    offers = both.local.recommend(Wish(customer_id="anna", store_id="leeds-1", size=5)).offers
    assert [one.goods.product_id for one in offers] == [one.product_id for one in listed]


@pytest.mark.parametrize("store_id", ["york-1", "hull-1"])
def test_a_list_names_the_store_whose_shelf_it_went_by(shop: Shop, store_id: str) -> None:
    """Where no place shaped it, and where nothing has been sold yet; else it is the home's."""
    there = Wish(store_id=store_id, in_stock_only=True)
    for offers in (shop.recommend(there), shop.similar("espresso", there)):
        (offer,) = offers.offers
        assert offers.store_id == store_id
        (shelf,) = shop.shelf(offers.store_id, [offer.goods.product_id])
        assert (shelf.is_in_stock, shelf.price) == (True, offer.goods.price)
    assert shop.similar("espresso", Wish(customer_id="anna")).store_id == "leeds-1"
    assert shop.recommend(Wish()).store_id == ""


def test_what_is_not_asked_is_as_the_shops_rules_have_it(tmp_path: Path) -> None:
    """An agent that leaves a condition out does not turn the shop's own off."""
    registry = small_registry(tmp_path)
    shelf = registry.documents("rules")
    rules = {"defaults": {"in_stock_only": True, "exclude_purchased": True}}
    shelf.activate(shelf.publish(json.dumps(rules), NOW), NOW)
    with both_over(registry.root) as both:
        records = [
            catalogue.InventoryRecord(
                key=catalogue.InventoryKey(store_id="leeds-1", product_id=product_id),
                availability=catalogue.AVAILABILITY_IN_STOCK,
                effective_time=Timestamp(seconds=1_775_000_000),
            )
            for product_id in ("espresso", "tea")
        ]
        both.client.batch_set_inventory(records)
        for shop in (both.local, both.remote):
            offers = shop.recommend(Wish(customer_id="anna")).offers
            assert [offer.goods.product_id for offer in offers] == ["tea"]


def test_products_and_stores_are_described_alike(both: Both) -> None:
    """With every field."""
    for product_id in ("tea", "kit", "jam", "bag", "punch"):
        assert both.local.product(product_id) == both.remote.product(product_id)
    punch = both.local.product("punch")
    assert (punch.available_from, punch.available_to) == (1_761_955_200, 1_776_211_200)
    kit = both.local.product("kit")
    assert (kit.titles, kit.is_sensitive, kit.price) == ((("de", "Testset"),), True, None)
    (local,) = [one for one in both.local.stores("GB") if one.store_id == "hull-1"]
    (remote,) = [one for one in both.remote.stores("GB") if one.store_id == "hull-1"]
    assert local == remote
    assert (local.latitude, local.time_zone) == (53.7, "Europe/London")
    assert [one.store_id for one in both.local.stores("")] == [
        one.store_id for one in both.remote.stores("")
    ]


def test_stock_is_what_was_said_of_it(shop: Shop) -> None:
    """And nothing of what nobody has said anything of."""
    there = OnShelf(is_in_stock=True, quantity=4.0, price=2.99, currency="GBP")
    assert shop.shelf("york-1", ["tea", "jam"]) == [there, OnShelf()]


def test_an_opinion_counts_once(shop: Shop, request: pytest.FixtureRequest) -> None:
    """Its event id makes it one."""
    opinion = Opinion(
        event_id=request.node.name,
        customer_id="dora",
        product_id="tea",
        rating=5,
        recommendation_id="r",
        channel="AGENT",
    )
    assert [shop.record(opinion) for _ in range(2)] == ["ACCEPTED", "DUPLICATE"]


def test_an_opinion_that_the_service_rejects_says_why(both: Both) -> None:
    """The field, and what is wrong with it."""
    opinion = Opinion(
        event_id="long",
        customer_id="x" * 300,
        product_id="tea",
        rating=5,
        recommendation_id="r",
        channel="AGENT",
    )
    with pytest.raises(InvalidRequestError) as caught:
        both.remote.record(opinion)
    assert caught.value.field == "shopper.customer_id"
    assert caught.value.description.startswith("has 300 bytes")


@pytest.mark.parametrize(
    ("arguments", "is_good"),
    [
        ({"language": "de-AT"}, True),
        ({"language": "deu"}, True),
        ({"language": "German"}, False),
        ({"language": "d"}, False),
        ({"store_id": "ü" * 128}, True),
        ({"store_id": "ü" * 129}, False),
        ({"brands": ["x" * 257]}, False),
        ({"categories": ["ü" * 500]}, True),
        ({"categories": ["ü" * 501]}, False),
    ],
)
def test_the_door_refuses_what_the_service_refuses(
    both: Both, arguments: dict[str, str | list[str]], *, is_good: bool
) -> None:
    """So that it makes no difference which of the shops is behind it."""
    wish = Wish(**{name: tuple(v) if isinstance(v, list) else v for name, v in arguments.items()})  # type: ignore[arg-type]  # as each argument has it
    with nullcontext() if is_good else pytest.raises(InvalidRequestError):
        both.remote.recommend(wish)
    with nullcontext() if is_good else pytest.raises(ValidationError):
        Recommend.model_validate(arguments)


def test_refusals_are_the_same_errors(shop: Shop) -> None:
    """Of the same class and reason."""
    with pytest.raises(NotFoundError) as missing:
        shop.product("gone")
    assert missing.value.reason == "PRODUCT_NOT_FOUND"
    assert missing.value.metadata["product_id"] == "gone"
    with pytest.raises(NotFoundError) as missing:
        shop.similar("gone", Wish())
    assert missing.value.metadata["product_id"] == "gone"
    with pytest.raises(NotFoundError):
        shop.together(["gone"], Wish())
    with pytest.raises(RecsvcError, match="shopper"):
        shop.again(Wish())


def test_a_withdrawn_product_says_so(both: Both, shop: Shop) -> None:
    """And is on no list, of the cache neither."""
    wish = Wish(customer_id="clara")
    assert "jam" in {one.goods.product_id for one in shop.recommend(wish).offers}
    both.client.withdraw_products(["jam"])
    try:
        assert "jam" not in {one.goods.product_id for one in shop.recommend(wish).offers}
        assert shop.product("jam").is_withdrawn
    finally:
        both.client.restore_products(["jam"])


def test_a_kept_list_of_another_kind_is_not_read() -> None:
    """As after a change of what is kept."""
    codec = OffersCodec()
    assert codec.kept(b"{}") is None
    assert codec.kept(b"\xff") is None
