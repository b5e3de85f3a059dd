"""Opaque tokens: what a caller hands back, signed so that nothing else passes for one."""

import base64
import binascii
import struct
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import Self

from recsvc.errors import InvalidRequestError
from recsvc.service.selling import NOTHING, Written

_MAC_BYTES = 8
_WRITTEN = struct.Struct(">QQ")


class Signer:
    """Writes and reads tokens of one kind.

    Args:
        key: the secret.
        kind: tokens of another kind are not read, at most 16 bytes.
    """

    def __init__(self, key: bytes, kind: bytes) -> None:
        self._key = key
        self._kind = kind

    def token(self, content: bytes) -> str:
        """Return a token that holds ``content``, which callers can read."""
        return base64.urlsafe_b64encode(self._mac(content) + content).decode()

    def content(self, token: str) -> bytes | None:
        """Return what a token holds; None where it is none of these."""
        try:
            signed = base64.b64decode(token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, content = signed[:_MAC_BYTES], signed[_MAC_BYTES:]
        return content if content and compare_digest(mac, self._mac(content)) else None

    def _mac(self, content: bytes) -> bytes:
        return blake2b(content, key=self._key, digest_size=_MAC_BYTES, person=self._kind).digest()


class ConsistencyTokens:
    """Tokens that stand for a position of the ledger and a moment of the catalogue.

    Events need none: every read asks the store that acknowledged them.

    Args:
        key: the secret.
    """

    def __init__(self, key: bytes) -> None:
        self._signer = Signer(key, b"consistency")

    def write(self, position: int = 0, catalogue: int = 0) -> str:
        """Return the token of a write; arguments are those of ``Written``."""
        return self._signer.token(_WRITTEN.pack(position, catalogue))

    def read(self, token: str) -> Written:
        """Return what a read must have seen.

        Raises:
            InvalidRequestError: it is no such token.
        """
        if not token:
            return NOTHING
        content = self._signer.content(token)
        if content is None or len(content) > _WRITTEN.size:
            raise InvalidRequestError(
                "consistency_token", "was not made by this service; ask without one"
            )
        # Those of the version before have the position alone.
        return Written(*_WRITTEN.unpack(content.ljust(_WRITTEN.size, b"\0")))


class PageTokens:
    """Tokens of the pages of a list.

    Args:
        key: the secret.
        kind: of list; pages of another are not read, at most 16 bytes.
    """

    def __init__(self, key: bytes, kind: bytes = b"page") -> None:
        self._signer = Signer(key, kind)

    def write(self, content: bytes) -> str:
        """Return the token of the next page, ``""`` where there is none."""
        return self._signer.token(content) if content else ""

    def read(self, token: str) -> bytes:
        """Return what a token says, nothing for the first page.

        Raises:
            InvalidRequestError: it is no such token (PAGE_TOKEN_INVALID).
        """
        if not token:
            return b""
        content = self._signer.content(token)
        if content is None:
            raise InvalidRequestError(
                "page_token",
                "was not made by this service; ask without one",
                reason="PAGE_TOKEN_INVALID",
            )
        return content


@dataclass(frozen=True, slots=True)
class Tokens:
    """What reads and writes the tokens of requests."""

    consistency: ConsistencyTokens
    pages: PageTokens

    @classmethod
    def of(cls, key: bytes) -> Self:
        """Both kinds, of one secret."""
        return cls(ConsistencyTokens(key), PageTokens(key))
