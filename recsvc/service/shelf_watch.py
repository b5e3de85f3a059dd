"""When what people wrote for a shop must be read again."""

import time
from collections.abc import Callable

from recsvc.artifacts.documents import Documents
from recsvc.artifacts.pointer_file import PointerStamp
from recsvc.errors import RecsvcError


class ShelfWatch:
    """Looks at a shelf a few times a second; for who holds the lock of its owner.

    What has failed is read again when the shelf changes, or after a while, and not at every look.

    Args:
        shelf: what is looked at.
        retry_seconds: the while.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        shelf: Documents,
        *,
        retry_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf = shelf
        self._retry_seconds = retry_seconds
        self._monotonic = monotonic
        self._seen: PointerStamp | None = None
        self._retry_at: float | None = None  # None when all went well
        self._complaint = ""

    def is_due(self) -> bool:
        """Whether to read now; say ``done`` when all of it went well.

        Raises:
            RegistryError: the shelf cannot be looked at.
        """
        seen = self._shelf.pointer_stamp()
        if seen == self._seen:
            if self._retry_at is None:
                self._complaint = ""
                return False
            if self._monotonic() < self._retry_at:
                return False
        self._seen = seen
        self._retry_at = self._monotonic() + self._retry_seconds
        return True

    def done(self) -> None:
        """What was due was read, whole."""
        self._retry_at = None
        self._complaint = ""

    def is_news(self, error: RecsvcError) -> bool:
        """Whether something else stood in the way when it was last told."""
        before, self._complaint = self._complaint, str(error)
        return self._complaint != before
