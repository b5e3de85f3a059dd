"""What ``grpc.health.v1.Health`` says, and to how many who watch it.

The standard servicer sends while it holds a lock, and what it sends waits for gRPC's own thread,
which takes that lock when a watch ends: one that ended as another was told something stopped the
process for good, and nobody is asked for a credential. Here one thread sends, and holds nothing.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from recsvc.errors import OverloadedError
from recsvc.logs import Logger
from recsvc.metrics import Metrics, Totals
from recsvc.server.arrivals import Arrivals
from recsvc.server.errors import to_grpc_status
from recsvc.server.executors import Lane

RECOMMENDATION_SERVICE = "recsvc.v1.RecommendationService"
MODEL_SERVICE = "recsvc.v1.ModelService"
LIVE_SERVICES = (
    "recsvc.v1.CatalogService",
    "recsvc.v1.CustomerService",
    "recsvc.v1.EventService",
)

MAX_WATCHES = 1_000
"""A client that looks after its connections watches once on each, for as long as it has it. So many
take 20 MiB."""

RETRY_SECONDS = 5.0

TAKE_SECONDS = 2.0
"""A watch whose answer is not taken for so long is ended: all others wait for it. It has a few
bytes, which who takes anything takes at once."""

_WITH_A_MODEL = ("", RECOMMENDATION_SERVICE)
"""``""`` is the whole."""

_NOBODY = "no service of this name"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """How each service is: NOT_SERVING until there is a model to answer with."""

    def __init__(self) -> None:
        self._statuses = dict.fromkeys(_WITH_A_MODEL, _NOT_SERVING)
        # Choosing the first model is possible without one, and so is what no model answers.
        self._statuses |= dict.fromkeys((MODEL_SERVICE, *LIVE_SERVICES), _SERVING)
        self._lock = threading.Lock()
        self._is_draining = False
        self._changed: Callable[[], object] = lambda: None

    def follow(self, changed: Callable[[], object]) -> None:
        """Have ``changed`` called whenever something has."""
        self._changed = changed

    def status(self, service: str) -> int | None:
        """How a service is, as the protocol counts it; None where there is none of that name."""
        return self._statuses.get(service)

    def model_loaded(self) -> None:
        """Say SERVING."""
        with self._lock:
            if not self._is_draining:
                self._set(_WITH_A_MODEL, _SERVING)
        self._changed()

    def drain(self) -> None:
        """Say NOT_SERVING from now on."""
        with self._lock:
            self._is_draining = True
            self._set(self._statuses, _NOT_SERVING)
        self._changed()

    def _set(self, services: Iterable[str], status: int) -> None:
        self._statuses |= dict.fromkeys(services, status)


@dataclass(slots=True, eq=False)
class _Watch:
    """One that is open.

    Attributes:
        context: of the call.
        service: what is watched.
        send: sends an answer; it waits until gRPC has taken it.
        told: what was sent last.
    """

    context: grpc.ServicerContext
    service: str
    send: Callable[[health_pb2.HealthCheckResponse], object]
    told: int


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # its package has no types
    """Says how each service is, to whoever asks.

    Args:
        health: knows it.
        metrics: counts the watches that are turned away.
        logger: told of what a watch raises past gRPC.
        arrivals: waits for the messages of watches.

    Attributes:
        pool: its thread.
    """

    def __init__(
        self, health: Health, metrics: Metrics, logger: Logger, arrivals: Arrivals | None = None
    ) -> None:
        self._health = health
        self.pool = Lane(logger, arrivals=arrivals, name="health")
        self.Watch = _Watches(health, metrics, self.pool)

    def sweep(self) -> None:
        """End the watch that all others wait for, where its caller takes nothing."""
        self.Watch.sweep()

    def Check(  # noqa: N802  # grpc's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Say how a service is now."""
        status = self._health.status(request.service)
        if status is None:
            context.set_code(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)


class _Watches:
    """The method, at most :data:`MAX_WATCHES` times at once.

    All is sent by the pool's one thread. Where a connection takes nothing more, the others that
    watch wait for :meth:`sweep` to end that watch, and nobody else does.

    Attributes:
        experimental_thread_pool: where grpc runs it, by this name.
        experimental_non_blocking: has grpc give it what sends an answer, by this name: a watch
            holds no thread.
    """

    experimental_non_blocking = True

    def __init__(self, health: Health, metrics: Metrics, pool: Lane) -> None:
        self._health = health
        self._turned_away = Totals(metrics.turned_away, metrics.tallies)
        # Only the pool's thread adds; gRPC's removes.
        self._open: dict[_Watch, None] = {}
        self._sending: tuple[_Watch, float] | None = None  # since when, monotonic seconds
        self.experimental_thread_pool = pool
        health.follow(lambda: pool.submit(self._tell))

    def __call__(
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.ServicerContext,
        send_response_callback: Callable[[Any], object],  # grpc's name for it
    ) -> None:
        """Say how a service is, now and whenever that changes."""
        if len(self._open) >= MAX_WATCHES:
            self._turned_away["watches"].add()
            error = OverloadedError(
                f"this process holds {MAX_WATCHES} watches of its health already",
                retry_seconds=RETRY_SECONDS,
            )
            context.abort_with_status(to_grpc_status(error))
        status = self._status(request.service)
        # Of a name that is not there, which may have 16 MiB, nothing more will be known.
        service = _NOBODY if status == _UNKNOWN else request.service
        watch = _Watch(context, service, send_response_callback, status)
        self._open[watch] = None
        if not context.add_callback(lambda: self._open.pop(watch)):
            del self._open[watch]  # its caller has gone
            return
        self._send(watch)

    def sweep(self) -> None:
        """End the watch whose answer is being sent, if it is not taken."""
        sending = self._sending
        if sending is not None and time.monotonic() - sending[1] > TAKE_SECONDS:
            sending[0].context.cancel()

    def _tell(self) -> None:
        for watch in list(self._open):
            status = self._status(watch.service)
            if status != watch.told:
                watch.told = status
                self._send(watch)

    def _send(self, watch: _Watch) -> None:
        """Send what is to be told, and wait until gRPC has taken it."""
        self._sending = watch, time.monotonic()
        try:
            watch.send(health_pb2.HealthCheckResponse(status=watch.told))
        finally:
            self._sending = None

    def _status(self, service: str) -> int:
        status = self._health.status(service)
        return _UNKNOWN if status is None else status
