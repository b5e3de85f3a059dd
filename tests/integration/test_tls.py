"""TLS over a real channel: who is believed, and certificates that change while the server runs."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsvc.access.certificates import identity_reader
from recsvc.access.watched import NamedFile, Watched
from recsvc.cli import app
from recsvc.client import Client, tls_credentials, token_of
from recsvc.errors import RecsvcError, SettingsError, UnavailableError
from recsvc.server import server as server_module
from recsvc.server.tls import Shown
from recsvc.terminal import run
from tests.access import guarded_server
from tests.certificates import DAY, Pair, signed_pair
from tests.serving import (
    START_SECONDS,
    LocalServer,
    Log,
    local_server,
    running_service,
    small_registry,
    wait_until,
)

AUTHORITY = signed_pair("authority")
CLIENTS = signed_pair("clients")
YESTERDAY = datetime.now(UTC) - DAY


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_registry(tmp_path_factory.mktemp("tls") / "models").root


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """What the server shows."""
    return signed_pair("first", AUTHORITY).write(tmp_path)


@pytest.fixture
def server(registry: Path, files: tuple[Path, Path]) -> Iterator[LocalServer]:
    with local_server(registry, tls_cert=files[0], tls_key=files[1]) as running:
        yield running


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.crt"
    path.write_bytes(AUTHORITY.pem)
    return path


def serial(server: LocalServer) -> int:
    """Of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    context.set_alpn_protocols(["h2"])
    port = server.worker.server.port
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        shown = secured.getpeercert()
    assert shown is not None
    return int(str(shown["serialNumber"]), 16)


def test_a_client_knows_the_server_and_plain_text_gets_nothing(
    server: LocalServer, ca: Path
) -> None:
    """Nor does who believes other authorities."""
    with Client(server.target, credentials=tls_credentials(ca)) as client:
        assert client.recommend("anna").recommendations
    other = ca.with_name("other.crt")
    other.write_bytes(CLIENTS.pem)
    for credentials, said in (
        (None, "it closed the connection, as one does that wants TLS"),
        (tls_credentials(other), "its certificate is of no authority that is trusted here"),
    ):
        with (
            Client(server.target, credentials=credentials, deadline_seconds=5) as client,
            pytest.raises(UnavailableError, match=said),
        ):
            client.recommend("anna")


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (signed_pair("stranger"), "of no authority that is trusted here (self signed certificate)"),
        (signed_pair("nameless", AUTHORITY, is_named=False), "its certificate is for another name"),
        (
            signed_pair("old", AUTHORITY, start=YESTERDAY - DAY, end=YESTERDAY),
            "its certificate has expired; it needs one that holds now",
        ),
        (
            signed_pair("new", AUTHORITY, start=YESTERDAY + 2 * DAY),
            "its certificate is not yet valid; it needs one that holds now",
        ),
    ],
)
def test_a_command_says_in_one_line_why_it_takes_no_certificate(
    registry: Path, tmp_path: Path, ca: Path, shown: Pair, said: str
) -> None:
    """And gRPC, which would say it of each handshake, says nothing."""
    cert, key = shown.write(tmp_path)
    with local_server(registry, tls_cert=cert, tls_key=key) as server:
        ended = subprocess.run(
            [sys.executable, "-m", "recsvc.cli", "recommend", "--target", server.target],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "RECSVC_TARGET_CA": str(ca)},
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: cannot reach {server.target} over TLS: ")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_client_that_wants_tls_of_plain_text_is_told(registry: Path, ca: Path) -> None:
    """The other way round."""
    with (
        local_server(registry) as plain,
        Client(plain.target, credentials=tls_credentials(ca), deadline_seconds=5) as client,
        pytest.raises(UnavailableError, match="it speaks plain text"),
    ):
        client.recommend("anna")


def test_certificates_change_without_a_restart(
    server: LocalServer, files: tuple[Path, Path], ca: Path
) -> None:
    """New connections are shown the new one, and those that are open go on."""
    with Client(server.target, credentials=tls_credentials(ca)) as client:
        assert client.recommend("anna").recommendations
        second = signed_pair("second", AUTHORITY)
        second.write(files[0].parent)
        wait_until(lambda: serial(server) == second.certificate.serial_number)
        assert client.recommend("anna").recommendations
    with Client(server.target, credentials=tls_credentials(ca)) as client:
        assert client.recommend("anna").recommendations


def test_a_certificate_is_handed_over_when_it_has_changed(files: tuple[Path, Path]) -> None:
    """It is asked for before each handshake, and gRPC works out the rest anew for each answer."""
    cert, key = (NamedFile("RECSVC_TLS", file) for file in files)
    read = identity_reader(cert, key, None, lambda: datetime.now(UTC))
    identity = Watched([cert, key], read, Log().logger)
    shown = Shown(identity)
    assert shown() is None
    signed_pair("second", AUTHORITY).write(files[0].parent)
    assert identity.refresh()
    assert shown() is not None
    assert shown() is None


def broken_pairs() -> dict[str, tuple[Pair, Pair]]:
    """Whose certificate, and whose key."""
    pair, other = signed_pair("new", AUTHORITY), signed_pair("other", AUTHORITY)
    now = datetime.now(UTC)
    old = signed_pair("old", AUTHORITY, start=now - 9 * DAY, end=now - DAY)
    return {"does not belong": (pair, other), "expired on": (old, old)}


@pytest.mark.parametrize("said", broken_pairs())
def test_a_broken_pair_changes_nothing(
    server: LocalServer, files: tuple[Path, Path], said: str
) -> None:
    """The old one goes on being shown, and the log says what is wrong, once."""
    before = serial(server)
    cert, key = broken_pairs()[said]
    files[0].write_bytes(cert.pem)
    files[1].write_bytes(key.key_pem())
    wait_until(lambda: bool(server.log.lines("access_file_unusable")))
    assert said in server.log.lines("access_file_unusable")[0]["error"]
    assert serial(server) == before
    assert key.key_pem().decode().splitlines()[1] not in server.log.text
    mended = signed_pair("mended", AUTHORITY)
    mended.write(files[0].parent)
    wait_until(lambda: serial(server) == mended.certificate.serial_number)


def test_a_server_that_starts_with_an_expired_certificate_mends_itself(
    registry: Path, files: tuple[Path, Path], ca: Path
) -> None:
    """Its clients refuse it until there is another one; nobody has to start it then."""
    now = datetime.now(UTC)
    signed_pair("old", AUTHORITY, start=now - 9 * DAY, end=now - DAY).write(files[0].parent)
    with local_server(registry, tls_cert=files[0], tls_key=files[1]) as server:
        with (
            Client(server.target, credentials=tls_credentials(ca), deadline_seconds=5) as client,
            pytest.raises(UnavailableError, match="its certificate has expired"),
        ):
            client.recommend("anna")
        new = signed_pair("new", AUTHORITY)
        new.write(files[0].parent)
        wait_until(lambda: shows(server, new))
        with Client(server.target, credentials=tls_credentials(ca)) as client:
            assert client.recommend("anna").recommendations


def test_a_worker_that_dies_after_its_certificate_has_ended_comes_back(
    registry: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """And the page says when that was, so that somebody is told before."""
    now = datetime.now(UTC).replace(microsecond=0)
    old = signed_pair("old", AUTHORITY, start=now - 9 * DAY, end=now - DAY)
    old.write(files[0].parent)
    env = {"RECSVC_TLS_CERT": str(files[0]), "RECSVC_TLS_KEY": str(files[1])}
    with running_service(registry, tmp_path / "service", **env) as service:
        os.kill(service.lines("worker_ready")[0]["pid"], signal.SIGKILL)
        wait_until(lambda: len(service.lines("worker_ready")) == 2, START_SECONDS)
        assert len(service.lines("certificate_not_valid")) == 2
        wait_until(lambda: end_of_certificate(service.metrics()) == (now - DAY).timestamp())


def end_of_certificate(page: str) -> float | None:
    """As a page of metrics says it."""
    pattern = r'^recsvc_certificate_expiry_timestamp_seconds{certificate="server"} (\S+)$'
    found = re.search(pattern, page, re.MULTILINE)
    return None if found is None else float(found[1])


def shows(server: LocalServer, pair: Pair) -> bool:
    """Whether a new connection is shown a certificate, and believes it."""
    try:
        return serial(server) == pair.certificate.serial_number
    except ssl.SSLCertVerificationError:
        return False


def test_clients_of_a_root_that_has_expired_are_refused(
    registry: Path, files: tuple[Path, Path], ca: Path, tmp_path: Path
) -> None:
    """Those of another root of the same file are let in, also where the server starts then."""
    now = datetime.now(UTC)
    old = signed_pair("old clients", start=now - 9 * DAY, end=now - DAY)
    roots = tmp_path / "clients.crt"
    roots.write_bytes(old.pem + CLIENTS.pem)
    with local_server(registry, tls_cert=files[0], tls_key=files[1], tls_client_ca=roots) as server:
        assert server.log.lines("certificate_not_valid")
        for authority, passes in ((old, False), (CLIENTS, True)):
            shown = tmp_path / authority.certificate.subject.rfc4514_string()
            shown.mkdir()
            credentials = tls_credentials(ca, *signed_pair("web", authority).write(shown))
            with Client(server.target, credentials=credentials, deadline_seconds=5) as client:
                if passes:
                    assert client.recommend("anna").recommendations
                else:
                    with pytest.raises(UnavailableError):
                        client.recommend("anna")


def test_the_doctor_may_be_asked_beside_a_service_with_tls(
    registry: Path,
    files: tuple[Path, Path],
    ca: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It believes the service's own certificate, or what the commands are told to believe."""
    roots = tmp_path / "clients.crt"
    roots.write_bytes(AUTHORITY.pem)
    settings = {"tls_cert": files[0], "tls_key": files[1], "tls_client_ca": roots}
    with local_server(registry, **settings) as server:
        for name, path in settings.items():
            monkeypatch.setenv(f"RECSVC_{name.upper()}", str(path))
        # What a service is told to listen on is no name in its certificate.
        listen = f"0.0.0.0:{server.worker.server.port}"
        command = ["doctor", "--registry", str(registry), "--listen"]
        assert run(app, [*command, listen]) == 0
        assert f"{listen} already: SERVING" in capsys.readouterr().out
        monkeypatch.setenv("RECSVC_TARGET_CA", str(ca))
        assert run(app, [*command, listen]) == 0
        for name, path in (("CERT", files[0]), ("KEY", files[1])):
            monkeypatch.setenv(f"RECSVC_TARGET_{name}", str(path))
        for address in (listen, server.target):
            assert run(app, [*command, address]) == 0
        command.append(server.target)
        other = signed_pair("other")
        other.write(tmp_path)
        for name in ("CA", "CERT", "KEY"):
            monkeypatch.delenv(f"RECSVC_TARGET_{name}")
        assert run(app, command) == 1
        assert "FAIL  port:" in capsys.readouterr().out


def test_mutual_tls_lets_in_who_shows_a_certificate(
    registry: Path, files: tuple[Path, Path], ca: Path, tmp_path: Path
) -> None:
    """Of the authority that is believed now: that changes while the server runs, too."""
    roots = tmp_path / "clients.crt"
    roots.write_bytes(CLIENTS.pem)
    shown = tmp_path / "client"
    shown.mkdir()
    cert, key = signed_pair("web", CLIENTS).write(shown)
    with local_server(registry, tls_cert=files[0], tls_key=files[1], tls_client_ca=roots) as server:

        def passes(credentials: object) -> bool:
            with Client(
                server.target,
                credentials=credentials,  # type: ignore[arg-type]  # gRPC's types hide its class
                deadline_seconds=5,
            ) as client:
                try:
                    return bool(client.recommend("anna").recommendations)
                except UnavailableError:
                    return False

        assert passes(tls_credentials(ca, cert, key))
        assert not passes(tls_credentials(ca))
        assert not passes(tls_credentials(ca, *signed_pair("web", AUTHORITY).write(tmp_path)))
        next_roots = signed_pair("clients to come")
        roots.write_bytes(next_roots.pem)
        wait_until(lambda: not passes(tls_credentials(ca, cert, key)))
        signed_pair("web", next_roots).write(shown)
        assert passes(tls_credentials(ca, cert, key))


def test_who_was_let_in_by_a_root_that_is_gone_stays_as_long_as_a_connection(
    registry: Path,
    files: tuple[Path, Path],
    ca: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not asked again on a connection that is open, and not let in anew."""
    monkeypatch.setattr(server_module, "CONNECTION_AGE_SECONDS", 2.0)
    roots = tmp_path / "clients.crt"
    roots.write_bytes(CLIENTS.pem)
    shown = tmp_path / "client"
    shown.mkdir()
    credentials = tls_credentials(ca, *signed_pair("web", CLIENTS).write(shown))
    with (
        local_server(registry, tls_cert=files[0], tls_key=files[1], tls_client_ca=roots) as server,
        Client(server.target, credentials=credentials, deadline_seconds=5) as client,
    ):
        assert client.recommend("anna").recommendations
        roots.write_bytes(signed_pair("clients to come").pem)

        def is_refused() -> bool:
            try:
                client.recommend("anna")
            except UnavailableError:
                return True
            return False

        wait_until(is_refused)


def test_the_commands_use_tls_and_a_key(
    registry: Path,
    files: tuple[Path, Path],
    ca: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Told by the environment or a file, and never by a flag, which others of the machine see."""
    with guarded_server(registry, tmp_path, tls_cert=files[0], tls_key=files[1]) as door:
        command = ["recommend", "anna", "--json", "--target", door.server.target, "--timeout", "10"]
        monkeypatch.setenv("RECSVC_TARGET_CA", str(ca))
        assert run(app, command) == 1
        assert "no credential came with the call" in capsys.readouterr().err
        assert run(app, ["health", *command[3:]]) == 0  # as a probe asks, which has no key
        monkeypatch.setenv("RECSVC_TARGET_TOKEN", door.keys["recommend"])
        capsys.readouterr()
        assert run(app, command) == 0
        assert json.loads(capsys.readouterr().out)["recommendations"]
        kept = tmp_path / "token"
        kept.write_text(door.keys["events"] + "\n")
        monkeypatch.setenv("RECSVC_TARGET_TOKEN_FILE", str(kept))
        assert run(app, command) == 1
        assert "lacks the scope recommend" in capsys.readouterr().err
        credentials = tls_credentials(ca)
        with Client(door.server.target, credentials=credentials, token=token_of(kept)) as client:
            with pytest.raises(RecsvcError):
                client.recommend("anna")
            kept.write_text(door.keys["recommend"])
            assert client.recommend("anna").recommendations


def test_files_of_a_client_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a certificate wants its key."""
    with pytest.raises(SettingsError, match=r"RECSVC_TARGET_CA: .*none cannot be read: no such"):
        tls_credentials(tmp_path / "none")
    with pytest.raises(SettingsError, match="belong together"):
        tls_credentials(None, tmp_path / "cert")
    with pytest.raises(SettingsError, match=r"RECSVC_TARGET_TOKEN_FILE: .*none cannot be read"):
        token_of(tmp_path / "none")
    monkeypatch.setenv("RECSVC_TARGET_TLS", "true")
    assert run(app, ["recommend", "anna", "--target", "127.0.0.1:1", "--timeout", "0.2"]) == 1
    assert "127.0.0.1:1" in capsys.readouterr().err
