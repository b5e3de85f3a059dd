"""The recall switch over two services, cached lists, a new model and an emptied Redis."""

import time
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from recsvc.v1 import catalog_service_pb2 as catalogue
from recsvc.v1 import catalog_service_pb2_grpc as catalogue_grpc
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.samples import tiny_artifact, tiny_model
from tests.serving import Service, running_service, small_registry

pytestmark = pytest.mark.usefixtures("unmeasured")

N_LISTS = 300


def lists(service: Service, n_lists: int = N_LISTS) -> tuple[int, int]:
    """How many of so many customers' lists hold the milk, and how many came from the cache."""
    n_with_milk = n_cached = 0
    with grpc.insecure_channel(service.target) as channel:
        stub = api_grpc.RecommendationServiceStub(channel)
        for number in range(n_lists):
            shopper = common.Shopper(customer_id=f"c{number}")
            response = stub.Recommend(api.RecommendRequest(shopper=shopper), timeout=10)
            n_with_milk += any(one.product_id == "milk" for one in response.recommendations)
            n_cached += response.serving.served_from == api.SERVED_FROM_CACHE
    return n_with_milk, n_cached


def test_a_withdrawn_product_is_in_no_answer(tmp_path: Path) -> None:
    """A second later, of both processes, from cached lists, after a new model and a restart."""
    registry = small_registry(tmp_path / "models")
    url = f"unix://{tmp_path / 'one' / 'valkey' / 'valkey.sock'}"
    with (
        running_service(registry.root, tmp_path / "one") as one,
        running_service(registry.root, tmp_path / "two", "--redis", url) as two,
    ):
        assert lists(one) == (N_LISTS, 0)
        assert lists(two) == (N_LISTS, N_LISTS)
        with grpc.insecure_channel(one.target) as channel:
            stub = catalogue_grpc.CatalogServiceStub(channel)
            request = catalogue.WithdrawProductsRequest(product_ids=["milk"])
            stub.WithdrawProducts(request, timeout=10)
        time.sleep(1)
        assert lists(two) == (0, 0)
        assert lists(one) == (0, N_LISTS)
        tiny_artifact(registry, tiny_model(), "v9")
        registry.promote("v9", datetime.now(UTC))
        time.sleep(1)
        assert [lists(service, 50)[0] for service in (one, two)] == [0, 0]
    with running_service(registry.root, tmp_path / "three") as restarted:
        assert lists(restarted, 50)[0] == 0
