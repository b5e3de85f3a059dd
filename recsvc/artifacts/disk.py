"""What the disk promises: content and names that outlive a crash, one writer at a time, errors.

A new file is written aside, flushed, and then renamed into place; a rename is flushed too.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def make_directory(path: Path, mode: int = 0o777) -> None:
    """Make a directory, and those above it, and wait until their names are on the disk.

    A file that was flushed is lost all the same where the name of a directory above it is.

    Args:
        path: of the directory, which may be there.
        mode: of the directory, but for the umask.

    Raises:
        OSError: it cannot be made.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode, parents=True, exist_ok=True)
    for made in reversed(missing):
        fsync_directory(made.parent)


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
def held(directory: Path) -> Iterator[None]:
    """Keep a directory that is being read from whoever would remove it; death lets go.

    Where there is none, or its file system locks no directories (NFS), nothing is held.
    """
    descriptor: int | None = None
    with suppress(OSError):  # reading it says what is wrong
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def unheld(directory: Path) -> Iterator[bool]:
    """Tell whether nobody holds a directory, and let nobody until this ends.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _is_unheld(descriptor)
    finally:
        os.close(descriptor)


def _is_unheld(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError)  # else nothing can be held there, see above
    return True


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
