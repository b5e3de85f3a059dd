"""What the use cases need from outside, as Protocols that adapters in ``store`` fulfil."""

from dataclasses import dataclass
from typing import Protocol

ANONYMOUS = "anonymous"
"""``CacheKey.customer`` of every question that names no customer."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What makes two questions the same question.

    Attributes:
        generation: the registry's counter; every activation and rollback raises it, so lists of
            another model are never found and nothing needs to be deleted.
        customer: a keyed hash of the customer's id, or ``ANONYMOUS``; never the id itself.
        digest: hexadecimal digest of the whole normalised request.
    """

    generation: int
    customer: str
    digest: str


@dataclass(frozen=True, slots=True)
class CachedEntry:
    """A payload as it was put.

    Attributes:
        payload: the serialised response; opaque to every cache.
        stored_at: unix seconds, from the clock of the process that put it.
    """

    payload: bytes
    stored_at: float


class ResponseCache(Protocol):
    """Keeps serialised responses for a while; safe to use from many threads.

    A cache may forget an entry at any time, but never answers with another key's payload.
    """

    @property
    def available(self) -> bool:
        """Whether the last calls were answered; costs no I/O."""
        ...

    def get(self, key: CacheKey) -> CachedEntry | None:
        """Return what was put under ``key`` and has not expired, else None.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def put(self, key: CacheKey, payload: bytes, ttl_seconds: float) -> None:
        """Keep ``payload`` for ``ttl_seconds`` (above zero), in place of any earlier one.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def check(self) -> None:
        """Ask the store whether it is there.

        Raises:
            StoreUnavailableError: it is not, or cannot answer in time.
        """
        ...
