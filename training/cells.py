"""From a file's cells to typed values, as Polars expressions.

CSV cells arrive as text and Parquet cells as whatever their writer chose; every
function takes the expression of a column with its type and gives an expression of
the canonical type. A cell that holds nothing (null, blank, NaN) and one that cannot
be read both become null; ``is_filled`` tells them apart.
"""

from datetime import datetime
from enum import Enum, auto
from typing import Final

import polars as pl

INSTANT: Final = pl.Datetime("us", "UTC")

_NAIVE: Final = pl.Datetime("us")
# Outside of these years a time is nonsense, and time zone tables are undefined.
_EARLIEST: Final = datetime(1900, 1, 1)  # noqa: DTZ001  # compared with naive times
_LATEST: Final = datetime(2200, 1, 1)  # noqa: DTZ001  # compared with naive times

# 2024-01-31, 2024-01-31T09:30, 2024-01-31 09:30:59.5, each time with or without a zone.
# [0-9] because \d would let other scripts' digits through.
_ISO_8601: Final = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?"
    r" ?(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)

_YES: Final = ("true", "yes", "y", "t", "1")
_NO: Final = ("false", "no", "n", "f", "0")


class Kind(Enum):
    """What the values of a canonical column are."""

    IDENTIFIER = auto()
    """Text that names something; numbers become their plain decimal form."""
    CODE = auto()
    """An identifier in capitals, as ISO codes and the API's enum names are."""
    TEXT = auto()
    """Text for people: trimmed, otherwise as it is."""
    NUMBER = auto()
    """A finite Float64."""
    TIME = auto()
    """A point in time: Datetime in microseconds, UTC."""
    FLAG = auto()
    """Yes or no: a Boolean."""

    @property
    def dtype(self) -> pl.DataType:
        """The Polars type of a canonical column of this kind."""
        match self:
            case Kind.NUMBER:
                return pl.Float64()
            case Kind.TIME:
                return INSTANT
            case Kind.FLAG:
                return pl.Boolean()
            case _:
                return pl.String()


def is_flat(dtype: pl.DataType) -> bool:
    """Say whether cells of a type can be read at all: text, numbers, Booleans, dates, times."""
    return not (
        dtype.is_nested() or isinstance(dtype, (pl.Binary, pl.Duration, pl.Object, pl.Unknown))
    )


def parse(cell: pl.Expr, dtype: pl.DataType, kind: Kind, timezone: str) -> pl.Expr:
    """Read the cells of one column as ``kind``.

    Args:
        cell: the column as it is in the file.
        dtype: its type there, a flat one.
        kind: what its values are.
        timezone: where naive times are at home.

    Returns:
        An expression of ``kind.dtype``, null where a cell is empty or unreadable.
    """
    match kind:
        case Kind.IDENTIFIER:
            return identifier(cell, dtype)
        case Kind.CODE:
            return identifier(cell, dtype).str.to_uppercase()
        case Kind.TEXT:
            return _text(cell) if isinstance(dtype, pl.String) else identifier(cell, dtype)
        case Kind.NUMBER:
            return _number(cell, dtype)
        case Kind.FLAG:
            return _flag(cell, dtype)
    return _instant(cell, dtype, timezone)


def is_filled(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Say whether a cell holds anything: not null, not blank, not NaN."""
    if dtype.is_float():
        return cell.is_not_nan().fill_null(value=False)
    if dtype.is_numeric() or dtype.is_temporal():
        return cell.is_not_null()
    return _text(cell).is_not_null()


def identifier(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Read cells as identifiers: trimmed text, "42" whether it came as 42, 42.0 or "42.0"."""
    if dtype.is_float():
        whole = cell.cast(pl.Int64, strict=False)
        return (
            pl.when(whole.cast(dtype) == cell)
            .then(whole.cast(pl.String))
            .otherwise(cell.fill_nan(None).cast(pl.String))
        )
    if dtype.is_integer():
        return cell.cast(pl.String)
    if dtype.is_decimal():
        return cell.cast(pl.String).str.replace(r"\.0*$", "")
    # A column of integers with gaps leaves many tools as "42.0".
    return _text(cell).str.replace(r"^(-?[0-9]+)\.0$", "${1}")


def _text(cell: pl.Expr) -> pl.Expr:
    text = cell.cast(pl.String, strict=False).str.strip_chars()
    return pl.when(text != "").then(text)


def _number(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    numeric = cell if dtype.is_numeric() else _text(cell)
    value = numeric.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _flag(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    word = identifier(cell, dtype).str.to_lowercase()
    is_yes = word.is_in(_YES)
    return pl.when(is_yes | word.is_in(_NO)).then(is_yes)


def _instant(cell: pl.Expr, dtype: pl.DataType, timezone: str) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return _at_home(cell.cast(_NAIVE), timezone)
        return cell.dt.convert_time_zone("UTC").cast(INSTANT)
    if isinstance(dtype, pl.Date):
        return _at_home(cell.cast(_NAIVE), timezone)
    if dtype.is_numeric():
        return _instant_of_number(cell.cast(pl.Float64, strict=False), timezone)
    text = _text(cell)
    return pl.coalesce(
        _instant_of_text(text, timezone),
        _instant_of_number(text.cast(pl.Float64, strict=False), timezone),
    )


def _instant_of_text(text: pl.Expr, timezone: str) -> pl.Expr:
    groups = text.str.extract_groups(_ISO_8601).struct
    date, clock, seconds, zone = (groups[index] for index in range(4))
    local = pl.concat_str(
        date, pl.lit(" "), clock.fill_null("00:00"), seconds.fill_null(":00")
    ).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    digits = zone.str.replace(":", "", literal=True)
    minutes = (
        digits.str.slice(1, 2).cast(pl.Int64, strict=False) * 60
        + digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0)
    ).fill_null(0)  # Z and UTC
    ahead = pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes)
    return (
        pl.when(zone.is_null())
        .then(_at_home(local, timezone))
        .otherwise(_at_home(local - pl.duration(minutes=ahead), "UTC"))
    )


def _instant_of_number(value: pl.Expr, timezone: str) -> pl.Expr:
    """Read epoch seconds, epoch milliseconds or a date as in 20240131.

    The three cannot be mistaken for one another: as seconds, numbers of eight
    digits like a date's lie in 1970, and those from 1e11 on after the year 5000.
    """
    microseconds = value * pl.when(value.abs() < 1e11).then(1e6).otherwise(1e3)  # noqa: PLR2004  # seconds
    epoch = microseconds.cast(pl.Int64, strict=False).cast(_NAIVE)
    calendar = (
        value.cast(pl.Int64, strict=False)
        .cast(pl.String)
        .str.to_datetime("%Y%m%d", time_unit="us", strict=False)
    )
    is_calendar = value.is_between(19_000_101, 22_000_101)
    return pl.when(is_calendar).then(_at_home(calendar, timezone)).otherwise(_at_home(epoch, "UTC"))


def _at_home(local: pl.Expr, timezone: str) -> pl.Expr:
    """Turn naive local times into UTC.

    An hour that the clocks repeat counts as its first pass. One that they skip is
    read an hour later, as the wall clock would show it; a date alone in a zone that
    changes at midnight would otherwise not exist.
    """
    sane = pl.when(local.is_between(_EARLIEST, _LATEST)).then(local)
    if timezone == "UTC":
        return sane.dt.replace_time_zone("UTC")
    first, later = (
        time.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
        for time in (sane, sane.dt.offset_by("1h"))
    )
    return pl.coalesce(first, later).dt.convert_time_zone("UTC")
