"""The port of the service: checked, reserved, and shared by its processes. Imports no gRPC."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from recsvc.errors import SettingsError
from recsvc.settings.addresses import join_address, split_address


@contextmanager
def reserved(listen: str) -> Iterator[str]:
    """Hold a port for the processes that will listen on it together.

    Args:
        listen: ``HOST:PORT``, port 0 for a free one.

    Yields:
        The numeric address with the port that was taken.

    Raises:
        SettingsError: the host is unknown, or the port is in use or forbidden.
    """
    try:
        held = _hold(*split_address(listen))
    except OSError as error:
        raise SettingsError(
            f"RECSVC_LISTEN / --listen: cannot listen on {listen}: {_why(error)}; "
            "choose another address, or port 0 for a free port"
        ) from error
    with held:
        yield join_address(*held.getsockname()[:2])


def _hold(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and never listens: nobody else can get the port."""
    family, address = _resolve(host, port)
    if port:
        # Alone first: with SO_REUSEPORT we would quietly share with another service.
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Connections of a predecessor that still linger do not matter.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    held = socket.socket(family, socket.SOCK_STREAM)
    # And no SO_REUSEADDR: another service that starts this very moment must not pass its probe.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        held.bind(address)
    except OSError:  # somebody else's, since a moment ago
        held.close()
        raise
    return held


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # localhost is both 127.0.0.1 and ::1; most clients try the first.
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return (error.strerror or str(error)).lower()
