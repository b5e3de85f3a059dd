"""The one schema of every key that recsvc writes to Redis.

``<namespace>:v<schema>:{p:<partition>}:<kind>:…``, for example
``recsvc:v1:{p:07}:list:12:8f2e…:c41a…``.

The braces are a cluster hash tag: whatever belongs to one partition of customers shares a slot,
so that one script can write a customer's profile and the partition's event stream together.
"""

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import blake2b

from recsvc.errors import SettingsError
from recsvc.identity import N_PARTITIONS, partition_of
from recsvc.service.cache_port import CacheKey

SCHEMA_VERSION = 1
"""Raised when the keys are laid out anew, and only with a way for what lies under the old ones:
events that wait to be collected, live profiles, homes and what the shop said of its catalogue.

Not for a value's layout. Profiles, lists and served lists say theirs in the value, and a list of
another one is a miss. Two releases, as in a rolling update, do not look for each other's lists: the
digest in a list's key depends on the release (``ResponseCodec.schema``)."""

_SEEN_BYTES = 12  # a multiple of 3, so that no padding is written

# A brace would become the hash tag instead of ours, a colon would blur where the namespace ends.
_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class KeySchema:
    """Builds the keys of one shop.

    Args:
        namespace: keeps several shops apart in one Redis.

    Raises:
        SettingsError: the namespace is not 1 to 64 letters, digits, dots, dashes or underscores.
    """

    namespace: str = "recsvc"
    _partitions: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if _NAMESPACE.fullmatch(self.namespace) is None:
            raise SettingsError(
                f"RECSVC_NAMESPACE: {self.namespace!r} is not a namespace; "
                "use 1 to 64 letters, digits, dots, dashes or underscores, for example shop-1"
            )
        head = f"{self.namespace}:v{SCHEMA_VERSION}"
        partitions = tuple(f"{head}:{{p:{partition:02}}}" for partition in range(N_PARTITIONS))
        object.__setattr__(self, "_partitions", partitions)  # each list asks for three of them

    @property
    def changed(self) -> str:
        """The channel on which the shopper is named who has done something."""
        return f"{self.namespace}:v{SCHEMA_VERSION}:changed"

    def response(self, key: CacheKey) -> str:
        """Return the key of a cached response."""
        return self.of_list(key)[0]

    def of_list(self, key: CacheKey) -> tuple[str, str, str]:
        """Return :meth:`response`, and :meth:`live` and :meth:`person` of its shopper."""
        shopper = key.customer
        head = self._partition(shopper)
        return (
            f"{head}:list:{key.generation}:{shopper}:{key.digest}",
            f"{head}:live:{shopper}",
            f"{head}:person:{shopper}",
        )

    def claim(self, key: CacheKey, revision: int) -> str:
        """Return the key that says who makes a response, of a revision of the live profile."""
        whose = f"{key.generation}:{key.customer}:{key.digest}:{revision}"
        return f"{self._partition(key.customer)}:claim:{whose}"

    def live(self, shopper: str) -> str:
        """Return the key of a shopper's live profile."""
        return f"{self._partition(shopper)}:live:{shopper}"

    def seen(self, shopper: str, event_id: str) -> str:
        """Return the key that remembers an event of a shopper."""
        whose = f"{shopper}:{event_id}".encode()  # others of the partition have theirs
        digest = blake2b(whose, digest_size=_SEEN_BYTES).digest()
        return f"{self._partition(shopper)}:seen:{urlsafe_b64encode(digest).decode()}"

    def events(self, partition: int) -> str:
        """Return the key of a partition's stream of events."""
        return f"{self._partitions[partition]}:events"

    def served(self, partition: int, hour: int) -> str:
        """Return the key of a partition's lists that were served in an hour since 1970."""
        return f"{self._partitions[partition]}:served:{hour}"

    def served_names(self, partition: int) -> str:
        """Return the key of the stream of a partition's served lists, by name."""
        return f"{self._partitions[partition]}:served-names"

    def moving(self, visitor: str) -> str:
        """Return the key of a visitor's profile on its way to a customer."""
        return f"{self._partition(visitor)}:moving:{visitor}"

    def moved(self, customer: str, digest: str) -> str:
        """Return the key that remembers what a customer has been handed."""
        return f"{self._partition(customer)}:moved:{digest}"

    def erased(self, shopper: str) -> str:
        """Return the key that remembers when a shopper was erased."""
        return f"{self._partition(shopper)}:erased:{shopper}"

    def person(self, customer: str) -> str:
        """Return the key of what callers have set of a customer."""
        return f"{self._partition(customer)}:person:{customer}"

    def answer(self, request_id: str) -> str:
        """Return the key of the answer to a write."""
        return f"{self._partition(request_id)}:answer:{request_id}"

    def rate(self, caller: str) -> str:
        """Return the key of what is left to a caller, by its hash."""
        return f"{self._partition(caller)}:rate:{caller}"

    def rows(self, table: str) -> str:
        """Return the key of a table's rows."""
        return f"{self._table(table)}:rows"

    def changes(self, table: str) -> str:
        """Return the key of what was written to a table of late."""
        return f"{self._table(table)}:changes"

    def _table(self, table: str) -> str:
        kind, _, of = table.partition(":")
        # What a table is of is the shop's own text, and may hold anything.
        digest = blake2b(of.encode(), digest_size=_SEEN_BYTES).digest()
        name = f"{kind}:{urlsafe_b64encode(digest).decode()}" if of else kind
        return f"{self.namespace}:v{SCHEMA_VERSION}:{{t:{name}}}"

    def _partition(self, shopper: str) -> str:
        return self._partitions[partition_of(shopper)]
