"""Lists as they lie on the wire: each field once, so that no parser has to join two pieces.

Protobuf's own join them. Those that code generated for TypeScript brings along keep the last alone.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import redis

from recsvc.artifacts import experiment_shelf as shelf
from recsvc.artifacts.journal import Note
from recsvc.service import making
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from tests.experiments import experiment
from tests.serving import LocalServer, local_server, small_registry, wait_until
from tests.stampede import grow_old
from tests.stores import stopped, valkey_client
from tests.wire import written_twice

TTL_SECONDS = 300
LIST_SECONDS, HURRY_SECONDS = 1_000.0, 60.0
"""What a list is thought to take, and what a caller in a hurry has: far more than it does take."""

MARK = "mark"
IN_PROCESS = "anna"
"""Whose lists come to lie in the process: none in which products are, since stock is read anew."""

Way = Callable[[grpc.Channel, api.RecommendRequest, float | None], api.RecommendResponse]
"""Asks by one of the methods, and looks at the bytes of the answer."""


def alone(
    channel: grpc.Channel, request: api.RecommendRequest, seconds: float | None
) -> api.RecommendResponse:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(*method("Recommend"))
    data = call(request.SerializeToString(), timeout=seconds)
    assert written_twice(api.RecommendResponse, data) == []
    return api.RecommendResponse.FromString(data)


def in_batch(
    channel: grpc.Channel, request: api.RecommendRequest, seconds: float | None
) -> api.RecommendResponse:
    asked = api.BatchRecommendRequest(requests=[request, api.RecommendRequest(page_size=-1)])
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        *method("BatchRecommend")
    )
    data = call(asked.SerializeToString(), timeout=seconds)
    assert written_twice(api.BatchRecommendResponse, data) == []
    sound, refused = api.BatchRecommendResponse.FromString(data).results
    assert refused.WhichOneof("result") == "status"
    return sound.response


def on_stream(
    channel: grpc.Channel, request: api.RecommendRequest, seconds: float | None
) -> api.RecommendResponse:
    asked = api.StreamBatchRecommendRequest(correlation_id=MARK, request=request)
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
        *method("StreamBatchRecommend")
    )
    (data,) = call(iter([asked.SerializeToString()]), timeout=seconds)
    assert written_twice(api.StreamBatchRecommendResponse, data) == []
    answer = api.StreamBatchRecommendResponse.FromString(data)
    assert answer.correlation_id == MARK
    return answer.result.response


def method(name: str) -> tuple[str, None, None]:
    """One that is given bytes, and gives bytes."""
    return f"/recsvc.v1.RecommendationService/{name}", None, None


def ask(
    way: Way, server: LocalServer, customer_id: str, *, seconds: float | None = None
) -> api.ServingInfo:
    """How a list with as much in it as there can be was served."""
    request = api.RecommendRequest(
        shopper=common.Shopper(customer_id=customer_id),
        context=common.RecommendationContext(location=common.Location(store_id="leeds-1")),
        page_size=2,
        explain=True,
        include_products=customer_id != IN_PROCESS,
    )
    response = way(server.channel, request, seconds)
    assert response.recommendations
    assert response.next_page_token
    assert response.recommendation_id
    assert response.serving.model.version_id
    assert response.serving.resolved_location.store_id == "leeds-1"
    return response.serving


def served(
    way: Way, server: LocalServer, customer_id: str, *, seconds: float | None = None
) -> tuple[int, str]:
    serving = ask(way, server, customer_id, seconds=seconds)
    return serving.served_from, serving.degraded_reason


def n_from_process(server: LocalServer) -> int:
    """How many lists lay in the process."""
    (family,) = server.worker.ground.metrics.process_cache.collect()
    return sum(
        int(sample.value)
        for sample in family.samples
        if sample.labels.get("outcome") == "hit" and sample.name.endswith("_total")
    )


@pytest.fixture
def client(tmp_path: Path) -> Iterator[redis.Redis]:
    with valkey_client(tmp_path / "valkey") as connected:
        yield connected


@pytest.fixture
def server(
    tmp_path: Path, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalServer]:
    monkeypatch.setattr(making, "FIRST_COST_SECONDS", LIST_SECONDS)
    registry = small_registry(tmp_path / "models", 2)
    url = f"unix://{client.connection_pool.connection_kwargs['path']}"
    settings = {"redis_url": url, "cache_ttl_seconds": TTL_SECONDS, "redis_timeout_ms": 3_000}
    with local_server(registry.root, **settings) as running:
        yield running


@pytest.mark.parametrize("way", [alone, in_batch, on_stream])
def test_each_field_is_written_once(way: Way, server: LocalServer, client: redis.Redis) -> None:
    """However a list comes about, and whatever is said of it."""
    assert served(way, server, IN_PROCESS) == (api.SERVED_FROM_MODEL, "")
    assert served(way, server, IN_PROCESS) == (api.SERVED_FROM_CACHE, "")

    def lies_in_process() -> bool:
        n_before = n_from_process(server)
        assert served(way, server, IN_PROCESS) == (api.SERVED_FROM_CACHE, "")
        return n_from_process(server) > n_before

    wait_until(lies_in_process)
    assert served(way, server, "ben") == (api.SERVED_FROM_MODEL, "")
    assert grow_old(client, TTL_SECONDS + 1)
    assert served(way, server, "ben") == (api.SERVED_FROM_STALE_CACHE, "")
    hurried = served(way, server, "nobody-knows", seconds=HURRY_SECONDS)
    assert hurried == (api.SERVED_FROM_FALLBACK, "DEADLINE")
    with stopped(client):
        assert served(way, server, "carla") == (api.SERVED_FROM_MODEL, "STORE_UNAVAILABLE")

    # An experiment, and a model that cannot be loaded.
    ground = server.worker.ground
    registry = ground.slot.registry
    shelf.activate(registry.documents("experiments"), experiment(), datetime.now(UTC), Note())
    wait_until(lambda: bool(ask(way, server, IN_PROCESS).experiment_id))
    (registry.root / "current.json").write_text("{}")
    wait_until(lambda: ground.slot.is_behind)
    for source in (api.SERVED_FROM_MODEL, api.SERVED_FROM_CACHE, api.SERVED_FROM_CACHE):
        serving = ask(way, server, "dora")
        assert serving.served_from == source
        assert serving.experiment_id == "summer"
        assert serving.variant_id
        # What is true of the list, and of the moment.
        assert {"STALE_DATA", "MODEL_LOAD_FAILED"} <= set(serving.warnings)
