"""What the health service says when the server stops."""

from collections.abc import Callable

from grpc_health.v1 import health_pb2

from recsvc.server.server import Health

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Context:
    """A call that can end, and then does what it was told to do at its end."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Keep a callback."""
        self._callbacks.append(callback)
        return True

    def end(self) -> None:
        """End the call."""
        for callback in self._callbacks:
            callback()


class Stream:
    """What one watcher is sent; None is the end."""

    def __init__(self) -> None:
        self.sent: list[int | None] = []

    def __call__(self, response: health_pb2.HealthCheckResponse | None) -> None:
        self.sent.append(None if response is None else response.status)


def watch(health: Health, context: Context) -> list[int | None]:
    stream = Stream()
    health.servicer.Watch(health_pb2.HealthCheckRequest(), context, stream)  # type: ignore[arg-type]  # a fake
    return stream.sent


def test_a_stream_of_health_ends_once() -> None:
    """With the drain, whatever its call does afterwards."""
    health, context = Health(), Context()
    sent = watch(health, context)
    health.model_loaded()
    health.drain()
    context.end()
    assert sent == [NOT_SERVING, SERVING, NOT_SERVING, None]


def test_who_watches_during_the_drain_is_told_and_let_go() -> None:
    """A call that was on its way does not hold the server up either."""
    health = Health()
    health.model_loaded()
    health.drain()
    assert watch(health, Context()) == [NOT_SERVING, None]


def test_who_hung_up_hears_nothing_more() -> None:
    """The end of the call is the end of its stream."""
    health, context = Health(), Context()
    sent = watch(health, context)
    context.end()
    health.drain()
    assert sent == [NOT_SERVING, None]
