"""What was removed of the published versions, as the commands say it."""

from collections.abc import Sequence
from typing import Any

from recsvc.artifacts.removal import RemovedVersion

_MEGABYTE = 1_000_000


def as_removed(removed: Sequence[RemovedVersion]) -> dict[str, Any]:
    """For a program."""
    return {
        "removed": [
            {"version_id": version.version_id, "size_bytes": version.size_bytes}
            for version in removed
        ],
        "freed_bytes": sum(version.size_bytes for version in removed),
    }


def removed_lines(removed: Sequence[RemovedVersion], *, dry_run: bool = False) -> list[str]:
    """For people: a line a version, and the sum of several; none where nothing was removed."""
    verb = "would remove" if dry_run else "removed"
    lines = [f"{verb} {version.version_id}, {_size(version.size_bytes)}" for version in removed]
    if len(removed) > 1:
        total = _size(sum(version.size_bytes for version in removed))
        lines.append(f"{verb} {len(removed)} versions, {total}")
    return lines


def _size(n_bytes: int) -> str:
    return f"{n_bytes / _MEGABYTE:,.1f} MB"
