"""Erased people leave the collected history."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from recsvc.artifacts.ledger import Decision, LedgerEntry
from recsvc.artifacts.registry import Registry
from recsvc.errors import InputError
from recsvc.identity import customer_hash, visitor_hash
from training.purge import purge

T0 = 1_700_000_000_000


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty one."""
    made = Registry(tmp_path / "models")
    made.prepare()
    return made


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Two files; anna and her visitor are in both."""
    folder = tmp_path / "live"
    folder.mkdir()
    for number, start in ((1, 0), (2, 100)):
        rows = pl.DataFrame(
            {
                "customer_id": ["anna", None, "ben"],
                "visitor_id": [None, "v", None],
                "received": [T0 + 1_000 * (start + n) for n in range(3)],
            }
        )
        path = folder / f"live-{number:08}.parquet"
        rows.write_parquet(path, metadata={"recsvc.collected": f'{{"1": "{number}-0"}}'})
    return folder


def erase(registry: Registry, seconds: float) -> None:
    """Erase anna and her visitor."""
    key = registry.secret()
    people = (customer_hash(key, "anna"), visitor_hash(key, "v"))
    time = datetime.fromtimestamp(T0 / 1_000 + seconds, UTC)
    registry.ledger.append([LedgerEntry(time, Decision.ERASED, people)])


def test_rows_of_erased_people_are_removed_from_every_file(
    registry: Registry, history: Path
) -> None:
    """What others did stays, and each file still says how far the log was collected."""
    erase(registry, 1_000)

    assert purge(history, registry) == 4

    files = sorted(history.glob("*.parquet"))
    assert [pl.read_parquet(path)["customer_id"].to_list() for path in files] == [["ben"]] * 2
    notes = [pl.read_parquet_metadata(path)["recsvc.collected"] for path in files]
    assert notes == ['{"1": "1-0"}', '{"1": "2-0"}']
    assert not any(b"anna" in path.read_bytes() for path in files)


def test_what_came_after_the_erasure_stays(registry: Registry, history: Path) -> None:
    """Who comes back starts afresh."""
    erase(registry, 50)
    assert purge(history, registry) == 2
    second = pl.read_parquet(history / "live-00000002.parquet")
    assert second["customer_id"].to_list() == ["anna", None, "ben"]


def test_what_the_clock_of_redis_says_is_purged(registry: Registry, history: Path) -> None:
    """To the millisecond, also of an erasure whose first word a purge has read before."""
    erase(registry, -1_000)
    assert purge(history, registry) == 0
    anna = customer_hash(registry.secret(), "anna")
    until = datetime.fromtimestamp(T0 / 1_000, UTC) + timedelta(seconds=100)
    registry.ledger.append([LedgerEntry(until, Decision.SWEPT, (anna,))])
    assert purge(history, registry) == 2
    second = pl.read_parquet(history / "live-00000002.parquet")
    assert second["customer_id"].to_list() == [None, "ben"]


def test_a_purge_is_not_done_twice(registry: Registry, history: Path) -> None:
    """Files are read again only when somebody else was erased."""
    erase(registry, 1_000)
    purge(history, registry)
    before = [path.stat().st_mtime_ns for path in sorted(history.glob("*.parquet"))]

    assert purge(history, registry) == 0

    assert [path.stat().st_mtime_ns for path in sorted(history.glob("*.parquet"))] == before


def test_a_damaged_file_is_named(registry: Registry, history: Path) -> None:
    """Nobody can say whose rows are in it."""
    erase(registry, 1_000)
    (history / "live-00000002.parquet").write_bytes(b"PAR1PAR1")
    with pytest.raises(InputError, match=r"live-00000002\.parquet: is not a Parquet file, or a da"):
        purge(history, registry)


def test_nobody_erased_changes_nothing(registry: Registry, history: Path) -> None:
    """An empty ledger leaves the files alone."""
    assert purge(history, registry) == 0


def test_what_could_not_be_read_is_theirs_where_it_has_their_hash(
    registry: Registry, history: Path
) -> None:
    """What was set aside is purged too, of others and of later it stays."""
    anna, ben = (customer_hash(registry.secret(), name) for name in ("anna", "ben"))
    folder = history / "_unreadable"
    folder.mkdir()
    path = folder / "live-00000001.jsonl"
    lines = [
        json.dumps({"partition": 1, "position": f"{T0 + ms}-0", "fields": {"e": f"?{person}"}})
        for person, ms in ((anna, 0), (ben, 0), (anna, 60_000))
    ]
    path.write_text("\n".join(lines) + "\n")
    erase(registry, 50)
    assert purge(history, registry) == 2 + 1
    assert path.read_text().splitlines() == lines[1:]
