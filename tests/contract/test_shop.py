"""One suite for the shop in this process and the shop behind gRPC: they answer alike."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc.agents.local import OffersCodec
from recsvc.agents.remote import RemoteShop
from recsvc.agents.shop import Offers, OnShelf, Opinion, Shop, Wish
from recsvc.app import shop_on
from recsvc.client import Client
from recsvc.errors import NotFoundError, RecsvcError
from recsvc.v1 import catalog_pb2 as catalogue
from tests.serving import local_server, small_registry

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


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    registry = small_registry(tmp_path_factory.mktemp("shops"))
    with (
        local_server(registry.root) as server,
        Client(server.target, deadline_seconds=20) as client,
    ):
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
        client.batch_upsert_products([product])
        client.batch_upsert_stores([store])
        client.batch_set_inventory([record])
        yield Both(shop_on(server.worker.ground), RemoteShop(client), client)


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
    assert local.offers == remote.offers
    basket = ["espresso", "gone"]
    assert plain(both.local.together(basket, wish)) == plain(both.remote.together(basket, wish))
    if wish.customer_id and not wish.only_new:
        assert plain(both.local.again(wish)) == plain(both.remote.again(wish))


def test_the_list_is_that_of_any_other_caller(both: Both) -> None:
    """The client's, product by product."""
    listed = both.client.recommend("anna", store_id="leeds-1", page_size=5).recommendations
    offers = both.local.recommend(Wish(customer_id="anna", store_id="leeds-1", size=5)).offers
    assert [one.goods.product_id for one in offers] == [one.product_id for one in listed]


def test_products_and_stores_are_described_alike(both: Both) -> None:
    """With every field."""
    for product_id in ("tea", "kit", "jam", "bag"):
        assert both.local.product(product_id) == both.remote.product(product_id)
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


def test_refusals_are_the_same_errors(shop: Shop) -> None:
    """Of the same class and reason."""
    with pytest.raises(NotFoundError) as missing:
        shop.product("gone")
    assert missing.value.reason == "PRODUCT_NOT_FOUND"
    with pytest.raises(NotFoundError):
        shop.similar("gone", Wish())
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
    assert not codec.is_readable(b"{}")
    assert not codec.is_readable(b"\xff")
