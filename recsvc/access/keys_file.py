"""Changes to the file of keys: one at a time, and never half of one."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from recsvc.access.api_keys import ApiKey, parse_api_keys, write_api_keys
from recsvc.artifacts.disk import fsync_directory, locked
from recsvc.errors import InputError

Keys = tuple[ApiKey, ...]


def read_keys_file(path: Path) -> Keys:
    """The keys of a file; none where there is no file yet.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return parse_api_keys(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a file of keys ({error})") from error


def change_keys_file(path: Path, change: Callable[[Keys], Keys]) -> None:
    """Put other keys in place of those of a file, which is made where there is none.

    Processes that read it see the old ones or the new ones.

    Args:
        path: of the file; beside it stays an empty one, ``NAME.lock``.
        change: the new keys, of the old ones.

    Raises:
        InputError: it cannot be read or written.
    """
    staged = path.with_name(path.name + ".new")
    try:
        with locked(path.with_name(path.name + ".lock")):
            content = write_api_keys(change(read_keys_file(path)))
            staged.unlink(missing_ok=True)  # of a command that was killed
            staged.touch(0o600, exist_ok=False)
            with staged.open("r+b") as file:
                _keep_reader(path, file.fileno())
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            staged.rename(path)
            fsync_directory(path.parent)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error}); check the folder and its permissions"
        ) from error


def _keep_reader(path: Path, descriptor: int) -> None:
    """Let the new file be read by whoever reads the old one: the service may be another user."""
    with suppress(FileNotFoundError):
        old = path.stat()
        if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, old.st_mode & 0o777)
