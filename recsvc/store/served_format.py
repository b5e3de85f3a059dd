"""How a served list lies in the store: JSON with whole names, compressed.

Version 1. Times are unix seconds; what is left out is as nothing was said. ``docs/replay.md`` lists
the fields.
"""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from functools import lru_cache
from typing import Any, Final

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.diversity import Diversity
from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.core.recommendation_id import Surface
from recsvc.core.stages import Stage
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.served import ServedList
from recsvc.service.shopping import Deed, LiveProfile

VERSION: Final = 1

_NOT_KEPT = frozenset({"session_id", "page", "must_see"})
"""Fields of a question that its list does not depend on, or that are kept otherwise."""

_WINDOW_BITS, _MEMORY_LEVEL = 12, 5
"""Of zlib: repetitions are found within 4 KB, which is more than most served lists have."""


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def pack(served: ServedList) -> bytes:
    """Write a served list; :func:`unpack` reads it back."""
    document = {"version": VERSION} | _given(served, _WRITE)
    return _compressed(_encode(document).encode())


def unpack(packed: bytes) -> ServedList:
    """Read what :func:`pack` wrote.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    try:
        document = json.loads(zlib.decompress(packed))
        version = document.pop("version")
        if version != VERSION:
            raise ValueError(f"a served list is of version {version}, not {VERSION}")
        return ServedList(**_read(document, _READ))
    except (zlib.error, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"a served list is damaged ({error!r})") from error


def _compressed(content: bytes) -> bytes:
    """As ``zlib.compress``, in a sixth of its time for what is short.

    Most of that goes into its 256 KB of memory, which the allocator asks the system for each time;
    these take 32.
    """
    compress = zlib.compressobj(wbits=_WINDOW_BITS, memLevel=_MEMORY_LEVEL)
    return compress.compress(content) + compress.flush()


@lru_cache(4)
def _bits(bits: bytes) -> str:
    """Bits as text; many lists in a row have the same."""
    return b64encode(_compressed(bits)).decode()


def _given(of: Any, write: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:  # noqa: ANN401  # any dataclass
    """The fields of a dataclass that differ from their defaults."""
    return _differing(of, _DEFAULTS[type(of)], write)


def _default(field: Field[Any]) -> Any:  # noqa: ANN401  # of any type
    return field.default if field.default_factory is MISSING else field.default_factory()


_DEFAULTS: Final[Mapping[type[Any], Mapping[str, Any]]] = {
    kind: {field.name: _default(field) for field in fields(kind)}
    for kind in (ServedList, Location, CatalogueFilter, Deed)
}


def _differing(
    of: object, defaults: Mapping[str, Any], write: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    values = ((name, getattr(of, name), default) for name, default in defaults.items())
    return {
        name: write.get(name, _as_it_is)(value)
        for name, value, default in values
        if name not in _NOT_KEPT and value != default
    }


def _read(document: Mapping[str, Any], read: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    return {name: read.get(name, _as_tuple)(value) for name, value in document.items()}


def _as_it_is(value: Any) -> Any:  # noqa: ANN401  # JSON
    return value


def _as_tuple(value: Any) -> Any:  # noqa: ANN401  # JSON
    return tuple(value) if isinstance(value, list) else value


def _write_location(location: Location) -> dict[str, Any]:
    return _given(location, {})


def _read_location(document: Mapping[str, Any]) -> Location:
    return Location(**document)


def _write_filter(wanted: CatalogueFilter) -> dict[str, Any]:
    return _given(wanted, {"attributes": dict})


def _read_filter(document: Mapping[str, Any]) -> CatalogueFilter:
    attributes = {"attributes": lambda found: {n: tuple(v) for n, v in found.items()}}
    return CatalogueFilter(**_read(document, attributes))


def _write_question(question: Question) -> dict[str, Any]:
    return _differing(
        question,
        Question._field_defaults,
        {"location": _write_location, "catalogue_filter": _write_filter},
    )


def _read_question(document: Mapping[str, Any]) -> Question:
    readers: dict[str, Callable[[Any], Any]] = {
        "location": _read_location,
        "catalogue_filter": _read_filter,
        "stage": Stage,
        "diversity": Diversity,
    }
    return Question(**_read(document, readers))


def _write_live(live: LiveProfile) -> dict[str, Any]:
    return {
        "revision": live.revision,
        "home": _write_location(live.home),
        "deeds": [_given(deed, {"location": _write_location}) for deed in live.deeds],
    }


def _read_live(document: Mapping[str, Any]) -> LiveProfile:
    readers: dict[str, Callable[[Any], Any]] = {"act": Act, "location": _read_location}
    deeds = tuple(Deed(**_read(deed, readers)) for deed in document["deeds"])
    return LiveProfile(document["revision"], deeds, _read_location(document["home"]))


_WRITE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "question": _write_question,
    "live": _write_live,
    "held_back": _bits,
}
_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "surface": Surface,
    "question": _read_question,
    "live": _read_live,
    "held_back": lambda text: zlib.decompress(b64decode(text)),
    "served_from": ServedFrom,
}
