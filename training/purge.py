"""Taking erased people out of the collected history: what was written down before they asked."""

import json
from pathlib import Path

import polars as pl

from recsvc.artifacts.registry import Registry
from recsvc.identity import customer_hash, visitor_hash
from training.drain import FILES, UNREADABLE, alone, rewrite, set_aside
from training.people import Said, hashing_key
from training.reading import readable

POSITION = ".purged"
"""File of the history's folder that says up to which position of the ledger it was purged."""


def purge(folder: Path, registry: Registry) -> int:
    """Rewrite the files of a history without what erased people did before.

    A file is replaced as a whole or stays as it is, so a run that is killed is repeated by the
    next one.

    Args:
        folder: of the history.
        registry: whose ledger says who was erased.

    Returns:
        How many rows were removed.

    Raises:
        PreconditionError: a collection is under way.
        InputError: a file is damaged.
    """
    marker = folder / POSITION
    position = int(marker.read_text(encoding="ascii")) if marker.exists() else 0
    entries, until = registry.ledger.read(position)
    erased = {person: one.until for person, one in Said.of(entries).erased.items()}
    n_removed = 0
    if erased:
        key = hashing_key(registry)
        with alone(folder):
            n_removed = sum(_purge(path, erased, key) for path in sorted(folder.glob(FILES)))
            for path in sorted((folder / UNREADABLE).glob("*.jsonl")):
                n_removed += _purge_unreadable(path, erased)
    if until != position:
        marker.write_text(str(until), encoding="ascii")
    return n_removed


def _purge(path: Path, erased: dict[str, int], key: bytes) -> int:
    with readable(path):
        rows = pl.read_parquet(path)
    gone = pl.lit(value=False)
    for column, hashed in (("customer_id", customer_hash), ("visitor_id", visitor_hash)):
        ids = rows[column].drop_nulls().unique().to_list()
        theirs = {
            person: erased[found] for person in ids if (found := hashed(key, person)) in erased
        }
        for person, until in theirs.items():
            before = pl.col("received") <= until
            gone |= (pl.col(column) == person).fill_null(value=False) & before
    kept = rows.filter(~gone)
    if kept.height == rows.height:
        return 0
    rewrite(path, kept)
    return rows.height - kept.height


def _purge_unreadable(path: Path, erased: dict[str, int]) -> int:
    """Likewise of what could not be read: it is theirs if their hash is in it."""
    lines = path.read_text(encoding="ascii").splitlines()
    kept = [
        line
        for line in lines
        if not any(person in line and _received(line) <= until for person, until in erased.items())
    ]
    if len(kept) < len(lines):
        set_aside(path, kept)
    return len(lines) - len(kept)


def _received(line: str) -> int:
    return int(json.loads(line)["position"].partition("-")[0])
