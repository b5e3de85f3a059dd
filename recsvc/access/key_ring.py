"""The keys of services, as a call looks one up."""

import hmac
from collections.abc import Iterable

from recsvc.access.api_keys import PREFIX, ApiKey, digest_of, parse_api_keys
from recsvc.access.credential import Credential
from recsvc.access.marker import Marker
from recsvc.access.watched import NamedFile
from recsvc.errors import CredentialError

_FIRST_BYTES = 8


class KeyRing:
    """Finds a key by its digest; its keys do not change.

    It is found by the first bytes of its digest, and then all of it is compared in constant time.
    Who measures how long the search takes learns something of the digest of what they sent, which
    says nothing of another key.

    A key that was found is known again by its mark.
    """

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._marker = Marker()
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
        mark = self._marker.mark(secret)
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
