"""What calls show to be let in: mostly the shop's key, else what nobody should be let in with."""

import base64
import json
import random
import string
from dataclasses import dataclass
from typing import Final

from recsvc.access.api_keys import PREFIX
from tests.fuzz import forged, seeds

SHARE_HOSTILE: Final = 0.1
_LENGTHS: Final = (0, 1, 7, 43, 300, 3_000)
_MAX_TOKEN_BYTES: Final = 4_000
"""Longer metadata gRPC turns away itself."""
_VISIBLE: Final = string.ascii_letters + string.digits + string.punctuation + " "


@dataclass(frozen=True, slots=True)
class Credential:
    """What a call shows.

    Attributes:
        metadata: as it is sent.
        is_good: whether it must be let in; None, it may or may not be.
    """

    metadata: tuple[tuple[str, str], ...]
    is_good: bool | None


def bearer(secret: str, *, is_good: bool | None) -> Credential:
    """A credential as it should be sent."""
    return Credential((("authorization", f"Bearer {secret}"),), is_good)


class Credentials:
    """Draws what calls show.

    Args:
        chance: where chance comes from.
        key: of a service that may do everything.
    """

    def __init__(self, chance: random.Random, key: str) -> None:
        self._chance = chance
        self._key = key
        self._good = bearer(key, is_good=True)

    def next(self) -> Credential:
        """What the next call shows."""
        if self._chance.random() >= SHARE_HOSTILE:
            return self._good
        return self._chance.choice(
            (self._none, self._two, self._other_key, self._odd, self._unsigned, self._token)
        )()

    def _none(self) -> Credential:
        return Credential((), is_good=False)

    def _two(self) -> Credential:
        entries = [("authorization", f"Bearer {self._key}"), ("authorization", self._text())]
        self._chance.shuffle(entries)
        return Credential(tuple(entries), is_good=False)

    def _other_key(self) -> Credential:
        """A key with a sign changed, left out or put in."""
        at = self._chance.randrange(len(PREFIX), len(self._key))
        rest = self._chance.choice((self._key[at + 1 :], self._key[at:]))
        sign = self._chance.choice(["", *string.ascii_letters])
        changed = self._key[:at] + sign + rest
        return bearer(changed, is_good=changed == self._key)

    def _odd(self) -> Credential:
        scheme = self._chance.choice(("", "Basic ", "Bearer", "Bearer  ", "Bearer "))
        return Credential((("authorization", scheme + self._text()),), is_good=False)

    def _unsigned(self) -> Credential:
        """A token that says of itself that nobody has signed it."""
        header = json.dumps({"alg": self._chance.choice(("none", "None", "")), "typ": "JWT"})
        parts = (header, json.dumps(seeds.TOKEN_CLAIMS))
        said = [base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts]
        return bearer(".".join((*said, self._chance.choice(("", "AAAA")))), is_good=False)

    def _token(self) -> Credential:
        """A shopper's, who may do little, or one that is signed and says what it should not."""
        make = self._chance.choice((lambda _: seeds.token(), forged.token))
        token = make(self._chance)[:_MAX_TOKEN_BYTES]
        return bearer(token.decode("latin-1"), is_good=None)

    def _text(self) -> str:
        length = self._chance.choice(_LENGTHS)
        return "".join(self._chance.choices(_VISIBLE, k=length))
