"""From files to one checked table: columns by their canonical names, unusable rows set apart."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final

import polars as pl

from recsvc.errors import InputError
from training.cells import identifier, is_filled, is_flat, parse
from training.quarantine import (
    FILE,
    LINE,
    REASON,
    original_rows,
    refuse_too_many,
    write_quarantine,
)
from training.reading import (
    OVERFLOW,
    ROW,
    Source,
    digest,
    input_files,
    is_parquet,
    open_source,
    raw,
    readable,
    shown,
)
from training.schema import Column, Table, unreadable
from training.trial import Trial

_RULE: Final = "broken rule"
_N_SHOWN_COLUMNS: Final = 30
_NOTHING_REJECTED: Final = pl.DataFrame(schema=dict.fromkeys((FILE, LINE, REASON), pl.String()))


@dataclass(frozen=True, slots=True)
class Checked:
    """A table as read.

    Attributes:
        rows: the usable rows in file order; all canonical columns and, of a table that keeps
            them, the files' others as text, each under ``reading.raw(name)``.
        other_names: the names of these others.
        rejected: the others, as ``quarantine.original_rows`` gives them.
        unusable: what could be read of those; the canonical columns that their files have.
        digest: SHA-256 of the files' bytes.
        heights: how many of ``rows`` each file has, in their order.
        ignored: the files' columns that are of no use.
    """

    rows: pl.DataFrame
    other_names: tuple[str, ...]
    rejected: pl.DataFrame
    unusable: pl.DataFrame
    digest: str
    heights: tuple[int, ...]
    ignored: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        """How many rows the files hold."""
        return self.rows.height + self.rejected.height


@dataclass(frozen=True, slots=True)
class Options:
    """How files are to be understood.

    Attributes:
        mapping: canonical column name -> the files' own.
        timezone: IANA name of the zone in which naive times are.
        now: times more than a day later are impossible.
        quarantine: where rejected rows are written, if anywhere.
        max_quarantined_share: more of them than this, 0 to 1, is an error.
        trial: reads Parquet before it is read here; None has one of its own.
    """

    mapping: Mapping[str, str]
    timezone: str
    now: datetime
    quarantine: Path | None
    max_quarantined_share: float
    trial: Trial | None = None


def read_table(table: Table, paths: Sequence[Path], options: Options) -> Checked:
    """Read files and folders as one table.

    Raises:
        InputError: an option, a file or a column is unusable, or too many rows are.
    """
    _check_options(table, options)
    files = input_files(paths, ignore=options.quarantine)
    with nullcontext(options.trial) if options.trial else Trial() as trial:
        for file in filter(is_parquet, files):
            trial.check(file)
    sources = [open_source(file) for file in files]
    _check_columns(table, sources, options.mapping)
    others = [_others(table, source, options.mapping) for source in sources]
    parts = [
        _check_rows(table, source, names, options)
        for source, names in zip(sources, others, strict=True)
    ]
    checked = Checked(
        rows=pl.concat([rows for rows, _, _ in parts], how="diagonal"),
        other_names=tuple(dict.fromkeys(chain.from_iterable(others))),
        rejected=pl.concat([rejected for _, rejected, _ in parts], how="diagonal"),
        unusable=pl.concat([unusable for _, _, unusable in parts], how="diagonal"),
        digest=digest(files),
        heights=tuple(rows.height for rows, _, _ in parts),
        ignored=_ignored(table, sources, options.mapping),
    )
    if checked.n_rows == 0:
        raise InputError(f"{_listed(files)}: no {table.name} in it, only column names")
    if options.quarantine is not None:
        write_quarantine(checked.rejected, options.quarantine)
    refuse_too_many(
        checked.rejected,
        what=table.name,
        n_rows=checked.n_rows,
        max_share=options.max_quarantined_share,
        path=options.quarantine,
    )
    return checked


def _check_options(table: Table, options: Options) -> None:
    for name, column in options.mapping.items():
        if name not in table.names:
            raise InputError(
                f"{table.option} {shown(name)}={shown(column)}: {shown(name)!r} is no column that "
                f"{table.name} can have; the names are {', '.join(table.names)}"
            )
    if not 0 <= options.max_quarantined_share <= 1:
        raise InputError(
            f"--max-quarantined {options.max_quarantined_share:g}: is a share from 0 to 1"
        )
    try:
        pl.select(pl.lit(options.now.replace(tzinfo=None)).dt.replace_time_zone(options.timezone))
        known = bool(options.timezone)
    except pl.exceptions.ComputeError:
        known = False
    if not known:
        raise InputError(
            f"--timezone {shown(options.timezone)!r}: unknown; give an IANA name as Europe/Berlin"
        )


def _check_columns(table: Table, sources: Sequence[Source], mapping: Mapping[str, str]) -> None:
    required = {c.name: mapping.get(c.name, c.name) for c in table.columns if c.required}
    for source in sources:
        missing = {name: own for name, own in required.items() if own not in source.schema}
        if missing:  # all at once: a file of other names has often none of them
            raise InputError(_no_columns(table, source, missing))
    for column in table.columns:
        own_name = mapping.get(column.name, column.name)
        for source in sources:
            dtype = source.schema.get(own_name)
            if dtype is not None and not is_flat(dtype):
                raise InputError(
                    f"{shown(source.path)}: column {shown(own_name)!r} holds {shown(dtype)};"
                    f" write {column.name} as text, numbers or dates"
                )
        # Parts of a folder may lack an optional column, but a mapping must mean something.
        without = [each for each in sources if own_name not in each.schema]
        if column.in_all_or_none and 0 < len(without) < len(sources):
            raise InputError(
                f"{shown(without[0].path)}: no column {shown(own_name)!r}, which other files of "
                f"{table.name} have; add it, or read this file without those"
            )
        if column.name in mapping and len(without) == len(sources):
            raise InputError(_no_columns(table, sources[0], {column.name: own_name}))


def _no_columns(table: Table, source: Source, missing: Mapping[str, str]) -> str:
    """What is wrong with a file that lacks columns, its own names by ours."""
    names = source.schema.names()
    listed = ", ".join(shown(name) for name in names[:_N_SHOWN_COLUMNS])
    more = ", …" if len(names) > _N_SHOWN_COLUMNS else ""
    one = "the right one" if len(missing) == 1 else "the right ones"
    given = " ".join(f"{table.option} {name}=COLUMN" for name in missing)
    remedy = f"name {one} with {given}" if table.option else f"rename {one}"
    lacks = " or ".join(f"{shown(own_name)!r}" for own_name in missing.values())
    return f"{shown(source.path)}: no column {lacks}; it has {listed}{more}; {remedy}"


def _check_rows(
    table: Table, source: Source, others: Sequence[str], options: Options
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read one file; give its usable rows, the others as they are, and what is read of those."""
    own_names = {name: options.mapping.get(name, name) for name in table.names}
    present = {name: own for name, own in own_names.items() if own in source.schema}
    broken = {
        "too_many_fields": pl.col(OVERFLOW).is_not_null(),
        **table.rules(options.now, present),
    }
    reasons = dict(enumerate(broken, start=1))
    first_broken = pl.lit(0, pl.UInt8)
    for number, rule in reversed([*zip(reasons, broken.values(), strict=True)]):
        first_broken = pl.when(rule).then(pl.lit(number, pl.UInt8)).otherwise(first_broken)
    other_cells = [
        identifier(pl.col(raw(name)), source.schema[name]).alias(raw(name)) for name in others
    ]
    checked = (
        source.frame.with_columns(
            *(_typed(column, source, present, options.timezone) for column in table.columns),
        )
        .with_columns(*(_unreadable(column, source, present) for column in table.columns))
        .select(ROW, *table.names, *other_cells, first_broken.alias(_RULE))
    )
    with readable(source.path):
        rows = checked.collect()
    is_bad = rows[_RULE] > 0
    bad = rows.filter(is_bad)
    unusable = bad.select(*present)
    if bad.is_empty():
        return rows.drop(ROW, _RULE), _NOTHING_REJECTED, unusable
    rejected = bad.select(
        ROW, pl.col(_RULE).replace_strict(reasons, return_dtype=pl.String).alias(REASON)
    )
    return rows.filter(~is_bad).drop(ROW, _RULE), original_rows(source, rejected), unusable


def _typed(column: Column, source: Source, present: Mapping[str, str], timezone: str) -> pl.Expr:
    own_name = present.get(column.name)
    if own_name is None:
        return pl.lit(None, column.kind.dtype).alias(column.name)
    cell, dtype = pl.col(raw(own_name)), source.schema[own_name]
    return parse(cell, dtype, column.kind, timezone).alias(column.name)


def _unreadable(column: Column, source: Source, present: Mapping[str, str]) -> pl.Expr:
    own_name = present.get(column.name)
    if own_name is None:
        return pl.lit(value=False).alias(unreadable(column.name))
    filled = is_filled(pl.col(raw(own_name)), source.schema[own_name])
    return (filled & pl.col(column.name).is_null()).alias(unreadable(column.name))


def _others(table: Table, source: Source, mapping: Mapping[str, str]) -> list[str]:
    """Name a file's columns without a canonical name, if the table keeps them."""
    used = {mapping.get(name, name) for name in table.names}
    return [
        name
        for name, dtype in source.schema.items()
        if table.keeps_others and name not in used and is_flat(dtype)
    ]


def _ignored(
    table: Table, sources: Sequence[Source], mapping: Mapping[str, str]
) -> tuple[str, ...]:
    """Name the files' columns that have no canonical name and are not kept."""
    if table.keeps_others:
        return ()
    names = dict.fromkeys(chain.from_iterable(source.schema for source in sources))
    used = {mapping.get(name, name) for name in table.names}
    return tuple(name for name in names if name not in used)


def _listed(files: Sequence[Path]) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{shown(files[0])}{more}"
