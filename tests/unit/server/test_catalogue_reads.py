"""Reading products and stores, over a real channel."""

import time
from collections.abc import Iterator

import pytest

from recsvc.v1 import catalog_service_pb2 as api
from recsvc.v1 import catalog_service_pb2_grpc as api_grpc
from tests.samples import PRODUCTS
from tests.serving import LocalServer, local_server, refusal, small_registry


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with local_server(small_registry(tmp_path_factory.mktemp("catalogue")).root) as running:
        yield running


@pytest.fixture
def stub(server: LocalServer) -> api_grpc.CatalogServiceStub:
    return api_grpc.CatalogServiceStub(server.channel)


def listed(
    stub: api_grpc.CatalogServiceStub,
    *,
    page_size: int = 0,
    category_path: str = "",
    withdrawn_only: bool = False,
) -> list[str]:
    """All pages of a list of products."""
    found: list[str] = []
    token = ""
    while True:
        request = api.ListProductsRequest(
            page_size=page_size,
            page_token=token,
            category_path=category_path,
            withdrawn_only=withdrawn_only,
        )
        response = stub.ListProducts(request, timeout=10)
        found += [product.product_id for product in response.products]
        token = response.next_page_token
        if not token:
            return found


def test_a_product_is_described(stub: api_grpc.CatalogServiceStub) -> None:
    """With its name, category, brand and price, and whether it is withdrawn."""
    product = stub.GetProduct(api.GetProductRequest(product_id="tea"), timeout=10).product
    assert (product.title, product.category_path, product.brand) == (
        "Green tea",
        "Drinks > Tea",
        "Leaf",
    )
    assert (product.price.units, product.price.nanos) == (3, 100_000_000)
    assert not product.withdrawn


def test_a_product_that_is_not_there_is_named(stub: api_grpc.CatalogServiceStub) -> None:
    """NOT_FOUND with the reason."""
    found = refusal(stub.GetProduct, api.GetProductRequest(product_id="gin"))
    assert (found.code.name, found.info.reason) == ("NOT_FOUND", "PRODUCT_NOT_FOUND")


@pytest.mark.parametrize("page_size", [0, 1, 3, 1_000_000])
def test_products_are_listed_by_id_page_by_page(
    stub: api_grpc.CatalogServiceStub, page_size: int
) -> None:
    """Each once, in order, however long a page is."""
    assert listed(stub, page_size=page_size) == sorted(item.product_id for item in PRODUCTS)


def test_products_of_a_category(stub: api_grpc.CatalogServiceStub) -> None:
    """The category itself and all below it."""
    assert listed(stub, category_path="Drinks > Tea") == ["tea"]
    assert "tea" in listed(stub, category_path="Drinks")
    assert listed(stub, category_path="Toys") == []


def test_withdrawn_products_say_so(stub: api_grpc.CatalogServiceStub) -> None:
    """Also one that the catalogue does not know, which a recall may name all the same."""
    request = api.WithdrawProductsRequest(product_ids=["tea", "gin"])
    token = stub.WithdrawProducts(request, timeout=10).consistency_token
    asked = api.GetProductRequest(product_id="tea", consistency_token=token)
    assert stub.GetProduct(asked, timeout=10).product.withdrawn
    assert listed(stub, withdrawn_only=True) == ["gin", "tea"]
    restore = api.RestoreProductsRequest(product_ids=["tea", "gin"])
    stub.RestoreProducts(restore, timeout=10)
    time.sleep(0.1)
    assert listed(stub, withdrawn_only=True) == []


def test_stores_are_listed_by_id(stub: api_grpc.CatalogServiceStub) -> None:
    """With their names and where they are; of one country, if asked."""
    stores = stub.ListStores(api.ListStoresRequest(), timeout=10).stores
    assert [(s.store_id, s.name, s.country_code, s.postal_code) for s in stores] == [
        ("leeds-1", "Leeds Station", "GB", "LS14DY"),
        ("porto-1", "", "PT", "4000-069"),
        ("york-1", "York Market", "GB", "YO18SA"),
    ]
    assert [s.HasField("lat_lng") for s in stores] == [True, False, True]
    first = stub.ListStores(api.ListStoresRequest(country_code="GB", page_size=1), timeout=10)
    request = api.ListStoresRequest(
        country_code="GB", page_size=1, page_token=first.next_page_token
    )
    second = stub.ListStores(request, timeout=10)
    assert [s.store_id for s in (*first.stores, *second.stores)] == ["leeds-1", "york-1"]
    assert second.next_page_token == ""


def test_a_token_of_another_list_is_an_error(stub: api_grpc.CatalogServiceStub) -> None:
    """Of other filters, of another page size, or of stores where products are asked for."""
    token = stub.ListProducts(api.ListProductsRequest(page_size=2), timeout=10).next_page_token
    for request in (
        api.ListProductsRequest(page_size=3, page_token=token),
        api.ListProductsRequest(page_size=2, page_token=token, category_path="Drinks"),
    ):
        found = refusal(stub.ListProducts, request)
        assert (found.code.name, found.info.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_MISMATCH")
    found = refusal(stub.ListStores, api.ListStoresRequest(page_size=2, page_token=token))
    assert found.info.reason == "PAGE_TOKEN_MISMATCH"


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListProducts", api.ListProductsRequest(page_size=-1)),
        ("ListStores", api.ListStoresRequest(page_size=-1)),
        ("GetProduct", api.GetProductRequest()),
    ],
)
def test_what_cannot_be_asked_is_named(
    stub: api_grpc.CatalogServiceStub, method: str, request_: api.ListProductsRequest
) -> None:
    """A negative page size, and a product without an id."""
    found = refusal(getattr(stub, method), request_)
    assert (found.code.name, found.info.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
