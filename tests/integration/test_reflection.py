"""Reflection over a real channel: what tools ask of it, and what idle callers cannot do."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from recsvc.server import server as server_module
from recsvc.server.patience import Patience
from recsvc.server.reflection import MAX_STREAMS, ReflectionServicer
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.http2 import TAKES_NOTHING, a_call
from tests.integration.test_connections import connected
from tests.serving import Log, local_server, new_metrics, refused, small_registry, wait_until

IDLE_SECONDS = 1.0
"""More than a caller's thread waits for the processor before its first question."""

PATH = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
LIST = reflection_pb2.ServerReflectionRequest(list_services="")
SYMBOL = reflection_pb2.ServerReflectionRequest(
    file_containing_symbol="recsvc.v1.RecommendationService"
)


def one_then_idle(
    gate: threading.Event,
) -> Iterator[reflection_pb2.ServerReflectionRequest]:
    yield LIST
    gate.wait()


def test_idle_streams_keep_nobody_waiting(tmp_path: Path) -> None:
    """Other calls are answered, and streams beyond the limit are refused, not queued."""
    gate = threading.Event()
    with local_server(small_registry(tmp_path).root, max_threads=1) as server:
        reflection = reflection_pb2_grpc.ServerReflectionStub(server.channel)
        try:
            streams = [
                reflection.ServerReflectionInfo(one_then_idle(gate)) for _ in range(MAX_STREAMS)
            ]
            for stream in streams:
                assert next(stream).HasField("list_services_response")
            beyond = reflection.ServerReflectionInfo(iter([LIST]), timeout=10)
            assert beyond.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            recommend = api_grpc.RecommendationServiceStub(server.channel).Recommend
            assert recommend(api.RecommendRequest(), timeout=10).recommendations
        finally:
            gate.set()
        assert [list(stream) for stream in streams] == [[]] * MAX_STREAMS
        again = reflection.ServerReflectionInfo(iter([LIST, SYMBOL]), timeout=10)
        listed, described = again
        assert listed.list_services_response.service
        assert described.file_descriptor_response.file_descriptor_proto


def test_an_idle_stream_is_ended() -> None:
    """With the words of any other, and its place is then free for another caller."""
    gate = threading.Event()
    pool = ThreadPoolExecutor(1)
    patience = Patience(IDLE_SECONDS, new_metrics()[0])
    servicer = ReflectionServicer(("a.Service",), patience, Log().logger)
    server = grpc.server(pool)
    servicer.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
            streams = [
                reflection.ServerReflectionInfo(one_then_idle(gate)) for _ in range(MAX_STREAMS)
            ]
            for stream in streams:
                assert next(stream).HasField("list_services_response")
                with pytest.raises(grpc.RpcError) as raised:
                    next(stream)
                told = refused(raised.value)
                assert (told.code, told.info.reason) == (grpc.StatusCode.ABORTED, "STREAM_IDLE")
                assert "nothing was asked on this stream for 1 s" in told.message

            def is_answered() -> bool:
                call = reflection.ServerReflectionInfo(iter(()), timeout=10)
                return bool(call.code() is grpc.StatusCode.OK)

            wait_until(is_answered)
    finally:
        gate.set()
        server.stop(None).wait()
        servicer.pool.stop()
        pool.shutdown()


def test_a_stream_that_is_not_read_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever takes nothing would keep others from asking for as long as they like."""
    monkeypatch.setattr(server_module, "IDLE_SECONDS", IDLE_SECONDS)
    with local_server(small_registry(tmp_path).root) as server, ExitStack() as stack:
        held = server.worker.server._reflection.pool
        for _ in range(MAX_STREAMS):
            asked = a_call(server.target, PATH, LIST.SerializeToString())
            stack.enter_context(connected(server.target, TAKES_NOTHING, asked))
        wait_until(lambda: held.n_held == MAX_STREAMS)
        wait_until(lambda: held.n_held == 0)
        reflection = reflection_pb2_grpc.ServerReflectionStub(server.channel)
        (listed,) = reflection.ServerReflectionInfo(iter([LIST]), timeout=10)
        assert listed.list_services_response.service


def test_what_is_no_question_is_told_so_and_holds_up_no_end(tmp_path: Path) -> None:
    """Whether the caller waits for that, or leaves at the first answer; questions after it too."""
    registry = small_registry(tmp_path / "models").root
    question, wrong = LIST.SerializeToString(), b"\xff"
    with local_server(registry) as server:
        ask: grpc.StreamStreamMultiCallable[bytes, bytes] = server.channel.stream_stream(PATH)
        with pytest.raises(grpc.RpcError) as raised:
            list(ask(iter([question, wrong, question]), timeout=20))
        told = refused(raised.value)
        assert (told.code, told.field) == (grpc.StatusCode.INVALID_ARGUMENT, "request")
        for _ in range(100):
            call = ask(iter([question, *[wrong] * 3, question] * 5), timeout=20)
            next(call, None)
            call.cancel()
        log = server.log
    assert not log.lines("calls_not_ended")
