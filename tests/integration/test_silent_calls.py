"""Calls whose headers come alone, over a real channel: they keep nobody else waiting."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from recsvc.server import server as server_module
from recsvc.server.arrivals import MANY_SILENT
from recsvc.v1 import catalog_service_pb2 as catalogue
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import recommendation_service_pb2 as api
from tests.serving import LocalServer, local_server, refused, small_registry, wait_until

SECONDS = 60.0
N_THREADS = 2
LISTS = "recsvc.v1.RecommendationService/Recommend"
WATCH = "grpc.health.v1.Health/Watch"


def question() -> bytes:
    request = api.RecommendRequest(shopper=common.Shopper(customer_id="anna"))
    return request.SerializeToString()


def _messages() -> dict[str, bytes]:
    event = events.Event(
        event_id="e1",
        type=events.EVENT_TYPE_PURCHASE,
        shopper=common.Shopper(customer_id="anna"),
        items=[common.LineItem(product_id="tea")],
    )
    return {
        LISTS: question(),
        "recsvc.v1.EventService/IngestEvents": events.IngestEventsRequest(
            request_id=str(uuid.uuid4()), events=[event]
        ).SerializeToString(),
        "recsvc.v1.CatalogService/WithdrawProducts": catalogue.WithdrawProductsRequest(
            request_id=str(uuid.uuid4()), product_ids=["tea"]
        ).SerializeToString(),
        "grpc.health.v1.Health/Check": b"",
    }


MESSAGES = _messages()
"""What is answered, by method: lists, events, recalls, and who asks whether it lives."""


@contextmanager
def served(tmp_path: Path, **settings: Any) -> Iterator[LocalServer]:
    given = {"max_threads": N_THREADS, "stream_idle_seconds": SECONDS} | settings
    with local_server(small_registry(tmp_path).root, **given) as running:
        yield running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    with served(tmp_path) as running:
        yield running


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Callers say nothing until it is set."""
    gate = threading.Event()
    yield gate
    gate.set()


def silent(
    server: LocalServer,
    method: str,
    gate: threading.Event,
    *messages: bytes,
    seconds: float = SECONDS,
) -> Any:  # noqa: ANN401  # a call
    """A call that sends its message when the gate is opened."""

    def after_the_gate() -> Iterator[bytes]:
        gate.wait()
        yield from messages

    stub: grpc.StreamUnaryMultiCallable[bytes, bytes] = server.channel.stream_unary(f"/{method}")
    return stub.future(after_the_gate(), timeout=seconds)


def answered(server: LocalServer, method: str, message: bytes = b"") -> grpc.StatusCode:
    """How a call ends that does not wait for its message."""
    stub: Any = server.channel.unary_unary(f"/{method}")
    code: grpc.StatusCode = stub.future(message, timeout=5.0).code()
    return code


def n_ended(server: LocalServer, reason: str) -> float:
    (family,) = server.worker.ground.metrics.streams_ended.collect()
    return sum(
        sample.value
        for sample in family.samples
        if sample.labels.get("reason") == reason and sample.name.endswith("_total")
    )


def all_are_answered(server: LocalServer) -> None:
    """Headers on one connection come in the order in which they were sent."""
    for method, message in MESSAGES.items():
        assert answered(server, method, message) is grpc.StatusCode.OK, method


def n_call_threads() -> int:
    return sum(each.name.startswith("grpc_") for each in threading.enumerate())


@pytest.mark.parametrize("method", [*MESSAGES, WATCH])
def test_who_sends_headers_alone_keeps_nobody_waiting(
    server: LocalServer, gate: threading.Event, method: str
) -> None:
    """Twice as many as there are threads, of any method; all methods are answered."""
    all_are_answered(server)
    calls = [silent(server, method, gate) for _ in range(2 * N_THREADS)]
    all_are_answered(server)
    assert not any(call.done() for call in calls)


def test_hundreds_hold_no_thread(server: LocalServer, gate: threading.Event) -> None:
    """Most of them make room after a moment, and the rest are let alone."""
    calls = [silent(server, LISTS, gate) for _ in range(200)]
    all_are_answered(server)
    assert n_call_threads() <= 2 * N_THREADS  # lists have some, and all else has
    wait_until(lambda: server.worker.server.n_silent == MANY_SILENT)
    told = refused(calls[0].exception())
    assert (told.code, told.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert not calls[-1].done()


def test_a_message_that_comes_late_is_answered(server: LocalServer, gate: threading.Event) -> None:
    calls = [silent(server, LISTS, gate, question()) for _ in range(4 * N_THREADS)]
    all_are_answered(server)
    gate.set()
    for call in calls:
        assert api.RecommendResponse.FromString(call.result()).recommendations


def test_the_one_that_is_silent_longest_makes_room(tmp_path: Path, gate: threading.Event) -> None:
    """Rather than that a newer one is turned away; it is told why."""
    with served(tmp_path, max_concurrent=5) as server:
        all_are_answered(server)
        first, *others = [silent(server, LISTS, gate) for _ in range(5)]
        all_are_answered(server)
        told = refused(first.exception())
        assert (told.code, told.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert "holds too many calls already, and of this one no message came" in told.message
        assert told.has_retry
        assert not others[-1].done()


def test_who_says_nothing_for_too_long_is_told_so(tmp_path: Path, gate: threading.Event) -> None:
    with served(tmp_path, stream_idle_seconds=0.3) as server:
        told = refused(silent(server, LISTS, gate).exception())
        assert (told.code, told.info.reason) == (grpc.StatusCode.ABORTED, "STREAM_IDLE")
        assert told.message == "no message came for 0.3 s; send it with the call"
        assert n_ended(server, "silent") == 1
        all_are_answered(server)


def test_a_deadline_ends_it_sooner(server: LocalServer, gate: threading.Event) -> None:
    """And it is neither waited for nor counted any longer."""
    all_are_answered(server)
    call = silent(server, LISTS, gate, seconds=0.2)
    assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: server.worker.server.n_silent == 0)
    assert n_ended(server, "silent") == 0


def test_who_ends_without_a_message_is_told_so(server: LocalServer, gate: threading.Event) -> None:
    gate.set()
    call = silent(server, LISTS, gate)
    assert call.code() is grpc.StatusCode.UNIMPLEMENTED
    assert call.details() == "exactly one message is wanted, and none came"


def test_the_end_waits_for_no_silent_call(server: LocalServer, gate: threading.Event) -> None:
    """Whatever the grace: there is nothing to answer."""
    calls = [silent(server, LISTS, gate) for _ in range(2 * N_THREADS)]
    all_are_answered(server)
    stopping = threading.Thread(target=server.worker.server.stop, args=(SECONDS,))
    stopping.start()
    stopping.join(SECONDS / 2)
    assert not stopping.is_alive()
    for call in calls:
        assert call.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}


def test_of_an_unknown_grpc_threads_wait_as_it_lets_them(
    tmp_path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said at the start, and all else is as ever."""
    monkeypatch.setattr(server_module, "known_insides", lambda: None)
    with served(tmp_path) as server:
        assert len(server.log.lines("messages_awaited_on_threads")) == 1
        all_are_answered(server)
        call = silent(server, LISTS, gate, question())
        gate.set()
        assert call.code() is grpc.StatusCode.OK
