"""The registry: immutable versions of the model, and the pointer to the current one.

No other room knows a path or a URI of it. The layout::

    ROOT/
    ├── versions/VERSION_ID/   artifacts, complete and read-only
    ├── current.json           the pointer, replaced as a whole
    ├── promotions.jsonl       who changed the pointer and why, only added to
    ├── ledger.jsonl           what people decided: consent, erasures, recalls; only added to
    ├── secret                 the key that people's ids are hashed with
    ├── rules/, experiments/   what people wrote, see ``documents``
    ├── nightly/               what recsvc-train nightly needs to go on after a crash
    ├── staging/               what is being written; nobody reads it
    └── lock                   held while the pointer changes

Whatever is killed, and whenever, a reader sees the old state or the new one: versions
and pointer alike are written aside, flushed to the disk, and then renamed into place.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from recsvc.artifacts.disk import disk_errors, fsync_directory
from recsvc.artifacts.documents import Documents
from recsvc.artifacts.format import Manifest, write_artifact
from recsvc.artifacts.journal import UNSAID, Entry, Note
from recsvc.artifacts.ledger import Ledger
from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.pointer_file import PointerFile, PointerStamp
from recsvc.artifacts.removal import RemovalError, RemovedVersion
from recsvc.artifacts.secret import read_or_make_secret
from recsvc.artifacts.staging import Staging
from recsvc.artifacts.version_ids import new_version_id
from recsvc.artifacts.versions import Versions, check_version_id
from recsvc.errors import ArtifactError, PreconditionError, RegistryError

if TYPE_CHECKING:
    import numpy.typing as npt

# A path may hold a colon; only a colon before a slash makes it a URI.
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?=/)(?://([^/]*))?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One entry of a registry's list.

    Attributes:
        version_id: name of the version.
        manifest: None if it cannot be read.
        error: why it cannot be read, one line; None if it can.
        is_current: whether the pointer names it.
    """

    version_id: str
    manifest: Manifest | None
    error: str | None
    is_current: bool


class Registry:
    """A registry in a local directory.

    Safe for any number of processes and threads on one machine. A version reference
    (``version_ref``) is ``current``, a version id, or the beginning of exactly one.

    Args:
        root: its directory; the first ``publish`` makes it.

    Every operation raises ``RegistryError`` when the directory is no registry or
    cannot be read or, by ``publish``, ``promote`` and ``rollback``, written. Times
    given to it carry a zone.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()
        self._staging = Staging(self.root / "staging")
        self._versions = Versions(self.root, self._staging)
        self._pointer = PointerFile(
            self.root,
            self.root / "promotions.jsonl",
            self._staging,
            remedy="remove it, then choose a version: "
            f"recsvc-train promote VERSION --registry {self.root}",
        )
        self.ledger = Ledger(self.root / "ledger.jsonl")

    @classmethod
    def open(cls, uri: str) -> Self:
        """Return the registry that a path or a ``file://`` URI names; touches no disk.

        Raises:
            RegistryError: the scheme is not supported, or it names no path.
        """
        path = uri
        if match := _URI.fullmatch(uri):
            scheme, host, path = match.groups()
            if scheme.lower() != "file":
                raise RegistryError(
                    f"registry {uri[:200]!r}: {scheme}: is not supported; "
                    "give a path or file:///PATH"
                )
            if host not in {None, "", "localhost"}:
                raise RegistryError(f"registry {uri[:200]!r}: names a host; give file:///PATH")
            path = unquote(path)
        if not path or "\0" in path:
            raise RegistryError(f"registry {uri[:200]!r}: names no path; give one")
        return cls(path)

    def prepare(self) -> None:
        """Make the directory ready for a version, so that hours of training are not in vain.

        Raises:
            RegistryError: it cannot be written.
        """
        with self._os_errors("published to"):
            self._make()
            self._staging.probe()

    def publish(  # a manifest has that many fields, each given by name
        self,
        arrays: "Mapping[str, npt.NDArray[Any]]",
        *,
        model_id: str,
        train_time: datetime,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, Any],
        data: Mapping[str, Any],
        code_version: str,
        version_id: str | None = None,
    ) -> Manifest:
        """Add a version; ``promote`` makes it current.

        Args:
            arrays: as for ``write_artifact``, like all that follow.
            model_id: name of the model.
            train_time: when it was trained, with a zone.
            parameters: hyper-parameters.
            metrics: what the evaluation measured.
            data: what it was trained on.
            code_version: version of the code that trained it.
            version_id: made from ``train_time`` if it is not given.

        Raises:
            ArtifactError: the arrays or the manifest cannot be written as an artifact.
            RegistryError: also when the version exists; a version never changes.
        """
        version_id = version_id or new_version_id(train_time)
        check_version_id(version_id)
        with self._os_errors("published to"):
            self._make()
            with self._versions.adding(version_id) as directory:
                manifest = write_artifact(
                    directory,
                    arrays,
                    model_id=model_id,
                    version_id=version_id,
                    train_time=train_time,
                    code_version=code_version,
                    parameters=parameters,
                    metrics=metrics,
                    data=data,
                )
        return manifest

    def versions(self) -> list[VersionInfo]:
        """List every version, newest first, the unreadable ones with their error."""
        pointer = self.pointer()
        current = pointer.version_id if pointer else None
        return [self._info(version_id, current) for version_id in reversed(self._versions.ids())]

    def manifest(self, version_ref: str) -> Manifest:
        """Read a version's manifest.

        Raises:
            NotFoundError: there is no such version (MODEL_NOT_FOUND).
            ArtifactError: its manifest is unusable.
        """
        return self._versions.manifest(self._versions.find(version_ref, self.pointer()))

    def load(
        self, version_ref: str, *, verify: bool = True
    ) -> "tuple[Manifest, dict[str, npt.NDArray[Any]]]":
        """Map a version's arrays into memory, read-only; see ``read_artifact``.

        Raises:
            NotFoundError: there is no such version (MODEL_NOT_FOUND).
            ArtifactError: the artifact is unusable.
        """
        version_id = self._versions.find(version_ref, self.pointer())
        return self._versions.load(version_id, verify=verify)

    def pointer(self) -> Pointer | None:
        """Return the pointer; None until a version is promoted."""
        with self._os_errors("read"):
            self._versions.require()
            return self._pointer.read()

    def pointer_stamp(self) -> PointerStamp | None:
        """Return what differs whenever the pointer has changed, see ``PointerFile.stamp``."""
        with self._os_errors("read"):
            stamp = self._pointer.stamp()
            if stamp is None:
                self._versions.require()
            return stamp

    def promote(self, version_ref: str, now: datetime, note: Note = UNSAID) -> Pointer:
        """Make a version current, once every byte of it is checked.

        Args:
            version_ref: the version.
            now: for the pointer and the journal.
            note: for the journal.

        Returns:
            The new pointer, or the old one if the version is current already.

        Raises:
            NotFoundError: there is no such version (MODEL_NOT_FOUND).
            ArtifactError: the artifact is unusable; the pointer stays.
        """
        with self._os_errors("written"), self._locked():
            before = self.pointer()
            version_id = self._versions.find(version_ref, before)
            self._versions.load(version_id, verify=True)
            return self._pointer.promote(version_id, before, now, note)

    def rollback(self, now: datetime, note: Note = UNSAID) -> Pointer:
        """Make the version before the current one current again, once it is checked.

        Args:
            now: for the pointer and the journal.
            note: for the journal.

        Raises:
            PreconditionError: there is none, or not any more (NO_PREVIOUS_MODEL).
            ArtifactError: the artifact is unusable; the pointer stays.
        """
        with self._os_errors("written"), self._locked():
            before = self.pointer()
            if before is None or not before.previous:
                raise self._no_previous("there is no previous model to roll back to")
            if before.previous[0] not in self._versions.ids():
                raise self._no_previous(f"the previous model, {before.previous[0]}, was removed")
            self._versions.load(before.previous[0], verify=True)
            return self._pointer.roll_back(before, now, note)

    def remove(
        self, doomed: Callable[[list[str], Pointer | None], Iterable[str]], *, dry_run: bool
    ) -> list[RemovedVersion]:
        """Remove versions, each in one step, while nobody changes the pointer.

        Who has loaded one goes on with it. Which ones to keep is the business of ``retention``.

        Args:
            doomed: takes the ids of all versions, the oldest first, and the pointer, and says
                which to remove; what it raises leaves everything as it is.
            dry_run: remove nothing, and only say what would be.

        Returns:
            What was removed, in that order, without those that somebody was loading.

        Raises:
            RemovalError: some cannot be removed, such as another user's; the others are.
        """
        removed: list[RemovedVersion] = []
        failed: dict[str, OSError] = {}
        with self._os_errors("written"), self._locked():
            for version_id in doomed(self._versions.removable_ids(), self.pointer()):
                try:
                    version = RemovedVersion(version_id, self._versions.size_bytes(version_id))
                    if dry_run or self._versions.remove(version_id):
                        removed.append(version)
                except OSError as error:  # or it would keep all that are newer
                    failed[version_id] = error
        if failed:
            raise RemovalError(self.root, failed, removed)
        return removed

    def record_refusal(self, version_id: str, now: datetime, note: Note) -> None:
        """Write into the journal that the gate has refused a candidate; nothing else changes.

        Args:
            version_id: name of the candidate, which need not be published.
            now: when.
            note: why.
        """
        with self._os_errors("written"), self._locked():
            self._pointer.refuse(version_id, self.pointer(), now, note)

    def history(self) -> list[Entry]:
        """Return every change of the pointer and every refusal, the oldest first."""
        with self._os_errors("read"):
            self._versions.require()
            return self._pointer.history()

    def documents(self, kind: str) -> Documents:
        """Return the shelf of what people wrote, such as ``rules``; touches no disk."""
        return Documents(self.root, kind)

    def secret(self) -> bytes:
        """Return the key that people's ids are hashed with; the first call makes it."""
        with self._os_errors("written"), self._locked():
            return read_or_make_secret(self.root / "secret", self._staging)

    def _info(self, version_id: str, current: str | None) -> VersionInfo:
        try:
            manifest, error = self._versions.manifest(version_id), None
        except ArtifactError as unreadable:
            manifest, error = None, str(unreadable)
        return VersionInfo(version_id, manifest, error, is_current=version_id == current)

    def _no_previous(self, why: str) -> PreconditionError:
        return PreconditionError(
            f"{self.root}: {why}; choose one: recsvc-train models --registry {self.root}",
            reason="NO_PREVIOUS_MODEL",
        )

    def _make(self) -> None:
        self._versions.make()
        self._staging.make()
        fsync_directory(self.root)
        fsync_directory(self.root.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process or thread at a time change the pointer."""
        self._versions.require()
        with self._pointer.locked():
            yield

    def _os_errors(self, done: str) -> AbstractContextManager[None]:
        return disk_errors(self.root, "registry", done)
