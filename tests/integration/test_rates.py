"""Limits of requests a second, over a real channel and a real store."""

from pathlib import Path

import grpc
from google.rpc.error_details_pb2 import QuotaFailure, RetryInfo
from grpc_status import rpc_status

from recsvc.access.api_keys import new_key, write_api_keys
from recsvc.access.scopes import Scope
from recsvc.service.ports import Lease
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import NOW, local_server, small_registry, wait_until
from tests.stores import running_valkey


def passed(channel: grpc.Channel, n_calls: int, secret: str = "") -> int:
    """How many of so many calls are answered; the others are told why, and when to come back."""
    stub = api_grpc.RecommendationServiceStub(channel)
    metadata = [("authorization", f"Bearer {secret}")] if secret else []
    n_passed = 0
    for _ in range(n_calls):
        call = stub.Recommend.future(api.RecommendRequest(), timeout=10, metadata=metadata)
        if call.code() is grpc.StatusCode.OK:
            n_passed += 1
            continue
        assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        status = rpc_status.from_call(call)
        assert status is not None
        kinds = [detail.TypeName() for detail in status.details]
        assert QuotaFailure.DESCRIPTOR.full_name in kinds
        assert RetryInfo.DESCRIPTOR.full_name in kinds
    return n_passed


def test_an_address_has_a_rate_where_nobody_is_asked_who_they_are(tmp_path: Path) -> None:
    registry = small_registry(tmp_path)
    with local_server(registry.root, rate_limit=0.01) as server:
        assert passed(server.channel, 5) == 1


def test_nobody_is_limited_unless_told(tmp_path: Path) -> None:
    registry = small_registry(tmp_path)
    with local_server(registry.root) as server:
        assert passed(server.channel, 50) == 50


def test_keys_have_rates_and_other_processes_heed_them(tmp_path: Path) -> None:
    """What was used up in one process is used up in the next, once they have told each other."""
    registry, file = small_registry(tmp_path / "models"), tmp_path / "keys.json"
    usual, usual_secret = new_key("web", [Scope.RECOMMEND], NOW)
    fast, fast_secret = new_key("mail", [Scope.RECOMMEND], NOW, 1_000)
    file.write_bytes(write_api_keys([usual, fast]))
    with running_valkey(tmp_path / "valkey") as valkey:
        settings = {
            "rate_limit": 0.01,
            "api_keys_file": file,
            "redis_url": valkey.url,
            "workers": 2,
        }
        with (
            local_server(registry.root, **settings) as one,
            local_server(registry.root, **settings) as other,
        ):
            assert passed(one.channel, 5, usual_secret) == 1
            assert passed(one.channel, 50, fast_secret) == 50
            assert passed(other.channel, 5, usual_secret) == 1  # on credit
            # Both have told the store by now, or will; what is left there is less than nothing.
            name = f"service  recsvc_{usual.key_id}"
            rates = one.worker.ground.stores.rates
            wait_until(lambda: rates.lease([Lease(name, 0.01, 0, 1)]) == [0])


def test_without_redis_each_process_counts_alone(tmp_path: Path) -> None:
    registry = small_registry(tmp_path)
    settings = {"rate_limit": 0.01, "redis_url": "redis://127.0.0.1:1"}
    with local_server(registry.root, **settings) as server:
        assert passed(server.channel, 3) == 1
