"""Tokens that are believed now, and remembered."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from recsvc.access import trusted_tokens
from recsvc.access.token_verifier import TokenVerifier, parse_keys
from recsvc.access.trusted_tokens import TrustedTokens
from recsvc.errors import CredentialError, ForbiddenError, UnavailableError
from recsvc.settings.access import TokenSettings
from tests.clocks import SetClock
from tests.serving import Log

SECRET = "s" * 32
OLD, NEW = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def signed(key: Any = SECRET, algorithm: str = "HS256", **changes: object) -> str:  # noqa: ANN401  # of any kind
    """A token."""
    claims = {"sub": "anna", "exp": int(time.time()) + 600, "scope": "recommend"} | changes
    return jwt.encode(claims, key, algorithm, headers={"kid": "one"} if key is not SECRET else None)


def key_set(*keys: ec.EllipticCurvePrivateKey, key_id: str = "one") -> str:
    """The public halves."""
    algorithm = jwt.get_algorithm_by_name("ES256")
    public = [algorithm.to_jwk(key.public_key(), as_dict=True) for key in keys]
    return json.dumps({"keys": [{**key, "kid": key_id} for key in public]})


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token whose signature was looked at."""
    looked: list[str] = []
    verify = TokenVerifier.verify

    def counted(self: TokenVerifier, token: str) -> Any:  # noqa: ANN401  # a credential
        looked.append(token)
        return verify(self, token)

    monkeypatch.setattr(TokenVerifier, "verify", counted)
    return looked


def trusted(clock: SetClock | None = None, **settings: Any) -> TrustedTokens:
    given = settings or {"jwt_secret": SECRET}
    return TrustedTokens(TokenSettings.load(given), Log().logger, now=clock or time.time)


def test_a_token_is_checked_once(checks: list[str]) -> None:
    """A signature costs more than a list that is cached."""
    tokens, token = trusted(), signed()
    first = tokens.verify(token)
    assert first.customer_id == "anna"
    assert tokens.verify(token) is first
    assert len(checks) == 1
    for _ in range(2):
        with pytest.raises(CredentialError):
            tokens.verify(token + "x")
    assert len(checks) == 3


def test_a_token_that_is_remembered_ends_all_the_same() -> None:
    """With what clocks may differ by."""
    clock = SetClock(time.time())
    clock.now -= 60
    tokens = trusted(clock, jwt_secret=SECRET, jwt_leeway_seconds=300)
    expires = int(time.time()) - 4  # by the library's clock it holds for minutes
    token = signed(exp=expires)
    assert tokens.verify(token).customer_id == "anna"
    clock.now = expires + 299
    assert tokens.verify(token).customer_id == "anna"
    clock.now = expires + 301
    tokens._known.verifier.leeway_seconds = 0  # the library looks at its own clock
    with pytest.raises(CredentialError, match="expired"):
        tokens.verify(token)
    assert not tokens._known.checked


def test_no_more_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, checks: list[str]
) -> None:
    """The oldest goes."""
    monkeypatch.setattr(trusted_tokens, "MAX_CHECKED", 2)
    tokens = trusted()
    first, second, third = (signed(sub=name) for name in ("anna", "berta", "carl"))
    for token in (first, second, third, second, third):
        tokens.verify(token)
    assert len(checks) == 3
    tokens.verify(first)
    assert len(checks) == 4


def test_new_keys_end_what_the_old_ones_said(tmp_path: Path) -> None:
    """Also what is remembered; a file that is of no use leaves the old ones."""
    path = tmp_path / "keys.json"
    path.write_text(key_set(OLD))
    tokens = trusted(jwt_keys_file=path)
    old, new = signed(OLD, "ES256"), signed(NEW, "ES256")
    assert tokens.verify(old).customer_id == "anna"
    path.write_text("{")
    tokens.refresh_file()
    assert tokens.verify(old).customer_id == "anna"
    path.write_text(key_set(NEW))
    tokens.refresh_file()
    assert tokens.verify(new).customer_id == "anna"
    with pytest.raises(CredentialError, match="no key that is trusted"):
        tokens.verify(old)
    tokens.refresh_url()  # there is none
    tokens.fetch()


def test_the_scope_that_all_need_is_asked_unless_the_door_says_which() -> None:
    """The agents' door tells a client what it lacks."""
    settings = TokenSettings.load({"jwt_secret": SECRET, "jwt_scope": "shop"})
    with pytest.raises(ForbiddenError):
        TrustedTokens(settings, Log().logger).verify(signed())
    door = TrustedTokens(settings, Log().logger, asks_scope=False)
    assert door.verify(signed()).scopes == {"recommend"}


class Url:
    """Keys at a URL, without the URL."""

    def __init__(self) -> None:
        self.keys: Any = None
        self.n_wanted = 0
        self.is_new = False

    def want(self) -> None:
        self.n_wanted += 1

    def fetch(self) -> None:
        self.keys = parse_keys(Path("keys"), key_set(OLD).encode())

    def refresh(self) -> bool:
        return self.is_new


def test_keys_that_have_not_come_yet_are_no_fault_of_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is told to come again; an unknown key has the others looked for."""
    url = Url()
    monkeypatch.setattr(trusted_tokens, "KeyUrl", lambda *_: url)
    tokens = trusted(jwt_keys_url="https://idp.example/keys", jwt_secret=SECRET)
    token = signed(NEW, "ES256")
    with pytest.raises(UnavailableError) as caught:
        tokens.verify(token)
    assert caught.value.reason == "WARMING_UP"
    assert tokens.verify(signed()).customer_id == "anna"
    with pytest.raises(CredentialError, match="has expired"):
        tokens.verify(signed(exp=1))
    url.keys = parse_keys(Path("keys"), key_set(OLD, key_id="two").encode())
    url.is_new = True
    tokens.refresh_url()
    with pytest.raises(CredentialError):
        tokens.verify(token)
    assert url.n_wanted == 1
    url.keys = parse_keys(Path("keys"), key_set(NEW).encode())
    tokens.refresh_url()
    assert tokens.verify(token).customer_id == "anna"
    with pytest.raises(CredentialError):  # of a key that is known
        tokens.verify(signed(OLD, "ES256"))
    assert url.n_wanted == 1
    tokens.fetch()
    with pytest.raises(CredentialError):  # what was believed of other keys is forgotten
        tokens.verify(signed(NEW, "ES256"))
