"""Checks whether the service could start here, and says what it finds."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsvc.access.trusted_tokens import TrustedTokens
from recsvc.app.access import build_access
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.version_ids import CURRENT
from recsvc.errors import RecsvcError, StoreUnavailableError
from recsvc.logs import make_logger
from recsvc.server.address import reserved
from recsvc.service.models import load_model
from recsvc.settings import LogLevel, ServerSettings
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect, redacted
from recsvc.store.embedded import EmbeddedValkey, check_directory
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.response_cache import RedisResponseCache
from recsvc.store.shopper_changes import check_channel


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        subject: what was checked.
        is_well: whether the service can start with it.
        text: one line.
    """

    subject: str
    is_well: bool
    text: str


def findings(given: Mapping[str, Any]) -> Iterator[Finding]:
    """Check everything that ``recsvc serve`` needs, in its order.

    Args:
        given: settings from the command line, by field name.
    """
    try:
        settings = ServerSettings.load(given)
    except RecsvcError as error:
        yield Finding("settings", is_well=False, text=str(error))
        return
    yield Finding("settings", is_well=True, text="every value can be used")
    checks: dict[str, Callable[[ServerSettings], str]] = {
        "model": _model,
        "redis": _redis if settings.redis_url else _embedded,
        "access": _access,
        "port": _port,
    }
    for subject, check in checks.items():
        try:
            yield Finding(subject, is_well=True, text=check(settings))
        except RecsvcError as error:
            yield Finding(subject, is_well=False, text=str(error))


def _model(settings: ServerSettings) -> str:
    loaded = load_model(Registry.open(settings.registry), CURRENT)
    model = loaded.model
    return (
        f"{loaded.reference.version_id} loads and answers: {len(model.customers):,} customers, "
        f"{len(model.catalogue):,} products"
    )


def _redis(settings: ServerSettings) -> str:
    url = str(settings.redis_url)
    seconds = settings.redis_timeout_seconds
    client = connect(url, connect_timeout_seconds=seconds, socket_timeout_seconds=seconds)
    keys = KeySchema(settings.namespace)
    guarded = GuardedRedis(client, CircuitBreaker())
    RedisResponseCache(guarded, keys).check()
    try:
        check_channel(guarded, keys)
    except StoreUnavailableError as error:
        raise StoreUnavailableError(
            f"{error}; the user of {redacted(url)} needs the channel &{keys.changed}, "
            "see docs/redis.md"
        ) from error
    return f"{redacted(url)} answers, and brings what processes tell each other"


def _embedded(settings: ServerSettings) -> str:
    check_directory(settings.valkey_dir)
    # The server itself runs elsewhere: a folder that is not there yet is left so.
    with tempfile.TemporaryDirectory(prefix="recsvc-doctor-") as directory:
        valkey = EmbeddedValkey(Path(directory))
        valkey.start()
        valkey.stop()
    return f"the embedded Valkey runs; its data goes to {settings.valkey_dir}"


def _access(settings: ServerSettings) -> str:
    access = build_access(settings, make_logger(LogLevel.ERROR, settings.log_format, sys.stderr))
    said = []
    if access.identity is not None:
        identity = access.identity.value
        left = (identity.valid_until - datetime.now(UTC)).days
        said.append(
            f"TLS for {', '.join(identity.names) or 'no name'}, until "
            f"{identity.valid_until:%Y-%m-%d} ({left} days)"
        )
        if identity.client_ca is not None:
            said.append("clients show a certificate")
    if access.keys is not None:
        said.append(f"API keys: {len(access.keys.value)}")
    if access.tokens is not None:
        said.append(_tokens(access.tokens, settings))
    if not settings.asks_for_credentials:
        who = "every client with a certificate" if settings.tls_client_ca else "whoever reaches it"
        said.append(f"{who} may do everything")
    return "; ".join(said)


def _tokens(tokens: TrustedTokens, settings: ServerSettings) -> str:
    tokens.fetch()
    if settings.jwt_audience:
        return "tokens"
    return (
        "tokens for whatever audience: set RECSVC_JWT_AUDIENCE where their issuer serves others too"
    )


def _port(settings: ServerSettings) -> str:
    with reserved(settings.listen) as address:
        return f"{address} is free"
