"""A server as the settings of a command describe it: over TLS or not, and with what credential."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from recsvc.client.client import Client
from recsvc.errors import SettingsError

if TYPE_CHECKING:  # who uses the client needs no settings, and they take longer to load than it
    from recsvc.settings.target import TargetSettings


def client_of(target: str, settings: "TargetSettings", deadline_seconds: float | None) -> Client:
    """A client of a server.

    Args:
        target: ``HOST:PORT``.
        settings: how it is reached.
        deadline_seconds: how long each call may take; None leaves it to the method.

    Raises:
        SettingsError: a file cannot be read.
    """
    return Client(
        target,
        deadline_seconds=deadline_seconds,
        credentials=tls_of(settings),
        token=_token(settings),
    )


def tls_credentials(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials:
    """What a channel with TLS is opened with; the files are read once, now.

    Args:
        ca: roots that the server's certificate is checked with, PEM; None, those of gRPC.
        cert: what to show a server that asks clients for a certificate, PEM.
        key: its private key.

    Raises:
        SettingsError: a file cannot be read, or one of certificate and key lacks.
    """
    if (cert is None) != (key is None):
        raise SettingsError("RECSVC_TARGET_CERT and RECSVC_TARGET_KEY belong together: give both")
    return grpc.ssl_channel_credentials(
        _read("RECSVC_TARGET_CA", ca),
        _read("RECSVC_TARGET_KEY", key),
        _read("RECSVC_TARGET_CERT", cert),
    )


def token_of(path: Path) -> Callable[[], str]:
    """What reads a credential from a file at each call, so that another one can be put there.

    Raises:
        SettingsError: the file cannot be read; so does what is returned.
    """

    def read() -> str:
        return (_read("RECSVC_TARGET_TOKEN_FILE", path) or b"").decode(errors="replace").strip()

    read()
    return read


def tls_of(settings: "TargetSettings") -> grpc.ChannelCredentials | None:
    """What a channel is opened with; None where it is to be plain text.

    Raises:
        SettingsError: a file cannot be read.
    """
    files = settings.target_ca, settings.target_cert, settings.target_key
    if not settings.target_tls and files == (None, None, None):
        return None
    return tls_credentials(*files)


def _token(settings: "TargetSettings") -> str | Callable[[], str]:
    if settings.target_token_file is not None:
        return token_of(settings.target_token_file)
    return settings.target_token.get_secret_value() if settings.target_token else ""


def _read(setting: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SettingsError(f"{setting}: {path} cannot be read: {why}") from error
