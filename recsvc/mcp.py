"""Starts the door for agents: over a registry of its own, or over a running service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from recsvc.access.trusted_tokens import TrustedTokens
from recsvc.agents.door import Door
from recsvc.agents.remote import RemoteShop
from recsvc.agents.shop import Shop
from recsvc.agents.tools import Tools
from recsvc.agents.transports import serve_http, serve_stdio
from recsvc.app.access import following
from recsvc.app.shop import build_shop
from recsvc.client.target import client_of
from recsvc.errors import InputError
from recsvc.logs import Logger
from recsvc.settings.access import TokenSettings
from recsvc.settings.server import ServerSettings
from recsvc.settings.target import TargetSettings
from recsvc.store.embedded import EmbeddedValkey

ANSWER_SECONDS = 2.0
"""How long a running service may take for a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOptions:
    """How the door is opened.

    Attributes:
        http: ``HOST:PORT`` to listen on; ``""`` is stdio.
        customer_id: whom stdio is for, ``""`` nobody in particular.
        channel: ``AGENT`` or ``CHAT``.
    """

    http: str = ""
    customer_id: str = ""
    channel: str = "AGENT"

    def __post_init__(self) -> None:
        if self.http and self.customer_id:
            raise InputError(
                "--customer is for stdio, which one agent has for itself; over --http a token says "
                "whom each call is for"
            )


def open_door(
    shop: Shop,
    options: DoorOptions,
    tokens: TokenSettings,
    logger: Logger,
    announce: Callable[[str], object],
) -> None:
    """Serve agents until they hang up (stdio), or until a signal (HTTP).

    Args:
        shop: what they ask.
        options: how.
        tokens: which tokens are believed.
        logger: where it says what it does.
        announce: told the URL, over HTTP.

    Raises:
        SettingsError: a key or the address cannot be used.
    """
    server = Door(Tools(shop, options.channel), logger, options.customer_id).server()
    if not options.http:
        anyio.run(serve_stdio, server)
        return
    verifier = TrustedTokens(tokens, logger, asks_scope=False) if tokens.has_keys else None
    if verifier is None:
        logger.warning(
            "anonymous_only",
            hint="no key for tokens is set (RECSVC_JWT_SECRET, RECSVC_JWT_KEYS_FILE, "
            "RECSVC_JWT_KEYS_URL): every call is for nobody in particular",
        )
    with following(verifier, logger):
        anyio.run(serve_http, server, options.http, tokens, verifier, logger, announce)


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
