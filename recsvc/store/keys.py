"""The one schema of every key that recsvc writes to Redis.

``<namespace>:v<schema>:{p:<partition>}:<kind>:…``, for example
``recsvc:v1:{p:07}:list:12:8f2e…:c41a…``.

The braces are a cluster hash tag: whatever belongs to one partition of customers shares a slot,
so that one script can write a customer's profile and the partition's event stream together.
"""

import re
import zlib
from dataclasses import dataclass

from recsvc.errors import SettingsError
from recsvc.service.ports import CacheKey

SCHEMA_VERSION = 1
"""Raised when the layout of any key or value changes; old entries then expire unread."""

N_PARTITIONS = 64
"""Fixed for the life of a schema version: changing it moves every customer."""

# A brace would become the hash tag instead of ours, a colon would blur where the namespace ends.
_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def partition_of(customer: str) -> int:
    """Return the partition of a customer, from 0 to ``N_PARTITIONS - 1``; equal on any machine."""
    return zlib.crc32(customer.encode()) % N_PARTITIONS


@dataclass(frozen=True, slots=True)
class KeySchema:
    """Builds the keys of one shop.

    Args:
        namespace: keeps several shops apart in one Redis.

    Raises:
        SettingsError: the namespace is not 1 to 64 letters, digits, dots, dashes or underscores.
    """

    namespace: str = "recsvc"

    def __post_init__(self) -> None:
        if _NAMESPACE.fullmatch(self.namespace) is None:
            raise SettingsError(
                f"RECSVC_NAMESPACE: {self.namespace!r} is not a namespace; "
                "use 1 to 64 letters, digits, dots, dashes or underscores, for example shop-1"
            )

    def response(self, key: CacheKey) -> str:
        """Return the key of a cached response."""
        return (
            f"{self.namespace}:v{SCHEMA_VERSION}:{{p:{partition_of(key.customer):02}}}"
            f":list:{key.generation}:{key.customer}:{key.digest}"
        )
