"""From paths to lazy frames: which files there are, and opening them without a stack trace."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from recsvc.errors import InputError
from training.packing import check_rows, check_text

ROW: Final = "row"
"""A row's number in its file, 0 for the first."""
OVERFLOW: Final = "field beyond the header"
"""The first filled field beyond a CSV's header; a row that has one is broken."""

_SEPARATORS: Final = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
_OTHER_SEPARATORS: Final = (";", "\t", "|")
"""What may stand between the names of a header that is one name otherwise."""
_PARQUET: Final = (".parquet", ".pq")
_KINDS: Final = ".csv, .tsv (also .gz) or .parquet"
_BLOCK_BYTES: Final = 1 << 20
_MAX_SHOWN: Final = 200
_SURPLUS: Final = tuple(f"{OVERFLOW} {number}" for number in range(1, 9))


@dataclass(frozen=True, slots=True)
class Source:
    """One opened input file.

    Attributes:
        path: as the user gave it.
        schema: its columns and their types; all text in a CSV.
        frame: its rows, unread: ``ROW``, ``OVERFLOW`` (null in Parquet), and the file's
            columns, each under ``raw(name)``.
        is_csv: whether rows are lines of text.
    """

    path: Path
    schema: pl.Schema
    frame: pl.LazyFrame
    is_csv: bool


def raw(name: str) -> str:
    """Name a file's own column so that it cannot be taken for one of ours."""
    return f"raw {name}"


def input_files(paths: Sequence[Path], *, ignore: Path | None = None) -> list[Path]:
    """List the files that ``paths`` name: files themselves, and what lies in folders.

    Folders are searched to any depth, in the order of names. Files of other kinds and
    those whose name, or a folder's on the way, starts with "." or "_" are left out there.

    Args:
        paths: files and folders.
        ignore: a file that is no input even if it lies in a folder: the quarantine.

    Returns:
        Each file once.

    Raises:
        InputError: a path does not exist, is of no known kind, or is a folder without input.
    """
    if not paths:
        raise InputError(f"no input is given; name a {_KINDS} file or a folder of them")
    ignored = None if ignore is None else ignore.resolve()
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _expand(path, ignored):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _expand(path: Path, ignored: Path | None) -> list[Path]:
    with readable(path):
        if path.is_dir():
            files = sorted(
                file
                for file in path.rglob("*")
                if _suffix(file)
                and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
                and file.is_file()
                and file.resolve() != ignored
            )
            if not files:
                raise InputError(f"{shown(path)}: this folder holds no {_KINDS} file")
            return files
        if not path.exists():
            raise FileNotFoundError(path)
        if not path.is_file() or not _suffix(path):
            raise InputError(f"{shown(path)}: unknown kind of file; give a {_KINDS} file")
        if path.resolve() == ignored:
            raise InputError(f"{shown(path)}: is input and quarantine at once; name another file")
    return [path]


def is_parquet(path: Path) -> bool:
    """Whether a file's name says that it is Parquet."""
    return _suffix(path) in _PARQUET


def _suffix(path: Path) -> str | None:
    name = path.name.lower()
    return next((suffix for suffix in (*_SEPARATORS, *_PARQUET) if name.endswith(suffix)), None)


def open_source(path: Path) -> Source:
    """Open a file and learn its columns.

    Raises:
        InputError: it cannot be read, is empty, damaged or of another encoding.
    """
    with readable(path):
        if path.stat().st_size == 0:
            raise InputError(f"{shown(path)}: the file is empty")
        if is_parquet(path):
            frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
            schema = frame.collect_schema()
            check_rows(path, frame.select(pl.len()).collect().item())
            own = frame.select(pl.all().name.map(raw), pl.lit(None, pl.String).alias(OVERFLOW))
            return Source(path, schema, own.with_row_index(ROW), is_csv=False)
        check_text(path)
        separator = _SEPARATORS[_suffix(path) or ".csv"]
        schema = _header(path, separator)
        for other in _OTHER_SEPARATORS:
            if len(schema) == 1 and other in schema.names()[0]:
                separator, schema = other, _header(path, other)
        if any("\ufffd" in name or "\0" in name for name in schema):
            raise InputError(_wrong_encoding(path))
        # A row with too many fields would end the run, or lose the surplus unseen; columns
        # beyond the header's catch it. Several, since the first surplus field may be empty;
        # separators alone at the end of a line lose nothing.
        frame = pl.scan_csv(
            path,
            separator=separator,
            schema={**schema, **dict.fromkeys(_SURPLUS, pl.String())},
            missing_columns="insert",
            truncate_ragged_lines=True,
            glob=False,
        )
        own = frame.select(
            pl.col(schema.names()).name.map(raw), pl.coalesce(_SURPLUS).alias(OVERFLOW)
        )
    return Source(path, schema, own.with_row_index(ROW), is_csv=True)


def _header(path: Path, separator: str) -> pl.Schema:
    return pl.scan_csv(path, separator=separator, infer_schema=False, glob=False).collect_schema()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the file system and Polars raise about a file into an InputError."""
    try:
        yield
    except pl.exceptions.NoDataError as error:
        raise InputError(f"{shown(path)}: there are only blank lines in it") from error
    # Of a damaged Parquet file Polars may also say that an operation is invalid, or panic.
    except (
        pl.exceptions.ComputeError,
        pl.exceptions.InvalidOperationError,
        pl.exceptions.PanicException,
    ) as error:
        if "utf-8" in str(error) or "utf8" in str(error):
            raise InputError(_wrong_encoding(path)) from error
        what = (
            "is not a Parquet file, or a damaged one"
            if is_parquet(path)
            else "is not well-formed CSV; a quote opened and never closed is the usual cause"
        )
        detail = shown(str(error).partition("\n")[0])
        raise InputError(f"{shown(path)}: {what} ({detail})") from error
    except FileNotFoundError as error:
        raise InputError(f"{shown(path)}: no such file or folder") from error
    except OSError as error:
        raise InputError(
            f"{shown(path)}: cannot be read ({shown(error.strerror or str(error))})"
        ) from error


def digest(paths: Iterable[Path]) -> str:
    """Hash the bytes of files, in the order of their names wherever they lie.

    Returns:
        SHA-256 in hexadecimal.
    """
    total = hashlib.sha256()
    for path in sorted(paths, key=lambda path: (path.name, path)):
        with readable(path), path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                total.update(block)
    return total.hexdigest()


def shown(text: object) -> str:
    """Write something from outside so that it fits into a one-line message."""
    line = str(text)
    if not line.isprintable():
        line = ascii(line)[1:-1]
    return line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}…"


def _wrong_encoding(path: Path) -> str:
    return f"{shown(path)}: is not UTF-8 text; save it as UTF-8 (as iconv -f LATIN1 -t UTF-8 does)"
