"""The registry: immutable versions of the model, and the pointer to the current one.

This is the only module that knows a path or a URI. The layout::

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

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import numpy.typing as npt

from recsvc.artifacts import journal
from recsvc.artifacts.documents import Documents
from recsvc.artifacts.format import (
    Manifest,
    fsync_directory,
    read_artifact,
    read_manifest,
    write_artifact,
)
from recsvc.artifacts.journal import Action, Entry, Note
from recsvc.artifacts.ledger import Ledger
from recsvc.artifacts.pointer import Pointer, new_version_id
from recsvc.artifacts.pointer_file import PointerFile, PointerStamp
from recsvc.errors import ArtifactError, NotFoundError, PreconditionError, RegistryError

CURRENT = "current"

_UNSAID = Note()
_STAGING_SECONDS = 24 * 3600
_SECRET_BYTES = 32
_VERSION_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,99}")
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
        self._versions = self.root / "versions"
        self._staging = self.root / "staging"
        self._journal = self.root / "promotions.jsonl"
        self._pointer = PointerFile(self.root / "current.json", self._journal, self._staging)
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
            probe = self._staging / f"probe-{secrets.token_hex(4)}"
            probe.mkdir()
            probe.rmdir()

    def publish(  # a manifest has that many fields, each given by name
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
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
        if version_id == CURRENT or _VERSION_ID.fullmatch(version_id) is None:
            raise RegistryError(f"version id {version_id[:80]!r} is not allowed: use A-Z, 0-9, -")
        with self._os_errors("published to"):
            self._make()
            staged = self._staging / f"{version_id}-{secrets.token_hex(4)}"
            staged.mkdir()
            try:
                # The file system's own clock, which may be another machine's.
                self._clean_staging(older_than=staged.stat().st_mtime - _STAGING_SECONDS)
                manifest = write_artifact(
                    staged,
                    arrays,
                    model_id=model_id,
                    version_id=version_id,
                    train_time=train_time,
                    code_version=code_version,
                    parameters=parameters,
                    metrics=metrics,
                    data=data,
                )
                for path in staged.iterdir():
                    path.chmod(path.stat().st_mode & ~0o222)
                if (self._versions / version_id).exists():
                    raise RegistryError(
                        f"{self._versions / version_id}: exists already, and a version never "
                        "changes; publish under another id"
                    )
                staged.rename(self._versions / version_id)
                fsync_directory(self._versions)
            finally:
                shutil.rmtree(staged, ignore_errors=True)  # is gone unless something failed
        return manifest

    def versions(self) -> list[VersionInfo]:
        """List every version, newest first, the unreadable ones with their error."""
        pointer = self.pointer()
        current = pointer.version_id if pointer else None
        return [self._info(version_id, current) for version_id in reversed(self._version_ids())]

    def manifest(self, version_ref: str) -> Manifest:
        """Read a version's manifest.

        Raises:
            NotFoundError: there is no such version (MODEL_NOT_FOUND).
            ArtifactError: its manifest is unusable.
        """
        return self._manifest(self._resolve(version_ref, self.pointer()))

    def load(
        self, version_ref: str, *, verify: bool = True
    ) -> tuple[Manifest, dict[str, npt.NDArray[Any]]]:
        """Map a version's arrays into memory, read-only; see ``read_artifact``.

        Raises:
            NotFoundError: there is no such version (MODEL_NOT_FOUND).
            ArtifactError: the artifact is unusable.
        """
        return self._load(self._resolve(version_ref, self.pointer()), verify=verify)

    def pointer(self) -> Pointer | None:
        """Return the pointer; None until a version is promoted."""
        with self._os_errors("read"):
            self._require()
            try:
                return self._pointer.read()
            except ValueError as error:
                raise RegistryError(
                    f"{self._pointer.path}: {error}; remove it, then choose a version: "
                    f"recsvc-train promote VERSION --registry {self.root}"
                ) from error

    def pointer_stamp(self) -> PointerStamp | None:
        """Return what differs whenever the pointer has changed; None while there is none.

        One ``stat``, for asking a few times a second. Take the stamp before the pointer:
        a change between the two is then seen at the next look.
        """
        with self._os_errors("read"):
            stamp = self._pointer.stamp()
            if stamp is None:
                self._require()
            return stamp

    def promote(self, version_ref: str, now: datetime, note: Note = _UNSAID) -> Pointer:
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
            version_id = self._resolve(version_ref, before)
            if before is None:
                after = Pointer(version_id, generation=1, previous=(), changed_time=now)
            elif before.version_id == version_id:
                self._load(version_id, verify=True)
                return before
            else:
                after = before.promoted(version_id, now)
            return self._point(after, before, Action.PROMOTED, note)

    def rollback(self, now: datetime, note: Note = _UNSAID) -> Pointer:
        """Make the version before the current one current again, once it is checked.

        Args:
            now: for the pointer and the journal.
            note: for the journal.

        Raises:
            PreconditionError: there is none (NO_PREVIOUS_MODEL).
            ArtifactError: the artifact is unusable; the pointer stays.
        """
        with self._os_errors("written"), self._locked():
            before = self.pointer()
            if before is None or not before.previous:
                raise PreconditionError(
                    f"{self.root}: there is no previous model to roll back to; choose one: "
                    f"recsvc-train models --registry {self.root}",
                    reason="NO_PREVIOUS_MODEL",
                )
            return self._point(before.rolled_back(now), before, Action.ROLLED_BACK, note)

    def record_refusal(self, version_id: str, now: datetime, note: Note) -> None:
        """Write into the journal that the gate has refused a candidate; nothing else changes.

        Args:
            version_id: name of the candidate, which need not be published.
            now: when.
            note: why.
        """
        with self._os_errors("written"), self._locked():
            pointer = self.pointer()
            current, generation = (pointer.version_id, pointer.generation) if pointer else ("", 0)
            entry = Entry(now, Action.REFUSED, version_id, current, generation, note)
            journal.append(self._journal, entry)

    def history(self) -> list[Entry]:
        """Return every change of the pointer and every refusal, the oldest first."""
        self.pointer()  # says what to do about a damaged one
        with self._os_errors("read"):
            return self._pointer.history()

    def documents(self, kind: str) -> Documents:
        """Return the shelf of what people wrote, such as ``rules``; touches no disk."""
        return Documents(self.root, kind)

    def secret(self) -> bytes:
        """Return the key that people's ids are hashed with; the first call makes it.

        It lies here, so that the trainer and every process of the service find the same one, and
        what was erased stays erased over restarts.
        """
        path = self.root / "secret"
        with self._os_errors("written"), self._locked():
            if path.exists():
                return self._read_secret(path)
            key = secrets.token_bytes(_SECRET_BYTES)
            staged = self._staging / f"secret-{secrets.token_hex(4)}"
            self._staging.mkdir(exist_ok=True)
            staged.touch(mode=0o600)
            staged.write_text(key.hex(), encoding="ascii")
            with staged.open("rb") as file:
                os.fsync(file.fileno())
            staged.rename(path)
            fsync_directory(self.root)
        return key

    def _read_secret(self, path: Path) -> bytes:
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii"))
        except ValueError:
            key = b""
        if len(key) != _SECRET_BYTES:  # hashed with less, ids could be guessed
            raise RegistryError(
                f"{path}: is damaged; restore it from a backup: without it nobody knows who was "
                "erased or withdrew consent"
            )
        return key

    def _resolve(self, version_ref: str, pointer: Pointer | None) -> str:
        """Return the version id that a reference names."""
        if version_ref == CURRENT:
            if pointer is None:
                raise self._not_found(version_ref, "no version is promoted yet")
            return pointer.version_id
        version_ids = self._version_ids()
        if version_ref in version_ids:
            return version_ref
        matches = [name for name in version_ids if version_ref and name.startswith(version_ref)]
        if len(matches) > 1:
            raise self._not_found(version_ref, f"it begins {len(matches)} version ids, give more")
        if not matches:
            raise self._not_found(version_ref, "no such version")
        return matches[0]

    def _not_found(self, version_ref: str, why: str) -> NotFoundError:
        shown = version_ref[:80]
        return NotFoundError(
            f"model {shown!r} is not in {self.root}: {why}; "
            f"see what is: recsvc-train models --registry {self.root}",
            reason="MODEL_NOT_FOUND",
            metadata={"version_ref": shown},
        )

    def _version_ids(self) -> list[str]:
        with self._os_errors("read"):
            self._require()
            return sorted(path.name for path in self._versions.iterdir())

    def _info(self, version_id: str, current: str | None) -> VersionInfo:
        try:
            manifest, error = self._manifest(version_id), None
        except ArtifactError as unreadable:
            manifest, error = None, str(unreadable)
        return VersionInfo(version_id, manifest, error, is_current=version_id == current)

    def _manifest(self, version_id: str) -> Manifest:
        manifest = read_manifest(self._versions / version_id)
        self._check_name(version_id, manifest)
        return manifest

    def _load(
        self, version_id: str, *, verify: bool
    ) -> tuple[Manifest, dict[str, npt.NDArray[Any]]]:
        manifest, arrays = read_artifact(self._versions / version_id, verify=verify)
        self._check_name(version_id, manifest)
        return manifest, arrays

    def _check_name(self, version_id: str, manifest: Manifest) -> None:
        if manifest.version_id != version_id:
            raise ArtifactError(
                f"{self._versions / version_id}: holds version {manifest.version_id[:80]!r}; "
                "give the directory that name again"
            )

    def _point(
        self, pointer: Pointer, before: Pointer | None, action: Action, note: Note
    ) -> Pointer:
        """Check the version, write the journal, then replace the pointer as a whole."""
        self._load(pointer.version_id, verify=True)
        self._pointer.replace(pointer, before, action, note)
        return pointer

    def _make(self) -> None:
        self._versions.mkdir(parents=True, exist_ok=True)
        self._staging.mkdir(exist_ok=True)
        fsync_directory(self.root)
        fsync_directory(self.root.parent)

    def _require(self) -> None:
        if not self._versions.is_dir():
            raise RegistryError(
                f"{self.root}: there is no registry here; make one: "
                f"recsvc-train fit --events PATH --registry {self.root}"
            )

    def _clean_staging(self, older_than: float) -> None:
        """Remove what crashed writers left before ``older_than`` (seconds since the epoch)."""
        for path in self._staging.iterdir():
            with suppress(OSError):  # another publisher's cleaning, or another user's file
                if path.stat().st_mtime >= older_than:
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process or thread at a time change the pointer; death unlocks."""
        self._require()
        with (self.root / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _os_errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RegistryError(
                f"{self.root}: the registry cannot be {done} ({error}); "
                "check its permissions and the disk's free space"
            ) from error
