"""A pointer on the disk, and the journal beside it: which version is current, who said so and why.

Models and the shelves of documents have one each. Whatever is killed, and whenever, a reader sees
the old pointer or the new one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from recsvc.artifacts import journal
from recsvc.artifacts.disk import fsync_directory, locked, write_durably
from recsvc.artifacts.journal import Action, Entry, Note
from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.staging import Staging
from recsvc.errors import RegistryError

PointerStamp: TypeAlias = tuple[int, int, int]


class PointerFile:
    """The pointer of a registry or of one of its shelves.

    Who changes it holds its lock from before it is read: a version that is checked and a pointer
    that is moved are one step.

    Args:
        directory: where ``current.json`` and ``lock`` lie.
        journal_path: of the journal.
        staging: where it is written before it is renamed.
        remedy: what to do about a damaged one.

    Every operation raises ``OSError`` where the disk refuses.
    """

    def __init__(self, directory: Path, journal_path: Path, staging: Staging, remedy: str) -> None:
        self._path = directory / "current.json"
        self._lock = directory / "lock"
        self._journal = journal_path
        self._staging = staging
        self._remedy = remedy

    def read(self) -> Pointer | None:
        """Return the pointer; None until there is one.

        Raises:
            RegistryError: it is damaged.
        """
        try:
            return Pointer.from_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise RegistryError(f"{self._path}: {error}; {self._remedy}") from error

    def stamp(self) -> PointerStamp | None:
        """Return what differs whenever the pointer has changed; None while there is none.

        One ``stat``, for asking a few times a second. Take the stamp before the pointer:
        a change between the two is then seen at the next look.
        """
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process or thread at a time change the pointer; death unlocks."""
        with locked(self._lock):
            yield

    def promote(
        self, version_id: str, before: Pointer | None, now: datetime, note: Note
    ) -> Pointer:
        """Make a version current.

        Args:
            version_id: the version.
            before: the pointer as it is.
            now: for the pointer and the journal.
            note: for the journal.

        Returns:
            The new pointer, or the old one if the version is current already.
        """
        if before is None:
            after = Pointer(version_id, generation=1, previous=(), changed_time=now)
        elif before.version_id == version_id:
            return before
        else:
            after = before.promoted(version_id, now)
        self._replace(after, before, Action.PROMOTED, note)
        return after

    def roll_back(self, before: Pointer, now: datetime, note: Note) -> Pointer:
        """Make the version before the current one current again, and return the new pointer.

        Args:
            before: the pointer as it is; its ``previous`` must not be empty.
            now: for the pointer and the journal.
            note: for the journal.
        """
        after = before.rolled_back(now)
        self._replace(after, before, Action.ROLLED_BACK, note)
        return after

    def refuse(self, version_id: str, pointer: Pointer | None, now: datetime, note: Note) -> None:
        """Write into the journal that a version is not to be current; nothing else changes.

        Args:
            version_id: the version.
            pointer: as it is and stays.
            now: when.
            note: why.
        """
        current, generation = (pointer.version_id, pointer.generation) if pointer else ("", 0)
        entry = Entry(now, Action.REFUSED, version_id, current, generation, note)
        journal.append(self._journal, entry)

    def history(self) -> list[Entry]:
        """Return every change that came to pass, and every refusal, the oldest first.

        Raises:
            RegistryError: the pointer is damaged.
        """
        # The journal first: what is written in between is then seen as done, not as crashed.
        entries = journal.read(self._journal)
        pointer = self.read()
        return journal.effective(entries, pointer.generation if pointer else 0)

    def _replace(self, after: Pointer, before: Pointer | None, action: Action, note: Note) -> None:
        """Write the journal, then replace the pointer as a whole."""
        old = before.version_id if before else ""
        entry = Entry(after.changed_time, action, after.version_id, old, after.generation, note)
        journal.append(self._journal, entry)
        with self._staging.file("current") as staged:
            write_durably(staged, after.to_json().encode())
            staged.replace(self._path)
            fsync_directory(self._path.parent)
