"""How gRPC hands a call over and takes an answer: the one place that knows the inside of that.

It submits a call to an executor when its headers are there, and what it submits begins by asking
for the message and waiting for it, without an end, on the thread that is to do the work. Here that
half is done at once, on gRPC's own thread, and the rest is begun when the message is there. And who
sends an answer waits until it was taken, likewise: here for nothing. The functions are gRPC's,
called in its order; they are private, so they are looked at before they are used.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

_POOLED = (
    *("rpc_event", "state", "behavior", "argument_thunk"),
    *("request_deserializer", "response_serializer"),
)
_KNOWN = {
    "_unary_response_in_pool": _POOLED,
    "_stream_response_in_pool": _POOLED,
    "_unary_request": ("rpc_event", "state", "request_deserializer"),
    "_receive_message": ("state", "call", "request_deserializer"),
    "_abort": ("state", "call", "code", "details"),
    "_is_rpc_state_active": ("state",),
    "_send_message": ("state", "token"),
    "_Context": ("rpc_event", "state", "request_deserializer"),
}
"""What is used, and its parameters, as of grpcio 1.85."""

_NO_FLAGS = 0


@dataclass(frozen=True, slots=True)
class Insides:
    """The parts of gRPC that hand calls over.

    Attributes:
        pooled: what it submits: calls with one answer, and with a stream of them.
        receive_message: makes what keeps a message that has come.
        abort: ends a call with a status.
        is_active: whether anybody waits for an answer.
        receive_operation: makes what asks for one message; it takes flags.
        receive_token: marks that it was asked for.
        sent_message: makes what notes that an answer was taken.
        send_operation: makes what sends one message; it takes that and flags.
        send_token: marks that one is being sent.
        closed: the state of a caller who sends no more.
        unimplemented: the code.
    """

    pooled: tuple[Callable[..., Any], ...]
    receive_message: Callable[..., Any]
    abort: Callable[..., Any]
    is_active: Callable[[Any], bool]
    receive_operation: Callable[[int], Any]
    receive_token: str
    sent_message: Callable[..., Any]
    send_operation: Callable[[bytes, int], Any]
    send_token: str
    closed: str
    unimplemented: int


def known_insides(name: str = "grpc._server") -> Insides | None:
    """The parts of gRPC in a module of that name, or None where they are not as they are known."""
    try:
        grpc_server: Any = import_module(name)
        parts = {part: getattr(grpc_server, part) for part in _KNOWN}
        if any(
            tuple(inspect.signature(parts[part]).parameters) != parameters
            for part, parameters in _KNOWN.items()
        ):
            return None
        return Insides(
            (parts["_unary_response_in_pool"], parts["_stream_response_in_pool"]),
            parts["_receive_message"],
            parts["_abort"],
            parts["_is_rpc_state_active"],
            grpc_server.cygrpc.ReceiveMessageOperation,
            grpc_server._RECEIVE_MESSAGE_TOKEN,  # noqa: SLF001  # this module's purpose
            parts["_send_message"],
            grpc_server.cygrpc.SendMessageOperation,
            grpc_server._SEND_MESSAGE_TOKEN,  # noqa: SLF001  # likewise
            grpc_server._CLOSED,  # noqa: SLF001  # likewise
            grpc_server.cygrpc.StatusCode.unimplemented,
        )
    except (ImportError, AttributeError):
        return None


class HandedOver:
    """A call with one message, of which the headers are there.

    Args:
        insides: of gRPC.
        run: what it has submitted, to be given ``arguments``.
        arguments: likewise.
        begin: takes both when there is something to do for them.

    Attributes:
        n_bytes: length of the message, once it has come.
    """

    __slots__ = ("_arguments", "_begin", "_insides", "_run", "n_bytes")

    def __init__(
        self,
        insides: Insides,
        run: Callable[..., Any],
        arguments: tuple[Any, ...],
        begin: Callable[..., object],
    ) -> None:
        self._insides = insides
        self._run = run
        self._arguments = arguments
        self._begin = begin
        self.n_bytes = 0

    @staticmethod
    def is_one(insides: Insides, arguments: tuple[Any, ...]) -> bool:
        """Whether what was submitted would begin by waiting for one message."""
        return (
            len(arguments) == 1 + len(_POOLED)
            and arguments[0] in insides.pooled
            and arguments[4].__name__ == "unary_request"  # of a stream it is another
        )

    def receive(self, heard: "Callable[[HandedOver], object]") -> None:
        """Ask for the message, as ``_unary_request`` would.

        Args:
            heard: told, on gRPC's own thread, that it is there or will never be.
        """
        _, event, state, _, _, deserialise, _ = self._arguments
        received = self._insides.receive_message(state, event.call, deserialise)

        def receive(received_event: Any) -> Any:  # noqa: ANN401  # gRPC's
            message = received_event.batch_operations[0].message()
            self.n_bytes = 0 if message is None else len(message)
            done = received(received_event)
            heard(self)
            return done

        with state.condition:
            operation = self._insides.receive_operation(_NO_FLAGS)
            event.call.start_server_batch((operation,), receive)
            state.due.add(self._insides.receive_token)

    def go_on(self, begun: Callable[[], object] | None = None) -> None:
        """Begin what was submitted, or end the call where no message will come.

        Args:
            begun: called when a thread takes the message, or at once where none will.
        """
        pooled, event, state, behaviour, _, *others = self._arguments
        is_active = self._insides.is_active
        request, state.request = state.request, None
        if request is not None:

            def message() -> Any:  # noqa: ANN401  # any message
                if begun is not None:
                    begun()
                # Who has gone while this waited for a thread is not worked for.
                return request if is_active(state) else None

            self._begin(self._run, pooled, event, state, behaviour, message, *others)
            return
        if begun is not None:  # there was one that cannot be decoded, and gRPC says so
            begun()
        if state.client is self._insides.closed:
            self._abort(self._insides.unimplemented, "exactly one message is wanted, and none came")

    def end(self, status: Any) -> None:  # noqa: ANN401  # grpc.Status is untyped
        """End the call, whether its message has come or not.

        Args:
            status: what its caller is told, a ``grpc.Status``.
        """
        self._abort(status.code.value[0], status.details, status.trailing_metadata)

    def _abort(self, code: int, details: str, metadata: Any = None) -> None:  # noqa: ANN401  # likewise
        _, event, state, *_ = self._arguments
        with state.condition:
            if self._insides.is_active(state):
                state.request, state.trailing_metadata = None, metadata
                self._insides.abort(state, event.call, code, details.encode())


def send(
    insides: Insides,
    context: Any,  # noqa: ANN401  # gRPC's own, of which this takes what is private
    answer: bytes,
    taken: Callable[[], object],
) -> None:
    """Send an answer of a stream, as ``_send_response`` would, and wait for nothing.

    Args:
        insides: of gRPC.
        context: of the call; one that has ended is sent nothing, and nothing is called.
        answer: one message. There must be no other on its way.
        taken: called on gRPC's own thread, which must not see it raise anything, once what was
            sent was taken or never will be.
    """
    # The public way to send waits until the answer was taken.
    state, call = context._state, context._rpc_event.call  # noqa: SLF001  # this module's purpose
    has_sent = insides.sent_message(state, insides.send_token)

    def sent(event: Any) -> Any:  # noqa: ANN401  # gRPC's
        done = has_sent(event)
        taken()
        return done

    with state.condition:
        if not insides.is_active(state):
            return
        if state.initial_metadata_allowed:
            context.send_initial_metadata(())
        call.start_server_batch((insides.send_operation(answer, _NO_FLAGS),), sent)
        state.due.add(insides.send_token)
