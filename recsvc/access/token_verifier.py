"""Who a bearer token speaks for: JSON Web Tokens, checked."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from recsvc.access.credential import Credential
from recsvc.errors import CredentialError, SettingsError

LEEWAY_SECONDS = 30
"""How far the clocks of issuer and service may be apart."""

MIN_SECRET_BYTES = 32
MIN_RSA_BITS = 2048
MAX_TOKEN_BYTES = 8_192
MAX_ID_BYTES = 256

MAX_TRIED = 4
"""So many keys at most are tried on one token: anybody can send one, and each costs a signature."""

_SHARED = "HS256"
"""The one algorithm whose key is a secret, and never published."""

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Key:
    """What signatures are checked with.

    Attributes:
        value: the secret, or the public key.
        algorithm: the only one that it is used for, whatever a token says: a public key taken
            for a secret, or no signature at all, never passes.
        key_id: the issuer's name for it, ``""`` none.
    """

    value: bytes | PublicKey
    algorithm: str
    key_id: str = ""


class UnknownKeyError(jwt.InvalidSignatureError):
    """The key of a token is not known to be among those that are trusted; it may be a new one."""


class TokenVerifier:
    """Checks tokens; safe to share between threads.

    Args:
        keys: at least one.
        audience: what ``aud`` must name; ``""`` it is not looked at.
        issuer: what ``iss`` must be; ``""`` likewise.
        scope: what each token must allow; ``""`` nothing in particular.
        leeway_seconds: how far the clocks of issuer and service may be apart.
    """

    def __init__(  # each argument is a thing that is asked of tokens
        self,
        keys: Iterable[Key],
        *,
        audience: str = "",
        issuer: str = "",
        scope: str = "",
        leeway_seconds: int = LEEWAY_SECONDS,
    ) -> None:
        self.leeway_seconds = leeway_seconds
        self._keys = tuple(keys)
        self._audience = audience
        self._issuer = issuer
        self._scope = scope

    def verify(self, token: str) -> Credential:
        """Check a token.

        Args:
            token: as it came, without ``Bearer``.

        Raises:
            CredentialError: there is none (CREDENTIAL_MISSING), or it cannot be believed
                (CREDENTIAL_INVALID); nothing of the token is in the message.
            ForbiddenError: it lacks the scope (SCOPE_MISSING).
        """
        if not token:
            raise CredentialError(
                "there is no token; send one as 'Authorization: Bearer TOKEN'",
                reason="CREDENTIAL_MISSING",
            )
        if len(token) > MAX_TOKEN_BYTES:
            raise CredentialError("the token is too long to be one; get a new one")
        claims = self._claims(token)
        customer_id = claims["sub"]
        if not _is_id(customer_id):
            raise CredentialError(
                f"the token's subject is no customer id of 1 to {MAX_ID_BYTES} bytes; get a token "
                "of a customer"
            )
        credential = Credential(
            customer_id,
            _scopes(claims),
            int(claims["exp"]),
            str(claims.get("iss", "")),
            caller=customer_id,
        )
        if self._scope:
            credential.require(self._scope)
        return credential

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            keys = self._fitting(jwt.get_unverified_header(token))
            for key in keys:
                with suppress(jwt.InvalidSignatureError):
                    return self._decoded(token, key)
            # A name tells whose the signature should be; without one it may be of a newer key.
            if all(key.key_id or key.algorithm == _SHARED for key in keys):
                raise jwt.InvalidSignatureError
            raise UnknownKeyError
        # Of half a character the library says nothing of its own.
        except (jwt.PyJWTError, UnicodeEncodeError) as error:
            raise CredentialError(_why(error)) from error

    def _decoded(self, token: str, key: Key) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.value,
            algorithms=[key.algorithm],
            audience=self._audience or None,
            issuer=self._issuer or None,
            leeway=self.leeway_seconds,
            options={"require": ["exp", "sub"], "verify_aud": bool(self._audience)},
        )
        return claims

    def _fitting(self, header: Mapping[str, Any]) -> list[Key]:
        """The keys that a token may have been signed with, as far as its header tells."""
        key_id, algorithm = header.get("kid", ""), header.get("alg", "")
        fitting = [key for key in self._keys if key.algorithm == algorithm]
        named = [key for key in fitting if key.key_id == key_id]
        # One key may be given without its name; of several the token must name its own, unless
        # none of them has a name.
        found = named or (fitting if len(fitting) == 1 and not fitting[0].key_id else [])
        if not found:
            raise UnknownKeyError
        return found[:MAX_TRIED]


def secret_key(secret: str) -> Key:
    """The key of a shared secret: HS256.

    Raises:
        SettingsError: it is short enough to be guessed.
    """
    value = secret.encode()
    if len(value) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"RECSVC_JWT_SECRET: has {len(value)} bytes; give at least {MIN_SECRET_BYTES}, drawn "
            "at random"
        )
    return Key(value, _SHARED)


def parse_keys(path: Path, content: bytes) -> list[Key]:
    """The keys of a file that has been read.

    Raises:
        SettingsError: they are of no use.
    """
    try:
        if content.lstrip().startswith(b"{"):
            keys = [_web_key(entry) for entry in json.loads(content)["keys"]]
        else:
            keys = [_public_key(load_pem_public_key(content))]
    except _UNREADABLE as error:
        raise _unusable(path, str(error) or type(error).__name__) from error
    if not keys:
        raise _unusable(path, "it holds no key")
    return keys


def published_keys(content: bytes) -> list[Key]:
    """The keys of a JSON Web Key Set that an issuer publishes, those left out that are for others.

    Raises:
        ValueError: it is no such set, or has no key that can be used here.
    """
    try:
        entries = list(json.loads(content)["keys"])
    except _UNREADABLE as error:
        raise ValueError("it is no JSON Web Key Set") from error
    keys = []
    for entry in entries:
        with suppress(*_UNREADABLE):  # for encryption, or of a kind that is not believed here
            keys.append(_web_key(entry))
    if not keys:
        raise ValueError("it has no public key for RS256, ES256 or EdDSA")
    return keys


_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    UnsupportedAlgorithm,
    jwt.PyJWTError,
)
"""What the libraries say of what cannot be read as a key."""


def _web_key(entry: dict[str, Any]) -> Key:
    if entry.get("use", "sig") != "sig":
        raise ValueError("a key that is not for signatures; leave it out")
    if entry.get("kty") == "oct":
        raise ValueError("a secret has no place among public keys; give RECSVC_JWT_SECRET")
    key = _public_key(jwt.PyJWK(entry).key)
    if entry.get("alg", key.algorithm) != key.algorithm:
        raise ValueError(f"{entry['alg']}: only RS256, ES256 and EdDSA are supported")
    name = entry.get("kid")
    return Key(key.value, key.algorithm, "" if name is None else str(name))  # null is no name


def _public_key(key: object) -> Key:
    match key:
        case RSAPublicKey() if key.key_size >= MIN_RSA_BITS:
            return Key(key, "RS256")
        case RSAPublicKey():
            raise ValueError(f"an RSA key needs {MIN_RSA_BITS} bits")
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return Key(key, "ES256")
        case Ed25519PublicKey():
            return Key(key, "EdDSA")
        case _:
            raise ValueError("no public key of RSA, of the curve P-256, or Ed25519")


def _unusable(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"RECSVC_JWT_KEYS_FILE: {path} cannot be used ({why}); give a PEM public key or a JSON "
        "Web Key Set"
    )


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Scopes are words in one text (RFC 8693); some issuers write a list."""
    match claims.get("scope"):
        case str() as text:
            return frozenset(text.split())
        case list() as words:
            return frozenset(map(str, words))
        case _:
            return frozenset()


_UNTRUSTED = "the token's signature is of no key that is trusted here"

_WHY: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "the token has expired; get a new one",
    jwt.ImmatureSignatureError: "the token does not hold yet; check the issuer's clock",
    jwt.InvalidAudienceError: "the token is for another service; get one for this one",
    jwt.InvalidIssuerError: "the token is of an issuer that is not trusted here",
    jwt.InvalidSignatureError: _UNTRUSTED,
    UnknownKeyError: _UNTRUSTED,
    jwt.MissingRequiredClaimError: "the token says too little; it needs exp and sub, and aud and "
    "iss where the service asks for them",
}


def _is_id(text: str) -> bool:
    try:
        return 0 < len(text.encode()) <= MAX_ID_BYTES
    except UnicodeEncodeError:  # JSON can write half a character
        return False


def _why(error: Exception) -> str:
    return _WHY.get(type(error), "the token cannot be read; get a new one")
