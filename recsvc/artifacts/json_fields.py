"""Reading typed fields of a JSON object; every defect is a ``ValueError`` of one line."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

_KINDS = {int: "an integer", str: "a string", dict: "an object", list: "a list"}


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse JSON whose top level is an object.

    Raises:
        ValueError: it is no JSON, not UTF-8, nested too deeply, or no object.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"unreadable as JSON ({error})") from error
    if type(document) is not dict:
        raise ValueError("unreadable: the top level must be a JSON object")
    return document


def field(document: dict[str, Any], name: str, kind: type[T]) -> T:
    """Return a required field of exactly this JSON type; a bool is no integer.

    Raises:
        ValueError: the field is missing or of another type.
    """
    value = document.get(name)
    if type(value) is not kind:
        raise ValueError(f"field {name!r} must be {_KINDS[kind]}")
    return value


def count_field(document: dict[str, Any], name: str, *, at_least: int = 0) -> int:
    """Return a required integer field that is not below ``at_least``.

    Raises:
        ValueError: the field is missing, no integer, or too small.
    """
    value = field(document, name, int)
    if value < at_least:
        raise ValueError(f"field {name!r} must be at least {at_least}")
    return value


def time_field(document: dict[str, Any], name: str) -> datetime:
    """Return a required field that holds an ISO 8601 time in UTC.

    Raises:
        ValueError: the field is missing, no time, or not in UTC.
    """
    text = field(document, name, str)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.utcoffset() != timedelta(0):
        raise ValueError(f"field {name!r} must be an ISO 8601 time in UTC")
    return time.astimezone(UTC)


def utc_text(time: datetime) -> str:
    """Write a time the way ``time_field`` reads it.

    Raises:
        ValueError: the time has no zone, so that nobody could tell what it means.
    """
    if time.utcoffset() is None:
        raise ValueError(f"the time {time} has no zone: pass an aware datetime")
    return time.astimezone(UTC).isoformat()
