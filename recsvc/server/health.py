"""What ``grpc.health.v1.Health`` says, and to how many who watch it.

The standard servicer sends while it holds a lock, and what it sends waits for gRPC's own thread,
which takes that lock when a watch ends: one that ended as another was told something stopped the
process for good, and nobody is asked for a credential. Here nobody waits for who is told.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from recsvc.access.origin import origin_of
from recsvc.errors import OverloadedError
from recsvc.logs import Logger
from recsvc.metrics import Metrics, Totals
from recsvc.server.arrivals import Arrivals
from recsvc.server.errors import to_grpc_status
from recsvc.server.executors import Lane
from recsvc.server.handing_over import Insides, send

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

MAX_WATCHES_OF_ONE = 250
"""From one address, which may be that of a proxy: one stranger does not take every place."""

RETRY_SECONDS = 5.0

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
        origin: where it comes from.
        service: what is watched.
        send: sends an answer, and calls what it is given once that was taken.
        told: what was sent last; None, nothing was yet.
        is_sending: whether that is still to be taken: gRPC takes one answer of a call at a time.
    """

    origin: str
    service: str
    send: Callable[[bytes, Callable[[], object]], object]
    told: int | None = None
    is_sending: bool = False


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # its package has no types
    """Says how each service is, to whoever asks.

    Args:
        health: knows it.
        metrics: counts the watches that are turned away.
        logger: told of what a watch raises past gRPC.
        arrivals: waits for the messages of watches.
        insides: of gRPC; None where they are not as they are known, and the pool's thread waits
            until each answer was taken.

    Attributes:
        pool: its thread.
    """

    def __init__(
        self,
        health: Health,
        metrics: Metrics,
        logger: Logger,
        arrivals: Arrivals | None = None,
        insides: Insides | None = None,
    ) -> None:
        self._health = health
        self.pool = Lane(logger, arrivals=arrivals, name="health")
        self.Watch = _Watches(health, metrics, self.pool, insides)

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

    What is to be told is handed to gRPC and not waited for. Who takes nothing is told nothing more,
    and keeps nobody else waiting.

    Attributes:
        experimental_thread_pool: where grpc runs it, by this name.
        experimental_non_blocking: has grpc give it what sends an answer, by this name: a watch
            holds no thread.
    """

    experimental_non_blocking = True

    def __init__(
        self, health: Health, metrics: Metrics, pool: Lane, insides: Insides | None
    ) -> None:
        self._health = health
        self._insides = insides
        self._turned_away = Totals(metrics.turned_away, metrics.tallies)
        # The pool's thread adds and tells; gRPC's removes, and tells what has changed meanwhile.
        self._lock = threading.Lock()
        self._open: dict[_Watch, None] = {}
        self._n_open_from: Counter[str] = Counter()
        self.experimental_thread_pool = pool
        health.follow(lambda: pool.submit(self._tell_all))

    def __call__(
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.ServicerContext,
        send_response_callback: Callable[[Any], object],  # grpc's name for it
    ) -> None:
        """Say how a service is, now and whenever that changes."""
        # Of a name that is not there, which may have 16 MiB, nothing more will be known.
        is_known = self._health.status(request.service) is not None
        watch = _Watch(
            origin_of(context.peer()),
            request.service if is_known else _NOBODY,
            partial(_send_and_wait, send_response_callback)
            if self._insides is None
            else partial(send, self._insides, context),
        )
        if why_not := self._begin(watch):
            self._turned_away["watches"].add()
            error = OverloadedError(why_not, retry_seconds=RETRY_SECONDS)
            context.abort_with_status(to_grpc_status(error))
        if not context.add_callback(lambda: self._end(watch)):
            self._end(watch)  # its caller has gone
            return
        self._tell(watch)

    def _begin(self, watch: _Watch) -> str:
        """Count a watch, or say why there is no room for it."""
        with self._lock:
            if len(self._open) >= MAX_WATCHES:
                return f"this process holds {MAX_WATCHES} watches of its health already"
            if self._n_open_from[watch.origin] >= MAX_WATCHES_OF_ONE:
                return (
                    f"this process holds {MAX_WATCHES_OF_ONE} watches of its health from this "
                    "address already"
                )
            self._open[watch] = None
            self._n_open_from[watch.origin] += 1
        return ""

    def _end(self, watch: _Watch) -> None:
        with self._lock:
            del self._open[watch]
            self._n_open_from[watch.origin] -= 1
            if not self._n_open_from[watch.origin]:
                del self._n_open_from[watch.origin]

    def _tell_all(self) -> None:
        with self._lock:
            watches = list(self._open)
        for watch in watches:
            self._tell(watch)

    def _tell(self, watch: _Watch) -> None:
        """Send what is not told yet, unless that is to be looked at once the last was taken."""
        with self._lock:
            status = self._health.status(watch.service)
            told = _UNKNOWN if status is None else status
            if watch.is_sending or told == watch.told:
                return
            watch.told, watch.is_sending = told, True
        answer = health_pb2.HealthCheckResponse(status=told).SerializeToString()
        watch.send(answer, lambda: self._taken(watch))

    def _taken(self, watch: _Watch) -> None:
        with self._lock:
            watch.is_sending = False
        self._tell(watch)


def _send_and_wait(
    send_response: Callable[[Any], object], answer: bytes, taken: Callable[[], object]
) -> None:
    """As gRPC lets one send."""
    send_response(health_pb2.HealthCheckResponse.FromString(answer))
    taken()
