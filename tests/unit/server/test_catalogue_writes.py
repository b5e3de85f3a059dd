"""Writing products, stores and stock, over a real channel."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import catalog_service_pb2 as api
from recsvc.v1 import catalog_service_pb2_grpc as api_grpc
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as recommendations
from recsvc.v1 import recommendation_service_pb2_grpc as recommendations_grpc
from tests.samples import PRODUCTS, STORES
from tests.serving import local_server, refusal, small_registry

COLA = catalog.Product(
    product_id="cola",
    group_id="colas",
    title="Green cola",
    titles={"de": "Grüne Cola"},
    category_path="Drinks > Tea",
    brand="Leaf",
    price=Money(currency_code="GBP", units=1, nanos=500_000_000),
    attributes={"colour": common.AttributeValues(values=["green"])},
    available_from=Timestamp(seconds=1),
    uri="https://shop.example/cola",
    image_uri="https://shop.example/cola.png",
    sensitive=True,
)
APPLIED = api.INVENTORY_OUTCOME_APPLIED
SUPERSEDED = api.INVENTORY_OUTCOME_SUPERSEDED
REJECTED = api.INVENTORY_OUTCOME_REJECTED
SECONDS = 10


@dataclass(frozen=True)
class Line:
    """Both services over one channel."""

    catalogue: Any
    recommendations: Any

    def upsert(self, *products: catalog.Product, **fields: str) -> api.BatchUpsertProductsResponse:
        request = api.BatchUpsertProductsRequest(products=products, **fields)
        response: api.BatchUpsertProductsResponse = self.catalogue.BatchUpsertProducts(
            request, timeout=SECONDS
        )
        return response

    def upsert_stores(self, *stores: catalog.Store) -> api.BatchUpsertStoresResponse:
        request = api.BatchUpsertStoresRequest(stores=stores)
        response: api.BatchUpsertStoresResponse = self.catalogue.BatchUpsertStores(
            request, timeout=SECONDS
        )
        return response

    def set_stock(self, *records: catalog.InventoryRecord) -> api.BatchSetInventoryResponse:
        request = api.BatchSetInventoryRequest(records=records)
        response: api.BatchSetInventoryResponse = self.catalogue.BatchSetInventory(
            request, timeout=SECONDS
        )
        return response

    def stock(self, *keys: catalog.InventoryKey) -> list[api.GetInventoryResult]:
        request = api.BatchGetInventoryRequest(keys=keys)
        return list(self.catalogue.BatchGetInventory(request, timeout=SECONDS).results)

    def product(self, product_id: str, token: str = "") -> catalog.Product:
        request = api.GetProductRequest(product_id=product_id, consistency_token=token)
        found: catalog.Product = self.catalogue.GetProduct(request, timeout=SECONDS).product
        return found

    def listed(self, **fields: Any) -> list[str]:
        request = api.ListProductsRequest(**fields)
        found = self.catalogue.ListProducts(request, timeout=SECONDS).products
        return [product.product_id for product in found]

    def ask(
        self,
        store_id: str = "",
        token: str = "",
        **fields: Any,
    ) -> recommendations.RecommendResponse:
        location = common.Location(store_id=store_id)
        request = recommendations.RecommendRequest(
            context=common.RecommendationContext(location=location if store_id else None),
            consistency_token=token,
            **fields,
        )
        response: recommendations.RecommendResponse = self.recommendations.Recommend(
            request, timeout=SECONDS
        )
        return response


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_registry(tmp_path_factory.mktemp("writes")).root


@pytest.fixture
def line(registry: Path) -> Iterator[Line]:
    """A server that nobody has told anything yet."""
    with local_server(registry) as server:
        yield Line(
            api_grpc.CatalogServiceStub(server.channel),
            recommendations_grpc.RecommendationServiceStub(server.channel),
        )


def ids(response: recommendations.RecommendResponse) -> set[str]:
    return {item.product_id for item in response.recommendations}


def told(status: Status) -> tuple[int, str, str]:
    """Code, reason and field of what is wrong with an entry."""
    info, bad = ErrorInfo(), BadRequest()
    assert any(detail.Unpack(info) for detail in status.details)
    assert any(detail.Unpack(bad) for detail in status.details)
    return status.code, info.reason, bad.field_violations[0].field


INVALID: int = grpc.StatusCode.INVALID_ARGUMENT.value[0]


def stock_of(
    product_id: str,
    seconds: int = 100,
    store_id: str = "leeds-1",
    **fields: Any,
) -> catalog.InventoryRecord:
    return catalog.InventoryRecord(
        key=catalog.InventoryKey(store_id=store_id, product_id=product_id),
        effective_time=Timestamp(seconds=seconds),
        **fields,
    )


def test_a_product_is_sold_at_once(line: Line) -> None:
    """It is described as it was sent, listed among the others, recommended and filtered by."""
    (result,) = line.upsert(COLA).results
    assert result.product == COLA
    assert line.product("cola") == COLA
    assert line.listed() == sorted(["cola", *(item.product_id for item in PRODUCTS)])
    assert line.listed(category_path="Drinks > Tea") == ["cola", "tea"]
    response = line.ask(include_products=True, explain=True)
    (found,) = (item for item in response.recommendations if item.product_id == "cola")
    assert found.product == COLA
    assert found.explanation.text
    allowed = common.ProductFilter(category_paths=["Drinks > Tea"], strict=True)
    assert ids(line.ask(filter=allowed)) == {"tea", "cola"}
    similar = recommendations.ListSimilarProductsRequest(product_id="cola")
    answer = line.recommendations.ListSimilarProducts(similar, timeout=SECONDS)
    assert answer.recommendations[0].product_id == "tea"


def test_a_product_that_is_known_is_replaced_whole(line: Line) -> None:
    """What the model has learnt of it stays; what is not said any more is unknown."""
    line.upsert(catalog.Product(product_id="espresso", title="Espresso, ground"))
    found = line.product("espresso")
    assert found == catalog.Product(product_id="espresso", title="Espresso, ground")
    assert "espresso" in ids(line.ask())
    assert line.listed(category_path="Drinks > Coffee") == ["filter"]


def test_a_product_that_is_withdrawn_stays_so(line: Line) -> None:
    """Whoever describes it anew restores nothing."""
    withdraw = api.WithdrawProductsRequest(product_ids=["cola", "tea"])
    line.catalogue.WithdrawProducts(withdraw, timeout=SECONDS)
    results = line.upsert(COLA, catalog.Product(product_id="tea", withdrawn=False)).results
    assert [result.product.withdrawn for result in results] == [True, True]
    assert line.product("cola").withdrawn
    assert not {"cola", "tea"} & ids(line.ask())
    assert line.listed(withdrawn_only=True) == ["cola", "tea"]
    restore = api.RestoreProductsRequest(product_ids=["cola", "tea"])
    token = line.catalogue.RestoreProducts(restore, timeout=SECONDS).consistency_token
    assert {"cola", "tea"} < ids(line.ask(token=token))


def test_a_bad_product_is_refused_by_itself(line: Line) -> None:
    """The others are taken, and each has its own answer, in the order sent."""
    good, bad, twice, other = line.upsert(
        COLA,
        catalog.Product(product_id="bad", title="x" * 1_001),
        catalog.Product(product_id="cola", title="Another"),
        catalog.Product(product_id="floss"),
    ).results
    assert (good.product, other.product.product_id) == (COLA, "floss")
    assert told(bad.status) == (INVALID, "FIELD_INVALID", "title")
    assert told(twice.status)[:2] == (INVALID, "FIELD_INVALID")
    assert "twice" in twice.status.message
    assert line.product("cola").title == "Green cola"
    assert {"cola", "floss"} < set(line.listed())
    assert "bad" not in line.listed()


def test_a_batch_of_bad_entries_is_an_answer_too(line: Line) -> None:
    """Nothing was written, and its token asks for nothing."""
    response = line.upsert(catalog.Product())
    assert told(response.results[0].status) == (INVALID, "FIELD_INVALID", "product_id")
    assert line.product("tea", response.consistency_token).title == "Green tea"
    (store,) = line.upsert_stores(catalog.Store(country_code="Britain")).results
    assert told(store.status) == (INVALID, "FIELD_INVALID", "store_id")


def test_a_bad_time_zone_fails_no_other_store(line: Line) -> None:
    """A name that is in no data base is a bad entry like any other."""
    bad, good = line.upsert_stores(
        catalog.Store(store_id="bad", time_zone="Europe/Atlantis"),
        catalog.Store(store_id="good", time_zone="Europe/London"),
    ).results
    assert told(bad.status) == (INVALID, "FIELD_INVALID", "time_zone")
    assert good.store.time_zone == "Europe/London"


def test_a_store_is_listed_and_lends_its_place(line: Line) -> None:
    """As it was sent; a question from there is answered for its country at least."""
    porto = catalog.Store(
        store_id="porto-2",
        name="Porto Two",
        country_code="PT",
        postal_code="4000-070",
        lat_lng=LatLng(latitude=41.1, longitude=-8.6),
        time_zone="Europe/Lisbon",
    )
    unknown = line.ask("porto-2")
    assert "UNKNOWN_LOCATION" in unknown.serving.warnings
    (result,) = line.upsert_stores(porto).results
    assert result.store == porto
    listed = line.catalogue.ListStores(api.ListStoresRequest(), timeout=SECONDS).stores
    assert [store.store_id for store in listed] == sorted(
        ["porto-2", *(shop.store_id for shop in STORES)]
    )
    in_portugal = api.ListStoresRequest(country_code="PT")
    listed = line.catalogue.ListStores(in_portugal, timeout=SECONDS).stores
    assert [store.store_id for store in listed] == ["porto-1", "porto-2"]
    assert listed[1] == porto
    response = line.ask("porto-2")
    assert "UNKNOWN_LOCATION" not in response.serving.warnings
    assert response.serving.resolved_location.country_code == "PT"
    assert response.serving.location_level == common.LOCATION_LEVEL_COUNTRY


def test_a_store_that_the_model_knows_is_renamed(line: Line) -> None:
    """And listed once."""
    line.upsert_stores(catalog.Store(store_id="leeds-1", name="Leeds, new", country_code="GB"))
    in_britain = api.ListStoresRequest(country_code="GB")
    listed = line.catalogue.ListStores(in_britain, timeout=SECONDS).stores
    assert [(store.store_id, store.name) for store in listed] == [
        ("leeds-1", "Leeds, new"),
        ("york-1", "York Market"),
    ]


def test_stock_is_set_read_and_heeded(line: Line) -> None:
    """Each store for itself; of what nobody has said anything there is the key alone."""
    price = Money(currency_code="GBP", units=2)
    milk = stock_of("milk", quantity=5.0, price=price)
    tea = stock_of("tea", availability=catalog.AVAILABILITY_OUT_OF_STOCK)
    response = line.set_stock(milk, tea, stock_of("jam", store_id="york-1", quantity=1.0))
    assert [result.outcome for result in response.results] == [APPLIED] * 3
    milk.availability = catalog.AVAILABILITY_IN_STOCK
    unsaid = catalog.InventoryKey(product_id="milk")
    found = line.stock(milk.key, unsaid, tea.key)
    assert [result.record for result in found] == [
        milk,
        catalog.InventoryRecord(key=unsaid),
        tea,
    ]
    in_stock = common.ProductFilter(in_stock_only=True)
    answer = line.ask("leeds-1", response.consistency_token, filter=in_stock, include_products=True)
    (item,) = answer.recommendations
    assert (item.product_id, item.product.price) == ("milk", price)
    assert ids(line.ask("york-1", filter=in_stock)) == {"jam"}
    central = line.ask(filter=in_stock)
    assert ids(central) == set()
    assert "STOCK_UNKNOWN" in central.serving.warnings


def test_an_older_record_changes_nothing(line: Line) -> None:
    """Whatever order they arrive in, within a call as well; an equal one does not either."""
    response = line.set_stock(
        stock_of("milk", 100, quantity=1.0),
        stock_of("milk", 99, quantity=2.0),
        stock_of("milk", 101, quantity=3.0),
        stock_of("milk", 101, quantity=4.0),
    )
    outcomes = [result.outcome for result in response.results]
    assert outcomes == [APPLIED, SUPERSEDED, APPLIED, SUPERSEDED]
    assert not any(result.HasField("status") for result in response.results)
    assert line.set_stock(stock_of("milk", 100)).results[0].outcome == SUPERSEDED
    (found,) = line.stock(stock_of("milk").key)
    assert (found.record.quantity, found.record.effective_time.seconds) == (3.0, 101)


def test_a_bad_record_or_key_is_refused_by_itself(line: Line) -> None:
    """The others are set and read."""
    bad, good = line.set_stock(stock_of("milk", quantity=-1.0), stock_of("tea")).results
    assert (bad.outcome, good.outcome) == (REJECTED, APPLIED)
    assert told(bad.status) == (INVALID, "FIELD_INVALID", "quantity")
    assert not good.HasField("status")
    missing, found = line.stock(catalog.InventoryKey(), stock_of("tea").key)
    assert told(missing.status) == (INVALID, "FIELD_INVALID", "key.product_id")
    assert found.record.effective_time.seconds == 100


def test_a_token_of_a_write_is_one_of_reads(line: Line) -> None:
    """Of products, stores and stock alike; another's is refused."""
    tokens = [
        line.upsert(COLA).consistency_token,
        line.upsert_stores(catalog.Store(store_id="s")).consistency_token,
        line.set_stock(stock_of("cola")).consistency_token,
    ]
    assert all(tokens)
    for token in tokens:
        assert line.product("cola", token).title == "Green cola"
        assert "cola" in line.listed(consistency_token=token)
        stores = line.catalogue.ListStores(
            api.ListStoresRequest(consistency_token=token), timeout=SECONDS
        ).stores
        assert "s" in {store.store_id for store in stores}
        response = line.ask(token=token)
        assert "cola" in ids(response)
        assert "CONSISTENCY_UNMET" not in response.serving.warnings
    nonsense = api.BatchGetInventoryRequest(keys=[stock_of("tea").key], consistency_token="no")  # noqa: S106  # no secret
    assert refusal(line.catalogue.BatchGetInventory, nonsense).field == "consistency_token"


def test_a_repetition_gets_the_first_answer(line: Line) -> None:
    """Though the world has changed since; another request under its id is refused."""
    stock = api.BatchSetInventoryRequest(records=[stock_of("milk")], request_id=str(uuid4()))
    first = line.catalogue.BatchSetInventory(stock, timeout=SECONDS)
    assert first.results[0].outcome == APPLIED
    line.set_stock(stock_of("milk", 200))
    assert line.catalogue.BatchSetInventory(stock, timeout=SECONDS) == first
    request_id = str(uuid4())
    upserted = line.upsert(COLA, request_id=request_id)
    line.upsert(catalog.Product(product_id="cola", title="Other"))
    assert line.upsert(COLA, request_id=request_id) == upserted
    assert line.product("cola").title == "Other"
    stores = api.BatchUpsertStoresRequest(
        stores=[catalog.Store(store_id="s")], request_id=request_id
    )
    refused = refusal(line.catalogue.BatchUpsertStores, stores)
    assert (refused.code.name, refused.info.reason) == ("ALREADY_EXISTS", "REQUEST_ID_REUSED")
    bad = api.BatchSetInventoryRequest(records=[stock_of("milk")], request_id="1")
    assert refusal(line.catalogue.BatchSetInventory, bad).field == "request_id"


@pytest.mark.parametrize(("n", "reason"), [(0, "FIELD_INVALID"), (1_001, "BATCH_TOO_LARGE")])
def test_a_batch_has_its_limits(line: Line, n: int, reason: str) -> None:
    """Beyond them the whole call fails, with the field that is too long."""
    calls = [
        ("BatchUpsertProducts", api.BatchUpsertProductsRequest(products=[COLA] * n), "products"),
        ("BatchUpsertStores", api.BatchUpsertStoresRequest(stores=[catalog.Store()] * n), "stores"),
        ("BatchSetInventory", api.BatchSetInventoryRequest(records=[stock_of("p")] * n), "records"),
        (
            "BatchGetInventory",
            api.BatchGetInventoryRequest(keys=[stock_of("p").key] * n),
            "keys",
        ),
    ]
    for method, request, field in calls:
        refused = refusal(getattr(line.catalogue, method), request)
        assert (refused.code.name, refused.field) == ("INVALID_ARGUMENT", field)
        assert refused.info.reason == reason


def test_a_whole_batch_is_taken(line: Line) -> None:
    """The largest one, and all of it is sold."""
    products = [catalog.Product(product_id=f"new-{n:04}") for n in range(1_000)]
    assert len(line.upsert(*products).results) == 1_000
    assert len(line.listed(page_size=1_000)) == 1_000
    assert line.product("new-0999").product_id == "new-0999"
