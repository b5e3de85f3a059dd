"""Files that unpack to far more than they hold: found before anybody unpacks them into memory."""

import gzip
import zlib
from pathlib import Path
from typing import Final

from recsvc.errors import InputError

MAX_RATIO: Final = 200
"""So many times its size a table may unpack to. Purchases come to 5 to 30, and gzip, which can do
1,032, does more than this only to what says the same again and again."""
FREE_BYTES: Final = 64 << 20
"""Whatever unpacks to no more than this does no harm."""
MAX_ROWS_A_BYTE: Final = 20
FREE_ROWS: Final = 1_000_000
MAX_HEADER_BYTES: Final = 1 << 20
"""Of the names of all columns. Polars takes up to ninety times the memory of what they hold."""

_BLOCK_BYTES: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_OTHERS: Final = (b"\x28\xb5\x2f\xfd", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
"""How files of zstd and zlib begin, which Polars would unpack too, whatever they are called."""


def check_text(path: Path) -> None:
    """Refuse a file of text whose names of columns have no end, or that is packed far too well.

    Or in another way than by gzip.

    Args:
        path: the file; of one that is not packed only the beginning is read.

    Raises:
        InputError: it is such a file.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        first = file.read(4)
        if first.startswith(_OTHERS):
            raise InputError(
                f"{path}: is packed in another way than by gzip; unpack it, or use gzip"
            )
        if not first.startswith(_GZIP):
            _check_header(path, first + file.read(MAX_HEADER_BYTES + 1 - len(first)))
            return
    size = path.stat().st_size
    most = max(FREE_BYTES, MAX_RATIO * size)
    n_bytes = 0
    try:
        with gzip.open(path) as file:
            _check_header(path, file.read(MAX_HEADER_BYTES + 1))
            file.seek(0)
            while n_bytes <= most and (block := file.read(_BLOCK_BYTES)):
                n_bytes += len(block)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return  # who reads it says what is wrong
    if n_bytes > most:
        raise _too_much(path, size)


def _check_header(path: Path, beginning: bytes) -> None:
    if len(beginning) > MAX_HEADER_BYTES and not _has_header(beginning):
        raise InputError(
            f"{path}: its first line, which should name the columns, does not end within "
            f"{MAX_HEADER_BYTES:,} bytes, or a quote in it does not; look what it is, and write it "
            "anew"
        )


def _has_header(beginning: bytes) -> bool:
    """Whether the first line that is not blank ends here; one in quotes may have ends of lines."""
    n_quotes = 0
    for line in beginning.lstrip().split(b"\n")[:-1]:
        n_quotes += line.count(b'"')
        if n_quotes % 2 == 0:
            return True
    return False


def check_rows(path: Path, n_rows: int) -> None:
    """Refuse a Parquet file that has far more rows than its bytes could tell apart.

    Args:
        path: the file.
        n_rows: how many it says that it has.

    Raises:
        InputError: it is such a file.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if n_rows > max(FREE_ROWS, MAX_ROWS_A_BYTE * size):
        raise _too_much(path, size)


def _too_much(path: Path, size: int) -> InputError:
    return InputError(
        f"{path}: its {size:,} bytes unpack to far more than any table's would, and to more than "
        "the memory may hold; look what it is, and write it anew"
    )
