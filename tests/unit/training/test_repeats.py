"""Files that overlap: what an event id tells is counted once, what nothing tells is told."""

from pathlib import Path

import polars as pl
import pytest

from training.events import InputReport, read_events

DAY = "2024-03-01"


def bought(product_id: str, event_id: str | None = None, **columns: object) -> dict[str, object]:
    """A purchase."""
    row = {"customer_id": "anna", "product_id": product_id, "event_time": DAY}
    return row | ({"event_id": event_id} if event_id else {}) | columns


def read(folder: Path, *files: list[dict[str, object]]) -> tuple[dict[str, float], InputReport]:
    """What was bought of each product in some files, and the report."""
    paths = [folder / f"{number}.csv" for number in range(len(files))]
    for path, rows in zip(paths, files, strict=True):
        pl.DataFrame(rows, infer_schema_length=None).write_csv(path)
    events, report = read_events(paths)
    of_each = events.group_by("product_id").agg(pl.col("quantity").sum())
    return dict(of_each.iter_rows()), report


def test_an_event_that_two_files_have_counts_once(tmp_path: Path) -> None:
    """Whatever else was written of it; the report says how many there were."""
    found, report = read(
        tmp_path,
        [bought("tea", "e1"), bought("jam", "e2", quantity=2)],
        [bought("tea", "e1", store_id="s1"), bought("tea", "e3")],
    )
    assert found == {"tea": 2, "jam": 2}
    assert (report.n_rows, report.n_used, report.n_duplicates, report.n_alike) == (4, 3, 1, 0)


def test_an_event_that_one_file_has_twice_counts_once(tmp_path: Path) -> None:
    """Sent again at another time or store; its lines that are alike are two pieces, in both."""
    for other in ({"event_time": "2024-03-02"}, {"store_id": "s1"}):
        found, _ = read(tmp_path, [bought("tea", "e1"), bought("tea", "e1", **other)])
        assert found == {"tea": 1}
    twice = [bought("tea", "e1"), bought("tea", "e1")]
    found, report = read(tmp_path, twice, twice)
    assert (found, report.n_duplicates) == ({"tea": 2}, 2)


@pytest.mark.parametrize("column", ["customer_id", "product_id", "event_type"])
def test_an_event_id_is_of_one_shopper_and_one_line(tmp_path: Path, column: str) -> None:
    """Lines of one event, people and kinds of event are told apart."""
    other = bought("tea", "e1", event_type="PURCHASE") | {column: "VIEW"}
    _, report = read(tmp_path, [bought("tea", "e1", event_type="PURCHASE")], [other])
    assert (report.n_used, report.n_duplicates) == (2, 0)


def test_rows_that_another_file_has_alike_are_told_and_count(tmp_path: Path) -> None:
    """Nobody can tell them from a second piece; two of one file are two pieces."""
    tea, jam = bought("tea", quantity=1), bought("jam", quantity=1)
    view = bought("tea", event_type="VIEW")
    found, report = read(tmp_path, [tea, tea, jam, view], [tea, bought("oat"), view])
    assert (report.n_duplicates, report.n_alike) == (0, 1)
    assert (found["jam"], found["oat"]) == (1, 1)
    assert read(tmp_path, [tea, tea])[1].n_alike == 0


def test_rows_without_times_are_not_told(tmp_path: Path) -> None:
    """Who buys a thing every month has the same row in every month's file."""
    tea: dict[str, object] = {"customer_id": "anna", "product_id": "tea"}
    found, report = read(tmp_path, [tea], [tea])
    assert (found, report.n_alike) == ({"tea": 2}, 0)
