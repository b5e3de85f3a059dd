"""Reflection that cannot stop a worker: few streams, on threads of their own, none kept waiting."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection, reflection_pb2

from recsvc.errors import InvalidRequestError, RecsvcError, StreamEndedError
from recsvc.logs import Logger
from recsvc.server.errors import to_grpc_status
from recsvc.server.executors import Lane
from recsvc.server.fields import no_message
from recsvc.server.gathering import Gathered
from recsvc.server.patience import Patience, UnreadError

MAX_STREAMS = 4
IDLE_SECONDS = 10.0
"""A tool asks its questions within milliseconds of each other."""


class ReflectionServicer(reflection.ReflectionServicer):  # type: ignore[misc]  # its package has no types
    """The standard servicer, within limits.

    A stream holds a thread for as long as its caller likes. On the server's pool a few callers
    who ask nothing would keep every other call waiting.

    Args:
        service_names: full names of all services.
        patience: ends streams on which nothing is asked, or of which nothing is read.
        logger: told of what a stream raises past gRPC.
        admit: turns away who may not ask; None, everybody may.

    Attributes:
        pool: its threads.
        patience: as the argument.
    """

    def __init__(
        self,
        service_names: tuple[str, ...],
        patience: Patience,
        logger: Logger,
        *,
        admit: Callable[[grpc.ServicerContext], None] | None = None,
    ) -> None:
        super().__init__(service_names)
        answer = super().ServerReflectionInfo
        # One more than there may be streams, so that there is always one to refuse with.
        self.pool = Lane(logger, MAX_STREAMS + 1, name="reflection")
        self.patience = patience
        self.ServerReflectionInfo = _LimitedStreams(answer, self.pool, patience, admit)

    def add_to(self, server: grpc.Server) -> None:
        """Have a server answer by it.

        Its messages are decoded here: where gRPC cannot, it ends the stream itself, and if that has
        been ended otherwise meanwhile never knows that it is over, for which its own end waits.
        """
        method: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
            self.ServerReflectionInfo,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        handler = grpc.method_handlers_generic_handler(
            reflection.SERVICE_NAME, {"ServerReflectionInfo": method}
        )
        server.add_generic_rpc_handlers((handler,))


class _LimitedStreams:
    """The method, at most :data:`MAX_STREAMS` times at once.

    Attributes:
        experimental_thread_pool: where grpc runs it, by this name.
    """

    def __init__(
        self,
        answer: "reflection.ReflectionServicer",
        pool: Lane,
        patience: Patience,
        admit: Callable[[grpc.ServicerContext], None] | None,
    ) -> None:
        self._answer = answer
        self._admit = admit
        self._patience = patience
        self._free = threading.BoundedSemaphore(MAX_STREAMS)
        self.experimental_thread_pool = pool

    def __call__(
        self,
        requests: Iterator[bytes],
        context: grpc.ServicerContext,
    ) -> "Iterator[reflection_pb2.ServerReflectionResponse]":
        """Answer the questions of one stream."""
        if self._admit is not None:
            try:
                self._admit(context)
            except RecsvcError as refused:
                _end(context, refused)
        if not self._free.acquire(blocking=False):
            error = RecsvcError(
                f"{MAX_STREAMS} reflection streams are open already; try again in a moment",
                reason="OVERLOADED",
            )
            _end(context, error)
        try:
            answers = self._answer(self._while_busy(requests), context)
            yield from self._patience.taken(answers, context)
        except UnreadError:  # the caller has been told
            return
        except (StreamEndedError, InvalidRequestError) as error:
            _end(context, error)
        finally:
            self._free.release()

    def _while_busy(
        self, requests: Iterator[bytes]
    ) -> "Iterator[reflection_pb2.ServerReflectionRequest]":
        patience = self._patience
        groups = Gathered(requests, 1, lambda _: 0, nullcontext, patience.seconds, patience.idle)
        with closing(groups):
            for group in groups:
                yield from map(_decoded, group)


def _decoded(message: bytes) -> "reflection_pb2.ServerReflectionRequest":
    try:
        return reflection_pb2.ServerReflectionRequest.FromString(message)
    except DecodeError as error:
        raise no_message() from error


def _end(context: grpc.ServicerContext, error: RecsvcError) -> NoReturn:
    context.abort_with_status(to_grpc_status(error))
