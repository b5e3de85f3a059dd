"""Watches of the health over a real channel: what they are told, and how many there may be."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from recsvc.server import health as health_module
from tests.integration.test_connections import connected
from tests.serving import local_server, refused, small_registry, wait_until

N = 3
SERVING = health_pb2.HealthCheckResponse.SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def test_there_is_an_end_to_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who watches too many times is refused and counted; who only asks is answered all the same."""
    monkeypatch.setattr(health_module, "MAX_WATCHES", N)
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
        assert f"holds {N} watches" in told.message
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


def test_watches_are_told_of_the_end(tmp_path: Path) -> None:
    """As clients that look after their connections rely on; of what is not there likewise."""
    not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
    with local_server(small_registry(tmp_path).root) as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        known, other = (
            health.Watch(health_pb2.HealthCheckRequest(service=name), timeout=20)
            for name in ("recsvc.v1.RecommendationService", "none.such")
        )
        assert (next(known).status, next(other).status) == (SERVING, UNKNOWN)
        server.worker.server._health.drain()
        assert next(known).status == not_serving


TAKES_NOTHING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\6\4\0\0\0\0\0" + b"\0\4\0\0\0\0"
"""The beginning of HTTP/2; of each answer not a byte is wanted (SETTINGS_INITIAL_WINDOW_SIZE)."""


def a_watch(target: str) -> bytes:
    """Frames that begin one: its headers, written plainly, and a message without anything."""

    def field(name: bytes, value: bytes) -> bytes:
        return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value

    headers = b"".join(
        [
            field(b":method", b"POST"),
            field(b":scheme", b"http"),
            field(b":path", b"/grpc.health.v1.Health/Watch"),
            field(b":authority", target.encode()),
            field(b"te", b"trailers"),
            field(b"content-type", b"application/grpc"),
        ]
    )
    begun = bytes([0, 0, len(headers), 1, 4, 0, 0, 0, 1]) + headers
    return begun + bytes([0, 0, 5, 0, 1, 0, 0, 0, 1]) + b"\0\0\0\0\0"


def test_a_watch_that_takes_nothing_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others wait for it no longer than that."""
    monkeypatch.setattr(health_module, "TAKE_SECONDS", 0.1)
    with local_server(small_registry(tmp_path).root) as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        everything = health_pb2.HealthCheckRequest()
        watches = server.worker.server._watched.Watch
        with connected(server.target, TAKES_NOTHING, a_watch(server.target)):
            wait_until(lambda: watches._sending is not None)
            known = health.Watch(everything, timeout=20)
            assert next(known).status == SERVING
            wait_until(lambda: len(watches._open) == 1)
            known.cancel()
