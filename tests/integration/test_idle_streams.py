"""Streams that are held open for nothing, over a real channel: their places are others'."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from recsvc.client import Client
from recsvc.errors import StreamEndedError
from recsvc.server import patience
from recsvc.server import server as server_module
from recsvc.server.executors import MAX_STREAMS
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import recommendation_service_pb2 as api
from tests.serving import LocalServer, local_server, refused, small_registry, wait_until

IDLE_SECONDS = 1.0
"""More than a caller's thread waits for the processor before its first question."""

SECONDS = 60.0
LISTS = "RecommendationService/StreamBatchRecommend"
EVENTS = "EventService/StreamEvents"
EXPORT = "CustomerService/ExportCustomer"

NARROW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 0)]
"""A caller whose connection takes 64 KiB of answers that nobody reads."""

PEER = f"""
import sys, threading, grpc
def silent():
    threading.Event().wait()
    yield b""
channel = grpc.insecure_channel(sys.argv[1])
call = channel.stream_stream("/recsvc.v1.{LISTS}")(silent())
threading.Event().wait()
"""
"""A program that opens a stream and says nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    registry = small_registry(tmp_path)
    with local_server(registry.root, stream_idle_seconds=IDLE_SECONDS) as running:
        yield running


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Callers say nothing more until it is set."""
    gate = threading.Event()
    yield gate
    gate.set()


def then_silent(gate: threading.Event, *messages: bytes) -> Iterator[bytes]:
    yield from messages
    gate.wait()


def opened(channel: grpc.Channel, method: str, messages: Iterator[bytes]) -> Any:  # noqa: ANN401  # a call
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
        f"/recsvc.v1.{method}"
    )
    return call(messages, timeout=SECONDS)


def n_ended(server: LocalServer, reason: str) -> float:
    (family,) = server.worker.ground.metrics.streams_ended.collect()
    return sum(
        sample.value
        for sample in family.samples
        if sample.labels.get("reason") == reason and sample.name.endswith("_total")
    )


def question(mark: str = "") -> bytes:
    request = api.RecommendRequest(shopper=common.Shopper(customer_id="anna"), explain=True)
    return api.StreamBatchRecommendRequest(correlation_id=mark, request=request).SerializeToString()


def bought() -> bytes:
    event = events.Event(
        event_id="e1",
        type=events.EVENT_TYPE_PURCHASE,
        shopper=common.Shopper(customer_id="anna"),
        items=[common.LineItem(product_id="tea")],
    )
    return events.StreamEventsRequest(event=event).SerializeToString()


@pytest.mark.parametrize(
    ("method", "messages"),
    [(LISTS, []), (LISTS, [question()]), (EVENTS, []), (EVENTS, [bought()]), (EXPORT, [])],
)
def test_a_stream_on_which_nothing_is_asked_is_ended(
    server: LocalServer, gate: threading.Event, method: str, messages: list[bytes]
) -> None:
    """What was asked before is answered; the status says what to do, and is in the log."""
    stream = opened(server.channel, method, then_silent(gate, *messages))
    for _ in messages:
        assert next(stream)
    with pytest.raises(grpc.RpcError) as raised:
        next(stream)
    told = refused(raised.value)
    assert (told.code, told.info.reason) == (grpc.StatusCode.ABORTED, "STREAM_IDLE")
    assert f"nothing was asked on this stream for {IDLE_SECONDS:g} s; end a stream" in told.message
    wait_until(lambda: bool(server.log.lines("request")))
    (line,) = server.log.lines("request")
    assert (line["method"], line["code"], line["reason"]) == (method, "ABORTED", "STREAM_IDLE")
    assert n_ended(server, "idle") == 1


def test_silent_streams_do_not_keep_their_places(
    server: LocalServer, gate: threading.Event
) -> None:
    """As many as there may be, and then one that is answered; no thread is left behind."""
    silent = [opened(server.channel, LISTS, then_silent(gate)) for _ in range(MAX_STREAMS)]
    for stream in silent:
        with pytest.raises(grpc.RpcError):
            next(stream)
        assert stream.code() is grpc.StatusCode.ABORTED
    answers = list(opened(server.channel, LISTS, iter([question("last")])))
    assert len(answers) == 1
    wait_until(lambda: "stream-reader" not in {each.name for each in threading.enumerate()})


def test_a_stream_of_which_nothing_is_read_is_ended(
    server: LocalServer, gate: threading.Event
) -> None:
    """Its place is free though the caller takes no notice; when they do, they are told."""
    n_questions = 2_000
    with grpc.insecure_channel(server.target, NARROW) as channel:
        asked = then_silent(gate, *(question(str(n)) for n in range(n_questions)))
        stream = opened(channel, LISTS, asked)
        wait_until(lambda: n_ended(server, "unread") == 1)
        wait_until(lambda: bool(server.log.lines("request")))
        (line,) = server.log.lines("request")
        assert (line["code"], line["reason"]) == ("ABORTED", "STREAM_UNREAD")
        read: list[bytes] = []
        with pytest.raises(grpc.RpcError):
            read.extend(stream)
        assert len(read) < n_questions
        assert stream.code() is grpc.StatusCode.ABORTED
        told = f"an answer was not read for {IDLE_SECONDS:g} s; read answers as they come"
        assert told in stream.details()


def test_who_reads_nothing_does_not_hold_up_the_end(
    tmp_path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes long before the grace, which is for those who wait for an answer."""
    monkeypatch.setattr(patience, "UNREAD_SECONDS", 0.2)
    registry = small_registry(tmp_path).root
    with (
        local_server(registry, stream_idle_seconds=SECONDS, grace_seconds=SECONDS) as server,
        grpc.insecure_channel(server.target, NARROW) as channel,
    ):
        streams = server.worker.server._streams
        stream = opened(channel, LISTS, then_silent(gate, *(question() for _ in range(2_000))))
        wait_until(lambda: streams.patience.n_unread == 1)
        stopping = threading.Thread(target=server.worker.stop)
        stopping.start()
        stopping.join(SECONDS / 3)
        has_ended = not stopping.is_alive()
        stream.cancel()
        assert has_ended


def test_the_client_tells_which_error_it_was(server: LocalServer, gate: threading.Event) -> None:
    """With the reason, as of any other."""

    def silent() -> Iterator[api.StreamBatchRecommendRequest]:
        gate.wait()
        yield api.StreamBatchRecommendRequest()

    with Client(server.target) as client:
        with pytest.raises(StreamEndedError) as raised:
            next(client.within(SECONDS).stream_batch_recommend(silent()))
        assert raised.value.reason == "STREAM_IDLE"
        gate.set()  # or the client would wait for who feeds it


def test_what_nobody_reads_is_not_taken_in(server: LocalServer, gate: threading.Event) -> None:
    """Of a caller who only sends: what waits to be answered, and a quarter of a mebibyte."""
    n_bytes = [0]
    request = api.RecommendRequest(
        filter=common.ProductFilter(exclude_product_ids=[f"{n:032}" for n in range(500)])
    )
    sent = api.StreamBatchRecommendRequest(request=request).SerializeToString()

    def floods() -> Iterator[bytes]:
        while not gate.is_set():
            yield sent
            n_bytes[0] += len(sent)

    with grpc.insecure_channel(server.target, NARROW) as channel:
        stream = opened(channel, LISTS, floods())
        wait_until(lambda: n_ended(server, "unread") == 1)
        stream.cancel()
    assert n_bytes[0] < 1 << 22


def test_a_peer_that_has_vanished_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is whole and nobody answers at the other end, which has lost its power."""
    monkeypatch.setattr(server_module, "PING_SECONDS", 1.0)
    monkeypatch.setattr(server_module, "PONG_SECONDS", 2.0)
    with local_server(small_registry(tmp_path).root, stream_idle_seconds=SECONDS) as server:
        in_flight = server.worker.ground.metrics.in_flight

        def n_open() -> float:
            (family,) = in_flight.collect()
            return sum(sample.value for sample in family.samples)

        with subprocess.Popen([sys.executable, "-c", PEER, server.target]) as peer:
            wait_until(lambda: n_open() == 1)
            os.kill(peer.pid, signal.SIGSTOP)
            try:
                wait_until(lambda: bool(server.log.lines("request")))  # written at its end
            finally:
                peer.kill()
        # gRPC may tell that no message follows before it tells that nobody is there: OK then.
        (line,) = server.log.lines("request")
        assert line["method"] == LISTS
        assert line["code"] in {"CANCELLED", "OK"}
        wait_until(lambda: n_open() == 0)
