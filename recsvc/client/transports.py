"""Channels, blocking and not: what calls an RPC, and turns its failure into an error of ours."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import Any, cast

import grpc
import grpc.aio

from recsvc.client.errors import to_error, was_cancelled, was_closed, was_dropped
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
        self._is_closed = False
        self._channels = [
            grpc.insecure_channel(connection.target, options)
            if connection.credentials is None
            else grpc.secure_channel(connection.target, connection.credentials, options)
            for _ in range(connection.channels)
        ]

    def close(self) -> None:
        """Close all channels; calls that are under way fail, and so do later ones."""
        self._is_closed = True
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
        self, stub: _Stub, rpc: Rpc[Request, Response], request: Request, seconds: float
    ) -> Response:
        """Ask for one answer; once more where a server dropped the call as it shut down.

        Raises:
            RecsvcError: what the server said, or that it said nothing in time.
        """
        rpc.prepare(request)
        deadline, may_repeat = time.monotonic() + seconds, rpc.is_retried
        while True:
            try:
                return cast(Response, self._call(stub, request, deadline - time.monotonic()))
            except grpc.RpcError as error:
                if not (may_repeat and was_dropped(cast(grpc.Call, error))):
                    raise self._failed(error, seconds) from error
            may_repeat = False

    def stream(
        self, stub: _Stub, rpc: Rpc[Request, Response], request: Request, seconds: float
    ) -> Iterator[Response]:
        """Ask for a stream of answers; who stops reading it ends the call.

        Raises:
            RecsvcError: while it is read.
        """
        rpc.prepare(request)
        return self._read(stub, request, seconds, ())

    def converse(
        self, stub: _Stub, rpc: Rpc[Request, Response], requests: Iterable[Request]
    ) -> Iterator[Response]:
        """Send requests as they come, and give the answers as they come.

        Where the requests end in an error, what was sent before is answered, and then it is raised.

        Raises:
            RecsvcError: while it is read.
        """
        failures: list[Exception] = []
        return self._read(stub, _prepared(rpc, requests, failures), None, failures)

    def _read(
        self, stub: _Stub, asked: object, seconds: float | None, failures: Sequence[Exception]
    ) -> Iterator[Any]:
        call = self._call(stub, asked, seconds)
        try:
            yield from call
        except grpc.RpcError as error:
            raise self._failed(error, seconds) from error
        finally:
            call.cancel()
        if failures:
            raise failures[0]

    def _call(self, stub: _Stub, asked: object, seconds: float | None) -> Any:  # noqa: ANN401  # a message or a call
        try:
            return stub(asked, timeout=seconds, metadata=self._connection.metadata())
        except ValueError as error:  # all that gRPC says of a closed channel
            if not self._is_closed:
                raise
            raise was_closed(self._connection.target) from error

    def _failed(self, error: grpc.RpcError, seconds: float | None) -> RecsvcError:
        call = cast(grpc.Call, error)  # it is one as well, though the types do not say so
        if self._is_closed and call.code() is grpc.StatusCode.CANCELLED:
            return was_closed(self._connection.target)
        return to_error(call, self._connection.target, seconds)


class AsyncTransport:
    """The same for asyncio; to be made, used and closed in one event loop."""

    def __init__(self, connection: Connection, retried: list[tuple[str, str]]) -> None:
        options = connection.options(retried)
        self._connection = connection
        self._is_closed = False
        self._channels = [
            grpc.aio.insecure_channel(connection.target, options)
            if connection.credentials is None
            else grpc.aio.secure_channel(connection.target, connection.credentials, options)
            for _ in range(connection.channels)
        ]

    async def close(self) -> None:
        """As above."""
        self._is_closed = True
        for channel in self._channels:
            await channel.close()

    def stubs(self, kind: str, rpc: Rpc[Request, Response]) -> Iterator[_Stub]:
        """As above."""
        return cycle([_stub(channel, kind, rpc) for channel in self._channels])

    async def unary(
        self, stub: _Stub, rpc: Rpc[Request, Response], request: Request, seconds: float
    ) -> Response:
        """As above."""
        rpc.prepare(request)
        deadline, may_repeat = time.monotonic() + seconds, rpc.is_retried
        while True:
            call = self._call(stub, request, deadline - time.monotonic())
            try:
                return cast(Response, await call)
            except grpc.aio.AioRpcError as error:
                if not (may_repeat and was_dropped(error)):
                    raise self._failed(error, seconds) from error
            except asyncio.CancelledError as error:
                if _is_cancelled():
                    raise
                raise self._ended() from error
            may_repeat = False

    def stream(
        self, stub: _Stub, rpc: Rpc[Request, Response], request: Request, seconds: float
    ) -> AsyncIterator[Response]:
        """As above."""
        rpc.prepare(request)
        return self._read(stub, request, seconds, ())

    def converse(
        self,
        stub: _Stub,
        rpc: Rpc[Request, Response],
        requests: AsyncIterable[Request] | Iterable[Request],
    ) -> AsyncIterator[Response]:
        """As above."""
        failures: list[Exception] = []
        return self._read(stub, _prepared_async(rpc, requests, failures), None, failures)

    async def _read(
        self, stub: _Stub, asked: object, seconds: float | None, failures: Sequence[Exception]
    ) -> AsyncIterator[Any]:
        call = self._call(stub, asked, seconds)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise self._failed(error, seconds) from error
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            raise self._ended() from error
        finally:
            call.cancel()
        if failures:
            raise failures[0]

    def _call(self, stub: _Stub, asked: object, seconds: float | None) -> Any:  # noqa: ANN401  # a call
        if self._is_closed:
            raise was_closed(self._connection.target)
        return stub(asked, timeout=seconds, metadata=self._connection.metadata())

    def _failed(self, error: grpc.aio.AioRpcError, seconds: float | None) -> RecsvcError:
        return to_error(error, self._connection.target, seconds)

    def _ended(self) -> RecsvcError:
        """The error of a call that was cancelled here, and not by its caller."""
        make = was_closed if self._is_closed else was_cancelled
        return make(self._connection.target)


def _is_cancelled() -> bool:
    """Whether it is the caller that is cancelled, not merely the call that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def _kept(failures: list[Exception]) -> Iterator[None]:
    """Keep what goes wrong in the caller's requests, while gRPC is the one that reads them."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # any of the caller's own: raised where they read
        failures.append(error)


def _prepared(
    rpc: Rpc[Request, Response], requests: Iterable[Request], failures: list[Exception]
) -> Iterator[Request]:
    """Requests as they are sent, each made safe to repeat; an error of theirs ends them."""
    with _kept(failures):
        for request in requests:
            rpc.prepare(request)
            yield request


async def _prepared_async(
    rpc: Rpc[Request, Response],
    requests: AsyncIterable[Request] | Iterable[Request],
    failures: list[Exception],
) -> AsyncIterator[Request]:
    """The same, from whichever kind of iterable."""
    if not isinstance(requests, AsyncIterable):
        for request in _prepared(rpc, requests, failures):
            yield request
        return
    with _kept(failures):
        async for request in requests:
            rpc.prepare(request)
            yield request


def _stub(
    channel: grpc.Channel | grpc.aio.Channel, kind: str, rpc: Rpc[Request, Response]
) -> _Stub:
    return getattr(channel, kind)(
        rpc.path,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=rpc.response.FromString,
    )
