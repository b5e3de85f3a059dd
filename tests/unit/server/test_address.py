"""The reserved port."""

import socket

import pytest

from recsvc.errors import SettingsError
from recsvc.server.address import reserved
from recsvc.settings.addresses import split_address


def test_a_free_port_is_taken_and_shared_by_our_own() -> None:
    """The address names the port, and who sets SO_REUSEPORT too can listen on it."""
    with reserved("127.0.0.1:0") as address, socket.socket() as worker:
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind(split_address(address))
        worker.listen()
        with socket.create_connection(split_address(address)) as client:
            assert client.getpeername() == split_address(address)


def test_a_port_in_use_is_refused() -> None:
    """Even where its owner would share it: that is another service."""
    with socket.socket() as owner:
        owner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        listen = f"127.0.0.1:{owner.getsockname()[1]}"
        with (
            pytest.raises(SettingsError, match=f"{listen}: the port is in use; choose another"),
            reserved(listen),
        ):
            pass  # pragma: no cover  # never reached


def test_a_port_that_is_only_held_is_refused() -> None:
    """Bound without listening, and not to be shared."""
    with socket.socket() as owner:
        owner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        owner.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{owner.getsockname()[1]}"
        with pytest.raises(SettingsError, match="in use"), reserved(listen):
            pass  # pragma: no cover  # never reached


def test_an_unknown_host_is_refused() -> None:
    """In the resolver's words, on one line."""
    with (
        pytest.raises(SettingsError, match=r"cannot listen on nowhere\.invalid:1: "),
        reserved("nowhere.invalid:1"),
    ):
        pass  # pragma: no cover  # never reached


def test_localhost_is_the_address_that_clients_try_first() -> None:
    """Of the two that it names."""
    with reserved("localhost:0") as address:
        assert address.startswith("127.0.0.1:")
