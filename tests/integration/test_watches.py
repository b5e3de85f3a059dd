"""Watches of the health over a real channel: what they are told, and how many there may be."""

from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from recsvc.server import health as health_module
from recsvc.server import server as server_module
from recsvc.server.handing_over import Insides, known_insides
from tests.http2 import TAKES_NOTHING, a_call
from tests.integration.test_connections import connected
from tests.serving import local_server, refused, small_registry, wait_until

N = 3
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("MAX_WATCHES", f"holds {N} watches of its health already"),
        ("MAX_WATCHES_OF_ONE", f"holds {N} watches of its health from this address already"),
    ],
)
def test_there_is_an_end_to_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, words: str
) -> None:
    """Who watches too many times is refused and counted; who only asks is answered all the same."""
    monkeypatch.setattr(health_module, limit, N)
    with local_server(small_registry(tmp_path).root) as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        everything = health_pb2.HealthCheckRequest()
        open_ones = [health.Watch(everything) for _ in range(N)]
        assert [next(watch).status for watch in open_ones] == [SERVING] * N
        with pytest.raises(grpc.RpcError) as raised:
            next(health.Watch(everything, timeout=10))
        told = refused(raised.value)
        assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (told.info.reason, told.has_retry) == ("OVERLOADED", True)
        assert words in told.message
        metrics = server.worker.ground.metrics
        metrics.tallies.flush()
        (family,) = metrics.turned_away.collect()
        counted = [sample for sample in family.samples if sample.name.endswith("_total")]
        assert [(each.labels["reason"], each.value) for each in counted] == [("watches", 1)]
        assert health.Check(everything, timeout=10).status == SERVING
        open_ones[0].cancel()

        def is_there_room() -> bool:
            watch = health.Watch(everything, timeout=10)
            try:
                return bool(next(watch).status == SERVING)
            except grpc.RpcError:
                return False
            finally:
                watch.cancel()

        wait_until(is_there_room)


@pytest.mark.parametrize("insides", [known_insides(), None])
def test_watches_are_told_of_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, insides: Insides | None
) -> None:
    """As clients that look after their connections rely on; of what is not there likewise.

    With any gRPC.
    """
    monkeypatch.setattr(server_module, "known_insides", lambda: insides)
    with local_server(small_registry(tmp_path).root) as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        known, other = (
            health.Watch(health_pb2.HealthCheckRequest(service=name), timeout=20)
            for name in ("recsvc.v1.RecommendationService", "none.such")
        )
        assert (next(known).status, next(other).status) == (SERVING, UNKNOWN)
        server.worker.server._health.drain()
        assert next(known).status == NOT_SERVING


WATCH = "/grpc.health.v1.Health/Watch"

WANTS_ALL = b"\0\0\4\x08\0\0\0\0\1" + b"\0\1\0\0"
"""From now on 64 KiB are (WINDOW_UPDATE)."""

N_DEAF = 8


def told(status: int) -> bytes:
    """A message as gRPC writes it: of one field."""
    return b"\0\0\0\0\2" + bytes([1 << 3, status])


def test_watches_that_take_nothing_keep_nobody_waiting(tmp_path: Path) -> None:
    """Whoever else watches is told at once, and so is who asks."""
    with local_server(small_registry(tmp_path).root) as server, ExitStack() as stack:
        watches = server.worker.server._watched.Watch
        for _ in range(N_DEAF):
            sent = TAKES_NOTHING, a_call(server.target, WATCH)
            stack.enter_context(connected(server.target, *sent))
        health = health_pb2_grpc.HealthStub(server.channel)
        everything = health_pb2.HealthCheckRequest()
        known = health.Watch(everything, timeout=10)
        assert next(known).status == SERVING
        wait_until(lambda: len(watches._open) == N_DEAF + 1)
        assert health.Check(everything, timeout=10).status == SERVING
        server.worker.server._health.drain()
        assert next(known).status == NOT_SERVING
        wait_until(lambda: sum(watch.is_sending for watch in list(watches._open)) == N_DEAF)
        stack.close()
        wait_until(lambda: len(watches._open) == 1)  # they held no more than their places
        known.cancel()


def test_who_takes_late_is_told_how_it_is_by_then(tmp_path: Path) -> None:
    """After the answer that was under way: that is what it was."""
    with local_server(small_registry(tmp_path).root) as server:
        watches = server.worker.server._watched.Watch
        with connected(server.target, TAKES_NOTHING, a_call(server.target, WATCH)) as connection:
            wait_until(lambda: any(watch.is_sending for watch in list(watches._open)))
            server.worker.server._health.drain()
            connection.sendall(WANTS_ALL)
            heard = b""
            while told(NOT_SERVING) not in heard:
                piece = connection.recv(4096)
                assert piece, "it hung up"
                heard += piece
            assert told(SERVING) in heard.partition(told(NOT_SERVING))[0]
