"""Refused rows as a CSV file: ``row``, ``reason``."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from recsvc.errors import InputError


class Refused(NamedTuple):
    """A row that was not taken.

    Attributes:
        row: its number, the first after a header being 1, blank ones never counted.
        reason: what is wrong with it.
    """

    row: int
    reason: str


_HEADER: Final = [*Refused._fields]


def begin(path: Path, n_rows: int) -> None:
    """Make the file, with what an earlier run wrote there of the first ``n_rows`` rows.

    Raises:
        InputError: it cannot be written, or is one of another kind.
    """
    with _told(path):
        kept = list(_read(path, n_rows)) if path.exists() else []
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([_HEADER, *kept])


def add(path: Path, refused: Iterable[Refused]) -> None:
    """Write rows at the end of the file.

    Raises:
        InputError: it cannot be written.
    """
    with _told(path), path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(refused)


def _read(path: Path, n_rows: int) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        if next(rows, _HEADER) != _HEADER:
            raise ValueError
        # The last line is half of one where the earlier run was killed.
        yield from (row for row in rows if len(row) == len(_HEADER) and int(row[0]) <= n_rows)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"--rejected {path}: cannot be written ({error})") from error
    except (ValueError, csv.Error) as error:
        raise InputError(f"--rejected {path}: is a file of something else; name another") from error
