"""The versions of the model: artifacts in one directory, complete, read-only, never changed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsvc.artifacts.disk import disk_errors, fsync_directory, held, make_directory, unheld
from recsvc.artifacts.format import MANIFEST_NAME, Manifest, read_artifact, read_manifest
from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.staging import Staging
from recsvc.artifacts.version_ids import CURRENT, matching_version
from recsvc.errors import ArtifactError, NotFoundError, RegistryError

if TYPE_CHECKING:
    import numpy.typing as npt

_VERSION_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,99}")


def check_version_id(version_id: str) -> None:
    """Refuse what leaves the directory of versions, or would be taken for the pointer.

    Raises:
        RegistryError: the id is not allowed.
    """
    if version_id == CURRENT or _VERSION_ID.fullmatch(version_id) is None:
        raise RegistryError(f"version id {version_id[:80]!r} is not allowed: use A-Z, 0-9, -")


class Versions:
    """The versions of a registry.

    Args:
        root: directory of the registry.
        staging: where a version is written before it is renamed.
    """

    def __init__(self, root: Path, staging: Staging) -> None:
        self._root = root
        self._path = root / "versions"
        self._staging = staging

    def make(self) -> None:
        """Make the directory, and with it the registry.

        Raises:
            OSError: it cannot be made.
        """
        make_directory(self._path)

    def require(self) -> None:
        """Refuse what is no registry.

        Raises:
            RegistryError: there is none here.
        """
        if not self._path.is_dir():
            raise RegistryError(
                f"{self._root}: there is no registry here; make one: "
                f"recsvc-train fit --events PATH --registry {self._root}"
            )

    @contextmanager
    def adding(self, version_id: str) -> Iterator[Path]:
        """Give an empty directory to write a version into, which is then added as it is.

        Raises:
            RegistryError: the version exists; nothing is added.
            OSError: it cannot be written.
        """
        path = self._path / version_id
        with self._staging.directory(version_id) as staged:
            yield staged
            for file in staged.iterdir():
                file.chmod(file.stat().st_mode & ~0o222)
            if path.exists():
                raise RegistryError(
                    f"{path}: exists already, and a version never changes; publish under another id"
                )
            staged.rename(path)
            fsync_directory(self._path)

    def ids(self) -> list[str]:
        """List the ids of all versions, the oldest first.

        Raises:
            RegistryError: they cannot be read.
        """
        with disk_errors(self._root, "registry", "read"):
            self.require()
            return sorted(path.name for path in self._path.iterdir())

    def removable_ids(self) -> list[str]:
        """List those that lie here themselves, the oldest first: no links, nor what strayed in.

        A folder that was never published (a file system's own, somebody's copies) is nobody's to
        remove, and takes the place of none that is to be kept.

        Raises:
            OSError: they cannot be looked at.
        """
        return sorted(
            path.name
            for path in self._path.iterdir()
            if _VERSION_ID.fullmatch(path.name)
            and not path.is_symlink()
            and (path / MANIFEST_NAME).is_file()
        )

    def size_bytes(self, version_id: str) -> int:
        """The room that a version takes.

        Raises:
            OSError: it cannot be looked at.
        """
        return sum(file.lstat().st_size for file in (self._path / version_id).iterdir())

    def remove(self, version_id: str) -> bool:
        """Take a version away from its readers in one step, unless somebody is loading it.

        Who has loaded it goes on: what is mapped stays until it is let go of.

        Returns:
            Whether it is removed.

        Raises:
            OSError: it cannot be removed.
        """
        path = self._path / version_id
        with unheld(path) as is_unheld:
            if is_unheld:
                self._staging.discard(path)
            return is_unheld

    def find(self, version_ref: str, pointer: Pointer | None) -> str:
        """Return the version id that a reference names.

        Raises:
            NotFoundError: there is no such version (MODEL_NOT_FOUND).
            RegistryError: the versions cannot be read.
        """
        if version_ref == CURRENT:
            if pointer is None:
                raise self._not_found(version_ref, "no version is promoted yet")
            return pointer.version_id
        try:
            return matching_version(version_ref, self.ids())
        except LookupError as error:
            raise self._not_found(version_ref, str(error)) from None

    def manifest(self, version_id: str) -> Manifest:
        """Read a version's manifest.

        Raises:
            ArtifactError: it is unusable, or another version's.
        """
        manifest = read_manifest(self._path / version_id)
        self._check_name(version_id, manifest)
        return manifest

    def load(
        self, version_id: str, *, verify: bool
    ) -> "tuple[Manifest, dict[str, npt.NDArray[Any]]]":
        """Map a version's arrays into memory, read-only; see ``read_artifact``.

        Raises:
            ArtifactError: the artifact is unusable, or another version's.
        """
        with held(self._path / version_id):
            manifest, arrays = read_artifact(self._path / version_id, verify=verify)
        self._check_name(version_id, manifest)
        return manifest, arrays

    def _check_name(self, version_id: str, manifest: Manifest) -> None:
        if manifest.version_id != version_id:
            raise ArtifactError(
                f"{self._path / version_id}: holds version {manifest.version_id[:80]!r}; "
                "give the directory that name again"
            )

    def _not_found(self, version_ref: str, why: str) -> NotFoundError:
        shown = version_ref[:80]
        return NotFoundError(
            f"model {shown!r} is not in {self._root}: {why}; "
            f"see what is: recsvc-train models --registry {self._root}",
            reason="MODEL_NOT_FOUND",
            metadata={"version_ref": shown},
        )
