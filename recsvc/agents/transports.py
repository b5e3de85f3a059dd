"""Serving the door: over stdio to one agent, over streamable HTTP to many."""

import math
import socket
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import anyio.to_thread
import uvicorn
from mcp.server import Server
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.stdio import stdio_server
from pydantic import AnyHttpUrl, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware

from recsvc.access.trusted_tokens import TrustedTokens
from recsvc.agents.connections import MAX_CALLS, Connection
from recsvc.agents.turnstile import Charge, Turnstile
from recsvc.errors import CredentialError, SettingsError, UnavailableError
from recsvc.logs import Logger
from recsvc.settings.access import TokenSettings
from recsvc.settings.addresses import join_address, split_address

PATH = "/mcp"

MAX_BODY_BYTES = 512 * 1024
"""Of a request: 500 products to exclude and a basket of 100, with the longest ids, are a third."""

MAX_HEADER_BYTES = 16 * 1024
"""Of a request's head that waits for the rest of it; a token is one or two thousand."""

IDLE_SECONDS = 5
"""How long a connection is kept after an answer on which nothing more is sent."""

GRACE_SECONDS = 10
"""How long running calls are waited for at the end: more than any takes."""

_FULL_SECONDS = 60.0
"""The log says no oftener that there is no room: strangers should not fill it."""

# What AuthSettings wants and this door, which issues no tokens, does not use.
_NO_ISSUER = "https://issuer.invalid"


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one agent over stdin and stdout, until it hangs up."""
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def serve_http(  # each argument is a part of the door
    server: Server[Any],
    listen: str,
    settings: TokenSettings,
    verifier: TrustedTokens | None,
    charge: Charge | None,
    logger: Logger,
    announce: Callable[[str], object],
) -> None:
    """Serve agents over streamable HTTP, until SIGTERM or SIGINT.

    Args:
        server: the door.
        listen: ``HOST:PORT``; port 0 takes a free one.
        settings: what a token must have.
        verifier: checks tokens, and turns away who has none; None lets everybody in, unknown.
        charge: counts the requests of each caller; None, nobody does.
        logger: told of refused tokens, and where there is no more room.
        announce: told the URL, once it answers.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    host, port = split_address(listen)
    with _bound(listen) as listener:
        app = _app(server, host, settings, verifier, logger)
        # Behind what looks at tokens, which say whose a request is.
        app.user_middleware.append(Middleware(Turnstile, path=PATH, charge=charge))
        address = join_address(host, listener.getsockname()[1])
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http=Connection,
            ws="none",
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            limit_concurrency=MAX_CALLS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            # What it would say is in the log of this door already, or is of any stranger's making.
            log_level="error",
            access_log=False,
        )
        said = f"http://{address}{PATH}"
        await _Server(config, logger, lambda: announce(said)).serve([listener])


class _Server(uvicorn.Server):
    """Says when it answers, and ends well at a signal: running calls do, and then the shop."""

    def __init__(
        self, config: uvicorn.Config, logger: Logger, announce: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self._logger = logger
        self._announce = announce
        self._full_at = -math.inf

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._announce()

    async def on_tick(self, counter: int) -> bool:
        """Say that there is no more room, where that is so."""
        now = time.monotonic()
        is_full = len(self.server_state.connections) >= MAX_CALLS
        if is_full and now - self._full_at >= _FULL_SECONDS:
            self._full_at = now
            self._logger.warning(
                "door_full",
                max_connections=MAX_CALLS,
                hint="calls are answered 503; a proxy that limits the connections of each address "
                "keeps one from taking all of them",
            )
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Stop; a second signal waits for no call. Theirs would end the process by the signal."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _bound(listen: str) -> socket.socket:
    host, port = split_address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise SettingsError(
            f"--http: cannot listen on {listen} ({error.strerror}); choose another port"
        ) from error


def _app(
    server: Server[Any],
    host: str,
    settings: TokenSettings,
    verifier: TrustedTokens | None,
    logger: Logger,
) -> Starlette:
    # No call needs another one's: without sessions any process may answer any call.
    make = partial(
        server.streamable_http_app,
        host=host,
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        max_request_body_size=MAX_BODY_BYTES,
    )
    if verifier is None:
        return make()
    checks = _Verifier(verifier, settings.jwt_leeway_seconds, logger)
    return make(auth=_auth(settings), token_verifier=checks)


def _auth(settings: TokenSettings) -> AuthSettings:
    """What tokens must have; where audience and issuer are URLs, clients are told where to go."""
    issuer, resource = _url(settings.jwt_issuer), _url(settings.jwt_audience)
    return AuthSettings(
        issuer_url=issuer or AnyHttpUrl(_NO_ISSUER),
        resource_server_url=resource if issuer else None,
        required_scopes=[settings.jwt_scope] if settings.jwt_scope else None,
        validate_token_resource=False,  # the verifier looks at the audience
    )


def _url(text: str) -> AnyHttpUrl | None:
    try:
        return TypeAdapter(AnyHttpUrl).validate_python(text)
    except ValidationError:
        return None


class _Verifier:
    """Tokens as the SDK asks for them."""

    def __init__(self, verifier: TrustedTokens, leeway_seconds: int, logger: Logger) -> None:
        self._verifier = verifier
        self._leeway_seconds = leeway_seconds
        self._logger = logger

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who a token speaks for; None where it cannot be believed."""
        try:
            credential = await anyio.to_thread.run_sync(self._verifier.verify, token)
        except (CredentialError, UnavailableError) as error:
            self._logger.info("token_refused", reason=error.reason, error=str(error))
            return None
        return AccessToken(
            token="",  # nobody needs it any more
            client_id=credential.payer,
            scopes=sorted(credential.scopes),
            # The SDK looks at it again, and grants clocks nothing.
            expires_at=credential.expires_at + self._leeway_seconds,
            subject=credential.customer_id,
            claims={"iss": credential.issuer},
        )
