"""Products and stock of a service as a shop runs it: two workers over a real Valkey."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import catalog_service_pb2 as api
from recsvc.v1 import catalog_service_pb2_grpc as api_grpc
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as recommendations
from recsvc.v1 import recommendation_service_pb2_grpc as recommendations_grpc
from tests.serving import small_registry, two_workers

pytestmark = pytest.mark.usefixtures("unmeasured")

N_CHANNELS = 8
"""So many connections that both workers have some of them: the kernel deals them out."""
SECONDS = 20.0
FRESHNESS_SECONDS = 1.0
STORE = "leeds-1"


@dataclass(frozen=True)
class Line:
    """One connection of its own, and both services over it."""

    catalogue: Any
    recommendations: Any

    def upsert(self, product_id: str) -> str:
        """Add a product; return the token."""
        product = catalog.Product(
            product_id=product_id, title=f"The {product_id}", category_path="Drinks > Tea"
        )
        request = api.BatchUpsertProductsRequest(products=[product])
        response = self.catalogue.BatchUpsertProducts(request, timeout=SECONDS)
        assert response.results[0].HasField("product")
        return str(response.consistency_token)

    def set_stock(self, product_id: str, at: int, quantity: float) -> str:
        """Set the stock of a product, and its price in pounds; return the token."""
        record = catalog.InventoryRecord(
            key=catalog.InventoryKey(store_id=STORE, product_id=product_id),
            quantity=quantity,
            price=Money(units=7, currency_code="GBP"),
            effective_time=Timestamp(seconds=at),
        )
        request = api.BatchSetInventoryRequest(records=[record])
        response = self.catalogue.BatchSetInventory(request, timeout=SECONDS)
        assert [r.outcome for r in response.results] == [api.INVENTORY_OUTCOME_APPLIED]
        return str(response.consistency_token)

    def listed(self, token: str = "", *, in_stock_only: bool = False) -> dict[str, int]:
        """The products of a list at the store, and the pounds that they cost there."""
        request = recommendations.RecommendRequest(
            context=common.RecommendationContext(location=common.Location(store_id=STORE)),
            filter=common.ProductFilter(in_stock_only=in_stock_only),
            include_products=True,
            consistency_token=token,
        )
        response = self.recommendations.Recommend(request, timeout=SECONDS)
        assert not response.serving.degraded
        assert "CONSISTENCY_UNMET" not in response.serving.warnings
        return {one.product_id: one.product.price.units for one in response.recommendations}

    def title(self, product_id: str, token: str = "") -> str:
        request = api.GetProductRequest(product_id=product_id, consistency_token=token)
        return str(self.catalogue.GetProduct(request, timeout=SECONDS).product.title)


@contextmanager
def serving(registry: Path, directory: Path) -> Iterator[list[Line]]:
    """Run a service, and open connections; channels would otherwise share one."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with two_workers(registry, directory) as service, ExitStack() as stack:
        channels = [
            stack.enter_context(grpc.insecure_channel(service.target, options))
            for _ in range(N_CHANNELS)
        ]
        yield [
            Line(
                api_grpc.CatalogServiceStub(channel),
                recommendations_grpc.RecommendationServiceStub(channel),
            )
            for channel in channels
        ]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_registry(tmp_path_factory.mktemp("live") / "models").root


def test_what_the_shop_says_counts_everywhere_and_for_good(registry: Path, tmp_path: Path) -> None:
    """At once with the token, without it within a second, and after a restart."""
    with serving(registry, tmp_path / "run") as lines:
        first, *_ = lines
        # Every worker has a list of before in its hands.
        assert not any({"cola", "mate"} & line.listed().keys() for line in lines)
        assert not any(line.listed(in_stock_only=True) for line in lines)

        token = first.upsert("cola")
        assert all(line.title("cola", token) == "The cola" for line in lines)
        assert all("cola" in line.listed(token) for line in lines)
        token = first.set_stock("cola", 1, quantity=3.0)
        assert all(line.listed(token, in_stock_only=True) == {"cola": 7} for line in lines)

        first.upsert("mate")
        first.set_stock("mate", 1, quantity=1.0)
        first.set_stock("cola", 2, quantity=0.0)
        time.sleep(FRESHNESS_SECONDS)  # what is promised without a token
        assert all(line.title("mate") == "The mate" for line in lines)
        assert all({"cola", "mate"} < line.listed().keys() for line in lines)
        assert all(line.listed(in_stock_only=True) == {"mate": 7} for line in lines)
    with serving(registry, tmp_path / "run") as lines:
        assert all(line.title("cola") == "The cola" for line in lines)
        assert all({"cola", "mate"} < line.listed().keys() for line in lines)
        assert all(line.listed(in_stock_only=True) == {"mate": 7} for line in lines)
        token = lines[-1].set_stock("cola", 3, quantity=1.0)
        expected = {"cola": 7, "mate": 7}
        assert all(line.listed(token, in_stock_only=True) == expected for line in lines)
