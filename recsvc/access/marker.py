"""What stands for a credential that was checked, in one process and for a call's time."""

import secrets
from hashlib import blake2b

from recsvc.access.api_keys import bytes_of

_MARK_BYTES, _KEY_BYTES = 16, 32


class Marker:
    """Marks credentials with a secret of its own; safe to share between threads.

    What is kept of a credential by its mark is no credential, and nobody else can make marks, so
    that how they are compared tells nothing. BLAKE2 is the interpreter's own: SHA-256 comes from
    OpenSSL, which costs a call, among all else that it does, twenty times what it does in a loop.
    """

    def __init__(self) -> None:
        self._empty = blake2b(digest_size=_MARK_BYTES, key=secrets.token_bytes(_KEY_BYTES))

    def mark(self, credential: str) -> bytes:
        """The mark of a credential, the same each time."""
        mark = self._empty.copy()
        mark.update(bytes_of(credential))
        return mark.digest()
