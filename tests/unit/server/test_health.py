"""How each service is, and what a watch leaves behind."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from recsvc.server import health as health_module
from recsvc.server.health import MODEL_SERVICE, RECOMMENDATION_SERVICE, Health, HealthServicer
from tests.serving import Log, new_metrics, wait_until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Context:
    """A call, whose caller is there, has gone, or goes later."""

    def __init__(self, *, is_there: bool = True, host: str = "ipv4:10.0.0.1") -> None:
        self._is_there = is_there
        self._host = host
        self.ended: Callable[[], object] = lambda: None

    def peer(self) -> str:
        return f"{self._host}:50051"

    def add_callback(self, ended: Callable[[], object]) -> bool:
        self.ended = ended
        return self._is_there

    def abort_with_status(self, status: Any) -> None:  # noqa: ANN401  # an untyped grpc.Status
        raise RefusedError(status.details)


class RefusedError(Exception):
    """A watch was."""


class Bench:
    """A servicer, and what its watches were told."""

    def __init__(self) -> None:
        self.health = Health()
        self.servicer = HealthServicer(self.health, new_metrics()[0], Log().logger)
        self.told: list[int] = []

    def watch(self, service: str = "", context: Context | None = None) -> Context:
        caller = context or Context()
        servicer: Any = self.servicer  # which wants all of a ServicerContext
        request = health_pb2.HealthCheckRequest(service=service)
        servicer.Watch(request, caller, lambda answer: self.told.append(answer.status))
        return caller


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.servicer.pool.stop()


def test_what_needs_a_model_serves_once_there_is_one(bench: Bench) -> None:
    services = ("", RECOMMENDATION_SERVICE, MODEL_SERVICE)
    before = [bench.health.status(service) for service in services]
    bench.health.model_loaded()
    after = [bench.health.status(service) for service in services]
    assert (before, after) == ([NOT_SERVING, NOT_SERVING, SERVING], [SERVING] * 3)


def test_a_model_that_comes_at_the_end_changes_nothing(bench: Bench) -> None:
    """Who drains must not be sent anybody any more."""
    bench.health.drain()
    bench.health.model_loaded()
    services = ("", RECOMMENDATION_SERVICE, MODEL_SERVICE)
    assert [bench.health.status(service) for service in services] == [NOT_SERVING] * 3


def test_watches_are_told_what_has_changed_for_them(bench: Bench) -> None:
    """And nothing else."""
    for service in ("", MODEL_SERVICE, "none.such"):
        bench.watch(service)
    assert bench.told == [NOT_SERVING, SERVING, UNKNOWN]
    bench.health.model_loaded()
    wait_until(lambda: bench.told[3:] == [SERVING])
    bench.health.drain()
    wait_until(lambda: bench.told[4:] == [NOT_SERVING, NOT_SERVING])


def test_a_watch_may_end_while_another_one_is_told(bench: Bench) -> None:
    """The thread that is told of the end is the one that what is sent waits for."""
    ended = bench.watch().ended
    sends, has_ended = threading.Event(), threading.Event()

    def send(answer: Any) -> None:  # noqa: ANN401  # an untyped message
        if answer.status == SERVING:
            sends.set()
            has_ended.wait(20)

    servicer: Any = bench.servicer
    servicer.Watch(health_pb2.HealthCheckRequest(), Context(), send)
    bench.health.model_loaded()
    assert sends.wait(20)
    thread = threading.Thread(target=ended, daemon=True)
    thread.start()
    thread.join(10)
    is_stuck = thread.is_alive()
    has_ended.set()
    assert not is_stuck


def test_who_has_gone_already_holds_no_place(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything sent there."""
    monkeypatch.setattr(health_module, "MAX_WATCHES", 1)
    for _ in range(2):
        bench.watch(context=Context(is_there=False))
    assert bench.told == []
    bench.watch().ended()
    bench.watch()
    assert bench.told == [NOT_SERVING] * 2


def test_one_address_does_not_take_every_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of IPv6 a /64 is one. Who ends a watch may open another."""
    monkeypatch.setattr(health_module, "MAX_WATCHES_OF_ONE", 1)
    one, neighbour, other = (f"ipv6:%5B2001:db8:0:{host}%5D" for host in ("1::1", "1::2", "2::1"))
    first = bench.watch(context=Context(host=one))
    with pytest.raises(RefusedError, match="holds 1 watches of its health from this address"):
        bench.watch(context=Context(host=neighbour))
    bench.watch(context=Context(host=other))
    first.ended()
    bench.watch(context=Context(host=neighbour))
    assert bench.told == [NOT_SERVING] * 3
