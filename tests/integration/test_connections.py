"""Connections on which nothing is asked: they are closed, and keep no caller out."""

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from recsvc.client import Client
from recsvc.server import server as server_module
from tests.serving import local_server, running_service, small_registry

SECONDS = 0.5
WAIT_SECONDS = 20.0
"""Much less than gRPC's own times."""

BEGUN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""The beginning of HTTP/2, and settings without any."""

FEW_FILES = 256


def connected(target: str, *sent: bytes) -> socket.socket:
    """A connection that sends this and then nothing."""
    host, _, port = target.rpartition(":")
    connection = socket.create_connection((host, int(port)), WAIT_SECONDS)
    connection.sendall(b"".join(sent))
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Read to the end, and say whether there is one."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_an_idle_connection_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps a channel open and calls later notices nothing: it connects again."""
    monkeypatch.setattr(server_module, "CONNECTION_IDLE_SECONDS", SECONDS)
    with (
        local_server(small_registry(tmp_path).root) as server,
        Client(server.target) as client,
    ):
        assert client.recommend("anna").recommendations
        with connected(server.target, BEGUN) as connection:  # closed after the client's
            assert is_closed(connection)
        assert client.recommend("anna").recommendations


def test_a_connection_that_does_not_begin_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever only connects holds a file as well."""
    monkeypatch.setattr(server_module, "HANDSHAKE_SECONDS", SECONDS)
    with (
        local_server(small_registry(tmp_path).root) as server,
        connected(server.target) as connection,
    ):
        assert is_closed(connection)


@contextmanager
def few_files_allowed() -> Iterator[None]:
    """What is started meanwhile may have few files open, unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the highest limit may be no number")
def test_more_connections_than_the_usual_limit_keep_nobody_out(tmp_path: Path) -> None:
    """A worker may have as many files open as its user allows, not as programs start with."""
    with ExitStack() as stack:
        with few_files_allowed():
            registry = small_registry(tmp_path / "models").root
            service = stack.enter_context(running_service(registry, tmp_path / "service"))
        for _ in range(FEW_FILES + 44):
            stack.enter_context(connected(service.target, BEGUN))
        with Client(service.target, deadline_seconds=10) as client:
            assert client.recommend("anna").recommendations
