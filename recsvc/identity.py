"""What stands for a person in keys, logs and ledgers: a keyed hash, never the id."""

import zlib
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

_BYTES = 8

N_PARTITIONS = 64
"""Into so many parts shoppers are divided. Fixed for the life of a key schema: changing it moves
everybody."""


def hash_key(text: str, otherwise: Callable[[], bytes]) -> bytes:
    """The secret that people's ids are hashed with.

    Args:
        text: as ``RECSVC_HASH_KEY`` gives it, of any length; ``""`` where it gives none.
        otherwise: gives the one of the registry.
    """
    # Of any length, while a key may have 64 bytes.
    return blake2b(text.encode()).digest() if text else otherwise()


def customer_hash(key: bytes, customer_id: str) -> str:
    """Sixteen hexadecimal digits that stand for a customer; without ``key`` nobody can try ids.

    Args:
        key: the secret, at most 64 bytes.
        customer_id: the shop's id.
    """
    return _digits(key, b"", customer_id)


def visitor_hash(key: bytes, visitor_id: str) -> str:
    """The same for a visitor; a visitor and a customer of the same id differ."""
    return _digits(key, b"visitor", visitor_id)


def session_hash(key: bytes, session_id: str) -> str:
    """The same for the session of somebody who is neither."""
    return _digits(key, b"session", session_id)


def _digits(key: bytes, kind: bytes, text: str) -> str:
    digest = _keyed(key, kind).copy()
    digest.update(text.encode())
    return digest.hexdigest()


@lru_cache(8)  # of the one key of a process; to begin with it takes as long as all the rest
def _keyed(key: bytes, kind: bytes) -> blake2b:
    return blake2b(key=key, digest_size=_BYTES, person=kind)


def partition_of(shopper: str) -> int:
    """The partition of a shopper (a hash), from 0 to ``N_PARTITIONS - 1``; equal on any machine."""
    return zlib.crc32(shopper.encode()) % N_PARTITIONS
