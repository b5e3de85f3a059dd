"""Streams over a real channel: whoever keeps one open keeps nobody else waiting."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from recsvc.v1 import common_pb2 as common
from recsvc.v1 import customer_service_pb2 as customers
from recsvc.v1 import customer_service_pb2_grpc as customers_grpc
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import event_service_pb2_grpc as events_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import LocalServer, local_server, small_registry, wait_until

N_IDLE = 20
SECONDS = 60.0
STREAM = "EventService/StreamEvents"


def bought(event_id: str) -> events.StreamEventsRequest:
    event = events.Event(
        event_id=event_id,
        type=events.EVENT_TYPE_PURCHASE,
        shopper=common.Shopper(customer_id="anna"),
        items=[common.LineItem(product_id="tea")],
    )
    return events.StreamEventsRequest(event=event)


def one_then_idle(gate: threading.Event, event_id: str) -> Iterator[events.StreamEventsRequest]:
    yield bought(event_id)
    gate.wait()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Open streams stay open until it is set."""
    gate = threading.Event()
    yield gate
    gate.set()


def opened(server: LocalServer, gate: threading.Event, n: int) -> list[Any]:
    """Streams that have had one event acknowledged, and say nothing more."""
    stub = events_grpc.EventServiceStub(server.channel)
    streams = [
        stub.StreamEvents(one_then_idle(gate, f"e{number}"), timeout=SECONDS) for number in range(n)
    ]
    for stream in streams:
        assert next(stream).result.outcome == events.EVENT_OUTCOME_ACCEPTED
    return streams


def lines(server: LocalServer) -> list[dict[str, Any]]:
    return [line for line in server.log.lines("request") if line["method"] == STREAM]


def test_idle_streams_keep_nobody_waiting(tmp_path: Path, gate: threading.Event) -> None:
    """Lists are made, and events taken, however many streams are open."""
    registry = small_registry(tmp_path)
    with local_server(registry.root, max_threads=1) as server:
        streams = opened(server, gate, N_IDLE)
        recommend = api_grpc.RecommendationServiceStub(server.channel).Recommend
        assert recommend(api.RecommendRequest(), timeout=10).recommendations
        gate.set()
        assert [list(stream) for stream in streams] == [[]] * N_IDLE
        wait_until(lambda: len(lines(server)) == N_IDLE)
        assert {(line["code"], line["n_events"]) for line in lines(server)} == {("OK", 1)}


def test_open_streams_do_not_hold_up_the_end(tmp_path: Path, gate: threading.Event) -> None:
    """They are let go long before the grace ends, and what was acknowledged is stored."""
    registry = small_registry(tmp_path)
    with local_server(registry.root, grace_seconds=60) as server:
        (stream,) = opened(server, gate, 1)
        stopping = threading.Thread(target=server.worker.stop)
        stopping.start()
        stopping.join(SECONDS / 3)
        assert not stopping.is_alive()
        with pytest.raises((grpc.RpcError, StopIteration)):
            next(stream)
        (line,) = lines(server)
        assert line["code"] in {"CANCELLED", "OK"}  # as below
        assert line["level"] == "info"


def test_who_hangs_up_is_no_error(tmp_path: Path, gate: threading.Event) -> None:
    """In the log it is a call like any other."""
    registry = small_registry(tmp_path)
    with local_server(registry.root) as server:
        for stream in opened(server, gate, N_IDLE):
            stream.cancel()
        wait_until(lambda: len(lines(server)) == N_IDLE)
        # gRPC may end the reading of a stream a moment before it says that it is cancelled.
        assert {line["code"] for line in lines(server)} <= {"CANCELLED", "OK"}
        assert {line["level"] for line in lines(server)} == {"info"}


def test_bytes_that_are_no_message_end_a_stream(tmp_path: Path) -> None:
    """As the caller's fault."""
    registry = small_registry(tmp_path)
    with local_server(registry.root) as server:
        method: grpc.StreamStreamMultiCallable[bytes, bytes] = server.channel.stream_stream(
            f"/recsvc.v1.{STREAM}"
        )
        answers = method(iter([bought("e1").SerializeToString(), b"\xff\xff"]), timeout=10)
        assert b"e1" in next(answers)
        with pytest.raises(grpc.RpcError):
            next(answers)
        assert answers.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_export_is_a_stream_of_what_is_held(tmp_path: Path, gate: threading.Event) -> None:
    """First the customer, then the events; a refusal has a reason."""
    registry = small_registry(tmp_path)
    with local_server(registry.root) as server:
        opened(server, gate, 3)
        export = customers_grpc.CustomerServiceStub(server.channel).ExportCustomer
        first, *rest = export(customers.ExportCustomerRequest(customer_id="anna"), timeout=10)
        assert first.customer.n_live_events == 3
        events = [record.event.event_id for record in rest if record.HasField("event")]
        assert sorted(events) == ["e0", "e1", "e2"]
        unknown = export(customers.ExportCustomerRequest(customer_id="?"), timeout=10)
        with pytest.raises(grpc.RpcError):
            next(unknown)
        assert unknown.code() is grpc.StatusCode.NOT_FOUND
