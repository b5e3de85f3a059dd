"""Starts the door for agents: over a registry of its own, or over a running service."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import anyio

from recsvc.access.binding import check_door
from recsvc.access.trusted_tokens import TrustedTokens
from recsvc.agents.door import Door
from recsvc.agents.remote import RemoteShop
from recsvc.agents.shop import Shop
from recsvc.agents.tools import Tools
from recsvc.agents.transports import serve_http, serve_stdio
from recsvc.agents.turnstile import Charge
from recsvc.app.access import following
from recsvc.app.shop import build_shop
from recsvc.client.target import client_of
from recsvc.errors import InputError
from recsvc.logs import Logger
from recsvc.service.poller import Poller
from recsvc.service.rate_limits import RENEW_SECONDS, RateLimits
from recsvc.settings.access import DoorSettings
from recsvc.settings.addresses import split_address
from recsvc.settings.server import ServerSettings
from recsvc.settings.target import TargetSettings
from recsvc.store.embedded import EmbeddedValkey
from recsvc.store.rate_store import InMemoryRateStore

REQUESTS_A_TALK = 4
"""HTTP requests that it takes an agent to come and ask once, within milliseconds of each other."""

ANSWER_SECONDS = 2.0
"""How long a running service may take for a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOptions:
    """How the door is opened.

    Attributes:
        http: ``HOST:PORT`` to listen on; ``""`` is stdio.
        customer_id: whom stdio is for, ``""`` nobody in particular.
        channel: ``AGENT`` or ``CHAT``.
        access: which tokens are believed, who else may come, and how often each.

    Raises:
        InputError: these do not go together, or that is no address.
        SettingsError: other machines would reach it, and it would ask nobody who they are.
    """

    http: str = ""
    customer_id: str = ""
    channel: str = "AGENT"
    access: DoorSettings

    def __post_init__(self) -> None:
        if not self.http:
            return
        if self.customer_id:
            raise InputError(
                "--customer is for stdio, which one agent has for itself; over --http a token says "
                "whom each call is for"
            )
        try:
            split_address(self.http)
        except ValueError as error:
            raise InputError(f"--http: {self.http!r} is no address; {error}") from error
        check_door(self.access, self.http)


def open_door(
    shop: Shop,
    options: DoorOptions,
    logger: Logger,
    announce: Callable[[str], object],
) -> None:
    """Serve agents until they hang up (stdio), or until a signal (HTTP).

    Args:
        shop: what they ask.
        options: how.
        logger: where it says what it does.
        announce: told the URL, over HTTP.

    Raises:
        SettingsError: a key or the address cannot be used.
    """
    server = Door(Tools(shop, options.channel), logger, options.customer_id).server()
    if not options.http:
        anyio.run(serve_stdio, server)
        return
    access = options.access
    verifier = TrustedTokens(access, logger, asks_scope=False) if access.has_keys else None
    if verifier is None:
        logger.warning(
            "anonymous_only",
            hint="no key for tokens is set (RECSVC_JWT_SECRET, RECSVC_JWT_KEYS_FILE, "
            "RECSVC_JWT_KEYS_URL): every call is for nobody in particular",
        )
    with following(verifier, logger), _rates(access.rate_limit, logger) as charge:
        anyio.run(serve_http, server, options.http, access, verifier, charge, logger, announce)


@contextmanager
def _rates(rate: float, logger: Logger) -> Iterator[Charge | None]:
    """What counts requests against a rate, in this process alone; None where there is none.

    The rate is of talks, as over gRPC it is of calls: with one a second, an agent must be able to
    ask.
    Before a service it has no Redis to share, and over a registry it is one process.
    """
    if not rate:
        yield None
        return
    limits = RateLimits(InMemoryRateStore(time.monotonic), 1.0)
    leases = Poller("rate-leases", logger)
    leases.start(limits.renew, RENEW_SECONDS)
    try:
        yield partial(limits.take, rate=REQUESTS_A_TALK * rate)
    finally:
        leases.stop()


@contextmanager
def local_shop(settings: ServerSettings, logger: Logger) -> Iterator[Shop]:
    """A shop over a registry, in this process, with a Valkey of its own where none is given.

    Raises:
        SettingsError: Valkey cannot be started, or the Redis URL cannot be used.
        RegistryError: there is no registry, or its ledger cannot be read.
    """
    valkey = None if settings.redis_url else EmbeddedValkey(settings.valkey_dir)
    try:
        if valkey is not None:
            valkey.start()
            settings = settings.model_copy(update={"redis_url": valkey.url})
        shop, ground = build_shop(settings, logger)
        try:
            ground.start()
            ground.watch()
            yield shop
        finally:
            ground.stop()
    finally:
        if valkey is not None:
            valkey.stop()


@contextmanager
def remote_shop(target: str, settings: TargetSettings) -> Iterator[Shop]:
    """A shop behind gRPC.

    Raises:
        SettingsError: what the server is to be shown cannot be read.
    """
    with client_of(target, settings, ANSWER_SECONDS) as client:
        yield RemoteShop(client)
