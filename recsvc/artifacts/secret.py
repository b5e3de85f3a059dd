"""The secret of a registry: the key that people's ids are hashed with.

It lies beside the models, so that the trainer and every process of the service find the same one,
and what was erased stays erased over restarts.
"""

import os
import secrets
from pathlib import Path

from recsvc.artifacts.disk import fsync_directory
from recsvc.artifacts.staging import Staging
from recsvc.errors import RegistryError

_SECRET_BYTES = 32


def read_or_make_secret(path: Path, staging: Staging) -> bytes:
    """Return the secret; the first call makes it. Who calls this holds a lock.

    Args:
        path: of its file.
        staging: where it is written first.

    Raises:
        RegistryError: it is damaged.
        OSError: it cannot be read or written.
    """
    if path.exists():
        return _read(path)
    key = secrets.token_bytes(_SECRET_BYTES)
    with staging.file("secret") as staged:
        staged.touch(mode=0o600)  # nobody else's before anything is in it
        staged.write_text(key.hex(), encoding="ascii")
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        staged.rename(path)
        fsync_directory(path.parent)
    return key


def _read(path: Path) -> bytes:
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
