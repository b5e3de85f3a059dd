"""What lies on the wire: fields as they were written, of which a parser would show one alone."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

_VARINT, _FIXED64, _CONTENT, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def written_twice(kind: type[Message], data: bytes) -> list[str]:
    """Paths of the fields of a message, and of all messages in it, that are there once too often.

    A list may have any number of entries; of a choice (``oneof``) there is one field at most.
    """
    return list(_twice(kind.DESCRIPTOR, data, ""))


def _twice(kind: Any, data: bytes, path: str) -> Iterator[str]:  # noqa: ANN401  # as _fields
    seen: Counter[str] = Counter()
    for field, content in _fields(kind, data):
        name = f"{path}{field.name}"
        if not field.is_repeated:
            seen[name] += 1
            if field.containing_oneof is not None:
                seen[f"{path}{field.containing_oneof.name}"] += 1
        if field.message_type is not None:
            yield from _twice(field.message_type, content, f"{name}.")
    yield from (name for name, n_times in seen.items() if n_times > 1)


def _fields(kind: Any, data: bytes) -> Iterator[tuple[Any, bytes]]:  # noqa: ANN401  # see below
    """The fields in the order in which they lie, and the bytes of each.

    Args:
        kind: a descriptor; its classes in Python and in C share none.
        data: a message.
    """
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        field = kind.fields_by_number[key >> 3]
        start = at
        match key & 7:
            case wire if wire in _FIXED:
                at += _FIXED[wire]
            case wire if wire == _CONTENT:
                length, start = _number(data, at)
                at = start + length
            case wire:
                assert wire == _VARINT, f"{field.full_name} is written in a way that is unknown"
                _, at = _number(data, at)
        assert at <= len(data), f"{field.full_name} ends behind its message"
        yield field, data[start:at]


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of any length, and where it ends."""
    number = shift = 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1
