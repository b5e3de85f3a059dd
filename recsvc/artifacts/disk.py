"""What the disk promises: content and names that outlive a crash, one writer at a time, errors.

A new file is written aside, flushed, and then renamed into place; a rename is flushed too.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsvc.errors import RegistryError


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file and wait until its content is on the disk.

    Raises:
        OSError: the file exists or cannot be written.
    """
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def fsync_directory(directory: Path) -> None:
    """Wait until the names in a directory (files made, renamed, replaced) are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process or thread at a time go on; death unlocks.

    Args:
        path: of the lock, which is made where it is not there yet.

    Raises:
        OSError: it cannot be made.
    """
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def disk_errors(root: Path, what: str, done: str) -> Iterator[None]:
    """Say in one line what the disk refused, and where.

    Args:
        root: the directory that is worked in.
        what: lies there, such as ``registry``.
        done: what cannot be done with it, such as ``read``.

    Raises:
        RegistryError: in place of an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise RegistryError(
            f"{root}: the {what} cannot be {done} ({error}); "
            "check the permissions and the disk's free space"
        ) from error
