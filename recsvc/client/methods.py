"""RPCs as methods, each declared once for the blocking client and the one of asyncio."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from functools import wraps
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from google.protobuf.message import Message

from recsvc.client.rpc import (
    QUESTION_SECONDS,
    UNTIL_DONE,
    Request,
    Response,
    Rpc,
    as_it_is,
    rpc_of,
)
from recsvc.client.transports import AsyncTransport, Transport

P = ParamSpec("P")
Answer = TypeVar("Answer")


class Blocking:
    """A client whose calls wait for their answer.

    Args:
        transport: what is called over.
        deadline_seconds: of every call; None is that of each method.
    """

    def __init__(self, transport: Transport, deadline_seconds: float | None) -> None:
        self.transport = transport
        self.deadline_seconds = deadline_seconds


class Awaiting:
    """A client whose calls are awaited; the arguments are those of ``Blocking``."""

    def __init__(self, transport: AsyncTransport, deadline_seconds: float | None) -> None:
        self.transport = transport
        self.deadline_seconds = deadline_seconds


class Call(Generic[P, Request, Answer]):
    """A method of a client: called with the fields of a request, or sent a whole one.

    Args:
        build: makes the request of its fields.
        send: sends it.
    """

    def __init__(self, build: Callable[P, Request], send: Callable[[Request], Answer]) -> None:
        self._build = build
        self._send = send

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Answer:
        """Ask with these fields."""
        first = args[0] if args else None
        if isinstance(first, Message) and type(first).__name__.endswith("Request"):
            raise TypeError(f"give the fields of {type(first).__name__}, or all of it to .send()")
        return self._send(self._build(*args, **kwargs))

    def send(self, request: Request) -> Answer:
        """Send a whole request; one that lacks its idempotency key is given it, in place."""
        return self._send(request)


class _Declared(Generic[Request, Response]):
    """What methods of all kinds are declared with.

    Args:
        response: what answers.
        seconds: how long it may take where the client does not say.
        prepare: makes a request safe to repeat.
        is_retried: whether it may be asked again.
    """

    def __init__(
        self,
        response: type[Response],
        *,
        seconds: float = QUESTION_SECONDS,
        prepare: Callable[[Request], object] = as_it_is,
        is_retried: bool = True,
    ) -> None:
        self.rpc: Rpc[Request, Response] = rpc_of(
            response, seconds=seconds, prepare=prepare, is_retried=is_retried
        )
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def _seconds(self, client: Blocking | Awaiting) -> float:
        return self.rpc.seconds if client.deadline_seconds is None else client.deadline_seconds

    def _kept(self, client: Blocking | Awaiting, bound: Any) -> Any:  # noqa: ANN401  # each kind its own
        """Keep what is bound: an attribute of the client goes before this descriptor."""
        vars(client)[self._name] = bound
        return bound


class Unary(_Declared[Request, Response], Generic[P, Request, Response]):
    """A question with one answer.

    Args:
        build: makes the request: its class, whose fields may then be given in their order, or a
            function with friendlier arguments.
        response: what answers.
        seconds, prepare, is_retried: as above.
    """

    def __init__(
        self,
        build: Callable[P, Request],
        response: type[Response],
        *,
        seconds: float = QUESTION_SECONDS,
        prepare: Callable[[Request], object] = as_it_is,
        is_retried: bool = True,
    ) -> None:
        super().__init__(response, seconds=seconds, prepare=prepare, is_retried=is_retried)
        self._build = _in_order(build)

    @overload
    def __get__(self, client: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self, client: Blocking, owner: type | None = None
    ) -> Call[P, Request, Response]: ...
    @overload
    def __get__(
        self, client: Awaiting, owner: type | None = None
    ) -> Call[P, Request, Coroutine[Any, Any, Response]]: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: type | None = None) -> object:
        """Bind it to a client; asked of the class, as ``help`` does, it is the declaration."""
        if client is None:
            return self
        transport, seconds = client.transport, self._seconds(client)
        stubs = transport.stubs("unary_unary", self.rpc)

        def send(request: Request) -> Response | Coroutine[Any, Any, Response]:
            return transport.unary(next(stubs), self.rpc, request, seconds)

        return self._kept(client, Call(self._build, send))


class ServerStream(_Declared[Request, Response], Generic[P, Request, Response]):
    """A question with a stream of answers; the arguments are those of ``Unary``."""

    def __init__(
        self, build: Callable[P, Request], response: type[Response], *, seconds: float
    ) -> None:
        super().__init__(response, seconds=seconds)
        self._build = _in_order(build)

    @overload
    def __get__(self, client: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self, client: Blocking, owner: type | None = None
    ) -> Call[P, Request, Iterator[Response]]: ...
    @overload
    def __get__(
        self, client: Awaiting, owner: type | None = None
    ) -> Call[P, Request, AsyncIterator[Response]]: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: type | None = None) -> object:
        """Bind it to a client; asked of the class, as ``help`` does, it is the declaration."""
        if client is None:
            return self
        transport, seconds = client.transport, self._seconds(client)
        stubs = transport.stubs("unary_stream", self.rpc)

        def send(request: Request) -> Iterator[Response] | AsyncIterator[Response]:
            return transport.stream(next(stubs), self.rpc, request, seconds)

        return self._kept(client, Call(self._build, send))


class BidiStream(_Declared[Request, Response]):
    """Any number of questions, and their answers as they come; it ends when the caller does.

    Args:
        request: what is sent.
        response: what answers.
        prepare: as above.
    """

    def __init__(
        self,
        request: type[Request],  # noqa: ARG002  # for the types alone
        response: type[Response],
        *,
        prepare: Callable[[Request], object] = as_it_is,
    ) -> None:
        super().__init__(response, seconds=UNTIL_DONE, prepare=prepare)

    @overload
    def __get__(self, client: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self, client: Blocking, owner: type | None = None
    ) -> Callable[[Iterable[Request]], Iterator[Response]]: ...
    @overload
    def __get__(
        self, client: Awaiting, owner: type | None = None
    ) -> Callable[[AsyncIterable[Request] | Iterable[Request]], AsyncIterator[Response]]: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: type | None = None) -> object:
        """Bind it to a client; asked of the class, as ``help`` does, it is the declaration."""
        if client is None:
            return self
        transport = client.transport
        stubs = transport.stubs("stream_stream", self.rpc)

        def converse(requests: Any) -> Iterator[Response] | AsyncIterator[Response]:  # noqa: ANN401  # each client its own
            return transport.converse(next(stubs), self.rpc, requests)

        return self._kept(client, converse)


def retried(api: type) -> list[tuple[str, str]]:
    """Service and method of all that may be asked again, of a class of declarations."""
    declared = (method.rpc for method in vars(api).values() if isinstance(method, _Declared))
    return [(rpc.service, rpc.method) for rpc in declared if rpc.is_retried]


def _in_order(build: Callable[P, Request]) -> Callable[P, Request]:
    """A message class that takes its fields in their order as well, as its types say it does."""
    descriptor = getattr(build, "DESCRIPTOR", None)  # functions have none
    if descriptor is None:
        return build
    names = [field.name for field in descriptor.fields]

    @wraps(build)
    def built(*args: Any, **kwargs: Any) -> Request:
        if len(args) > len(names):
            raise TypeError(
                f"{descriptor.name} has {len(names)} fields ({', '.join(names)}), "
                f"and {len(args)} were given; leave out what follows them"
            )
        return build(**dict(zip(names, args, strict=False)), **kwargs)  # type: ignore[call-arg]  # by name

    return built
