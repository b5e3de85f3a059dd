"""What an artifact says about itself: ``manifest.json``.

The last line of the file is a seal, the SHA-256 of all the lines above it, because
the manifest holds everybody else's checksum and somebody has to hold its own. By hand:
``head -n -2 manifest.json | sha256sum``.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from recsvc.artifacts.json_fields import count_field, field, parse_object, time_field, utc_text
from recsvc.errors import ArtifactError

SCHEMA_VERSION = 1
ARRAY_SUFFIX = ".npy"

_FILE_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*\.npy")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SEAL_LINE = '  "manifest_sha256": "'


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One array of an artifact as it lies on disk.

    Attributes:
        name: name of the file inside the artifact's directory, ``places.indptr.npy``.
        sha256: of the whole file, 64 lower-case hexadecimal digits.
        size_bytes: of the whole file.
    """

    name: str
    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        if not is_file_name(self.name):
            raise ValueError(
                f"file name {self.name[:80]!r} is not allowed: only a-z, 0-9, _ and single dots"
            )
        if _SHA256.fullmatch(self.sha256) is None:
            raise ValueError(f"the sha256 of {self.name!r} must be 64 hexadecimal digits")

    @property
    def array_name(self) -> str:
        """Name of the array, ``places.indptr``."""
        return self.name.removesuffix(ARRAY_SUFFIX)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact is, where it came from, and the checksum of each of its files.

    Attributes:
        schema_version: version of the artifact's format, not of the model.
        model_id: name of the model, the same from night to night.
        version_id: name of this version, unique in its registry.
        train_time: when it was trained, UTC.
        code_version: version of the code that trained it.
        parameters: hyper-parameters, JSON.
        metrics: what the evaluation measured, JSON.
        data: what it was trained on (the events' digest, counts of rows), JSON.
        files: every file beside the manifest, sorted by name.
    """

    schema_version: int
    model_id: str
    version_id: str
    train_time: datetime
    code_version: str
    parameters: dict[str, Any]
    metrics: dict[str, Any]
    data: dict[str, Any]
    files: tuple[ArtifactFile, ...]

    def to_json(self) -> str:
        """Return the sealed text of ``manifest.json``.

        Raises:
            ValueError: ``train_time`` has no zone, or a number is NaN or infinite.
            TypeError: a parameter, metric or datum is no JSON value.
        """
        document = {
            "schema_version": self.schema_version,
            "model_id": self.model_id,
            "version_id": self.version_id,
            "train_time": utc_text(self.train_time),
            "code_version": self.code_version,
            "parameters": self.parameters,
            "metrics": self.metrics,
            "data": self.data,
            "files": [
                {"name": file.name, "sha256": file.sha256, "size_bytes": file.size_bytes}
                for file in self.files
            ],
        }
        text = json.dumps(document, indent=2, allow_nan=False)
        return _sealed(text.removesuffix("\n}") + ",\n")

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str = "manifest.json") -> Self:
        """Read what ``to_json`` wrote.

        Args:
            text: content of the file.
            where: path of the file, for the error.

        Raises:
            ArtifactError: it is no JSON, of another schema, changed since it was
                written, or a field is missing or of the wrong type.
        """
        try:
            document = parse_object(text)
            # First, since a newer writer is free to seal and to name fields as it likes.
            schema_version = count_field(document, "schema_version")
            _check_schema(schema_version, where)
            _check_seal(text.decode() if isinstance(text, bytes) else text)
            return cls(
                schema_version=schema_version,
                model_id=field(document, "model_id", str),
                version_id=field(document, "version_id", str),
                train_time=time_field(document, "train_time"),
                code_version=field(document, "code_version", str),
                parameters=field(document, "parameters", dict),
                metrics=field(document, "metrics", dict),
                data=field(document, "data", dict),
                files=_files(field(document, "files", list)),
            )
        except ValueError as error:
            raise ArtifactError(f"{where}: {error}; copy the artifact again or refit") from error


def is_file_name(name: str) -> bool:
    """Tell whether an artifact may hold a file of this name; no such name leaves its directory."""
    return _FILE_NAME.fullmatch(name) is not None


def _check_schema(schema_version: int, where: str) -> None:
    if schema_version > SCHEMA_VERSION:
        raise ArtifactError(
            f"{where}: written by a newer recsvc (schema {schema_version}, this one reads up to "
            f"{SCHEMA_VERSION}): upgrade the service"
        )
    if schema_version < SCHEMA_VERSION:
        raise ArtifactError(
            f"{where}: written by an older recsvc (schema {schema_version}, this one reads "
            f"{SCHEMA_VERSION} and later): fit the model again"
        )


def _sealed(body: str) -> str:
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{body}{_SEAL_LINE}{digest}"\n}}\n'


def _check_seal(text: str) -> None:
    body = text.rpartition(_SEAL_LINE)[0]
    if text != _sealed(body):
        raise ValueError("corrupt: its sha256 differs from its last line, it was changed")


def _files(entries: list[Any]) -> tuple[ArtifactFile, ...]:
    files = []
    for entry in entries:
        if type(entry) is not dict:
            raise ValueError("each of 'files' must be an object")
        files.append(
            ArtifactFile(
                name=field(entry, "name", str),
                sha256=field(entry, "sha256", str),
                size_bytes=count_field(entry, "size_bytes"),
            )
        )
    if len({file.name for file in files}) < len(files):
        raise ValueError("a name occurs twice in 'files'")
    return tuple(files)
