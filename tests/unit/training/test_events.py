"""The door to events, products and stores, through real files."""

import csv
import gzip
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from recsvc.errors import InputError
from tests.purchases import READ_EVENTS
from training.events import InputReport, read_events, read_products, read_stores
from training.schema import PRODUCTS, STORES

NOW = datetime(2024, 6, 1, tzinfo=UTC)
HEADER = "customer_id,product_id"

Row = dict[str, object]
Write = Callable[[Path, list[Row]], Path]


def write_csv(folder: Path, rows: list[Row]) -> Path:
    path = folder / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(folder: Path, rows: list[Row]) -> Path:
    path = folder / "rows.parquet"
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    return path


both_formats = pytest.mark.parametrize("write", [write_csv, write_parquet])


def text_file(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def good(n_rows: int = 1, **columns: object) -> list[Row]:
    return [{"customer_id": "c", "product_id": f"p{row}", **columns} for row in range(n_rows)]


def read(path: Path, **options: object) -> tuple[pl.DataFrame, InputReport]:
    return read_events([path], **{"now": NOW, "max_quarantined_share": 1.0} | options)  # type: ignore[arg-type]  # each test names real options


@both_formats
def test_two_columns_are_enough(tmp_path: Path, write: Write) -> None:
    """With only the required columns, a row is one purchase of one piece at no known time."""
    events, report = read(write(tmp_path, good()))

    assert events.columns == list(READ_EVENTS)
    assert events.schema == READ_EVENTS
    row = events.row(0, named=True)
    assert {name: value for name, value in row.items() if value is not None} == {
        "customer_id": "c",
        "product_id": "p0",
        "event_type": "PURCHASE",
        "quantity": 1.0,
    }
    assert (report.n_rows, report.n_used, report.n_quarantined) == (1, 1, 0)
    assert (report.time_min, report.time_max, report.quarantine_path) == (None, None, None)


@both_formats
def test_every_column_is_read(tmp_path: Path, write: Write) -> None:
    """All canonical columns come out in their canonical type, codes in capitals."""
    row: Row = {
        "customer_id": " 42 ",
        "product_id": "p",
        "event_time": "2024-05-01T10:00:00Z",
        "event_type": "add_to_cart",
        "quantity": 2,
        "unit_price": 1.25,
        "currency": "eur",
        "order_id": 7,
        "store_id": 330,
        "country_code": "de",
        "subdivision_code": "de-by",
        "postal_code": "80331",
        "latitude": 48.137,
        "longitude": 11.575,
        "channel": "App",
        "visitor_id": "v",
        "partition": 7,
        "received": 1_700_000_000_000,
    }
    events, report = read(write(tmp_path, [row]))

    expected = dict(row) | {
        "customer_id": "42",
        "event_time": datetime(2024, 5, 1, 10, tzinfo=UTC),
        "event_type": "ADD_TO_CART",
        "quantity": 2.0,
        "currency": "EUR",
        "order_id": "7",
        "store_id": "330",
        "country_code": "DE",
        "subdivision_code": "DE-BY",
        "channel": "APP",
    }
    assert events.row(0, named=True) == expected
    assert report.time_min == report.time_max == expected["event_time"]


@both_formats
@pytest.mark.parametrize(
    ("reason", "cells"),
    [
        ("no_customer", {"customer_id": ""}),
        ("no_customer", {"customer_id": "  "}),
        ("no_customer", {"customer_id": None}),
        ("no_product", {"product_id": None}),
        ("too_long_id", {"customer_id": "é" * 129}),
        ("too_long_id", {"store_id": "s" * 257}),
        ("unknown_event_type", {"event_type": "BOUGHT"}),
        ("impossible_date", {"event_time": "yesterday"}),
        ("impossible_date", {"event_time": "2024-02-30"}),
        ("impossible_date", {"event_time": "1969-12-31T23:59:59Z"}),
        ("impossible_date", {"event_time": "2024-06-02T00:00:01Z"}),
        ("impossible_date", {"event_time": "-1"}),
        ("no_event_time", {"event_time": " "}),
        ("unreadable_quantity", {"quantity": "two"}),
        ("unreadable_quantity", {"quantity": "inf"}),
        ("unreadable_quantity", {"quantity": "2e9"}),
        ("zero_quantity", {"quantity": "0"}),
        ("negative_quantity", {"quantity": "-1", "event_type": "VIEW"}),
        ("unreadable_price", {"unit_price": "1,50"}),
        ("negative_price", {"unit_price": "-0.01"}),
        ("invalid_country", {"country_code": "Germany"}),
        ("invalid_latitude", {"latitude": "90.1", "longitude": "0"}),
        ("invalid_latitude", {"latitude": "north", "longitude": "0"}),
        ("invalid_latitude", {"longitude": "0"}),
        ("invalid_longitude", {"latitude": "0", "longitude": "-180.5"}),
        ("invalid_longitude", {"latitude": "0"}),
    ],
)
def test_an_unusable_row_is_quarantined_with_its_reason(
    tmp_path: Path, write: Write, reason: str, cells: Row
) -> None:
    """A broken row is counted and written down with its reason and line; the rest is used."""
    typed = {"event_time": "2024-05-01"} if "event_time" in cells else {}
    usual = dict.fromkeys(cells) | {"customer_id": "c", "product_id": "p"} | typed
    rows = [usual, usual | cells, usual]
    quarantine = tmp_path / "out" / "quarantine.csv"

    events, report = read(write(tmp_path, rows), quarantine=quarantine)

    assert events.height == 2
    assert report.reasons == {reason: 1}
    assert (report.n_rows, report.n_used, report.n_quarantined) == (3, 2, 1)
    assert report.quarantine_path == str(quarantine)
    written = pl.read_csv(quarantine, infer_schema=False).row(0, named=True)
    line = "3" if write is write_csv else "2"
    assert (written["line"], written["reason"]) == (line, reason)
    assert {name: written[name] or "" for name in cells} == {
        name: "" if value is None else value for name, value in cells.items()
    }


def test_numbers_in_parquet_are_checked_too(tmp_path: Path) -> None:
    """Typed columns obey the same rules as text, and NaN is an empty cell."""
    path = tmp_path / "typed.parquet"
    pl.DataFrame(
        {
            "customer_id": [1.0, 2.0, float("nan"), 4.5, 1e20],
            "product_id": [10, 20, 30, 40, 50],
            "quantity": [float("nan"), float("inf"), 1.0, 1.0, 1.0],
            "unit_price": [1, -1, 1, 1, 1],
        }
    ).write_parquet(path)

    events, report = read(path)

    assert events.select("customer_id", "product_id", "quantity").rows() == [
        ("1", "10", 1.0),
        ("1e+20", "50", 1.0),
        ("4.5", "40", 1.0),
    ]
    assert report.reasons == {"no_customer": 1, "unreadable_quantity": 1}


def test_the_first_broken_rule_counts(tmp_path: Path) -> None:
    """A row with several faults is counted once."""
    path = text_file(tmp_path / "e.csv", f"{HEADER},quantity\n,,x\nc,p,1\n")

    assert read(path)[1].reasons == {"no_customer": 1}


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    """Quoted line breaks and blank lines count in line numbers; blank lines are no rows."""
    path = text_file(
        tmp_path / "e.csv", f'{HEADER},note\nc,p,"two\nlines"\n\n,p,x\n,,\nc,p,\nc,,"a\nb"\n\n'
    )
    quarantine = tmp_path / "q.csv"

    events, report = read(path, quarantine=quarantine)

    assert events.height == 2
    assert report.n_rows == 4
    written = pl.read_csv(quarantine, infer_schema=False)
    assert written.columns == ["file", "line", "reason", "customer_id", "product_id", "note"]
    assert written.drop("file").rows() == [
        ("5", "no_customer", None, "p", "x"),
        ("8", "no_product", "c", None, "a\nb"),
    ]


def test_a_line_with_too_many_fields_is_quarantined(tmp_path: Path) -> None:
    """A surplus field breaks its own row only; a missing last field is an empty cell."""
    path = text_file(tmp_path / "e.csv", f"{HEADER},order_id\nc,p,1\nc,p,1,surplus,more\nc,p\n")
    quarantine = tmp_path / "q.csv"

    events, report = read(path, quarantine=quarantine)

    assert events["order_id"].to_list() == ["1", None]
    assert report.reasons == {"too_many_fields": 1}
    assert "3,too_many_fields,c,p,1,surplus" in quarantine.read_text(encoding="utf-8")


@pytest.mark.parametrize("surplus", ["X", ",X", ",,,X", ",X,,"])
def test_surplus_behind_an_empty_field_is_seen(tmp_path: Path, surplus: str) -> None:
    """A filled field beyond the header breaks its row wherever it stands."""
    path = text_file(tmp_path / "e.csv", f"{HEADER},order_id\nc,p,1\nc,p,1,{surplus}\n")
    quarantine = tmp_path / "q.csv"

    assert read(path, quarantine=quarantine)[1].reasons == {"too_many_fields": 1}
    assert "3,too_many_fields,c,p,1,X" in quarantine.read_text(encoding="utf-8")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_csv_may_have_another_separator(tmp_path: Path, separator: str) -> None:
    """As spreadsheets write it where the comma is the decimal sign; a surplus field is seen."""
    rows = (HEADER.split(","), ("c", "p"), ("d", '"q,r"'), ("e", "s", "t"))
    text = "\n".join(separator.join(row) for row in rows)
    events, report = read(text_file(tmp_path / "rows.csv", text))
    assert events["product_id"].to_list() == ["p", "q,r"]
    assert report.n_quarantined == 1


def test_separators_at_the_end_of_a_line_are_forgiven(tmp_path: Path) -> None:
    """Empty fields beyond the header hold nothing that could be lost."""
    path = text_file(tmp_path / "e.csv", f"{HEADER}\nc,p,\nc,q,,,\n")

    assert read(path)[1].n_used == 2


def test_columns_named_as_the_quarantine_file_s_own(tmp_path: Path) -> None:
    """A file may have columns called line or reason; they are kept under another name."""
    path = text_file(tmp_path / "e.csv", f"{HEADER},line,original line,row\nc,,1,2,3\nc,p,4,5,6\n")
    quarantine = tmp_path / "q.csv"

    read(path, quarantine=quarantine)

    row = pl.read_csv(quarantine, infer_schema=False).row(0, named=True)
    assert (row["line"], row["original line"], row["original original line"]) == ("2", "1", "2")


def test_a_clean_run_removes_the_quarantine_of_an_earlier_one(tmp_path: Path) -> None:
    """No stale quarantine file is left to mislead."""
    quarantine = text_file(
        tmp_path / "q.csv", "file,line,reason,customer_id\nold.csv,2,no_product,c\n"
    )

    _, report = read(write_csv(tmp_path, good()), quarantine=quarantine)

    assert not quarantine.exists()
    assert report.quarantine_path is None


def test_a_clean_run_leaves_another_s_file_alone(tmp_path: Path) -> None:
    """A file that happens to have the quarantine's name is not ours to remove."""
    other = text_file(tmp_path / "q.csv", "animal,since\ncat,2024\n")

    read(write_csv(tmp_path, good()), quarantine=other)

    assert other.read_text().startswith("animal")


def test_another_s_file_is_not_replaced(tmp_path: Path) -> None:
    """Unusable rows replace those of an earlier run or an empty file, and nothing else."""
    path = text_file(tmp_path / "e.csv", f"{HEADER}\nc,p\n,p\n")
    products = text_file(tmp_path / "products.csv", "product_id,title\np,Tea\n")
    quarantine = text_file(tmp_path / "q.csv", "")

    with pytest.raises(InputError, match=r"^--quarantine .*products\.csv: is a file of something"):
        read(path, quarantine=products)

    assert products.read_text(encoding="utf-8") == "product_id,title\np,Tea\n"
    for _ in range(2):
        assert read(path, quarantine=quarantine)[1].quarantine_path == str(quarantine)


def test_too_many_bad_rows_stop_the_run(tmp_path: Path) -> None:
    """Past the share the error says how many, why, where they are and which option it is."""
    path = write_csv(tmp_path, [*good(8), {"product_id": "p"}, {"product_id": "q"}])
    quarantine = tmp_path / "q.csv"

    with pytest.raises(InputError) as raised:
        read(path, quarantine=quarantine, max_quarantined_share=0.1)

    message = str(raised.value)
    assert "\n" not in message
    for part in ("2 of 10 rows", "no_customer 2", "line 10", str(quarantine), "--max-quarantined"):
        assert part in message
    assert quarantine.exists()


def test_a_share_at_the_limit_passes(tmp_path: Path) -> None:
    """The limit itself is allowed, and without a quarantine file nothing is written."""
    path = write_csv(tmp_path, [*good(9), {"product_id": "p"}])

    _, report = read(path, max_quarantined_share=0.1)

    assert (report.n_quarantined, report.quarantine_path) == (1, None)
    assert sorted(tmp_path.iterdir()) == [path]


def test_nothing_usable_is_an_error_at_any_limit(tmp_path: Path) -> None:
    """If no row is left, there is nothing to train on, whatever the limit."""
    path = text_file(tmp_path / "e.csv", f"{HEADER}\nc,\n")

    with pytest.raises(InputError, match=r"1 of 1 rows.*--quarantine; nothing is left"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.csv", b"", "the file is empty"),
        ("e.parquet", b"", "the file is empty"),
        ("e.csv", b"\n\n", "only blank lines"),
        ("e.csv", b"customer_id,product_id\n", "no events in it"),
        ("e.csv", b"customer_id,product_id\n\n,\n", "no events in it"),
        ("e.csv", b"customer_id,article\nc,p\n", "no column 'product_id'; it has customer_id, art"),
        ("e.csv", b"customer_id,product_id\nc,\xe9\n", "is not UTF-8 text"),
        ("e.csv", b"customer_id,product_id,\xe9\nc,p,1\n", "is not UTF-8 text"),
        ("e.csv", f"{HEADER}\nc,p\n".encode("utf-16"), "is not UTF-8 text"),
        ("e.csv", b'customer_id,product_id\nc,"p\n', "is not well-formed CSV"),
        (
            "e.csv.gz",
            gzip.compress(f"{HEADER}\n".encode() + b"c,p\n" * 99, mtime=0)[:40],
            "cannot be read",
        ),
        ("e.parquet", b"customer_id,product_id\nc,p\n", "is not a Parquet file"),
        ("e.xlsx", b"PK", "unknown kind of file"),
    ],
)
def test_a_bad_file_is_a_one_line_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """Whatever is wrong with a file, one line says where and what."""
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(InputError) as raised:
        read(path)

    assert message in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_parquet_without_rows_or_with_lists(tmp_path: Path) -> None:
    """Parquet can be empty, or hold what no cell can be read from."""
    empty, nested = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pl.DataFrame(schema={"customer_id": pl.String, "product_id": pl.String}).write_parquet(empty)
    pl.DataFrame({"customer_id": [["c"]], "product_id": ["p"]}).write_parquet(nested)

    with pytest.raises(InputError, match="no events in it"):
        read(empty)
    with pytest.raises(InputError, match=r"column 'customer_id' holds List\(String\)"):
        read(nested)


def test_missing_paths(tmp_path: Path) -> None:
    """A path that does not exist, a folder without data and no path at all are refused."""
    with pytest.raises(InputError, match="no such file or folder"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match=r"a\\n.csv: no such file"):
        read(tmp_path / "a\n.csv")
    text_file(tmp_path / "README.md", "no data")
    with pytest.raises(InputError, match="this folder holds no"):
        read(tmp_path)
    with pytest.raises(InputError, match="no input is given"):
        read_events([])


def test_a_damaged_page_is_found_when_it_is_read(tmp_path: Path) -> None:
    """Parquet whose footer is fine and whose data is not is refused as well."""
    path = tmp_path / "e.parquet"
    ids = [str(row) for row in range(20_000)]
    pl.DataFrame({"customer_id": ids, "product_id": ids}).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[100:4000] = b"\x55" * 3900
    path.write_bytes(content)

    with pytest.raises(InputError, match="is not a Parquet file, or a damaged one"):
        read(path)


def test_columns_are_mapped(tmp_path: Path) -> None:
    """A mapping takes the file's names, even over a column of the canonical name."""
    path = text_file(tmp_path / "e.csv", "No,product_id,Article,Ex\n1,x,A,9\n")

    events, _ = read(path, mapping={"customer_id": "No", "product_id": "Article"})

    assert events.select("customer_id", "product_id").row(0) == ("1", "A")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"custmer_id": "No"},
            "--map custmer_id=No: 'custmer_id' is no column that events can have; the",
        ),
        ({"customer_id": "Nr"}, "no column 'Nr'; it has No, product_id; .* --map customer_id="),
        ({"customer_id": "No", "order_id": "Bill"}, "no column 'Bill'"),
    ],
)
def test_a_wrong_mapping_names_what_exists(
    tmp_path: Path, mapping: dict[str, str], message: str
) -> None:
    """Unknown canonical names and columns that the file lacks are refused."""
    path = text_file(tmp_path / "e.csv", "No,product_id\n1,A\n")

    with pytest.raises(InputError, match=message):
        read(path, mapping=mapping)


def test_a_wide_file_is_not_listed_in_full(tmp_path: Path) -> None:
    """The error line about a missing column stays readable for a file of many columns."""
    path = text_file(tmp_path / "e.csv", ",".join(f"c{i}" for i in range(99)) + "\n")

    with pytest.raises(InputError, match=r"c29, …; name the right one"):
        read(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timezone": "Mars/Olympus"}, "--timezone 'Mars/Olympus': unknown"),
        ({"timezone": ""}, "--timezone '': unknown"),
        ({"max_quarantined_share": 5.0}, "--max-quarantined 5: is a share from 0 to 1"),
        ({"max_quarantined_share": float("nan")}, "--max-quarantined nan"),
    ],
)
def test_wrong_options(tmp_path: Path, options: Row, message: str) -> None:
    """Options that cannot work are named with their value."""
    with pytest.raises(InputError, match=message):
        read(write_csv(tmp_path, good()), **options)


def test_the_quarantine_cannot_be_an_input_or_a_folder(tmp_path: Path) -> None:
    """Input is never overwritten, and an unwritable quarantine is an error of one line."""
    path = write_csv(tmp_path, [*good(1), {"product_id": "p"}])

    with pytest.raises(InputError, match="is input and quarantine at once"):
        read(path, quarantine=path)
    with pytest.raises(InputError, match=r"--quarantine .*: cannot be written"):
        read(path, quarantine=tmp_path)
    with pytest.raises(InputError, match=r"--quarantine .*: cannot be written"):
        read(path, quarantine=path / "q.csv")


def test_folders_are_read_to_any_depth(tmp_path: Path) -> None:
    """Formats mix, optional columns may differ, hidden and foreign files are left out."""
    folder = tmp_path / "data"
    (folder / "b" / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    text_file(folder / "a.csv", f"{HEADER},store_id\n1,a,S\n")
    text_file(folder / "b" / "deep" / "c.TSV", "product_id\tcustomer_id\nb\t2\n")
    (folder / "z.csv.gz").write_bytes(gzip.compress(f"{HEADER}\n3,c\n".encode()))
    pl.DataFrame({"customer_id": [4], "product_id": ["d"]}).write_parquet(folder / "b" / "d.pq")
    text_file(folder / "empty_part.csv", f"{HEADER}\n")
    for ignored in (".a.csv", "_SUCCESS.csv", "README.md", ".hidden/a.csv"):
        text_file(folder / ignored, "nonsense")
    quarantine = text_file(folder / "quarantine.csv", "nonsense of an earlier run")

    events, report = read_events(
        [folder, folder / "a.csv"], mapping={"store_id": "store_id"}, quarantine=quarantine
    )

    assert events.select("customer_id", "product_id", "store_id").rows() == [
        ("1", "a", "S"),
        ("2", "b", None),
        ("3", "c", None),
        ("4", "d", None),
    ]
    assert report.n_rows == 4


def test_a_part_without_a_required_column_is_named(tmp_path: Path) -> None:
    """Parts of a folder may differ in optional columns only."""
    text_file(tmp_path / "a.csv", f"{HEADER}\n1,a\n")
    text_file(tmp_path / "b.csv", "customer_id\n1\n")

    with pytest.raises(InputError, match=r"b\.csv: no column 'product_id'"):
        read(tmp_path)


def test_files_with_and_without_times_are_not_mixed(tmp_path: Path) -> None:
    """Rows without a time would be the oldest of all: last month's would teach what came first."""
    text_file(tmp_path / "a.csv", f"{HEADER},event_time\n1,a,2026-01-01\n")
    text_file(tmp_path / "b.csv", f"{HEADER}\n2,b\n")

    with pytest.raises(InputError, match=r"b\.csv: no column 'event_time', which other files of"):
        read(tmp_path)


def test_the_digest_depends_on_bytes_and_not_on_the_place(tmp_path: Path) -> None:
    """The same files elsewhere, or in another order, have the same digest; others do not."""
    contents = {"a.csv": f"{HEADER}\n1,a\n", "b.csv": f"{HEADER}\n2,b\n"}
    for place in ("x", "y/z"):
        (tmp_path / place).mkdir(parents=True)
        for name, content in contents.items():
            text_file(tmp_path / place / name, content)
    a, b = tmp_path / "x" / "a.csv", tmp_path / "x" / "b.csv"

    digests = {read_events(paths)[1].digest for paths in ([a, b], [b, a], [tmp_path / "y"])}

    assert digests == {hashlib.sha256("".join(contents.values()).encode()).hexdigest()}
    assert read(a)[1].digest == hashlib.sha256(a.read_bytes()).hexdigest()


def test_rows_are_in_one_order(tmp_path: Path) -> None:
    """Rows are sorted by time, customer and product, equal ones in file order."""
    path = text_file(
        tmp_path / "e.csv",
        f"{HEADER},event_time,order_id\nb,p,2024-01-02,1\na,q,2024-01-02,2\n"
        "a,p,2024-01-02,3\na,p,2024-01-02,4\nz,z,2024-01-01,5\n",
    )

    assert read(path)[0]["order_id"].to_list() == ["5", "3", "4", "2", "1"]


def test_returns_are_applied(tmp_path: Path) -> None:
    """RETURN events and negative quantities undo purchases; other events stay."""
    path = text_file(
        tmp_path / "e.csv",
        f"{HEADER},event_time,event_type,quantity\n"
        "c,p,2024-01-01,,3\nc,p,2024-01-02,return,1\nc,q,2024-01-01,purchase,1\n"
        "c,q,2024-01-03,,-1\nc,p,2024-01-04,View,1\nc,x,2024-01-04,RETURN,1\n",
    )

    events, report = read(path)

    assert events.select("product_id", "event_type", "quantity").rows() == [
        ("p", "PURCHASE", 2.0),
        ("p", "VIEW", 1.0),
    ]
    assert (report.n_rows, report.n_used) == (6, 6)
    assert (report.n_returns, report.n_returns_unmatched) == (3, 1)


def test_naive_times_are_at_home_in_the_given_zone(tmp_path: Path) -> None:
    """Only times without a zone of their own are moved."""
    path = text_file(
        tmp_path / "e.csv", f"{HEADER},event_time\nc,p,2024-05-01 12:00\nc,q,2024-05-01 12:00Z\n"
    )

    times = read(path, timezone="Europe/Berlin")[0]["event_time"].to_list()

    assert times == [
        datetime(2024, 5, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2024, 5, 1, 12, tzinfo=UTC),
    ]


def test_the_clock_is_now_unless_said_otherwise(tmp_path: Path) -> None:
    """Without ``now`` the machine's clock tells what lies in the future."""
    path = text_file(tmp_path / "e.csv", f"{HEADER},event_time\nc,p,2024-05-01\nc,p,2150-01-01\n")

    _, report = read_events([path], max_quarantined_share=1)

    assert report.reasons == {"impossible_date": 1}


def test_products(tmp_path: Path) -> None:
    """Products keep their last row; all other columns become attributes, in one JSON form."""
    path = text_file(
        tmp_path / "p.csv",
        "product_id,title,category_path,price,available_to,attributes.size,attribute_colour,Mat\n"
        "2,Old,A,1,,,,\n"
        "1, Shirt ,Men>Shirts  > Blue,9.5,2030-01-01,XL,blau,42.0\n"
        "2,New,,,,,,\n"
        "3,X,,-1,,,,\n",
    )
    quarantine = tmp_path / "q.csv"

    products, report = read_products(path, quarantine=quarantine, max_quarantined_share=0.5)

    assert products.columns == [*PRODUCTS.names, "attributes"]
    shirt = products.row(0, named=True)
    assert (shirt["title"], shirt["category_path"]) == ("Shirt", "Men > Shirts > Blue")
    assert shirt["available_to"] == datetime(2030, 1, 1, tzinfo=UTC)
    assert shirt["attributes"] == '{"Mat":"42","colour":"blau","size":"XL"}'
    assert products.select("product_id", "title", "attributes").row(1) == ("2", "New", "{}")
    assert report.reasons == {"negative_price": 1}
    assert (report.n_rows, report.n_used, report.n_duplicates) == (4, 2, 1)


@pytest.mark.parametrize(
    ("reason", "cells"),
    [
        ("no_product", ",,,g,"),
        ("too_long_id", f"{'p' * 257},,"),
        ("unreadable_price", "p,cheap,"),
        ("negative_price", "p,-1,"),
        ("impossible_date", "p,1,soon"),
        ("too_long_id", f"p,1,,{'g' * 257},"),
        ("unreadable_sensitive", "p,1,,,perhaps"),
    ],
)
def test_products_that_cannot_be_used(tmp_path: Path, reason: str, cells: str) -> None:
    """Each fault of a product has its reason."""
    names = "product_id,price,available_from,group_id,sensitive"
    path = text_file(tmp_path / "p.csv", f"{names}\np,1,,g,no\n{cells}\n")

    assert read_products(path, max_quarantined_share=0.5)[1].reasons == {reason: 1}


def test_variants_and_sensitive_products_are_no_attributes(tmp_path: Path) -> None:
    """The columns are read as what they are, whatever the shop calls them."""
    path = text_file(tmp_path / "p.csv", "product_id,group_id,adult\n1,7.0,yes\n2,7,NO\n3,,\n")

    products, _ = read_products(path, mapping={"sensitive": "adult"})

    assert products["group_id"].to_list() == ["7", "7", None]
    assert products["sensitive"].to_list() == [True, False, None]
    assert set(products["attributes"]) == {"{}"}


@pytest.mark.parametrize(
    "unusable",
    [
        "kit,Kit,1,perhaps",
        "kit,Kit,cheap,yes",
        "kit,Kit, new,1,no",
        "kit,Kit,1,no\nkit,Kit,1,perhaps",
    ],
)
def test_a_product_whose_row_cannot_be_used_is_sensitive(tmp_path: Path, unusable: str) -> None:
    """It may be bought and learnt all the same, and the row may have said so."""
    lines = ["product_id,title,price,sensitive", "jam,Jam,1,no", unusable, ",No id,1,yes"]
    path = text_file(tmp_path / "p.csv", "\n".join(lines))

    products, report = read_products(path, max_quarantined_share=0.7)

    assert products.select("product_id", "sensitive").rows() == [("jam", False), ("kit", True)]
    assert products["attributes"].to_list() == ["{}", "{}"]
    assert report.n_quarantined == 2


def test_where_nothing_is_said_to_be_sensitive_no_row_is_taken_so(tmp_path: Path) -> None:
    """A file without the column says nothing of it, usable or not."""
    path = text_file(tmp_path / "p.csv", "product_id,price\njam,1\nkit,cheap\n")

    products, _ = read_products(path, max_quarantined_share=0.5)

    assert products.select("product_id", "sensitive").rows() == [("jam", None)]


def test_products_without_other_columns_have_no_attributes(tmp_path: Path) -> None:
    """Attributes are an empty object where there is nothing to say; lists are left out."""
    path = tmp_path / "p.parquet"
    pl.DataFrame({"product_id": [1, 2], "tags": [["a"], []]}).write_parquet(path)

    assert read_products(path)[0]["attributes"].to_list() == ["{}", "{}"]


def test_stores(tmp_path: Path) -> None:
    """Stores are read with codes in capitals, sorted, the last row of a store counting."""
    path = text_file(
        tmp_path / "s.csv",
        "Nr,name,country_code,postal_code,latitude,longitude\n"
        "2,Old,us,,,\n2,New,us,00501,,\n1,North,DE,80331,48.1,11.5\n"
        "3,X,DEU,,,\n,Y,,,,\n4,Z,,,95,0\n",
    )

    stores, report = read_stores(path, mapping={"store_id": "Nr"}, max_quarantined_share=0.5)

    assert tuple(stores.columns) == STORES.names
    assert stores.select("store_id", "name", "country_code", "postal_code").rows() == [
        ("1", "North", "DE", "80331"),
        ("2", "New", "US", "00501"),
    ]
    assert report.reasons == {"invalid_country": 1, "invalid_latitude": 1, "no_store": 1}
    assert (report.n_rows, report.n_used, report.n_duplicates) == (6, 2, 1)
