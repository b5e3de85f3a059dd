"""Files that are read again when they change, while what they said before goes on holding."""

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from recsvc.errors import SettingsError
from recsvc.logs import Logger

Said = TypeVar("Said")

_LOOKS_BEFORE_TOLD = 2
"""Two files of one change are written one after the other; seen between them they do not fit."""


class NamedFile(NamedTuple):
    """A file, and the setting that names it."""

    setting: str
    path: Path

    def content(self) -> bytes:
        """All of it.

        Raises:
            SettingsError: it cannot be read, or everybody may write to it.
        """
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read()
        except OSError as error:
            raise self.unusable((error.strerror or str(error)).lower()) from error
        if mode & stat.S_IWOTH:
            raise self.unusable(
                f"every user of this machine may write to it (mode {stat.S_IMODE(mode):o}), and so "
                f"say who may call: chmod o-w {self.path}"
            )
        return content

    def unusable(self, why: str) -> SettingsError:
        """The error of a file that is of no use."""
        return SettingsError(f"{self.setting}: {self.path} cannot be used: {why}")


class Watched(Generic[Said]):
    """What some files say together.

    They are a few kilobytes, so they are read, not asked for their times: those stand still where a
    file is written twice within a tick, and lie on some mounts.

    Args:
        files: in the order that ``parse`` takes their contents.
        parse: makes of them what is wanted, or raises a ``SettingsError``.
        logger: told of each change that counts, and of what cannot be used.
        at_start: makes it of the first contents, where it has to be content with less than
            ``parse``: there is nothing else yet.

    Attributes:
        value: what the last files said that could be used.

    Raises:
        SettingsError: the files cannot be read, or are of no use.
    """

    def __init__(
        self,
        files: Sequence[NamedFile],
        parse: Callable[..., Said],
        logger: Logger,
        *,
        at_start: Callable[..., Said] | None = None,
    ) -> None:
        self._files = files
        self._parse = parse
        self._logger = logger
        self._content = self._read()
        self.value = (at_start or parse)(*self._content)
        self._trouble, self._n_looks = "", 0

    @property
    def is_unusable(self) -> bool:
        """Whether the files cannot be used now, and have not been for more than a moment."""
        return bool(self._trouble) and self._n_looks >= _LOOKS_BEFORE_TOLD

    def refresh(self) -> bool:
        """Read the files again; whether they say something new that can be used."""
        try:
            content = self._read()
            if content == self._content:
                self._trouble = ""
                return False
            value = self._parse(*content)
        except SettingsError as error:
            self._tell(str(error))
            return False
        self.value, self._content, self._trouble = value, content, ""
        self._logger.info("access_file_read", files=self._names())
        return True

    def _read(self) -> list[bytes]:
        return [file.content() for file in self._files]

    def _tell(self, trouble: str) -> None:
        """Log a trouble once, if it stays."""
        self._n_looks = self._n_looks + 1 if trouble == self._trouble else 1
        self._trouble = trouble
        if self._n_looks == _LOOKS_BEFORE_TOLD:
            self._logger.error(
                "access_file_unusable",
                files=self._names(),
                error=trouble,
                hint="what it said before goes on holding",
            )

    def _names(self) -> str:
        return ", ".join(str(file.path) for file in self._files)
