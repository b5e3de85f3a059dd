"""How soon what happened on one process is known on the other."""

import statistics
import time
import uuid
from pathlib import Path

import grpc

from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import event_service_pb2_grpc as events_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import running_service, small_registry

_OPTIONS = [("grpc.use_local_subchannel_pool", 1)]
_SECONDS = 5.0


def freshness(directory: Path, n_events: int, n_reads: int) -> dict[str, object]:
    """Two services over one Valkey: events go to the first, questions to the second.

    Args:
        directory: for the services.
        n_events: events whose effect is waited for, without a token.
        n_reads: events each followed by one read that carries the token.
    """
    registry = small_registry(directory / "models")
    with running_service(registry.root, directory / "one") as one:
        url = f"unix://{directory / 'one' / 'valkey' / 'valkey.sock'}"
        with running_service(registry.root, directory / "two", "--redis", url) as two:
            writer, reader = (grpc.insecure_channel(s.target, _OPTIONS) for s in (one, two))
            log = events_grpc.EventServiceStub(writer)
            lists = api_grpc.RecommendationServiceStub(reader)
            delays = [_delay(log, lists) for _ in range(n_events)]
            n_stale = sum(_is_stale(log, lists) for _ in range(n_reads))
    delays.sort()
    return {
        "n_events": n_events,
        "event_to_effect_p50_ms": round(1_000 * statistics.median(delays), 2),
        "event_to_effect_p99_ms": round(1_000 * delays[int(0.99 * n_events)], 2),
        "event_to_effect_max_ms": round(1_000 * delays[-1], 2),
        "n_reads_with_token": n_reads,
        "n_stale_with_token": n_stale,
    }


def _buy(log: events_grpc.EventServiceStub, customer: str) -> str:
    event = events.Event(
        event_id=uuid.uuid4().hex,
        type=events.EVENT_TYPE_PURCHASE,
        shopper=common.Shopper(customer_id=customer),
        items=[common.LineItem(product_id="soap")],
    )
    taken = log.IngestEvents(events.IngestEventsRequest(events=[event]), timeout=_SECONDS)
    return str(taken.consistency_token)


def _knows(lists: api_grpc.RecommendationServiceStub, customer: str, token: str = "") -> bool:
    """Whether the list is a known shopper's: before the first event there is a warning."""
    request = api.RecommendRequest(
        shopper=common.Shopper(customer_id=customer), consistency_token=token
    )
    response = lists.Recommend(request, timeout=_SECONDS)
    return "UNKNOWN_CUSTOMER" not in response.serving.warnings


def _delay(log: events_grpc.EventServiceStub, lists: api_grpc.RecommendationServiceStub) -> float:
    customer = uuid.uuid4().hex
    assert not _knows(lists, customer)  # and now the empty list is cached
    _buy(log, customer)
    started = time.perf_counter()
    while not _knows(lists, customer):
        pass
    return time.perf_counter() - started


def _is_stale(log: events_grpc.EventServiceStub, lists: api_grpc.RecommendationServiceStub) -> bool:
    customer = uuid.uuid4().hex
    _knows(lists, customer)
    return not _knows(lists, customer, _buy(log, customer))
