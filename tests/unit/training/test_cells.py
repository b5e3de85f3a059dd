"""Cells become typed values whatever they arrive as."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest

from training.cells import Kind, is_filled, is_flat, parse


def parsed(values: pl.Series, kind: Kind, timezone: str = "UTC") -> list[object]:
    expression = parse(pl.col("cell"), values.dtype, kind, timezone)
    result = pl.DataFrame({"cell": values}).select(expression).to_series()
    assert result.dtype == kind.dtype
    return result.to_list()


def utc(*parts: int) -> datetime:
    year, month, day, *clock = parts
    hour, minute, second, microsecond = (*clock, 0, 0, 0, 0)[:4]
    return datetime(year, month, day, hour, minute, second, microsecond, UTC)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([42, None]), ["42", None]),
        (pl.Series([2**63], dtype=pl.UInt64), ["9223372036854775808"]),
        (pl.Series([42.0, -1.0, 4.5, float("nan"), None]), ["42", "-1", "4.5", None, None]),
        (pl.Series([Decimal("42.00"), Decimal("4.50")]), ["42", "4.50"]),
        (
            pl.Series([" a b ", "", "\t", "042", "42.0", "4.20", "v1.0"]),
            ["a b", None, None, "042", "42", "4.20", "v1.0"],
        ),
        (pl.Series(["x"], dtype=pl.Categorical), ["x"]),
        (pl.Series(["x"], dtype=pl.Enum(["x"])), ["x"]),
        (pl.Series([True]), ["true"]),
        (pl.Series([None], dtype=pl.Null), [None]),
        (pl.Series([date(2024, 1, 31)]), ["2024-01-31"]),
    ],
)
def test_identifiers(values: pl.Series, expected: list[str | None]) -> None:
    """Ids of any type become trimmed text, whole numbers without a decimal point."""
    assert parsed(values, Kind.IDENTIFIER) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([True, False, None]), [True, False, None]),
        (pl.Series([1, 0, 2]), [True, False, None]),
        (pl.Series([1.0, 0.0, float("nan")]), [True, False, None]),
        (
            pl.Series([" TRUE ", "no", "Y", "f", "1", "0.0", "", "maybe"]),
            [True, False, True, False, True, False, None, None],
        ),
    ],
)
def test_flags(values: pl.Series, expected: list[bool | None]) -> None:
    """Yes and no as tools write them; what is neither is no flag."""
    assert parsed(values, Kind.FLAG) == expected


def test_codes_and_text() -> None:
    """Codes are in capitals; text for people is only trimmed, even if it looks like an id."""
    assert parsed(pl.Series([" de-by "]), Kind.CODE) == ["DE-BY"]
    assert parsed(pl.Series([" Vol. 2 ", "2.0", ""]), Kind.TEXT) == ["Vol. 2", "2.0", None]
    assert parsed(pl.Series([2.0]), Kind.TEXT) == ["2"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([1, None]), [1.0, None]),
        (pl.Series([1.5, float("nan"), float("inf")]), [1.5, None, None]),
        (pl.Series([Decimal("1.50")]), [1.5]),
        (
            pl.Series([" 1.5 ", "-2", "1e3", "1,5", "nan", "inf", "1e400", "", "x"]),
            [1.5, -2.0, 1000.0, *[None] * 6],
        ),
        (pl.Series([True]), [None]),
    ],
)
def test_numbers(values: pl.Series, expected: list[float | None]) -> None:
    """Numbers are finite floats; anything else is null."""
    assert parsed(values, Kind.NUMBER) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2024-01-31", utc(2024, 1, 31)),
        ("2024-01-31 09:30", utc(2024, 1, 31, 9, 30)),
        (" 2024-01-31T09:30:59 ", utc(2024, 1, 31, 9, 30, 59)),
        ("2024-01-31 09:30:59.123456789", utc(2024, 1, 31, 9, 30, 59, 123456)),
        ("2024-01-31T09:30Z", utc(2024, 1, 31, 9, 30)),
        ("2024-01-31 09:30:59 UTC", utc(2024, 1, 31, 9, 30, 59)),
        ("2024-01-31T09:30:59+02:00", utc(2024, 1, 31, 7, 30, 59)),
        ("2024-01-31T09:30:59-0530", utc(2024, 1, 31, 15, 0, 59)),
        ("2024-01-31T09:30:59+02", utc(2024, 1, 31, 7, 30, 59)),
        ("1706693459", utc(2024, 1, 31, 9, 30, 59)),
        ("1706693459.5", utc(2024, 1, 31, 9, 30, 59, 500000)),
        ("1706693459500", utc(2024, 1, 31, 9, 30, 59, 500000)),
        ("20240131", utc(2024, 1, 31)),
        ("20240231", None),
        ("2024-02-30", None),
        ("2024-01-31T25:00", None),
        ("31/01/2024", None),
        ("٢٠٢٤-01-31", None),
        ("9999-01-01", None),
        ("1e300", None),
        ("", None),
    ],
)
def test_times_in_text(cell: str, expected: datetime | None) -> None:
    """ISO 8601, epoch seconds and milliseconds and calendar numbers are understood."""
    assert parsed(pl.Series([cell]), Kind.TIME) == [expected]


def test_times_in_types_of_their_own() -> None:
    """Datetimes of any unit and zone, dates and numbers become microseconds in UTC."""
    naive = datetime(2024, 1, 31, 9, 30)  # noqa: DTZ001  # the point of the test
    for unit in ("ms", "us", "ns"):
        assert parsed(pl.Series([naive], dtype=pl.Datetime(unit)), Kind.TIME) == [
            utc(2024, 1, 31, 9, 30)
        ]
    zoned = pl.Series([utc(2024, 1, 31, 9, 30)]).dt.convert_time_zone("Asia/Tokyo")
    assert parsed(zoned, Kind.TIME, "Europe/Berlin") == [utc(2024, 1, 31, 9, 30)]
    assert parsed(pl.Series([date(2024, 1, 31)]), Kind.TIME) == [utc(2024, 1, 31)]
    assert parsed(pl.Series([1706693459]), Kind.TIME) == [utc(2024, 1, 31, 9, 30, 59)]
    assert parsed(pl.Series([1706693459.0, float("nan")]), Kind.TIME) == [
        utc(2024, 1, 31, 9, 30, 59),
        None,
    ]
    assert parsed(pl.Series([time(9, 30)]), Kind.TIME) == [None]


@pytest.mark.parametrize(
    ("cell", "timezone", "expected"),
    [
        ("2024-07-01 12:00", "Europe/Berlin", utc(2024, 7, 1, 10)),
        ("20240701", "Europe/Berlin", utc(2024, 6, 30, 22)),
        ("1706693459", "Europe/Berlin", utc(2024, 1, 31, 9, 30, 59)),
        ("2024-10-27 02:30", "Europe/Berlin", utc(2024, 10, 27, 0, 30)),
        ("2024-03-31 02:30", "Europe/Berlin", utc(2024, 3, 31, 1, 30)),
        ("2018-11-04", "America/Sao_Paulo", utc(2018, 11, 4, 3)),
    ],
)
def test_naive_times_of_a_zone(cell: str, timezone: str, expected: datetime) -> None:
    """A repeated hour counts as its first pass, a skipped one is read an hour later."""
    assert parsed(pl.Series([cell]), Kind.TIME, timezone) == [expected]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series(["x", " ", "", None]), [True, False, False, False]),
        (pl.Series([1.0, float("nan"), float("inf"), None]), [True, False, True, False]),
        (pl.Series([0, None]), [True, False]),
        (pl.Series([date(2024, 1, 1), None]), [True, False]),
    ],
)
def test_filled_cells(values: pl.Series, expected: list[bool]) -> None:
    """Null, blank and NaN are empty; all else is filled, readable or not."""
    frame = pl.DataFrame({"cell": values})

    assert frame.select(is_filled(pl.col("cell"), values.dtype)).to_series().to_list() == expected


def test_flat_types() -> None:
    """Lists, structs, bytes and durations cannot be read as cells."""
    flat = [pl.String(), pl.Int8(), pl.Boolean(), pl.Date(), pl.Categorical(), pl.Null()]
    other = [pl.List(pl.String), pl.Struct({"a": pl.Int8}), pl.Binary(), pl.Duration()]

    assert [is_flat(dtype) for dtype in flat] == [True] * len(flat)
    assert [is_flat(dtype) for dtype in other] == [False] * len(other)
    assert pl.Series([timedelta(1)]).dtype == pl.Duration
