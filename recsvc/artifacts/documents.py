"""Documents of a registry that people write: rules, experiments. Versioned and activated as models.

A shelf lies beside the models::

    ROOT/KIND/
    ├── versions/VERSION_ID.json   one document, whole and read-only
    ├── current.json               the pointer, replaced as a whole
    ├── journal.jsonl              who changed the pointer and why, only added to
    └── lock                       held while the pointer changes

A document is text; what it says is for its readers, who check it before it is published.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

from recsvc.artifacts.disk import disk_errors, fsync_directory, write_durably
from recsvc.artifacts.journal import UNSAID, Entry, Note
from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.pointer_file import PointerFile, PointerStamp
from recsvc.artifacts.staging import Staging
from recsvc.artifacts.version_ids import CURRENT, matching_version, new_version_id
from recsvc.errors import NotFoundError, PreconditionError, RegistryError

_KIND = re.compile(r"[a-z]{1,40}")


class Documents:
    """One shelf of a registry; safe for any number of processes and threads on one machine.

    A version reference (``version_ref``) is ``current``, a version id, or the beginning of exactly
    one. Every operation raises ``RegistryError`` when the shelf cannot be read or written. Times
    given to it carry a zone.

    Args:
        root: directory of the registry, which must be there before anything is published.
        kind: what lies on the shelf, such as ``rules``.
    """

    def __init__(self, root: Path, kind: str) -> None:
        if _KIND.fullmatch(kind) is None:
            raise ValueError(f"{kind!r} is no name of a shelf")
        self.root = root / kind
        self.registry = root
        self._kind = kind
        self._versions = self.root / "versions"
        self._staging = Staging(root / "staging")
        self._pointer = PointerFile(
            self.root,
            self.root / "journal.jsonl",
            self._staging,
            remedy="remove it, then activate a version again",
        )

    def publish(self, text: str, now: datetime) -> str:
        """Add a version, which never changes; ``activate`` makes it current.

        Args:
            text: the document.
            now: names the version.

        Returns:
            The version's id.
        """
        version_id = new_version_id(now)
        with self._os_errors("written"):
            self._make()
            with self._staging.file(f"{self._kind}-{version_id}") as staged:
                write_durably(staged, text.encode())
                staged.chmod(0o444)
                staged.rename(self._path(version_id))
                fsync_directory(self._versions)
        return version_id

    def read(self, version_ref: str = CURRENT) -> tuple[str, str]:
        """Return a version's id and its text.

        Raises:
            NotFoundError: there is no such version (VERSION_NOT_FOUND).
        """
        version_id = self._resolve(version_ref)
        with self._os_errors("read"):
            content = self._path(version_id).read_bytes()
        try:
            return version_id, content.decode()
        except UnicodeDecodeError as error:
            raise RegistryError(
                f"{self._path(version_id)}: is damaged ({error}); publish the document again"
            ) from error

    def versions(self) -> list[str]:
        """List the ids of all versions, newest first."""
        with self._os_errors("read"):
            return sorted((path.stem for path in self._versions.glob("*.json")), reverse=True)

    def pointer(self) -> Pointer | None:
        """Return the pointer; None until a version is activated."""
        with self._os_errors("read"):
            return self._pointer.read()

    def pointer_stamp(self) -> PointerStamp | None:
        """Return what differs whenever the pointer has changed, see ``PointerFile.stamp``."""
        with self._os_errors("read"):
            return self._pointer.stamp()

    def activate(self, version_ref: str, now: datetime, note: Note = UNSAID) -> Pointer:
        """Make a version current.

        Args:
            version_ref: the version.
            now: for the pointer and the journal.
            note: for the journal.

        Returns:
            The new pointer, or the old one if the version is current already.

        Raises:
            NotFoundError: there is no such version (VERSION_NOT_FOUND).
        """
        with self._os_errors("written"), self._locked():
            return self._activate(self._resolve(version_ref), now, note)

    def edit(self, change: Callable[[str | None], str], now: datetime, note: Note) -> Pointer:
        """Publish what is made of the current version, and make it current, in one step.

        Args:
            change: takes the current text, None where there is none, and returns the new one.
                What it raises leaves everything as it is.
            now: for the version, the pointer and the journal.
            note: for the journal.
        """
        with self._os_errors("written"), self._locked():
            before = self.pointer()
            text = change(self.read(before.version_id)[1] if before else None)
            return self._activate(self.publish(text, now), now, note)

    def rollback(self, now: datetime, note: Note = UNSAID) -> Pointer:
        """Make the version before the current one current again.

        Args:
            now: for the pointer and the journal.
            note: for the journal.

        Raises:
            PreconditionError: there is none (NO_PREVIOUS_VERSION).
            NotFoundError: its file is gone (VERSION_NOT_FOUND).
        """
        with self._os_errors("written"), self._locked():
            before = self.pointer()
            if before is None or not before.previous:
                raise PreconditionError(
                    f"{self.root}: the {self._kind} have no previous version to roll back to; to "
                    "be without them, publish and activate a file that says nothing ({} in JSON)",
                    reason="NO_PREVIOUS_VERSION",
                )
            self._resolve(before.previous[0])
            return self._pointer.roll_back(before, now, note)

    def history(self) -> list[Entry]:
        """Return every change of the pointer, the oldest first."""
        with self._os_errors("read"):
            return self._pointer.history()

    def _activate(self, version_id: str, now: datetime, note: Note) -> Pointer:
        return self._pointer.promote(version_id, self.pointer(), now, note)

    def _resolve(self, version_ref: str) -> str:
        if version_ref == CURRENT:
            pointer = self.pointer()
            if pointer is None:
                raise self._not_found(version_ref, "no version is activated yet")
            version_ref = pointer.version_id
        try:
            return matching_version(version_ref, self.versions())
        except LookupError as error:
            raise self._not_found(version_ref, str(error)) from None

    def _not_found(self, version_ref: str, why: str) -> NotFoundError:
        shown = version_ref[:80]
        return NotFoundError(
            f"version {shown!r} of the {self._kind} is not in {self.root}: {why}",
            reason="VERSION_NOT_FOUND",
            metadata={"version_ref": shown},
        )

    def _path(self, version_id: str) -> Path:
        return self._versions / f"{version_id}.json"

    def _make(self) -> None:
        if not self.registry.is_dir():
            raise RegistryError(
                f"{self.registry}: there is no registry here; make one: "
                f"recsvc-train fit --events PATH --registry {self.registry}"
            )
        self._versions.mkdir(parents=True, exist_ok=True)
        self._staging.make()
        fsync_directory(self.root)
        fsync_directory(self.registry)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process or thread at a time change the pointer."""
        self._make()
        with self._pointer.locked():
            yield

    def _os_errors(self, done: str) -> AbstractContextManager[None]:
        return disk_errors(self.root, self._kind, done)
