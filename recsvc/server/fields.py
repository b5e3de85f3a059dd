"""Fields of requests that many methods share: their limits, and what they are read into."""

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc.core.cells import cell_of
from recsvc.core.places import Location
from recsvc.errors import InvalidRequestError
from recsvc.v1 import common_pb2 as common

MAX_ID_BYTES = 256
MAX_POSTAL_CODE_BYTES = 32
MAX_PATH_BYTES = 1000
MAX_ENTRIES = 100
MAX_PRICE = 10**12
CLOCK_TOLERANCE_SECONDS = 86_400
NANOS = 1_000_000_000

_COUNTRY = re.compile(r"[A-Z]{2}")
_SUBDIVISION = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
MAX_LANGUAGE_BYTES = 35


def check_id(field: str, value: str, *, required: bool = False) -> str:
    """Return an id that keeps to the limits.

    Raises:
        InvalidRequestError: it is too long, or missing where ``required``.
    """
    if value:
        return check_text(field, value, MAX_ID_BYTES)
    if required:
        raise InvalidRequestError(field, "is required")
    return value


def no_message() -> InvalidRequestError:
    """The error of bytes that cannot be read."""
    return InvalidRequestError(
        "request", "is no message of this method; generate the client from these protos"
    )


def check_text(path: str, value: str, max_bytes: int) -> str:
    """Return a text that keeps to its limit.

    Raises:
        InvalidRequestError: it is too long.
    """
    n_bytes = len(value.encode())
    if n_bytes > max_bytes:
        raise InvalidRequestError(path, f"has {n_bytes} bytes; at most {max_bytes} are allowed")
    return value


def check_currency(path: str, code: str) -> str:
    """Return the code of a currency, or ``""``.

    Raises:
        InvalidRequestError: it is none.
    """
    return _match(path, code, _CURRENCY, "ISO 4217, such as EUR")


def check_language(path: str, tag: str) -> str:
    """Return the tag of a language, or ``""``.

    Raises:
        InvalidRequestError: it is none, or too long.
    """
    if not tag:
        return tag
    return _match(path, check_text(path, tag, MAX_LANGUAGE_BYTES), _LANGUAGE, "BCP 47, such as de")


def read_choice(path: str, value: int, choices: EnumTypeWrapper) -> str:
    """Return the name of an enum's value without its prefix; ``""`` where it is unspecified.

    Raises:
        InvalidRequestError: it is none of them.
    """
    if not value:
        return ""
    name = _short_names(choices).get(value)
    if name is None:
        kind = choices.DESCRIPTOR.name
        raise InvalidRequestError(path, f"{value} is no {kind}; give a value of {kind}")
    return name


@cache  # of a handful of enums, which live as long as the process
def _short_names(choices: EnumTypeWrapper) -> Mapping[int, str]:
    """The name of each value of an enum without its prefix."""
    prefix = str(choices.Name(0)).removesuffix("UNSPECIFIED")
    return {value: name.removeprefix(prefix) for name, value in choices.items()}


def check_count(path: str, n_values: int, limit: int) -> None:
    """Check how many values there are.

    Raises:
        InvalidRequestError: too many.
    """
    if n_values > limit:
        raise InvalidRequestError(path, f"has {n_values} entries; at most {limit} are allowed")


def check_batch(field: str, n_entries: int, limit: int) -> None:
    """Check how many entries come at once.

    Raises:
        InvalidRequestError: none, or too many (BATCH_TOO_LARGE).
    """
    if not n_entries:
        raise InvalidRequestError(field, f"is empty; give 1 to {limit}")
    if n_entries > limit:
        raise InvalidRequestError(
            field,
            f"has {n_entries} entries; split it into batches of at most {limit}",
            reason="BATCH_TOO_LARGE",
        )


def read_ids(path: str, values: Sequence[str], limit: int) -> tuple[str, ...]:
    """Read ids.

    Raises:
        InvalidRequestError: there are too many, or one is missing or too long.
    """
    if not values:
        return ()
    check_count(path, len(values), limit)
    return tuple(
        check_id(f"{path}[{index}]", value, required=True) for index, value in enumerate(values)
    )


def read_texts(path: str, values: Sequence[str], max_bytes: int) -> tuple[str, ...]:
    """Read texts.

    Raises:
        InvalidRequestError: there are too many, or one is too long.
    """
    if not values:
        return ()
    check_count(path, len(values), MAX_ENTRIES)
    return tuple(
        check_text(f"{path}[{index}]", value, max_bytes) for index, value in enumerate(values)
    )


def read_price(path: str, money: Money) -> float:
    """Read what something costs.

    Raises:
        InvalidRequestError: it is negative, too much, or of no currency.
    """
    if not (0 <= money.units <= MAX_PRICE and 0 <= money.nanos < NANOS):
        raise InvalidRequestError(
            path, f"must be from 0 to {MAX_PRICE:.0e} units, and its nanos below one unit"
        )
    if not money.currency_code:
        raise InvalidRequestError(f"{path}.currency_code", "is required")
    check_currency(f"{path}.currency_code", money.currency_code)
    return float(money.units + money.nanos / NANOS)


def read_location(path: str, location: common.Location) -> Location:
    """Read a place; coordinates become a cell.

    Raises:
        InvalidRequestError: a code or a coordinate is outside its limits.
    """
    path = f"{path}." if path else ""
    country, subdivision = location.country_code, location.subdivision_code
    if country:
        _match(f"{path}country_code", country, _COUNTRY, "ISO 3166-1, such as DE")
    if subdivision:
        _match(f"{path}subdivision_code", subdivision, _SUBDIVISION, "ISO 3166-2, such as DE-BY")
    store_id, postal_code = location.store_id, location.postal_code
    if store_id:
        check_id(f"{path}store_id", store_id)
    if postal_code:
        check_text(f"{path}postal_code", postal_code, MAX_POSTAL_CODE_BYTES)
    cell = _cell(f"{path}lat_lng", location.lat_lng) if location.HasField("lat_lng") else ""
    return _place(store_id, postal_code, cell, subdivision, country or subdivision[:2])


@lru_cache(4_096)  # shoppers are at much the same places
def _place(store_id: str, postal_code: str, cell: str, subdivision: str, country: str) -> Location:
    return Location(
        store_id=store_id,
        postal_code=postal_code,
        cell=cell,
        subdivision_code=subdivision,
        country_code=country,
    )


def _cell(path: str, point: LatLng) -> str:
    """Reduce coordinates to a cell; nothing finer leaves this function."""
    # Written so that NaN fails too.
    if not -90 <= point.latitude <= 90:  # noqa: PLR2004  # degrees
        raise InvalidRequestError(f"{path}.latitude", "must be from -90 to 90 degrees")
    if not -180 <= point.longitude <= 180:  # noqa: PLR2004  # degrees
        raise InvalidRequestError(f"{path}.longitude", "must be from -180 to 180 degrees")
    return cell_of(point.latitude, point.longitude)


def _match(path: str, value: str, pattern: re.Pattern[str], allowed: str) -> str:
    if value and pattern.fullmatch(value) is None:
        raise InvalidRequestError(path, f"{value[:20]!r} is not a code of {allowed}")
    return value
