"""What became of versions that were to be removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsvc.errors import RegistryError


@dataclass(frozen=True, slots=True)
class RemovedVersion:
    """A version that is no longer there.

    Attributes:
        version_id: its name.
        size_bytes: of all its files.
    """

    version_id: str
    size_bytes: int


class RemovalError(RegistryError):
    """Some versions cannot be removed; the others are.

    Args:
        root: of the registry.
        failed: what the disk said, by the names of those that are left.
        removed: those that are gone.
    """

    def __init__(
        self, root: Path, failed: Mapping[str, OSError], removed: Sequence[RemovedVersion]
    ) -> None:
        said = "; ".join(f"{version_id} ({error})" for version_id, error in failed.items())
        super().__init__(
            f"{root}: cannot be removed: {said}; check whose folders they are, the permissions "
            "and the disk's free space"
        )
        self.removed = list(removed)
