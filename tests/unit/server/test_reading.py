"""Requests as gRPC hands them over, read."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from recsvc.errors import InvalidRequestError
from recsvc.server.executors import StreamExecutor
from recsvc.server.patience import Patience
from recsvc.server.reading import StreamReader, as_it_came, checked, lenient
from tests.serving import Log, new_metrics

GATHERED = "Service/Gathered"
OTHER = "Service/Other"


class Text(str):
    """A message, whose size is asked where several may wait."""

    __slots__ = ()

    def ByteSize(self) -> int:  # noqa: N802  # as protobuf's
        return len(self)


def deserialise(data: bytes) -> Text:
    if not data.isalpha():
        raise DecodeError("no")
    return Text(data.decode())


read = lenient(deserialise)


@pytest.fixture
def reader() -> Iterator[StreamReader]:
    metrics, _ = new_metrics()
    streams = StreamExecutor(Patience(60.0, metrics), Log().logger)
    yield StreamReader(streams, {GATHERED: 8})
    streams.stop()


def messages(*data: bytes) -> Iterator[Any]:
    return map(read, data)


def test_bytes_that_are_no_message_are_refused() -> None:
    """The deserialiser's error is the caller's, not ours."""
    assert checked(read(b"a")) == "a"
    malformed = read(b"1")
    with pytest.raises(InvalidRequestError, match="is no message of this method"):
        checked(malformed)


def test_what_is_read_elsewhere_is_left_alone() -> None:
    request = object()
    assert as_it_came(request) is request


def test_a_stream_is_read_message_by_message(reader: StreamReader) -> None:
    asked = reader.of(OTHER, is_stream=True)
    assert list(asked(messages(b"a", b"b"))) == ["a", "b"]


def test_what_came_together_is_given_together(reader: StreamReader) -> None:
    """In the order in which it came, and no more at once than the method takes."""
    groups = list(reader.of(GATHERED, is_stream=True)(messages(*[b"a"] * 20, b"b")))
    assert [message for group in groups for message in group] == ["a"] * 20 + ["b"]
    assert all(1 <= len(group) <= 8 for group in groups)


@pytest.mark.parametrize("method", [GATHERED, OTHER])
def test_what_came_before_what_is_no_message_is_taken(reader: StreamReader, method: str) -> None:
    """And nothing of what came after it."""
    taken: list[str] = []
    given = reader.of(method, is_stream=True)(messages(b"a", b"b", b"1", b"c"))
    with pytest.raises(InvalidRequestError):
        taken.extend(given)
    assert "".join(itertools.chain(*taken)) == "ab"


def test_the_only_message_of_a_call_is_read_and_no_other(reader: StreamReader) -> None:
    """Its bytes may be none, and it may be missing."""
    asked = reader.of(OTHER, is_stream=False)
    assert asked(messages(b"a", b"b")) == "a"
    for bad in (messages(b"1"), messages()):
        with pytest.raises(InvalidRequestError):
            asked(bad)
