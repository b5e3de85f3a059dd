"""What the use cases need from outside to keep lists: the Protocol of a cache, and its words.

Who makes a list that several ask for is settled here as well, since only the store sees them all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol

from recsvc.service.shopping import LiveProfile

ANONYMOUS = "anonymous"
"""``CacheKey.customer`` of every question that names no customer."""


class CacheKey(NamedTuple):
    """What makes two questions the same question.

    Attributes:
        generation: the registry's counter; every activation and rollback raises it, so lists of
            another model are never found and nothing needs to be deleted.
        customer: a keyed hash of the shopper's id, or ``ANONYMOUS``; never the id itself.
        digest: hexadecimal digest of the whole normalised request.
    """

    generation: int
    customer: str
    digest: str


class CachedEntry(NamedTuple):
    """A payload as it was put.

    Attributes:
        payload: the serialised response; opaque to every cache.
        stored_at: unix seconds, from the clock of the process that put it.
        fresh_seconds: how long after that it is as good as a new one.
        kept_seconds: how long after that it may be given at all.
        cost_seconds: what it took to make.
    """

    payload: bytes
    stored_at: float
    fresh_seconds: float
    kept_seconds: float
    cost_seconds: float


class Lookup(NamedTuple):
    """What a store knows about one question.

    Attributes:
        entry: an answer that can be given again; None where there is none, and where its shopper
            has done something since.
        live: reads what the shopper did of late, which costs nothing until it is called; raises
            ``StoreUnavailableError`` where it cannot be read.
        mark: tells what lies under the key, given again or not, from whatever is put there next.
        n_bytes: what ``live`` holds on to until it is let go of.
    """

    entry: CachedEntry | None
    live: Callable[[], LiveProfile]
    mark: bytes = b""
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """The wish to be the one who makes a list.

    Attributes:
        key: of the question.
        revision: of the live profile that it is made from. Who waits for it has done nothing since.
        token: tells it from every other one.
    """

    key: CacheKey
    revision: int
    token: str


class Claimed(Enum):
    """What became of a claim."""

    TAKEN = auto()
    """Nobody else makes the list, until it is put, released, or time is up."""
    HELD = auto()
    """Somebody else is at it."""
    CHANGED = auto()
    """Something has been put since: look again."""


class Put(NamedTuple):
    """An answer to be kept, as of :meth:`ResponseCache.put`."""

    key: CacheKey
    payload: bytes
    ttl_seconds: float
    revision: int
    fresh_seconds: float
    cost_seconds: float


class ResponseCache(Protocol):
    """Keeps serialised responses for a while; safe to use from many threads.

    A cache may forget an entry at any time, but never answers with another key's payload.
    """

    @property
    def available(self) -> bool:
        """Whether the last calls were answered; costs no I/O."""
        ...

    def get(self, key: CacheKey) -> Lookup:
        """Return what was put under ``key`` and still holds, else the shopper's live profile.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def get_all(self, keys: Sequence[CacheKey]) -> list[Lookup]:
        """The same for each of several keys, asked for together.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def put(  # each says one thing of the list
        self,
        key: CacheKey,
        payload: bytes,
        ttl_seconds: float,
        revision: int = 0,
        *,
        fresh_seconds: float | None = None,
        cost_seconds: float = 0.0,
        claim: Claim | None = None,
    ) -> None:
        """Keep ``payload`` for ``ttl_seconds`` (above zero), in place of any earlier one.

        Args:
            key: of the question.
            payload: the answer.
            ttl_seconds: how long.
            revision: of the live profile that it was made from; it holds for no other.
            fresh_seconds: how long of that it is as good as a new one; None all the time.
            cost_seconds: what it took to make.
            claim: released in the same step.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def put_all(self, puts: Sequence[Put]) -> None:
        """The same for several answers that nobody has claimed, in one round trip.

        Raises:
            StoreUnavailableError: the store cannot answer in time; some may be kept.
        """
        ...

    def claim(self, claim: Claim, mark: bytes, seconds: float) -> Claimed:
        """Ask to be the only one who makes a list, for ``seconds`` at most.

        Args:
            claim: for what.
            mark: what a lookup has told of what lies there.
            seconds: how long others wait for a claimant who is never heard of again.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def release(self, claim: Claim) -> None:
        """Let others make the list; of no effect where the claim is held no more.

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
