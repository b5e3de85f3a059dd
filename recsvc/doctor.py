"""Checks whether the service could start here, and says what it finds."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grpc import ChannelCredentials

from recsvc.access.trusted_tokens import TrustedTokens
from recsvc.app.access import build_access, identity_of
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.version_ids import CURRENT
from recsvc.client.health import health_of
from recsvc.client.target import tls_credentials, tls_of
from recsvc.doctor_warnings import warnings
from recsvc.errors import RecsvcError, RegistryError, SettingsError, StoreUnavailableError
from recsvc.logs import Logger, make_logger
from recsvc.metrics_page import metrics_page
from recsvc.server.address import reserved
from recsvc.service.models import load_model
from recsvc.service.wording import Wording
from recsvc.settings.logs import LogLevel
from recsvc.settings.server import ServerSettings
from recsvc.settings.target import TargetSettings
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect, redacted
from recsvc.store.embedded import EmbeddedValkey, HeldDirectoryError, check_directory
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.response_cache import RedisResponseCache
from recsvc.store.shopper_changes import check_channel
from recsvc.variables import unknown_variables

_SERVICE = "recsvc.v1.RecommendationService"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        subject: what was checked.
        is_well: whether the service can start with it.
        text: one line.
        is_warning: whether something should be done all the same.
    """

    subject: str
    is_well: bool
    text: str
    is_warning: bool = False


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
    for name, hint in unknown_variables(os.environ):
        yield Finding("settings", is_well=True, text=f"{name}: {hint}", is_warning=True)
    checks: dict[str, Callable[[ServerSettings], str]] = {
        "language": _language,
        "registry": _registry,
        "model": _model,
        "redis": _redis if settings.redis_url else _embedded,
        "access": _access,
        "port": _port,
        "metrics": _metrics,
    }
    for subject, check in checks.items():
        try:
            yield Finding(subject, is_well=True, text=check(settings))
        except RecsvcError as error:
            yield Finding(subject, is_well=False, text=str(error))
    for subject, said in warnings(settings):
        yield Finding(subject, is_well=True, text=said, is_warning=True)


def _language(settings: ServerSettings) -> str:
    Wording.load(settings.language)
    return f"reasons are told in {settings.language}, unless a call asks for another one"


def _registry(settings: ServerSettings) -> str:
    registry = Registry.open(settings.registry)
    registry.pointer()
    if settings.hash_key is None and (registry.root / "secret").exists():  # else the start makes it
        registry.secret()
    try:
        decisions, _ = registry.ledger.read(0)
    except OSError as error:
        raise RegistryError(f"the ledger cannot be read ({error})") from error
    return f"{registry.root} has a ledger of {len(decisions):,} decisions"


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
    try:
        check_directory(settings.valkey_dir)
    except HeldDirectoryError:
        if _status(settings):
            return f"the service that runs keeps its Valkey in {settings.valkey_dir}"
        raise
    # The server itself runs elsewhere: a folder that is not there yet is left so.
    with tempfile.TemporaryDirectory(prefix="recsvc-doctor-") as directory:
        valkey = EmbeddedValkey(Path(directory))
        valkey.start()
        valkey.stop()
    return f"the embedded Valkey runs; its data goes to {settings.valkey_dir}"


def _access(settings: ServerSettings) -> str:
    access = build_access(settings, _quiet(settings))
    said = []
    if access.identity is not None:
        identity = access.identity.value
        if identity.faults:
            raise SettingsError("; ".join(identity.faults))
        said.append(
            f"TLS for {', '.join(identity.names) or 'no name'}, {_until(identity.valid_until)}"
        )
        if identity.clients_until is not None:
            said.append(f"clients show a certificate, of roots {_until(identity.clients_until)}")
    if access.keys is not None:
        said.append(f"API keys: {len(access.keys.value)}")
    if access.tokens is not None:
        said.append(_tokens(access.tokens))
    if not settings.asks_for_credentials:
        who = "every client with a certificate" if settings.tls_client_ca else "whoever reaches it"
        said.append(f"{who} may do everything")
    return "; ".join(said)


def _quiet(settings: ServerSettings) -> Logger:
    return make_logger(LogLevel.ERROR, settings.log_format, sys.stderr)


def _until(end: datetime) -> str:
    return f"until {end:%Y-%m-%d} ({(end - datetime.now(UTC)).days} days)"


def _tokens(tokens: TrustedTokens) -> str:
    tokens.fetch()
    return "tokens"


def _port(settings: ServerSettings) -> str:
    try:
        with reserved(settings.listen) as address:
            return f"{address} is free"
    except SettingsError:
        # Beside a service that runs the question is whether it could be started again.
        status = _status(settings)
        if not status:
            raise
        return f"a recsvc answers on {settings.listen} already: {status}"


def _metrics(settings: ServerSettings) -> str:
    if not settings.metrics_listen:
        return "nobody reads them"
    try:
        with metrics_page(settings.metrics_listen) as page:
            return f"{page.address} is free"
    except SettingsError:
        status = _status(settings)  # likewise
        if not status:
            raise
        return f"{settings.metrics_listen} is taken, as it may be by the recsvc that answers"


def _status(settings: ServerSettings) -> str:
    """The health of a recsvc that listens where this one would; ``""``, there is none."""
    try:
        credentials, name = _reaching(settings)
        return health_of(settings.listen, _SERVICE, credentials=credentials, server_name=name)
    except RecsvcError:
        return ""


def _reaching(settings: ServerSettings) -> tuple[ChannelCredentials | None, str]:
    """What a service of these settings is asked with, and the name in its certificate."""
    target = TargetSettings.load()
    identity = identity_of(settings, _quiet(settings))
    if identity is None:
        return tls_of(target), ""
    roots, pair = target.target_ca, (target.target_cert, target.target_key)
    if pair == (None, None):
        # The service shows this certificate, and may well believe it too.
        pair = settings.tls_cert, settings.tls_key
        if roots is None and not target.target_tls:
            roots = settings.tls_cert
    # What it listens on, all addresses or this machine's, need not be in its certificate.
    return tls_credentials(roots, *pair), next(iter(identity.value.names), "")
