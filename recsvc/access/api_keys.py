"""The keys of services: how they are made, and how the file that lists them is written.

A key holds 256 random bits. Nobody can try so many, however fast each try is, so that its plain
SHA-256 keeps it as well as a slow hash would, and costs a call a microsecond (docs/decisions/0028).
"""

import hashlib
import json
import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recsvc.access.scopes import Scope

PREFIX = "recsvc_"
"""Every key begins so: a scanner of repositories and logs finds one that was left there."""

_SCHEMA = 1
_ID_BYTES, _SECRET_BYTES, _DIGEST_BYTES = 4, 32, 32
MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key.

    Attributes:
        key_id: names it to people; it is the second part of the key, and no secret.
        name: of the service that has it.
        digest: SHA-256 of the key.
        scopes: what it allows.
        created: when, with a zone.
        rate: requests a second that it may make, 0 for any number; None, as many as is usual.
    """

    key_id: str
    name: str
    digest: bytes
    scopes: frozenset[Scope]
    created: datetime
    rate: float | None = None


def new_key(
    name: str, scopes: Iterable[Scope], now: datetime, rate: float | None = None
) -> tuple[ApiKey, str]:
    """Make a key.

    Returns:
        What is kept of it, and the key itself, which is kept nowhere.
    """
    key_id = secrets.token_hex(_ID_BYTES)
    secret = f"{PREFIX}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return ApiKey(key_id, name, digest_of(secret), frozenset(scopes), now, rate), secret


def digest_of(secret: str) -> bytes:
    """What stands for a key, or for any other credential."""
    return hashlib.sha256(bytes_of(secret)).digest()


def bytes_of(secret: str) -> bytes:
    """A credential as bytes: half a character may come in, and no two texts come out alike."""
    return secret.encode(errors="surrogatepass")


def parse_api_keys(content: bytes) -> tuple[ApiKey, ...]:
    """Read a file of keys.

    A scope that this version does not know is left out: it could only have allowed more.

    Raises:
        ValueError: it is none.
    """
    try:
        document = json.loads(content)
        if document["schema"] != _SCHEMA:
            raise ValueError(
                f"it is of schema {document['schema']!r:.40}, which this version of recsvc does "
                "not read"
            )
        keys = tuple(map(_key, document["keys"]))
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError("it is no file of recsvc keys") from error
    if len({key.key_id for key in keys}) < len(keys):
        raise ValueError("it has two keys with one id")
    seen: dict[bytes, str] = {}
    for key in keys:
        first = seen.setdefault(key.digest, key.key_id)
        if first != key.key_id:  # whoever revokes one of them would leave the secret good
            raise ValueError(
                f"its keys {first!r:.40} and {key.key_id!r:.40} have one sha256: leave one of them "
                "out"
            )
    return keys


def _key(entry: dict[str, Any]) -> ApiKey:
    digest = bytes.fromhex(entry["sha256"])
    if len(digest) != _DIGEST_BYTES:
        raise ValueError("a digest in it is no SHA-256")
    known = frozenset(scope for scope in Scope if scope in list(entry["scopes"]))
    created = datetime.fromisoformat(entry["created"])
    rate = entry.get("rate")
    if rate is not None and not 0 <= float(rate) < math.inf:
        raise ValueError("a rate in it is no number of requests a second")
    usual = None if rate is None else float(rate)
    return ApiKey(str(entry["id"]), str(entry["name"]), digest, known, created, usual)


def write_api_keys(keys: Iterable[ApiKey]) -> bytes:
    """The inverse of :func:`parse_api_keys`."""
    entries = [
        {
            "id": key.key_id,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "created": key.created.isoformat(timespec="seconds"),
            "sha256": key.digest.hex(),
            **({} if key.rate is None else {"rate": key.rate}),
        }
        for key in keys
    ]
    return (json.dumps({"schema": _SCHEMA, "keys": entries}, indent=2) + "\n").encode()
