"""The keys of services, as a call looks one up."""

import hmac
import secrets
from collections.abc import Iterable
from hashlib import blake2b

from recsvc.access.api_keys import PREFIX, ApiKey, bytes_of, digest_of, parse_api_keys
from recsvc.access.credential import Credential
from recsvc.access.watched import NamedFile
from recsvc.errors import CredentialError

_FIRST_BYTES = 8
_MARK_BYTES, _MARK_KEY_BYTES = 16, 32


class KeyRing:
    """Finds a key by its digest; its keys do not change.

    It is found by the first bytes of its digest, and then all of it is compared in constant time.
    Who measures how long the search takes learns something of the digest of what they sent, which
    says nothing of another key.

    A key that was found is known again by a mark of it, made with a secret of this object alone:
    SHA-256 comes from OpenSSL, which costs a call among all else that it does ten times what it
    does in a loop. Nobody can make marks, so that how they are compared tells nothing.
    """

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._marker = blake2b(digest_size=_MARK_BYTES, key=secrets.token_bytes(_MARK_KEY_BYTES))
        self._marked: dict[bytes, Credential] = {}  # as many as there are keys at most
        self._keys = {
            key.digest[:_FIRST_BYTES]: (
                key.digest,
                Credential(
                    "",
                    frozenset(map(str, key.scopes)),
                    0,
                    name=key.name,
                    caller=PREFIX + key.key_id,
                    rate=key.rate,
                ),
            )
            for key in keys
        }

    def __len__(self) -> int:
        return len(self._keys)

    def credential(self, secret: str) -> Credential:
        """What a key allows.

        Raises:
            CredentialError: it is not among them.
        """
        marker = self._marker.copy()
        marker.update(bytes_of(secret))
        mark = marker.digest()
        marked = self._marked.get(mark)
        if marked is not None:
            return marked
        digest = digest_of(secret)
        kept, credential = self._keys.get(digest[:_FIRST_BYTES], _NONE)
        if not hmac.compare_digest(kept, digest):
            raise CredentialError("the API key is not known here, or was revoked; get a new one")
        self._marked[mark] = credential
        return credential


_NONE = (bytes(32), Credential("", frozenset(), 0))


def ring_of(file: NamedFile, content: bytes) -> KeyRing:
    """The keys of a file.

    Raises:
        SettingsError: it is no file of keys.
    """
    try:
        return KeyRing(parse_api_keys(content))
    except ValueError as error:
        raise file.unusable(f"{error}; recsvc keys add writes one") from error
