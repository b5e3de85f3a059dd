"""Names of versions: how one is made, and how callers refer to one."""

import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

CURRENT: Final = "current"
"""The reference to the version that the pointer names."""


def new_version_id(time_made: datetime) -> str:
    """Name a new version, ``20261122T053000Z-4f1a9c``: sorts by time, unique within a second.

    Args:
        time_made: with a zone.
    """
    return f"{time_made.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def matching_version(version_ref: str, version_ids: Collection[str]) -> str:
    """Return the version id that a reference is, or the only one that it begins.

    Raises:
        LookupError: why there is none, in a few words.
    """
    if version_ref in version_ids:
        return version_ref
    matches = [name for name in version_ids if version_ref and name.startswith(version_ref)]
    if len(matches) > 1:
        raise LookupError(f"it begins {len(matches)} version ids, give more")
    if not matches:
        raise LookupError("no such version")
    return matches[0]
