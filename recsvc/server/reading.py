"""How requests are read: what is no message is refused as any bad request, also within a stream."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError

from recsvc.server.executors import StreamExecutor
from recsvc.server.fields import no_message
from recsvc.server.gathering import Gathered

Asked: TypeAlias = Callable[[Any], Any]
"""Makes of what gRPC hands over what a method is asked: a message, or an iterator of them or of
lists of them. It raises where that cannot be read."""

_MALFORMED = object()


def lenient(deserialise: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Let malformed bytes through as a mark: grpc itself would call them an INTERNAL error.

    What is marked is refused by :func:`checked`, and by what a :class:`StreamReader` gives.
    """

    def read(data: bytes) -> Any:  # noqa: ANN401  # any message
        try:
            return deserialise(data)
        except DecodeError:
            return _MALFORMED

    return read


def checked(request: Any) -> Any:  # noqa: ANN401  # any message
    """The only message of a call.

    Raises:
        InvalidRequestError: its bytes are none.
    """
    if request is _MALFORMED:
        raise no_message()
    return request


def as_it_came(request: Any) -> Any:  # noqa: ANN401  # any message
    """What is read elsewhere, or not at all."""
    return request


class StreamReader:
    """Reads the requests of calls that gRPC hands over as streams.

    Args:
        streams: their pool, whose patience with idle callers ends.
        gathered: methods that are given what has come meanwhile, at most so many messages at once.
    """

    def __init__(self, streams: StreamExecutor, gathered: Mapping[str, int]) -> None:
        self._streams = streams
        self._gathered = gathered

    def of(self, method: str, *, is_stream: bool) -> Asked:
        """What reads the requests of a method.

        Args:
            method: ``Service/Method``.
            is_stream: whether there may be several; else the one is read, and no more.
        """
        if not is_stream:
            return self._one
        at_most = self._gathered.get(method)
        return self._each if at_most is None else partial(self._groups, at_most=at_most)

    def _groups(self, requests: Iterator[Any], at_most: int) -> Iterator[list[Any]]:
        """The messages of a stream, in groups; those before a malformed one are given first."""
        patience = self._streams.patience
        size = _n_bytes if at_most > 1 else _uncounted  # where one waits at most, it may be large
        groups = Gathered(
            requests, at_most, size, self._streams.idle, patience.seconds, patience.idle
        )
        try:
            for group in groups:
                n_sound = next((n for n, each in enumerate(group) if each is _MALFORMED), None)
                if sound := group[:n_sound]:
                    yield sound
                if n_sound is not None:
                    raise no_message()
        finally:
            groups.close()

    def _each(self, requests: Iterator[Any]) -> Generator[Any, None, None]:
        """The messages of a stream, one after another."""
        for group in self._groups(requests, 1):
            yield from group

    def _one(self, requests: Iterator[Any]) -> Any:  # noqa: ANN401  # any message
        """The only message of a call with a stream of answers."""
        with closing(self._each(requests)) as messages:
            request = next(messages, _MALFORMED)
        return checked(request)


def _n_bytes(request: Any) -> int:  # noqa: ANN401  # any message
    return 0 if request is _MALFORMED else request.ByteSize()


def _uncounted(_request: object) -> int:
    return 0
