"""Bombs among the input: files that unpack to far more than they hold are refused in words."""

import gzip
import zlib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recsvc.errors import InputError
from training.events import read_events, read_stores
from training.packing import FREE_BYTES, FREE_ROWS, MAX_HEADER_BYTES

HEADER = "customer_id,product_id,event_time\n"
NOW = datetime(2026, 4, 1, tzinfo=UTC)


def test_gzip_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    """Before anybody holds it in memory."""
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(HEADER.encode() + b"\n" * (FREE_BYTES + (1 << 20)), 1))

    with pytest.raises(InputError, match=r"events\.csv\.gz: its [\d,]+ bytes unpack to far more"):
        read_events([path], now=NOW)


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_names_of_columns_without_an_end_are_refused(tmp_path: Path, name: str) -> None:
    """Polars would take a hundred times the memory for them; as long as that they may be."""
    path = tmp_path / name
    pack = gzip.compress if name.endswith(".gz") else bytes

    def read(before: str, n_bytes: int) -> int:
        names = f"{before}{HEADER.strip()},"
        header = f"{names}{'y' * (n_bytes - len(names) - 1)}\n"
        path.write_bytes(pack(f"{header}anna,tea,2026-03-01,1\n".encode()))
        return read_events([path], now=NOW)[0].height

    assert read("", MAX_HEADER_BYTES + 1) == 1
    assert read("\n\n", MAX_HEADER_BYTES + 1) == 1
    for before in ("", "\n" * MAX_HEADER_BYTES, '"a\nb",' * 3 + '"\n",'):
        with pytest.raises(InputError, match=f"{name}: its first line, .* end within 1,048,576"):
            read(before, len(before) + MAX_HEADER_BYTES + 2)


def test_gzip_that_packs_well_is_read(tmp_path: Path) -> None:
    """A small file may say the same as often as it likes."""
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "anna,tea,2026-03-01\n" * 50_000).encode()))

    assert read_events([path], now=NOW)[0].height == 50_000


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_what_is_packed_in_another_way_is_refused(tmp_path: Path, name: str) -> None:
    """Polars would unpack it, however much comes out."""
    path = tmp_path / name
    path.write_bytes(zlib.compress(f"{HEADER}anna,tea,2026-03-01\n".encode()))

    with pytest.raises(InputError, match="packed in another way than by gzip"):
        read_events([path], now=NOW)


def test_gzip_that_is_cut_off_is_refused_in_words(tmp_path: Path) -> None:
    """It is the reader's to say what is wrong."""
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "anna,tea,2026-03-01\n").encode())[:-12])

    with pytest.raises(InputError, match=r"events\.csv\.gz"):
        read_events([path], now=NOW)


def test_parquet_with_more_rows_than_its_bytes_could_tell_apart_is_refused(tmp_path: Path) -> None:
    """Its pages say one thing a million times; each row takes memory all the same."""
    path = tmp_path / "stores.parquet"
    pl.select(store_id=pl.repeat("leeds-1", FREE_ROWS + 1)).write_parquet(path)

    with pytest.raises(InputError, match=r"stores\.parquet: its [\d,]+ bytes unpack to far more"):
        read_stores(path)
