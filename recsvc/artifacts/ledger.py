"""The ledger: what people decided and no model may forget.

Withdrawn products, consent, linked visitors and erasures, one JSON object a line, only ever added
to and on the disk before anybody is told that it is done. It lies beside the models, not in Redis,
so that an emptied Redis or a new model changes nothing of it. People stand in it as keyed hashes
alone.

Every process reads on from where it was, a few times a second.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from datetime import datetime
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Self

from recsvc.artifacts.disk import fsync_directory
from recsvc.artifacts.json_fields import field, parse_object, time_field, utc_text

_N_LINKED = 2

_VOID = b"\0\n"
"""Ends a line that was torn. Where all but its end had been written, it is no entry all the same:
nobody was told that it is, and what was decided since did not heed it."""


class Decision(StrEnum):
    """What was decided, of each subject of an entry."""

    WITHDRAWN = "withdrawn"
    RESTORED = "restored"
    CONSENT_GRANTED = "consent granted"
    CONSENT_WITHDRAWN = "consent withdrawn"
    CONSENT_UNKNOWN = "consent unknown"
    ERASED = "erased"
    SWEPT = "swept"
    """Of who was erased the stores hold nothing any more. The entry's time is when they let go, by
    their own clock: what they had received until then is to leave what was collected from them."""
    LINKED = "linked"
    """A visitor, the first subject, turned out to be a customer, the second."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line.

    Attributes:
        time: when, UTC; by the clock of the service, but for SWEPT.
        decision: what.
        subjects: product ids, or hashes of people.
        position: after it in the file, where it was read from one.
    """

    time: datetime
    decision: Decision
    subjects: tuple[str, ...]
    position: int = dataclass_field(default=0, compare=False)

    def to_json(self) -> str:
        """Return the line, without its end."""
        document = {
            "time": utc_text(self.time),
            "decision": self.decision.value,
            "subjects": list(self.subjects),
        }
        return json.dumps(document, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: it is no JSON, or a field is missing or of the wrong type.
        """
        document = parse_object(line)
        decision = Decision(field(document, "decision", str))
        subjects = tuple(map(str, field(document, "subjects", list)))
        if decision is Decision.LINKED and len(subjects) != _N_LINKED:
            raise ValueError("a link is of a visitor and a customer")
        return cls(time_field(document, "time"), decision, subjects)


class UncertainError(OSError):
    """Entries are in the file, where every process reads them, and may not be on the disk."""


class Ledger:
    """The file of a registry; safe for any number of processes and threads.

    Args:
        path: the file; the first entry makes it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_named = False  # on the disk, as far as this object knows

    def append(self, entries: Sequence[LedgerEntry]) -> int:
        """Add entries and wait until they are on the disk.

        Returns:
            The position after them: who has read so far has read them.

        Raises:
            UncertainError: the disk has failed, and they may hold all the same.
            OSError: the file cannot be written; nothing was added.
        """
        lines = _lines(entries)
        with self._alone() as file:
            return self._add(file, lines)

    def append_after(self, position: int, entries: Sequence[LedgerEntry]) -> int | None:
        """Likewise, but only where nothing has been added after ``position``; else None.

        Raises:
            UncertainError: as for :meth:`append`.
            OSError: likewise.
        """
        lines = _lines(entries)
        with self._alone() as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(position)
            if end < position or b"\n" in file.read():  # what a crash has torn is no entry
                return None
            return self._add(file, lines)

    @contextmanager
    def _alone(self) -> Iterator[FileIO]:
        # Without a buffer, which would be written after all when the file is closed.
        with self._path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # closing the file unlocks it
            yield file

    def _add(self, file: FileIO, lines: bytes) -> int:
        closing = b""
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":  # a writer died within its line
                closing = _VOID
        lines = closing + lines
        n_written = 0
        try:
            while n_written < len(lines):
                n_written += file.write(lines[n_written:])
            os.fsync(file.fileno())
            # Bytes in the file do not mean that its name is on the disk: who made it may have been
            # interrupted in between.
            if not (end and self._is_named):
                fsync_directory(self._path.parent)
                self._is_named = True
        except OSError as error:
            # Others may have read what is whole by now: it is not taken back behind their backs.
            n_written = file.seek(0, os.SEEK_END) - end
            if b"\n" in lines[len(closing) : n_written]:
                raise UncertainError(error.errno, error.strerror, error.filename) from error
            raise
        return file.seek(0, os.SEEK_END)

    def end(self) -> int:
        """The position after the last entry; 0 while there is none. One ``stat``."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, position: int) -> tuple[list[LedgerEntry], int]:
        """Return what was added after ``position``, and the position after that.

        Lines that a crash has torn are left out, and so is one that is being written.

        Raises:
            OSError: the file is there and cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(position)
                content = file.read()
        except FileNotFoundError:
            return [], 0
        whole = content[: content.rfind(b"\n") + 1]
        return list(_parsed(whole.splitlines(keepends=True), position)), position + len(whole)


def _lines(entries: Iterable[LedgerEntry]) -> bytes:
    return b"".join(entry.to_json().encode() + b"\n" for entry in entries)


def _parsed(lines: Iterable[bytes], position: int) -> Iterable[LedgerEntry]:
    for line in lines:
        position += len(line)
        try:
            entry = LedgerEntry.from_json(line)
        except ValueError:
            continue
        yield replace(entry, position=position)
