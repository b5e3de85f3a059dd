"""The gRPC server of one process: its services, its health, and how it stops."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from recsvc.errors import SettingsError
from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.server.admission import Admission
from recsvc.server.arrivals import MANY_SECONDS, Arrivals
from recsvc.server.catalogue_servicer import CatalogueServicer
from recsvc.server.customer_servicer import CustomerServicer
from recsvc.server.event_servicer import EventServicer
from recsvc.server.executors import END_SECONDS, CallExecutor, Lane, StreamExecutor
from recsvc.server.gate import Guard
from recsvc.server.handing_over import known_insides
from recsvc.server.health import (
    LIVE_SERVICES,
    MODEL_SERVICE,
    RECOMMENDATION_SERVICE,
    Health,
    HealthServicer,
)
from recsvc.server.interceptor import CallInterceptor, Cheap, Traits
from recsvc.server.model_servicer import ModelServicer
from recsvc.server.observer import count_defects
from recsvc.server.patience import SWEEPS, Patience
from recsvc.server.recommendation_servicer import RecommendationServicer, is_small
from recsvc.server.reflection import IDLE_SECONDS, ReflectionServicer
from recsvc.server.requests import MAX_BATCH
from recsvc.server.rpc_access import RPCS
from recsvc.service.poller import Poller
from recsvc.service.stopping import stop_all
from recsvc.v1 import catalog_service_pb2_grpc as catalog_service
from recsvc.v1 import customer_service_pb2_grpc as customer_service
from recsvc.v1 import event_service_pb2_grpc as event_service
from recsvc.v1 import model_service_pb2_grpc as model_service
from recsvc.v1 import recommendation_service_pb2_grpc as recommendation_service

SERVICES = (
    RECOMMENDATION_SERVICE,
    MODEL_SERVICE,
    *LIVE_SERVICES,
    health.SERVICE_NAME,
    reflection.SERVICE_NAME,
)

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
PING_SECONDS, PONG_SECONDS = 60.0, 20.0
"""After so long without a word a peer is asked whether it is there, and has so long to say yes: one
that has vanished is noticed within a minute and a half."""

CONNECTION_AGE_SECONDS, LAST_CALLS_SECONDS = 600.0, 60.0
"""A connection stays with the process that it began with, and is not asked again who it is: only
new ones even out the load after a restart, and know what is believed by then. gRPC ends each within
a tenth of this time, and gives its calls so much more."""

CONNECTION_IDLE_SECONDS = 120.0
"""A connection without any call is closed after so long: it holds one of the process's files. Who
wants to call again connects again, as gRPC's clients do by themselves."""

HANDSHAKE_SECONDS = 20.0
"""So long may a connection take to begin, TLS and all; gRPC would give it two minutes."""

_AHEAD_BYTES = 256 * 1024
"""What a caller may send of each call ahead of who reads it, beside one message that is waited for.
A question is some hundred bytes."""

_RECOMMEND = "RecommendationService/Recommend"
_UNREAD = frozenset({_RECOMMEND})
"""A question that was answered a moment ago is known by its bytes."""

_BATCH = "RecommendationService/BatchRecommend"

_HURRIED = ("RecommendationService/",)
"""A page waits for its lists, and is better shown without than late. What changes something, or is
asked by whoever runs the service, is taken as long as there is room: recalls and withdrawn consent
above all."""

_GATHERED = {"RecommendationService/StreamBatchRecommend": MAX_BATCH}
"""What has come together is answered together."""

_IDLE_SECONDS, _IDLE_LOOKS = 0.05, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server listens.

    Attributes:
        listen: ``HOST:PORT``, port 0 for a free one.
        shares_port: other processes listen on the same port; the kernel spreads connections.
        max_threads: lists worked on at once, and as many calls of other kinds.
        max_concurrent: calls held at once.
        max_wait_seconds: how long who asks for a list may have to wait, at least.
        stream_idle_seconds: how long a stream may neither be fed nor read, nor a call send nothing.
        tls: what TLS shows and asks for; None, all is plain text.
    """

    listen: str
    shares_port: bool
    max_threads: int
    max_concurrent: int
    max_wait_seconds: float
    stream_idle_seconds: float
    tls: grpc.ServerCredentials | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Servicers:
    """The methods of each service of the API."""

    recommendations: RecommendationServicer
    models: ModelServicer
    events: EventServicer
    customers: CustomerServicer
    catalogue: CatalogueServicer


class RecommendationServer:
    """A gRPC server with every service of the API.

    Args:
        options: how it listens.
        servicers: the service's methods.
        health: what it says of itself.
        metrics: counts and times the calls.
        logger: gets one line a call.
        gate: stands before every method; None, nothing does.

    Attributes:
        port: that it listens on, once it has started.
    """

    def __init__(
        self,
        options: ServerOptions,
        *,
        servicers: Servicers,
        health: Health,
        metrics: Metrics,
        logger: Logger,
        gate: Guard | None = None,
    ) -> None:
        self._health = health
        self._logger = logger
        count_defects(metrics, RPCS)
        insides = known_insides()
        if insides is None:
            logger.warning("messages_awaited_on_threads", grpcio=grpc.__version__)
        arrivals = self._arrivals = Arrivals(
            options.stream_idle_seconds,
            options.max_concurrent,
            metrics,
            n_worked_on=lambda: executor.n_held + patient.n_held,
            insides=insides,
        )
        self._watched = HealthServicer(health, metrics, logger, arrivals, insides)
        executor = self._executor = CallExecutor(options.max_threads, logger, arrivals)
        patience = Patience(options.stream_idle_seconds, metrics)
        self._streams = StreamExecutor(patience, logger)
        self._lane = Lane(logger, arrivals=arrivals)
        self._impatient = Poller("silent-callers", logger)
        patient = self._patient = Lane(logger, options.max_threads, arrivals)
        self._reflection = ReflectionServicer(
            SERVICES,
            Patience(IDLE_SECONDS, metrics),
            logger,
            admit=None if gate is None else gate.admit,
        )
        admission = Admission(
            executor.backlog,
            max_held=options.max_concurrent,
            max_wait_seconds=options.max_wait_seconds,
            metrics=metrics,
            n_beside=lambda: patient.n_held,
        )
        interceptor = CallInterceptor(
            admission,
            self._streams,
            self._lane,
            metrics=metrics,
            logger=logger,
            traits=Traits(
                unread=_UNREAD,
                hurried=_HURRIED,
                kept={_RECOMMEND: servicers.recommendations.kept},
                cheap={
                    _RECOMMEND: Cheap(servicers.recommendations.recommend_cheaply),
                    _BATCH: Cheap(servicers.recommendations.batch_recommend_cheaply, is_small),
                },
                gathered=_GATHERED,
            ),
            gate=gate,
            patient=self._patient,
        )
        pool: Any = executor  # its stub wants the library's, it takes any
        self._server = grpc.server(
            pool, interceptors=[interceptor], options=_channel_options(options)
        )
        self._recommendations = servicers.recommendations
        self._add_services(servicers)
        self._options = options
        self.port = 0

    def start(self) -> None:
        """Listen, and answer calls.

        gRPC listens as soon as it has a port: connections would come to one that may load its model
        for a while, or never start, beside others on the port that would have answered.

        Raises:
            SettingsError: the address cannot be listened on.
        """
        self.port = self._bind(self._options)
        self._server.start()
        impatient = self._streams.patience, self._reflection.patience

        def sweep() -> None:
            for patience in impatient:
                patience.sweep()
            self._arrivals.sweep()

        seconds = min(patience.seconds for patience in impatient)
        self._impatient.start(sweep, min(seconds / SWEEPS, MANY_SECONDS))

    def stop(self, grace_seconds: float) -> None:
        """Take no new calls, and return once the running ones have ended or been cut off."""
        self._health.drain()
        stopped = self._server.stop(grace_seconds)
        n_idle = 0
        # End when this process has nothing left to answer, rather than when gRPC has: who watches
        # the health never hangs up, nor who streams events as they happen, and a call that came in
        # as the stop began may wait in gRPC for a thread that nobody will give it. Cut off, it is
        # CANCELLED, and its caller asks elsewhere. Several looks, since gRPC may not have handed
        # over a call or sent an answer.
        while not stopped.wait(_IDLE_SECONDS) and n_idle < _IDLE_LOOKS:
            n_idle = 0 if self._is_busy else n_idle + 1
        if not self._server.stop(0).wait(END_SECONDS):
            self._logger.warning("calls_not_ended", hint="gRPC waits for calls that are over")
        # Or a thread would go on waiting for what another process makes, for a call that is no
        # more, and this one for the thread.
        self._recommendations.stop()
        beside = (self._reflection.pool, self._watched.pool)
        pools = (self._executor, self._lane, self._patient, self._streams, *beside)
        stop_all([self._impatient.stop, *(pool.stop for pool in pools)], END_SECONDS)
        if n_left := sum(pool.n_held for pool in pools):
            self._logger.warning("calls_left_behind", n_calls=n_left)

    @property
    def n_silent(self) -> int:
        """Calls whose message has not come."""
        return self._arrivals.n_held

    @property
    def _is_busy(self) -> bool:
        pools = (self._executor, self._lane, self._patient)
        return any(pool.n_held for pool in pools) or bool(self._streams.n_busy)

    def _add_services(self, servicers: Servicers) -> None:
        # The generated functions are untyped, and each takes a servicer of its own class.
        services: list[tuple[Callable[[Any, grpc.Server], None], object]] = [
            (
                recommendation_service.add_RecommendationServiceServicer_to_server,
                servicers.recommendations,
            ),
            (model_service.add_ModelServiceServicer_to_server, servicers.models),
            (catalog_service.add_CatalogServiceServicer_to_server, servicers.catalogue),
            (customer_service.add_CustomerServiceServicer_to_server, servicers.customers),
            (event_service.add_EventServiceServicer_to_server, servicers.events),
            (health_pb2_grpc.add_HealthServicer_to_server, self._watched),
        ]
        for add, servicer in services:
            add(servicer, self._server)
        self._reflection.add_to(self._server)

    def _bind(self, options: ServerOptions) -> int:
        listen = options.listen
        try:
            if options.tls is None:
                return self._server.add_insecure_port(listen)
            return self._server.add_secure_port(listen, options.tls)
        except RuntimeError as error:  # all that grpc says of a bad or used address
            raise SettingsError(
                f"RECSVC_LISTEN / --listen: cannot listen on {listen}; "
                "choose another address, or port 0 for a free port"
            ) from error


def _channel_options(options: ServerOptions) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", int(options.shares_port)),
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", round(1000 * PING_SECONDS)),
        ("grpc.keepalive_timeout_ms", round(1000 * PONG_SECONDS)),
        # It is this one that ends a connection whose peer says nothing at all; else a minute.
        ("grpc.http2.ping_timeout_ms", round(1000 * PONG_SECONDS)),
        ("grpc.keepalive_permit_without_calls", 1),
        # Left to itself gRPC takes in four MiB of each stream that nobody reads, and more where it
        # finds the line to be long and fast.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _AHEAD_BYTES),
        # Clients may ping as often as gRPC's guide lets them.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.max_connection_age_ms", round(1000 * CONNECTION_AGE_SECONDS)),
        ("grpc.max_connection_age_grace_ms", round(1000 * LAST_CALLS_SECONDS)),
        ("grpc.max_connection_idle_ms", round(1000 * CONNECTION_IDLE_SECONDS)),
        ("grpc.server_handshake_timeout_ms", round(1000 * HANDSHAKE_SECONDS)),
    ]
