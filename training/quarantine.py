"""Rows that cannot be used: found again in their files, written down, and not too many."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from recsvc.errors import InputError
from training.cells import is_flat
from training.reading import OVERFLOW, ROW, Source, raw, readable, shown

FILE: Final = "file"
LINE: Final = "line"
REASON: Final = "reason"

_OWN_HEADER: Final = f"{FILE},{LINE},{REASON}".encode()
_N_TOP_REASONS: Final = 3


def original_rows(source: Source, rejected: pl.DataFrame) -> pl.DataFrame:
    """Read rejected rows again, with all their columns, and find their lines.

    The first pass reads no more columns than it needs and counts records, not lines; this
    one costs time only where there is something to report.

    Args:
        source: the file.
        rejected: ``ROW`` and ``REASON``.

    Returns:
        Text columns: ``FILE``, ``LINE`` (of a CSV the line, the header's being 1; of Parquet
        the row, the first being 1), ``REASON`` and the file's own. Blank lines of a CSV, and
        those of nothing but separators, are left out: they are no rows.
    """
    names = [name for name, dtype in source.schema.items() if is_flat(dtype)]
    cells = [pl.col(raw(name)) for name in names]
    line = pl.col(ROW) + 1
    if source.is_csv:
        # A quoted field may run over several lines.
        breaks = pl.sum_horizontal(cell.str.count_matches("\n", literal=True) for cell in cells)
        line += breaks.cum_sum().shift(1, fill_value=0)
        line += 1 + sum(name.count("\n") for name in names)
    found = (
        source.frame.with_columns(line.alias(LINE))
        .join(rejected.lazy(), on=ROW, maintain_order="left")
        .select(
            pl.lit(str(source.path)).alias(FILE),
            pl.col(LINE).cast(pl.String),
            REASON,
            *(
                cell.cast(pl.String).alias(own_name)
                for cell, own_name in zip(cells, _own_names(names), strict=True)
            ),
            OVERFLOW,
        )
    )
    with readable(source.path):
        rows = found.collect()
    if source.is_csv:
        rows = rows.filter(pl.any_horizontal(pl.exclude(FILE, LINE, REASON).str.len_bytes() > 0))
    return rows.drop(OVERFLOW) if rows[OVERFLOW].is_null().all() else rows


def _own_names(names: Sequence[str]) -> list[str]:
    """Rename a file's columns that have the names of ours."""
    taken = {FILE, LINE, REASON, OVERFLOW}
    own_names = []
    for name in names:
        own_name = name
        while own_name in taken:
            own_name = f"original {own_name}"
        taken.add(own_name)
        own_names.append(own_name)
    return own_names


def count_reasons(rejected: pl.DataFrame) -> dict[str, int]:
    """Count rejected rows by reason, the most frequent first."""
    counts = rejected[REASON].value_counts().sort(["count", REASON], descending=[True, False])
    return dict(counts.iter_rows())


def write_quarantine(rejected: pl.DataFrame, path: Path) -> None:
    """Write rejected rows as CSV; what an earlier run left there is replaced, or removed.

    Raises:
        InputError: the file cannot be written, or is one of another kind.
    """
    try:
        if rejected.is_empty():
            _remove(path)
            return
        if path.is_file() and path.stat().st_size and not _is_ours(path):
            raise InputError(
                f"--quarantine {shown(path)}: is a file of something else; name another"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        rejected.write_csv(path)
    except OSError as error:
        reason = shown(error.strerror or str(error))
        raise InputError(f"--quarantine {shown(path)}: cannot be written ({reason})") from error


def _remove(path: Path) -> None:
    """Remove a quarantine file; another file of that name is not ours to remove."""
    if path.is_file() and _is_ours(path):
        path.unlink()


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline().startswith(_OWN_HEADER)


def refuse_too_many(
    rejected: pl.DataFrame,
    *,
    what: str,
    n_rows: int,
    max_share: float,
    path: Path | None,
) -> None:
    """Refuse input of which too much cannot be used.

    Args:
        rejected: the rejected rows.
        what: the kind of rows, for the message.
        n_rows: how many rows there were in all.
        max_share: the largest share of rejected rows that is let pass, 0 to 1.
        path: where they have been written, if anywhere.

    Raises:
        InputError: the share is larger, or nothing is left.
    """
    share = rejected.height / n_rows
    if share <= max_share and rejected.height < n_rows:
        return
    reasons = count_reasons(rejected)
    top = ", ".join(f"{reason} {n}" for reason, n in [*reasons.items()][:_N_TOP_REASONS])
    first = f"first: {shown(rejected[FILE][0])} line {rejected[LINE][0]}"
    where = f"they are in {shown(path)}" if path else "name a file for them with --quarantine"
    remedy = (
        f"mend them or raise the limit with --max-quarantined (now {max_share:g})"
        if rejected.height < n_rows
        else "nothing is left to work with"
    )
    raise InputError(
        f"{rejected.height} of {n_rows} rows of {what} cannot be used"
        f" ({top}; {first}); {where}; {remedy}"
    )
