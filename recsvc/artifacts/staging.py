"""Staging: where versions and pointers are written before they are renamed into place, whole.

Nobody reads it. What a writer leaves there when it is killed goes with a later version.
"""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recsvc.artifacts.disk import fsync_directory

_KEPT_SECONDS = 24 * 3600


class Staging:
    """The staging directory of a registry.

    Args:
        path: of the directory, on the same disk as what is renamed out of it.

    Every operation raises ``OSError`` where the disk refuses.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def make(self) -> None:
        """Make the directory where it is not there: tools that copy files may leave it out."""
        self._path.mkdir(exist_ok=True)

    def probe(self) -> None:
        """Find out whether it can be written."""
        probe = self._aside("probe")
        probe.mkdir()
        probe.rmdir()

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """Give the path of a file to write and to rename; left there, it is removed."""
        self.make()
        staged = self._aside(name)
        try:
            yield staged
        finally:
            staged.unlink(missing_ok=True)  # is gone unless something failed

    @contextmanager
    def directory(self, name: str) -> Iterator[Path]:
        """Give an empty directory to fill and to rename; left there, it is removed.

        What crashed writers left a day ago is removed first.
        """
        staged = self._aside(name)
        staged.mkdir()
        try:
            # The file system's own clock, which may be another machine's.
            self._clean(older_than=staged.stat().st_mtime - _KEPT_SECONDS)
            yield staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)  # is gone unless something failed

    def discard(self, directory: Path) -> None:
        """Take a directory away from its readers in one step, then remove it.

        Who is killed in between leaves it here, and it goes with a later version: it is old.
        """
        self.make()
        staged = self._aside(directory.name)
        directory.rename(staged)
        # First there, then not here: lost by neither, if the power goes.
        fsync_directory(self._path)
        fsync_directory(directory.parent)
        shutil.rmtree(staged)

    def _aside(self, name: str) -> Path:
        return self._path / f"{name}-{secrets.token_hex(4)}"

    def _clean(self, older_than: float) -> None:
        """Remove what crashed writers left before ``older_than`` (seconds since the epoch)."""
        for path in self._path.iterdir():
            with suppress(OSError):  # another publisher's cleaning, or another user's file
                if path.stat().st_mtime >= older_than:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
