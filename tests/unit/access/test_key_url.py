"""Keys at a URL."""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from recsvc.access import key_url
from recsvc.access.key_url import FRESH_SECONDS, MAX_BYTES, RETRY_SECONDS, UNKNOWN_SECONDS, KeyUrl
from recsvc.errors import SettingsError
from tests.clocks import SetClock
from tests.issuer import Issuer, running_issuer
from tests.serving import Log

EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def web_key(key: Any, algorithm: str, **more: object) -> dict[str, Any]:  # noqa: ANN401  # of any kind
    """A key as an issuer lists it."""
    return {**jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True), **more}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    listed = {"keys": [web_key(EC, "ES256", kid="one")]}
    with running_issuer(json.dumps(listed).encode()) as server:
        yield server


class Bench:
    """What follows an issuer."""

    def __init__(self, url: str) -> None:
        self.clock, self.log = SetClock(1_000.0), Log()
        self.keys = KeyUrl(url, self.log.logger, monotonic=self.clock)

    def names(self) -> list[str]:
        return [key.key_id for key in self.keys.keys or ()]

    def after(self, seconds: float) -> bool:
        self.clock.now += seconds
        return self.keys.refresh()

    @property
    def troubles(self) -> list[dict[str, Any]]:
        return self.log.lines("token_keys_not_fetched")


def test_keys_are_fetched_at_once_and_then_now_and_then(issuer: Issuer) -> None:
    """What is for encryption, or of a kind that is not believed, is left out."""
    others = [
        web_key(RSA, "RS256", use="enc"),
        web_key(RSA, "RS256", alg="PS512"),
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "new"},
        "nonsense",
    ]
    keys = [web_key(EC, "ES256", kid="one"), *others, web_key(RSA, "RS256", kid="two")]
    issuer.body = json.dumps({"keys": keys}).encode()
    bench = Bench(issuer.url)
    assert bench.keys.keys is None
    assert bench.keys.refresh()
    assert bench.names() == ["one", "two"]
    assert not bench.after(FRESH_SECONDS - 1)
    assert issuer.n_asked == 1
    assert not bench.after(1)  # asked, and nothing new
    assert issuer.n_asked == 2
    issuer.body = json.dumps({"keys": keys[:1]}).encode()
    assert bench.after(FRESH_SECONDS)
    assert bench.names() == ["one"]
    assert [line["n_keys"] for line in bench.log.lines("token_keys_fetched")] == [2, 1]


def test_an_unknown_key_has_them_fetched_but_not_too_often(issuer: Issuer) -> None:
    """Anybody can send tokens with names of their own making."""
    bench = Bench(issuer.url)
    bench.keys.refresh()
    for _ in range(5):
        bench.keys.want()
        bench.after(1)
    assert issuer.n_asked == 1
    bench.after(UNKNOWN_SECONDS)
    assert issuer.n_asked == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": 500}, "500"),
        ({"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}, "302"),
        ({"body": b"nonsense"}, "no JSON Web Key Set"),
        ({"body": b'{"keys": 5}'}, "no JSON Web Key Set"),
        ({"body": b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'}, "no public key"),
        ({"body": b" " * (MAX_BYTES + 1)}, "longer than"),
    ],
)
def test_the_last_good_keys_stay(issuer: Issuer, change: dict[str, Any], said: str) -> None:
    """Whatever the issuer says instead; it is logged once, and tried again soon."""
    bench = Bench(issuer.url)
    bench.keys.refresh()
    good = issuer.body
    for name, value in change.items():
        setattr(issuer, name, value)
    assert not bench.after(FRESH_SECONDS)
    assert not bench.after(RETRY_SECONDS)
    assert bench.names() == ["one"]
    assert len(bench.troubles) == 1
    assert said in bench.troubles[0]["error"]
    issuer.status, issuer.body = 200, good + b" "
    assert bench.after(RETRY_SECONDS)


def test_an_issuer_that_was_never_there(issuer: Issuer) -> None:
    """Is looked for again and again."""
    bench = Bench(issuer.url)
    issuer.status = 503
    assert not bench.keys.refresh()
    assert bench.keys.keys is None
    assert "no token is believed" in bench.troubles[0]["hint"]
    with pytest.raises(SettingsError, match=r"RECSVC_JWT_KEYS_URL: no keys come from .*503"):
        bench.keys.fetch()
    issuer.status = 200
    assert bench.after(RETRY_SECONDS)


def test_an_issuer_that_says_nothing_has_no_keys(issuer: Issuer) -> None:
    """Not even at the start, when nothing else is known: it is told, and asked again soon."""
    bench = Bench(issuer.url)
    issuer.body, good = b"", issuer.body
    assert not bench.keys.refresh()
    assert "no JSON Web Key Set" in bench.troubles[0]["error"]
    issuer.body = good
    assert bench.after(RETRY_SECONDS)


def test_what_opens_the_issuers_door_is_not_told(issuer: Issuer) -> None:
    """What follows the path is sent and stands nowhere, whatever is said of the URL."""
    bench = Bench(f"{issuer.url}?api_key=hush#hush")
    assert bench.keys.refresh()
    issuer.body = b"nonsense"
    bench.after(FRESH_SECONDS)
    with pytest.raises(SettingsError, match=r"no keys come from http://[^?]*/keys:") as caught:
        bench.keys.fetch()
    assert "hush" not in str(caught.value)
    assert [line["url"] for line in (*bench.log.lines("token_keys_fetched"), *bench.troubles)] == (
        [issuer.url] * 2
    )
    assert issuer.asked == ["/keys?api_key=hush"] * 3
    assert "hush" not in bench.log.text


def test_what_is_asked_on_this_machine_does_not_leave_it(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy could put its own keys into plain text."""
    listed = {"keys": [web_key(EC, "ES256", kid="of the proxy")]}
    with running_issuer(json.dumps(listed).encode()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        bench = Bench(issuer.url)
        assert bench.keys.refresh()
    assert bench.names() == ["one"]


def test_an_issuer_that_drips_is_left(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out of each piece alone would let it hold the thread for hours."""
    monkeypatch.setattr(key_url, "FETCH_SECONDS", -1.0)
    bench = Bench(issuer.url)
    monkeypatch.setattr(bench.keys, "_opener", _Opener(bench.keys._opener))
    assert not bench.keys.refresh()
    assert "took longer" in bench.troubles[0]["error"]


class _Opener:
    """Opens with a time-out that sockets take."""

    def __init__(self, opener: Any) -> None:  # noqa: ANN401  # urllib's
        self._opener = opener

    def open(self, request: Any, timeout: float) -> Any:  # noqa: ANN401, ARG002  # likewise
        return self._opener.open(request, timeout=5)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://idp.example/keys", "over http anybody on the way"),
        ("ftp://idp.example/keys", "give https"),
        ("file:///etc/keys", "give https"),
        ("https:///keys", "give https"),
        ("https://[nonsense", "it is none"),
        ("https://me:hush@idp.example/keys", "leave it out"),
        ("https://idp.example/keys?k=hush hush", "holds a space"),
        ("https://idp.example/keys?k=hush\n", "a sign that cannot be seen"),
        ("https://idp.example:hush/keys", "it is none"),
    ],
)
def test_only_what_nobody_can_change_on_the_way(url: str, said: str) -> None:
    """And no password, which would stand in the log."""
    with pytest.raises(SettingsError, match=said) as caught:
        KeyUrl(url, Log().logger)
    assert "hush" not in str(caught.value)
    assert KeyUrl("https://idp.example/keys", Log().logger).keys is None
