"""The history of events as experiments read it."""

from pathlib import Path

import polars as pl
import pytest

from recsvc.errors import InputError
from tests.experiments import experiment
from tests.histories import DAY, START, named, read, row, seen, write
from training.experiments.journeys import follow

OTHER = named(1)


def paid(*paths: Path) -> float:
    return float(follow(read(*paths), experiment()).deeds["paid"].value.sum())


def test_files_that_overlap_count_once(tmp_path: Path) -> None:
    """Two alike in one file are two pieces; the same two in another file are these."""
    rows = [seen(OTHER, START), *[row("PURCHASE", START + DAY, unit_price=3.0)] * 2]
    first = write(rows, tmp_path)
    second = write([*rows, row("PURCHASE", START + 2 * DAY, unit_price=1.0)], tmp_path, 2)
    assert paid(first) == 6
    assert paid(first, second) == 7
    assert read(first, second).n_repeated == 2


def test_an_event_id_counts_once_for_its_shopper(tmp_path: Path) -> None:
    """However often it was sent, with each of its products."""
    tea = row("PURCHASE", START + DAY, unit_price=3.0, event_id="e1")
    jam = {**tea, "product_id": "jam", "unit_price": 2.0}
    later = {**tea, "event_time": START + 2 * DAY}
    of_ben = {**tea, "customer_id": "ben"}
    lists = [seen(OTHER, START), seen(named(1), START, "ben")]
    history = write([*lists, tea, jam, later, of_ben], tmp_path)
    assert paid(history) == 8
    assert read(history).n_repeated == 1


def test_two_lines_of_one_event_that_are_alike_are_two_pieces(tmp_path: Path) -> None:
    """As two at a till; in another file, or sent again later, the same two are these."""
    tea = row("PURCHASE", START + DAY, unit_price=2.0, event_id="e1")
    again = {**tea, "event_time": START + 2 * DAY}
    rows = [seen(OTHER, START), tea, tea]
    first, second = write(rows, tmp_path), write([*rows, again, again], tmp_path, 2)
    assert paid(first) == paid(second) == paid(first, second) == 4
    assert read(first, second).n_repeated == 4


def test_rows_that_cannot_be_used_are_counted_or_refused(tmp_path: Path) -> None:
    rows = pl.read_parquet(write([seen(OTHER, START), seen(OTHER, START)], tmp_path))
    times = pl.Series("event_time", ["2026-05-01", "yesterday"])
    path = tmp_path / "history.csv"
    rows.with_columns(times).write_csv(path)
    found = read(path, max_quarantined_share=0.5)
    assert (found.rows.height, dict(found.reasons)) == (1, {"impossible_date": 1})
    with pytest.raises(InputError, match="1 of 2 rows of events cannot be used"):
        read(path)


def test_a_history_without_times_is_refused(tmp_path: Path) -> None:
    """Nobody could tell what came first."""
    path = tmp_path / "history.csv"
    path.write_text("customer_id,product_id\nanna,tea\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column 'event_time'"):
        read(path)
