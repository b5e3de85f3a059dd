"""Bearer tokens: who is believed, and who is not."""

import hmac
import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from recsvc.access.token_verifier import (
    LEEWAY_SECONDS,
    MAX_TRIED,
    Key,
    TokenVerifier,
    UnknownKeyError,
    parse_keys,
    published_keys,
    secret_key,
)
from recsvc.errors import CredentialError, ForbiddenError, RecsvcError, SettingsError

SECRET = "s" * 32
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
FILE = Path("keys")
ALGORITHMS = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


def pem(key: Any) -> bytes:  # noqa: ANN401  # of any kind
    """The public half."""
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def claims(**changes: object) -> dict[str, Any]:
    """Those of a good token, with changes; None takes one away."""
    good = {"sub": "anna", "exp": int(time.time()) + 600, "aud": "shop", "iss": "https://idp"}
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(
    key: Any = SECRET,  # noqa: ANN401  # of any kind
    algorithm: str = "HS256",
    headers: dict[str, Any] | None = None,
    **changes: object,
) -> str:
    """A token."""
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)


def reason(verifier: TokenVerifier, token: str) -> str:
    """Why a token is refused; nothing of it may be in the message."""
    with pytest.raises(RecsvcError) as caught:
        verifier.verify(token)
    parts = [part for part in token.split(".") if part]
    assert not any(part in str(caught.value) for part in [*parts, "anna"])
    return caught.value.reason


@pytest.fixture
def verifier() -> TokenVerifier:
    """Believes tokens that are signed with the secret."""
    return TokenVerifier([secret_key(SECRET)], audience="shop", issuer="https://idp")


def test_a_good_token_says_who_and_what(verifier: TokenVerifier) -> None:
    """The subject is the customer, the scopes are its words."""
    credential = verifier.verify(signed(scope="recsvc.read recsvc.write"))
    assert (credential.customer_id, credential.issuer) == ("anna", "https://idp")
    assert credential.scopes == {"recsvc.read", "recsvc.write"}
    credential.require("recsvc.read")
    with pytest.raises(ForbiddenError, match=r"lacks the scope recsvc\.admin") as caught:
        credential.require("recsvc.admin")
    assert (caught.value.reason, caught.value.metadata) == (
        "SCOPE_MISSING",
        {"scope": "recsvc.admin"},
    )
    assert verifier.verify(signed(scope=["a", "b"])).scopes == {"a", "b"}
    assert verifier.verify(signed(scope=5)).scopes == frozenset()


NOW = 1_800_000_000


class Stopped(datetime):
    """A clock that stands, so that edges can be met to the second."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Stopped":
        return cls.fromtimestamp(NOW, tz or UTC)


@pytest.fixture
def _stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jwt.api_jwt.datetime", Stopped)


@pytest.mark.usefixtures("_stopped")
@pytest.mark.parametrize("leeway", [LEEWAY_SECONDS, 0, 300])
@pytest.mark.parametrize(
    ("claim", "within", "beyond", "said"),
    [
        ("exp", lambda leeway: -leeway + 1, lambda leeway: -leeway, "has expired"),
        ("nbf", lambda leeway: leeway, lambda leeway: leeway + 1, "does not hold yet"),
        ("iat", lambda leeway: leeway, lambda leeway: leeway + 1, "does not hold yet"),
    ],
    ids=["exp", "nbf", "iat"],
)
def test_clocks_may_differ_a_little(
    leeway: int, claim: str, within: Callable[[int], int], beyond: Callable[[int], int], said: str
) -> None:
    """A token that has just expired, or will hold in a moment, is good, and not a second longer."""
    verifier = TokenVerifier([secret_key(SECRET)], leeway_seconds=leeway)

    def token(seconds: int) -> str:
        changes: dict[str, Any] = {"exp": NOW + 600, claim: NOW + seconds}
        return signed(**changes)

    assert verifier.verify(token(within(leeway))).customer_id == "anna"
    with pytest.raises(CredentialError, match=said):
        verifier.verify(token(beyond(leeway)))


def test_a_token_may_be_for_several_services(verifier: TokenVerifier) -> None:
    """As long as this one is among them (RFC 7519, 4.1.3)."""
    assert verifier.verify(signed(aud=["mail", "shop"])).customer_id == "anna"


@pytest.mark.parametrize(
    ("critical", "more"),
    [
        (["cnf"], {"cnf": "of a key that the caller shows"}),
        (["b64"], {"b64": True}),
        (["exp"], {}),
        ([], {}),
        ("cnf", {"cnf": 1}),
        (None, {}),
    ],
)
def test_what_a_token_calls_critical_must_be_understood(
    verifier: TokenVerifier, critical: object, more: dict[str, Any]
) -> None:
    """And none of it is (RFC 7515, 4.1.11); unsaid it is passed over."""
    assert verifier.verify(signed(headers=more)).customer_id == "anna"
    token = signed(headers={"crit": critical, **more})
    assert reason(verifier, token) == "CREDENTIAL_INVALID"
    with pytest.raises(CredentialError, match="cannot be read"):
        verifier.verify(token)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exp": 1_000}, "has expired"),
        ({"exp": None}, "needs exp and sub"),
        ({"sub": None}, "needs exp and sub"),
        ({"sub": ""}, "no customer id"),
        ({"sub": "x" * 257}, "no customer id"),
        ({"sub": "\ud800"}, "no customer id"),
        ({"nbf": 4_000_000_000}, "does not hold yet"),
        ({"aud": "other"}, "for another service"),
        ({"aud": ["other", "shop.example"]}, "for another service"),
        ({"aud": ["other", 5]}, "for another service"),
        ({"aud": {"shop": True}}, "for another service"),
        ({"aud": []}, "needs exp and sub, and aud"),
        ({"aud": None}, "needs exp and sub, and aud"),
        ({"iss": "https://evil"}, "issuer that is not trusted"),
        ({"iss": None}, "and aud and iss"),
    ],
)
def test_a_token_that_says_the_wrong_thing_is_refused(
    verifier: TokenVerifier, changes: dict[str, Any], said: str
) -> None:
    """With what to do about it, and without a word of what it says."""
    token = signed(**changes)
    assert reason(verifier, token) == "CREDENTIAL_INVALID"
    with pytest.raises(CredentialError, match=said):
        verifier.verify(token)


def test_what_is_not_asked_for_is_not_looked_at() -> None:
    """Without an audience and an issuer of its own, a service believes the key alone."""
    assert (
        TokenVerifier([secret_key(SECRET)]).verify(signed(aud="any", iss=None)).scopes
        == frozenset()
    )


def test_a_scope_may_be_asked_of_every_token() -> None:
    """Before anything is done with it."""
    verifier = TokenVerifier([secret_key(SECRET)], scope="recsvc")
    assert verifier.verify(signed(scope="recsvc other")).customer_id == "anna"
    assert reason(verifier, signed(scope="other")) == "SCOPE_MISSING"
    assert reason(verifier, signed()) == "SCOPE_MISSING"


def test_no_token_is_another_thing_than_a_bad_one(verifier: TokenVerifier) -> None:
    """The one is missing, the other invalid."""
    assert reason(verifier, "") == "CREDENTIAL_MISSING"
    for nonsense in ("x", "aaaa.bbbb.cccc", signed()[:-4] + "AAAA", "x" * 8_193, DEEP):
        assert reason(verifier, nonsense) == "CREDENTIAL_INVALID"


DEEP = urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.AAAA"
"""Brackets enough to exhaust a parser."""


def confused(public: bytes) -> str:
    """A token whose HMAC is made with a public key as if that were a secret."""

    def part(content: bytes) -> bytes:
        return urlsafe_b64encode(content).rstrip(b"=")

    header = part(b'{"alg": "HS256", "typ": "JWT"}')
    text = header + b"." + part(json.dumps(claims()).encode())
    return (text + b"." + part(hmac.new(public, text, sha256).digest())).decode()


def test_the_key_and_not_the_token_says_the_algorithm() -> None:
    """No signature at all, or a public key taken for a secret, never passes."""
    verifier = TokenVerifier(parse_keys(FILE, pem(RSA)))
    assert verifier.verify(signed(RSA, "RS256")).customer_id == "anna"
    assert reason(verifier, jwt.encode(claims(), "", "none")) == "CREDENTIAL_INVALID"
    assert reason(verifier, confused(pem(RSA))) == "CREDENTIAL_INVALID"
    assert reason(verifier, signed(RSA, "RS512")) == "CREDENTIAL_INVALID"
    assert reason(TokenVerifier([secret_key(SECRET)]), signed(RSA, "RS256")) == "CREDENTIAL_INVALID"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_public_keys_of_three_kinds(algorithm: str) -> None:
    """A PEM file holds one; another one's signature is refused."""
    verifier = TokenVerifier(parse_keys(FILE, pem(ALGORITHMS[algorithm])))
    assert verifier.verify(signed(ALGORITHMS[algorithm], algorithm)).customer_id == "anna"
    other = ec.generate_private_key(ec.SECP256R1())
    assert reason(verifier, signed(other, "ES256")) == "CREDENTIAL_INVALID"


def web_key(key: Any, algorithm: str, **more: object) -> dict[str, Any]:  # noqa: ANN401  # of any kind
    """A key as a JSON Web Key Set lists it."""
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {"kty": public["kty"], **public, **more}


def test_a_key_set_knows_keys_by_name() -> None:
    """As when an issuer changes its key: both are good, each under its own name."""
    new = ec.generate_private_key(ec.SECP256R1())
    listed = [web_key(EC, "ES256", kid="old"), web_key(new, "ES256", kid="new", alg="ES256")]
    verifier = TokenVerifier(parse_keys(FILE, json.dumps({"keys": listed}).encode()))
    assert verifier.verify(signed(EC, "ES256", {"kid": "old"})).customer_id == "anna"
    assert verifier.verify(signed(new, "ES256", {"kid": "new"})).customer_id == "anna"
    assert reason(verifier, signed(new, "ES256", {"kid": "old"})) == "CREDENTIAL_INVALID"
    assert reason(verifier, signed(new, "ES256", {"kid": "else"})) == "CREDENTIAL_INVALID"
    assert reason(verifier, signed(new, "ES256")) == "CREDENTIAL_INVALID"


def test_a_single_key_without_a_name_checks_named_tokens() -> None:
    """As a PEM file has no place for a name."""
    verifier = TokenVerifier([Key(EC.public_key(), "ES256")])
    assert verifier.verify(signed(EC, "ES256", {"kid": "any"})).customer_id == "anna"


def test_a_name_that_is_null_is_none() -> None:
    """Some issuers write out every field of a key."""
    content = json.dumps({"keys": [web_key(EC, "ES256", kid=None)]}).encode()
    for keys in (parse_keys(FILE, content), published_keys(content)):
        verifier = TokenVerifier(keys)
        assert verifier.verify(signed(EC, "ES256")).customer_id == "anna"
        assert verifier.verify(signed(EC, "ES256", {"kid": "any"})).customer_id == "anna"


def test_of_keys_without_names_each_is_tried() -> None:
    """As when an issuer that names none publishes its next one; but no more than a few."""
    several = [ec.generate_private_key(ec.SECP256R1()) for _ in range(MAX_TRIED + 1)]
    listed = [web_key(key, "ES256") for key in several]
    verifier = TokenVerifier(parse_keys(FILE, json.dumps({"keys": listed}).encode()))
    for key in several[:MAX_TRIED]:
        assert verifier.verify(signed(key, "ES256")).customer_id == "anna"
    assert reason(verifier, signed(several[-1], "ES256")) == "CREDENTIAL_INVALID"
    with pytest.raises(CredentialError, match="has expired"):
        verifier.verify(signed(several[1], "ES256", exp=1))


@pytest.mark.parametrize(
    ("key", "token", "cause"),
    [
        (Key(EC.public_key(), "ES256"), lambda: signed(OTHER, "ES256"), UnknownKeyError),
        (
            Key(EC.public_key(), "ES256"),
            lambda: signed(OTHER, "ES256", {"kid": "one"}),
            UnknownKeyError,
        ),
        (Key(EC.public_key(), "ES256", "one"), lambda: signed(OTHER, "ES256"), UnknownKeyError),
        (
            Key(EC.public_key(), "ES256", "one"),
            lambda: signed(OTHER, "ES256", {"kid": "one"}),
            jwt.InvalidSignatureError,
        ),
        (secret_key(SECRET), lambda: signed("t" * 32), jwt.InvalidSignatureError),
        (
            Key(EC.public_key(), "ES256"),
            lambda: signed(EC, "ES256", exp=1),
            jwt.ExpiredSignatureError,
        ),
    ],
)
def test_whose_signature_may_be_of_a_newer_key(
    key: Key, token: Callable[[], str], cause: type[Exception]
) -> None:
    """Unless the key has a name that the token says, or is a secret, which nobody publishes."""
    with pytest.raises(CredentialError) as caught:
        TokenVerifier([key]).verify(token())
    assert type(caught.value.__cause__) is cause


def unknown_kind() -> bytes:
    """A public key of a kind that nobody has heard of."""
    content = EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    odd = content.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d0203"))
    return b"-----BEGIN PUBLIC KEY-----\n" + b64encode(odd) + b"\n-----END PUBLIC KEY-----\n"


P384 = ec.generate_private_key(ec.SECP384R1())
SHORT = rsa.generate_private_key(public_exponent=65_537, key_size=1024)  # noqa: S505  # to be refused


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: b"nonsense", "cannot be used"),
        (lambda: b'{"keys": []}', "holds no key"),
        (lambda: b'{"key": 1}', "cannot be used"),
        (unknown_kind, "cannot be used"),
        (lambda: pem(P384), "no public key of RSA"),
        (lambda: pem(SHORT), "needs 2048 bits"),
        (lambda: ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "cannot"),
        (lambda: json.dumps({"keys": [web_key(EC, "ES256", use="enc")]}).encode(), "not for sig"),
        (lambda: json.dumps({"keys": [web_key(RSA, "RS256", alg="PS256")]}).encode(), "PS256"),
        (lambda: b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "RECSVC_JWT_SECRET"),
    ],
)
def test_a_file_without_usable_keys_is_refused(content: Callable[[], bytes], said: str) -> None:
    """At the start, with the file and the reason."""
    with pytest.raises(SettingsError, match=said) as caught:
        parse_keys(FILE, content())
    assert str(caught.value).startswith(f"RECSVC_JWT_KEYS_FILE: {FILE} cannot be used")


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    """And is not shown."""
    with pytest.raises(SettingsError, match="at least 32") as caught:
        secret_key("hush")
    assert "hush" not in str(caught.value)


def test_half_a_character_is_no_token() -> None:
    """Where a door lets one in, it is refused like all that cannot be read."""
    verifier = TokenVerifier([secret_key(SECRET)])

    assert reason(verifier, "\ud800.body.signature") == "CREDENTIAL_INVALID"


def test_a_head_that_is_nested_deeply_is_no_token() -> None:
    """Nobody need sign it to have it read."""
    head = urlsafe_b64encode(b"[" * 5_000).decode().rstrip("=")

    assert (
        reason(TokenVerifier([secret_key(SECRET)]), f"{head}.body.signature")
        == "CREDENTIAL_INVALID"
    )
