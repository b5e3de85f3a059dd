"""What a request over HTTP must pass before the protocol reads it."""

import math
from collections.abc import Callable
from contextlib import suppress

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp_types import INTERNAL_ERROR
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recsvc.access.origin import origin_of_host
from recsvc.errors import RateLimitedError

Charge = Callable[[str], None]
"""Counts a request against its caller's rate; raises RateLimitedError where that is used up."""


class Turnstile:
    """Turns away who asks too often, and who asks for a stream that nothing would ever come on.

    Args:
        app: what is behind it.
        path: of the protocol.
        charge: counts requests; None, nobody does.
    """

    def __init__(self, app: ASGIApp, path: str, charge: Charge | None) -> None:
        self._app = app
        self._path = path
        self._charge = charge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The library writes a trace of everybody who hangs up before their request is whole.
        with suppress(ClientDisconnect):
            refusal = self._refusal(Request(scope))
            await (refusal or self._app)(scope, _whole(receive), send)

    def _refusal(self, request: Request) -> Response | None:
        if self._charge is not None:
            try:
                self._charge(_caller(request))
            except RateLimitedError as error:
                return _too_many(error)
        # The library holds a stream for who asks for one so, for ever and for each who does.
        if request.method == "GET" and request.url.path == self._path:
            return Response(status_code=405, headers={"Allow": "POST"})
        return None


def _whole(receive: Receive) -> Receive:
    """What raises ClientDisconnect where a request ends before it is whole."""
    is_whole = False

    async def received() -> Message:
        nonlocal is_whole
        message = await receive()
        if message["type"] == "http.disconnect" and not is_whole:
            raise ClientDisconnect
        is_whole = is_whole or not message.get("more_body", False)
        return message

    return received


def _caller(request: Request) -> str:
    """Whose request it is: of a token's subject, else of an address."""
    token = get_access_token()
    if token is not None:
        return token.client_id
    return origin_of_host(request.client.host if request.client else "")


def _too_many(error: RateLimitedError) -> Response:
    seconds = math.ceil(error.retry_seconds or 1)
    said = f"too many requests; ask again in {seconds} s"
    # As the protocol has errors, which its clients hand on; of no request: none was read.
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": INTERNAL_ERROR, "message": said}}
    return JSONResponse(body, 429, {"Retry-After": str(seconds)})
