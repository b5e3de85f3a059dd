"""The two clients: one whose calls wait, and one for asyncio."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import grpc

from recsvc.client.api import Methods
from recsvc.client.methods import Awaiting, Blocking, retried
from recsvc.client.options import Connection
from recsvc.client.transports import AsyncTransport, Transport


class Client(Methods, Blocking):
    """Calls a recsvc server; safe to share between threads, and to be closed after use.

    Every method raises an error of ``recsvc.errors``: ``UnavailableError`` where there is no
    answer in time, ``InvalidRequestError``, ``NotFoundError`` and so on as the server says. What
    is safe to repeat is asked again, within the deadline, where a server was not there, was not
    ready or shut down; writes carry a key that makes it safe.

    Args:
        target: ``HOST:PORT``, or any other name that gRPC resolves.
        deadline_seconds: how long each call may take, retries included; None leaves it to the
            method: a second for a question, 30 for a write.
        channels: connections, used in turn; a server process answers each.
        credentials: of TLS, ``grpc.ssl_channel_credentials()``; None sends plain text.
        token: sent as a bearer token; a function is asked at each call, so that it can renew it.
            Without ``credentials`` anybody on the way can read it.
    """

    def __init__(
        self,
        target: str,
        *,
        deadline_seconds: float | None = None,
        channels: int = 1,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | Callable[[], str] = "",
    ) -> None:
        connection = Connection(
            target=target, channels=channels, credentials=credentials, token=token
        )
        super().__init__(Transport(connection, retried(Methods)), deadline_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def within(self, deadline_seconds: float) -> Self:
        """The same client, over the same channels, with another deadline."""
        view = object.__new__(type(self))
        Blocking.__init__(view, self.transport, deadline_seconds)
        return view

    def close(self) -> None:
        """Close all channels, those of ``within`` as well: they are the same."""
        self.transport.close()


class AsyncClient(Methods, Awaiting):
    """The same for asyncio: every method is awaited, and streams are read with ``async for``.

    It belongs to the event loop in which it is made. The arguments are those of ``Client``; a
    ``token`` that is a function must not block.
    """

    def __init__(
        self,
        target: str,
        *,
        deadline_seconds: float | None = None,
        channels: int = 1,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | Callable[[], str] = "",
    ) -> None:
        connection = Connection(
            target=target, channels=channels, credentials=credentials, token=token
        )
        super().__init__(AsyncTransport(connection, retried(Methods)), deadline_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def within(self, deadline_seconds: float) -> Self:
        """The same client, over the same channels, with another deadline."""
        view = object.__new__(type(self))
        Awaiting.__init__(view, self.transport, deadline_seconds)
        return view

    async def close(self) -> None:
        """Close all channels, those of ``within`` as well: they are the same."""
        await self.transport.close()
