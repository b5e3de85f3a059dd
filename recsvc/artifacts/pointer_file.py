"""A pointer on the disk, and the journal beside it: which version is current, who said so and why.

Whatever is killed, and whenever, a reader sees the old pointer or the new one. Who changes it holds
a lock of its own kind: a version that is checked and a pointer that is moved are one step.
"""

import secrets
from pathlib import Path
from typing import TypeAlias

from recsvc.artifacts import journal
from recsvc.artifacts.format import fsync_directory, write_durably
from recsvc.artifacts.journal import Action, Entry, Note
from recsvc.artifacts.pointer import Pointer

PointerStamp: TypeAlias = tuple[int, int, int]


class PointerFile:
    """The pointer of a registry or of one of its shelves.

    Args:
        path: of the pointer.
        journal_path: of the journal.
        staging: directory, on the same disk, where it is written before it is renamed.
    """

    def __init__(self, path: Path, journal_path: Path, staging: Path) -> None:
        self.path = path
        self._journal = journal_path
        self._staging = staging

    def read(self) -> Pointer | None:
        """Return the pointer; None until there is one.

        Raises:
            ValueError: it is damaged.
            OSError: it cannot be read.
        """
        try:
            return Pointer.from_json(self.path.read_bytes())
        except FileNotFoundError:
            return None

    def stamp(self) -> PointerStamp | None:
        """Return what differs whenever the pointer has changed; None while there is none.

        One ``stat``, for asking a few times a second. Take the stamp before the pointer:
        a change between the two is then seen at the next look.

        Raises:
            OSError: it cannot be read.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def replace(self, after: Pointer, before: Pointer | None, action: Action, note: Note) -> None:
        """Write the journal, then replace the pointer as a whole.

        Raises:
            OSError: one of them cannot be written.
        """
        old = before.version_id if before else ""
        entry = Entry(after.changed_time, action, after.version_id, old, after.generation, note)
        journal.append(self._journal, entry)
        staged = self._staging / f"current-{secrets.token_hex(4)}.json"
        self._staging.mkdir(exist_ok=True)  # a copied registry may lack an empty directory
        try:
            write_durably(staged, after.to_json().encode())
            staged.replace(self.path)
            fsync_directory(self.path.parent)
        finally:
            staged.unlink(missing_ok=True)  # is gone unless something failed

    def history(self) -> list[Entry]:
        """Return every change that came to pass, and every refusal, the oldest first.

        Raises:
            ValueError: the pointer is damaged.
            OSError: one of them cannot be read.
        """
        # The journal first: what is written in between is then seen as done, not as crashed.
        entries = journal.read(self._journal)
        pointer = self.read()
        return journal.effective(entries, pointer.generation if pointer else 0)
