"""Who may call, as settings say it: what the doctor finds, and what does not start."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from recsvc.access.exposure import exposed_files, loose_tokens
from recsvc.access.trusted_tokens import TrustedTokens
from recsvc.app import access
from recsvc.app.access import build_access, following
from recsvc.cli import app
from recsvc.doctor import _access
from recsvc.errors import SettingsError, UnavailableError
from recsvc.launch import _warn_of_openness
from recsvc.metrics import Metrics
from recsvc.settings.access import TokenSettings
from recsvc.settings.server import ServerSettings
from recsvc.terminal import run
from tests.access import STRANGE, TRUSTED, public_key_set, signed
from tests.certificates import signed_pair
from tests.issuer import running_issuer
from tests.serving import Log, new_metrics, small_registry, wait_until

OPEN = "0.0.0.0:0"  # nothing listens there in these tests


def settings(**given: Any) -> ServerSettings:
    return ServerSettings.load({"registry": "models", "listen": "127.0.0.1:0"} | given)


def test_the_doctor_says_who_may_call(tmp_path: Path) -> None:
    """In the words of what was set up."""
    assert _access(settings()) == "whoever reaches it may do everything"
    cert, key = signed_pair("shop").write(tmp_path)
    tls = {"tls_cert": cert, "tls_key": key}
    said = _access(settings(**tls))
    assert re.fullmatch(
        r"TLS for localhost, 127\.0\.0\.1, until \d{4}-\d\d-\d\d \((29|30) days\); "
        "whoever reaches it may do everything",
        said,
    )
    assert "clients show a certificate, of roots until 2" in (
        said := _access(settings(**tls, tls_client_ca=cert))
    )
    assert said.endswith(" days); every client with a certificate may do everything")
    keys = tmp_path / "keys.json"
    assert run(app, ["keys", "add", "web", "--scope", "events", "--file", str(keys)]) == 0
    jwks = tmp_path / "jwks.json"
    jwks.write_text(public_key_set(TRUSTED))
    said = _access(settings(listen=OPEN, api_keys_file=keys, jwt_keys_file=jwks))
    assert said == "API keys: 1; tokens"
    bare = signed_pair("bare", is_named=False).write(tmp_path)
    assert "TLS for no name, until" in _access(settings(tls_cert=bare[0], tls_key=bare[1]))


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, []),
        ({"jwt_secret": "s" * 32}, ["AUDIENCE", "ISSUER"]),
        ({"jwt_secret": "s" * 32, "jwt_audience": "shop"}, ["ISSUER"]),
        ({"jwt_secret": "s" * 32, "jwt_audience": "shop", "jwt_issuer": "idp"}, []),
    ],
)
def test_tokens_of_others_are_warned_of(given: dict[str, str], missing: list[str]) -> None:
    """Each setting that would keep them out."""
    said = [text.partition(":")[0] for text in loose_tokens(settings(**given))]
    assert said == [f"RECSVC_JWT_{name}" for name in missing]


def test_the_doctor_asks_the_issuer() -> None:
    """A service would start without its keys, and believe no token."""
    with pytest.raises(SettingsError, match="RECSVC_JWT_KEYS_URL: no keys come from"):
        _access(settings(jwt_keys_url="http://127.0.0.1:1/keys"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tls_cert": "none", "tls_key": "none"}, "RECSVC_TLS_CERT: none cannot be used: no such"),
        ({"tls_cert": "none"}, "RECSVC_TLS_KEY: is not given"),
        ({"tls_key": "none"}, "RECSVC_TLS_CERT: is not given"),
        ({"tls_client_ca": "none"}, "RECSVC_TLS_CERT: is not given"),
        ({"api_keys_file": "none"}, "RECSVC_API_KEYS_FILE: none cannot be used: no such"),
        ({"jwt_keys_file": "none"}, "RECSVC_JWT_KEYS_FILE: none cannot be used: no such"),
        ({"jwt_keys_url": "http://idp.example"}, "RECSVC_JWT_KEYS_URL: the URL cannot be used"),
        ({"jwt_secret": "short"}, "RECSVC_JWT_SECRET: has 5 bytes"),
        ({"listen": OPEN}, "open to other machines"),
    ],
)
def test_what_cannot_be_used_does_not_start(given: dict[str, Any], said: str) -> None:
    """And is told before anything is torn down."""
    with pytest.raises(SettingsError, match=re.escape(said)):
        build_access(settings(**given), Log().logger)


def test_an_expired_certificate_is_told_by_the_doctor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its date, beside all other findings."""
    end = datetime.now(UTC) - timedelta(hours=1)
    cert, key = signed_pair("old", start=end - timedelta(days=1), end=end).write(tmp_path)
    monkeypatch.setenv("RECSVC_TLS_CERT", str(cert))
    monkeypatch.setenv("RECSVC_TLS_KEY", str(key))
    registry = small_registry(tmp_path / "models").root
    assert run(app, ["doctor", "--registry", str(registry), "--listen", "127.0.0.1:0"]) == 1
    said = capsys.readouterr().out
    assert f"FAIL  access: RECSVC_TLS_CERT: {cert} cannot be used: the certificate CN=old " in said
    assert f"expired on {end:%Y-%m-%d %H:%M} UTC" in said
    assert "ok    port" in said


def test_a_certificate_that_has_expired_starts_all_the_same(tmp_path: Path) -> None:
    """As after a crash at night: it is told, and who trusts it no more is not served."""
    log, end = Log(), datetime.now(UTC) - timedelta(hours=1)
    old = signed_pair("old", start=end - timedelta(days=1), end=end)
    cert, key = old.write(tmp_path)
    access = build_access(settings(tls_cert=cert, tls_key=key, tls_client_ca=cert), log.logger)
    lines = log.lines("certificate_not_valid")
    assert [line["error"].split(":")[0] for line in lines] == [
        "RECSVC_TLS_CERT",
        "RECSVC_TLS_CLIENT_CA",
    ]
    assert all(f"expired on {end:%Y-%m-%d %H:%M} UTC" in line["error"] for line in lines)
    assert access.identity is not None
    assert access.identity.value.chain == old.pem


def test_what_everybody_may_read_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the doctor and at the start; the service may have its reasons."""
    cert, key = signed_pair("shop").write(tmp_path)
    keys = tmp_path / "keys.json"
    assert run(app, ["keys", "add", "web", "--scope", "events", "--file", str(keys)]) == 0
    given = settings(tls_cert=cert, tls_key=key, api_keys_file=keys)
    for path, mode in ((cert, 0o644), (key, 0o640), (keys, 0o600)):
        path.chmod(mode)
    assert not list(exposed_files(given))
    assert not list(exposed_files(settings(tls_key=tmp_path / "none")))
    key.chmod(0o644)
    keys.chmod(0o604)
    of_key, of_keys = exposed_files(given)
    assert of_key == (
        f"RECSVC_TLS_KEY: every user of this machine may read {key} (mode 644): who has the "
        f"private key can pass for this service; chmod o-r {key}"
    )
    assert of_keys == (
        f"RECSVC_API_KEYS_FILE: every user of this machine may read {keys} (mode 604): it says "
        f"which services there are, and what each may do; chmod o-r {keys}"
    )
    log = Log()
    _warn_of_openness(given, log.logger)
    assert [line["hint"] for line in log.lines("access_file_exposed")] == [of_key, of_keys]
    for name, path in (("TLS_CERT", cert), ("TLS_KEY", key), ("API_KEYS_FILE", keys)):
        monkeypatch.setenv(f"RECSVC_{name}", str(path))
    registry = small_registry(tmp_path / "models").root
    capsys.readouterr()
    assert run(app, ["doctor", "--registry", str(registry), "--listen", "127.0.0.1:0"]) == 0
    assert [line[:12] for line in capsys.readouterr().out.splitlines()[-2:]] == ["warn  files:"] * 2


@pytest.mark.parametrize("name", ["tls_cert", "tls_key", "tls_client_ca", "api_keys_file"])
def test_what_everybody_may_write_to_is_refused(tmp_path: Path, name: str) -> None:
    """Who may write to it lets in whom they like."""
    cert, key = signed_pair("shop").write(tmp_path)
    roots, keys = tmp_path / "roots.crt", tmp_path / "keys.json"
    roots.write_bytes(cert.read_bytes())
    assert run(app, ["keys", "add", "web", "--scope", "events", "--file", str(keys)]) == 0
    files = {"tls_cert": cert, "tls_key": key, "tls_client_ca": roots, "api_keys_file": keys}
    build_access(settings(**files), Log().logger)
    files[name].chmod(0o602)
    with pytest.raises(
        SettingsError, match=rf"every user .* \(mode 602\), .*chmod o-w {files[name]}"
    ):
        build_access(settings(**files), Log().logger)


def test_numbers_say_what_expires_and_what_cannot_be_used(tmp_path: Path) -> None:
    """For whoever is to be woken before callers are refused."""
    log, (metrics, page) = Log(), new_metrics()
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=9)
    cert, key = signed_pair("shop", end=end).write(tmp_path)
    roots, keys, jwks = tmp_path / "roots.crt", tmp_path / "keys.json", tmp_path / "jwks.json"
    roots.write_bytes(signed_pair("clients", end=end + timedelta(days=1)).pem)
    assert run(app, ["keys", "add", "web", "--scope", "events", "--file", str(keys)]) == 0
    jwks.write_text(public_key_set(TRUSTED))
    with running_issuer(public_key_set(STRANGE).encode()) as issuer:
        issuer.status = 503
        files = {"tls_cert": cert, "tls_key": key, "tls_client_ca": roots, "api_keys_file": keys}
        given = settings(**files, jwt_keys_file=jwks, jwt_keys_url=issuer.url)
        access = build_access(given, log.logger)

        def value(name: str, **labels: str) -> float | None:
            return page.get_sample_value(f"recsvc_{name}", labels)

        def are_unusable(number: int) -> bool:
            return value("access_files_unusable") == number

        access.start(0.01, metrics)
        try:
            wait_until(lambda: value("token_keys_not_fetched") == 1)
            ends = "certificate_expiry_timestamp_seconds"
            wait_until(lambda: value(ends, certificate="client_ca") is not None)
            assert value(ends, certificate="server") == end.timestamp()
            assert value(ends, certificate="client_ca") == end.timestamp() + 86_400
            assert value("access_files_unusable") == 0
            for number, path in enumerate((key, keys, jwks), start=1):
                path.write_text("nonsense")
                wait_until(partial(are_unusable, number))
            jwks.write_text(public_key_set(TRUSTED))
            wait_until(partial(are_unusable, 2))
        finally:
            access.stop()


def test_an_open_door_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and before anything is looked for."""
    assert run(app, ["serve", "--registry", str(tmp_path), "--listen", OPEN]) == 1
    assert "is open to other machines" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "event"),
    [
        ({"listen": OPEN, "allow_anonymous": "anyone-who-reaches-the-port"}, "anonymous_allowed"),
        ({"listen": OPEN, "api_keys_file": "keys.json"}, "plain_text"),
        ({"listen": OPEN, "api_keys_file": "keys.json", "tls_cert": "a"}, ""),
        ({"listen": OPEN, "tls_client_ca": "ca", "tls_cert": "a"}, ""),
        ({}, ""),
    ],
)
def test_openness_that_was_asked_for_is_told(given: dict[str, Any], event: str) -> None:
    """At every start, so that nobody is surprised."""
    log = Log()
    _warn_of_openness(settings(**given), log.logger)
    log.logger.flush()
    assert [line.split('"event": "')[1].split('"')[0] for line in log.text.splitlines()] == (
        [event] if event else []
    )


def test_the_agents_door_follows_its_keys(tmp_path: Path) -> None:
    """And nothing is followed where there are none."""
    log, path = Log(), tmp_path / "jwks.json"
    path.write_text(public_key_set(TRUSTED))
    tokens = TrustedTokens(TokenSettings.load({"jwt_keys_file": path}), log.logger)
    with following(tokens, log.logger):
        path.write_text(public_key_set(STRANGE))
        wait_until(lambda: bool(log.lines("access_file_read")))
    assert tokens.verify(signed(STRANGE)).customer_id == "anna"
    with following(None, log.logger):
        pass


def test_an_issuer_that_is_slow_holds_up_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says in the end is believed from then on."""
    monkeypatch.setattr(access, "FIRST_FETCH_SECONDS", 0.01)
    log = Log()
    with running_issuer(public_key_set(TRUSTED).encode()) as issuer:
        issuer.speaks.clear()
        tokens = TrustedTokens(TokenSettings.load({"jwt_keys_url": issuer.url}), log.logger)
        with following(tokens, log.logger):
            assert not log.lines("token_keys_not_fetched")
            with pytest.raises(UnavailableError):
                tokens.verify(signed())
            issuer.speaks.set()
            wait_until(lambda: bool(log.lines("token_keys_fetched")))
            wait_until(lambda: is_believed(tokens))


def is_believed(tokens: TrustedTokens) -> bool:
    """Whether a good token is."""
    with suppress(UnavailableError):
        return tokens.verify(signed()).customer_id == "anna"
    return False


def test_numbers_name_nobody() -> None:
    """The page of the metrics asks for no credential: its labels must not need one."""
    labels = {
        name
        for metric in vars(Metrics(CollectorRegistry())).values()
        for name in getattr(metric, "_labelnames", ())
    }
    assert not {name for name in labels if re.search("customer|visitor|caller|product", name)}
    assert labels
