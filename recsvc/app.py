"""The composition root: the one place that wires a worker, and a worker's life."""

import os
import secrets
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from prometheus_client import CollectorRegistry

from recsvc.artifacts.registry import Registry
from recsvc.errors import RecsvcError, StoreUnavailableError
from recsvc.server.responses import ResponseCodec
from recsvc.server.server import Health, RecommendationServer, ServerOptions
from recsvc.server.servicers import ModelServicer, RecommendationServicer
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.model_admin import ModelAdmin
from recsvc.service.models import ModelSlot
from recsvc.service.ports import ResponseCache
from recsvc.service.recommendations import Recommendations
from recsvc.settings import ServerSettings
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect, redacted
from recsvc.store.keys import KeySchema
from recsvc.store.memory import InMemoryResponseCache
from recsvc.store.response_cache import RedisResponseCache
from recsvc.supervisor import EXIT_CONFIGURATION, STOP_SIGNALS, signal_pipe, signals_within
from recsvc.telemetry import Logger, Metrics, make_logger

_READY_FD = "RECSVC_READY_FD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One server process, wired.

    Attributes:
        server: the gRPC server; its ``port`` is bound already.
        slot: the model.
        settings: what it was built from.
        logger: where it says what it does.
    """

    server: RecommendationServer
    slot: ModelSlot
    settings: ServerSettings
    logger: Logger

    def start(self) -> None:
        """Load the current model, if there is one, and answer."""
        # First the model: a worker that comes back among others must not turn callers away.
        self.slot.refresh()
        self.server.start()
        self.slot.watch(self.settings.poll_interval_seconds)

    def stop(self) -> None:
        """Let running calls end, at most for the grace time."""
        self.server.stop(self.settings.grace_seconds)
        self.slot.stop()


def build_worker(settings: ServerSettings, logger: Logger, *, shares_port: bool) -> Worker:
    """Wire a server process.

    Args:
        settings: everything that can be set; without a Redis URL answers are kept in memory.
        logger: where it says what it does.
        shares_port: other processes listen on the same port.

    Raises:
        SettingsError: the Redis URL or the address cannot be used.
        RegistryError: there is no registry.
    """
    metrics = Metrics(CollectorRegistry())
    registry = Registry.open(settings.registry)
    registry.pointer()  # a wrong path must be said now, not in a second
    health = Health()
    slot = ModelSlot(registry, logger=logger, metrics=metrics, on_first_model=health.model_loaded)
    codec = ResponseCodec()
    key = _hash_key(settings)
    cache = AnswerCache(
        _response_cache(settings, logger),
        codec,
        metrics,
        ttl_seconds=settings.cache_ttl_seconds,
        timeout_seconds=settings.redis_timeout_seconds,
    )
    recommendations = Recommendations(slot, cache, codec, metrics=metrics, hash_key=key)
    server = RecommendationServer(
        ServerOptions(
            listen=settings.listen,
            shares_port=shares_port,
            max_threads=settings.max_threads,
            max_concurrent=settings.max_concurrent,
        ),
        recommendations=RecommendationServicer(slot, recommendations),
        models=ModelServicer(ModelAdmin(slot, now=lambda: datetime.now(UTC)), key),
        health=health,
        metrics=metrics,
        logger=logger,
    )
    return Worker(server=server, slot=slot, settings=settings, logger=logger)


def _hash_key(settings: ServerSettings) -> bytes:
    if settings.hash_key is None:
        return secrets.token_bytes(32)
    # Of any length, while a key may have 64 bytes.
    return blake2b(settings.hash_key.get_secret_value().encode()).digest()


def _response_cache(settings: ServerSettings, logger: Logger) -> ResponseCache:
    if settings.redis_url is None:
        return InMemoryResponseCache(time.time)
    timeout = settings.redis_timeout_seconds
    client = connect(
        settings.redis_url,
        connect_timeout_seconds=timeout,
        socket_timeout_seconds=timeout,
        max_connections=2 * settings.max_threads,
    )
    cache = RedisResponseCache(client, KeySchema(settings.namespace), breaker=CircuitBreaker())
    try:
        cache.check()
    except StoreUnavailableError as error:
        logger.warning(
            "redis_unavailable",
            url=redacted(settings.redis_url),
            error=str(error),
            hint="lists are computed, and marked as degraded, until it answers",
        )
    return cache


def run_worker() -> int:
    """Be one worker of a supervisor: serve until SIGTERM, then drain.

    Returns:
        The exit code.
    """
    with signal_pipe() as signals:
        try:
            settings = ServerSettings.load()
            logger = make_logger(settings.log_level, settings.log_format, sys.stderr)
            worker = build_worker(settings, logger, shares_port=True)
        except RecsvcError as error:
            sys.stderr.write(f"error: {error}\n")
            return EXIT_CONFIGURATION
        worker.start()
        _say_ready()
        while not signals_within(None, signals) & STOP_SIGNALS:
            pass  # a child's end is of no interest
        worker.stop()
    return 0


def _say_ready() -> None:
    descriptor = int(os.environ[_READY_FD])
    os.write(descriptor, b"ready\n")
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(run_worker())
