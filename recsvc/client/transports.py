"""Channels, blocking and not: what calls an RPC, and turns its failure into an error of ours."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import cycle
from typing import Any, cast

import grpc
import grpc.aio

from recsvc.client.errors import to_error
from recsvc.client.options import Connection
from recsvc.client.rpc import Request, Response, Rpc
from recsvc.errors import RecsvcError

_Stub = Any
"""gRPC's multi-callables are generic in what its types do not say."""


class Transport:
    """Blocking channels, used in turn; safe to share between threads.

    Args:
        connection: to what.
        retried: service and method of what may be asked again.
    """

    def __init__(self, connection: Connection, retried: list[tuple[str, str]]) -> None:
        options = connection.options(retried)
        self._connection = connection
        self._channels = [
            grpc.insecure_channel(connection.target, options)
            if connection.credentials is None
            else grpc.secure_channel(connection.target, connection.credentials, options)
            for _ in range(connection.channels)
        ]

    def close(self) -> None:
        """Close all channels; calls that are under way are cancelled."""
        for channel in self._channels:
            channel.close()

    def stubs(self, kind: str, rpc: Rpc[Request, Response]) -> Iterator[_Stub]:
        """Endless callables of an RPC, one channel after the other.

        Args:
            kind: as gRPC calls it, ``unary_unary`` and so on.
            rpc: which.
        """
        # next() on a cycle is one step of the interpreter, so threads may share it.
        return cycle([_stub(channel, kind, rpc) for channel in self._channels])

    def unary(
        self, stub: _Stub, rpc: Rpc[Request, Response], request: Request, seconds: float | None
    ) -> Response:
        """Ask for one answer.

        Raises:
            RecsvcError: what the server said, or that it said nothing in time.
        """
        rpc.prepare(request)
        try:
            answer = stub(request, timeout=seconds, metadata=self._connection.metadata())
        except grpc.RpcError as error:
            raise self._failed(error, seconds) from error
        return cast(Response, answer)

    def stream(
        self, stub: _Stub, rpc: Rpc[Request, Response], request: Request, seconds: float | None
    ) -> Iterator[Response]:
        """Ask for a stream of answers; who stops reading it ends the call.

        Raises:
            RecsvcError: while it is read.
        """
        rpc.prepare(request)
        return self._read(stub, request, seconds)

    def converse(
        self, stub: _Stub, rpc: Rpc[Request, Response], requests: Iterable[Request]
    ) -> Iterator[Response]:
        """Send requests as they come, and give the answers as they come.

        Raises:
            RecsvcError: while it is read.
        """
        return self._read(stub, _prepared(rpc, requests), None)

    def _read(self, stub: _Stub, asked: object, seconds: float | None) -> Iterator[Any]:
        call = stub(asked, timeout=seconds, metadata=self._connection.metadata())
        try:
            yield from call
        except grpc.RpcError as error:
            raise self._failed(error, seconds) from error
        finally:
            call.cancel()

    def _failed(self, error: grpc.RpcError, seconds: float | None) -> RecsvcError:
        # It is a call as well, though the types do not say so.
        return to_error(cast(grpc.Call, error), self._connection.target, seconds)


class AsyncTransport:
    """The same for asyncio; to be made, used and closed in one event loop."""

    def __init__(self, connection: Connection, retried: list[tuple[str, str]]) -> None:
        options = connection.options(retried)
        self._connection = connection
        self._channels = [
            grpc.aio.insecure_channel(connection.target, options)
            if connection.credentials is None
            else grpc.aio.secure_channel(connection.target, connection.credentials, options)
            for _ in range(connection.channels)
        ]

    async def close(self) -> None:
        """Close all channels; calls that are under way are cancelled."""
        for channel in self._channels:
            await channel.close()

    def stubs(self, kind: str, rpc: Rpc[Request, Response]) -> Iterator[_Stub]:
        """As above."""
        return cycle([_stub(channel, kind, rpc) for channel in self._channels])

    async def unary(
        self, stub: _Stub, rpc: Rpc[Request, Response], request: Request, seconds: float | None
    ) -> Response:
        """As above."""
        rpc.prepare(request)
        try:
            answer = await stub(request, timeout=seconds, metadata=self._connection.metadata())
        except grpc.aio.AioRpcError as error:
            raise self._failed(error, seconds) from error
        return cast(Response, answer)

    def stream(
        self, stub: _Stub, rpc: Rpc[Request, Response], request: Request, seconds: float | None
    ) -> AsyncIterator[Response]:
        """As above."""
        rpc.prepare(request)
        return self._read(stub, request, seconds)

    def converse(
        self,
        stub: _Stub,
        rpc: Rpc[Request, Response],
        requests: AsyncIterable[Request] | Iterable[Request],
    ) -> AsyncIterator[Response]:
        """As above."""
        return self._read(stub, _prepared_async(rpc, requests), None)

    async def _read(self, stub: _Stub, asked: object, seconds: float | None) -> AsyncIterator[Any]:
        call = stub(asked, timeout=seconds, metadata=self._connection.metadata())
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise self._failed(error, seconds) from error
        finally:
            call.cancel()

    def _failed(self, error: grpc.aio.AioRpcError, seconds: float | None) -> RecsvcError:
        return to_error(error, self._connection.target, seconds)


def _prepared(rpc: Rpc[Request, Response], requests: Iterable[Request]) -> Iterator[Request]:
    """Requests as they are sent, each made safe to repeat."""
    for request in requests:
        rpc.prepare(request)
        yield request


async def _prepared_async(
    rpc: Rpc[Request, Response], requests: AsyncIterable[Request] | Iterable[Request]
) -> AsyncIterator[Request]:
    """The same, from whichever kind of iterable."""
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            rpc.prepare(request)
            yield request
    else:
        for request in _prepared(rpc, requests):
            yield request


def _stub(
    channel: grpc.Channel | grpc.aio.Channel, kind: str, rpc: Rpc[Request, Response]
) -> _Stub:
    return getattr(channel, kind)(
        rpc.path,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=rpc.response.FromString,
    )
