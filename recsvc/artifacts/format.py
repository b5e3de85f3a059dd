"""An artifact: a directory of ``manifest.json`` and one ``.npy`` file a named array.

The arrays are mapped, not read: a server of many processes holds one copy in the page
cache, and a swap costs a check, not a parse. See ``docs/decisions/0003-artifact-format.md``.
"""

import hashlib
import os
import stat
import tokenize
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsvc.artifacts.disk import fsync_directory, write_durably
from recsvc.artifacts.manifest import (
    ARRAY_SUFFIX,
    SCHEMA_VERSION,
    ArtifactFile,
    Manifest,
    is_file_name,
)
from recsvc.errors import ArtifactError

if TYPE_CHECKING:
    import numpy.typing as npt

# A supervisor reads the pointer and no array: numpy is imported by who writes or maps one.

__all__ = [
    "MANIFEST_NAME",
    "SCHEMA_VERSION",
    "ArtifactFile",
    "Manifest",
    "read_artifact",
    "read_manifest",
    "write_artifact",
]

MANIFEST_NAME = "manifest.json"


def write_artifact(  # noqa: PLR0913  # a manifest has that many fields, each given by name
    directory: Path,
    arrays: "Mapping[str, npt.NDArray[Any]]",
    *,
    model_id: str,
    version_id: str,
    train_time: datetime,
    code_version: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Any],
    data: Mapping[str, Any],
) -> Manifest:
    """Write an artifact and wait until it is on the disk.

    Args:
        directory: made if it is missing; must be empty.
        arrays: by dotted name (``places.store.indptr``; a-z, 0-9, _ and single dots), of
            any shape and of any dtype but objects.
        model_id: as in ``Manifest``, like all that follow.
        version_id: name of this version.
        train_time: with a zone.
        code_version: version of the code that trained it.
        parameters: JSON values.
        metrics: JSON values, finite.
        data: JSON values.

    Returns:
        The manifest, as a reader will see it.

    Raises:
        ArtifactError: the directory is not empty, a name or a dtype is not allowed, or
            the manifest cannot be written as JSON.
        OSError: the directory cannot be written, or the disk is full.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise ArtifactError(f"{directory}: is not empty; write an artifact to a new directory")
    for name, array in arrays.items():
        _check_array(name, array)
    files = tuple(_write_array(directory, name, arrays[name]) for name in sorted(arrays))
    try:
        text = Manifest(
            schema_version=SCHEMA_VERSION,
            model_id=model_id,
            version_id=version_id,
            train_time=train_time,
            code_version=code_version,
            parameters=dict(parameters),
            metrics=dict(metrics),
            data=dict(data),
            files=files,
        ).to_json()
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{directory / MANIFEST_NAME}: cannot be written as JSON ({error}); "
            "give finite numbers, strings, lists, dicts and a time with a zone"
        ) from error
    write_durably(directory / MANIFEST_NAME, text.encode())
    fsync_directory(directory)
    return Manifest.from_json(text)


def read_manifest(directory: Path) -> Manifest:
    """Read what an artifact says about itself, and leave its arrays alone.

    Raises:
        ArtifactError: the manifest is missing, unreadable, changed, or of another schema.
    """
    path = directory / MANIFEST_NAME
    with _readable(path):
        content = path.read_bytes()
    return Manifest.from_json(content, where=str(path))


def read_artifact(
    directory: Path, *, verify: bool = True
) -> "tuple[Manifest, dict[str, npt.NDArray[Any]]]":
    """Map an artifact's arrays into memory, read-only.

    Args:
        directory: as ``write_artifact`` left it.
        verify: also compare the sha256 of every file. Presence and size are always
            checked, since a mapped file that is too short ends the process.

    Returns:
        The manifest, and the arrays by name.

    Raises:
        ArtifactError: the manifest is unusable, or a file is missing, unexpected,
            truncated, corrupt, or no plain array.
    """
    manifest = read_manifest(directory)
    _check_listing(directory, manifest)
    if verify:
        for file in manifest.files:
            _check_sha256(directory / file.name, file)
    return manifest, {file.array_name: _map_array(directory / file.name) for file in manifest.files}


def _check_array(name: str, array: "npt.NDArray[Any]") -> None:
    if not is_file_name(name + ARRAY_SUFFIX):
        raise ArtifactError(
            f"array name {name[:80]!r} is not allowed: use a-z, 0-9, _ and single dots"
        )
    if array.dtype.hasobject:
        raise ArtifactError(
            f"array {name!r} holds Python objects ({array.dtype}), which only pickle can write; "
            "give it a plain dtype, such as float32 or <U20"
        )


def _write_array(directory: Path, name: str, array: "npt.NDArray[Any]") -> ArtifactFile:
    import numpy as np  # noqa: PLC0415  # see above

    path = directory / (name + ARRAY_SUFFIX)
    with path.open("xb") as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return ArtifactFile(path.name, sha256=_sha256(path), size_bytes=path.stat().st_size)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in one line that a file of an artifact is not there or cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{path}: missing, so this is no complete artifact; copy the artifact again or refit"
        ) from error
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error.strerror}); check its permissions and the disk"
        ) from error


def _check_listing(directory: Path, manifest: Manifest) -> None:
    """Refuse missing and unexpected files, wrong sizes, and whatever is no regular file."""
    with _readable(directory):
        present = {entry.name: entry for entry in os.scandir(directory)}
    unexpected = present.keys() - {file.name for file in manifest.files} - {MANIFEST_NAME}
    if unexpected:
        path = directory / min(unexpected)
        raise ArtifactError(f"{path}: unexpected, the manifest does not name it; move it elsewhere")
    for file in manifest.files:
        path = directory / file.name
        with _readable(path):
            status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactError(f"{path}: is no regular file; copy the artifact again or refit")
        if status.st_size != file.size_bytes:
            raise ArtifactError(
                f"{path}: truncated or overwritten, {status.st_size} bytes instead of "
                f"{file.size_bytes}; copy the artifact again or refit"
            )


def _check_sha256(path: Path, file: ArtifactFile) -> None:
    with _readable(path):
        digest = _sha256(path)
    if digest != file.sha256:
        raise ArtifactError(
            f"{path}: corrupt, its sha256 differs from the manifest's; "
            "copy the artifact again or refit"
        )


def _map_array(path: Path) -> "npt.NDArray[Any]":
    import numpy as np  # noqa: PLC0415  # see above

    try:
        with _readable(path):
            mapped = np.lib.format.open_memmap(path, mode="r")
    # Besides ValueError, numpy lets its header parser's own errors through.
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError) as error:
        raise ArtifactError(
            f"{path}: is no plain .npy array (recsvc never unpickles objects); "
            "write it with recsvc's own write_artifact"
        ) from error
    # A memmap re-runs its Python hook at every slice; a plain view of it does not.
    return mapped.view(np.ndarray)
