"""What may be listened on without asking anybody who they are. Imports next to nothing."""

import ipaddress
from collections.abc import Iterator

from recsvc.errors import SettingsError
from recsvc.settings.access import DoorSettings
from recsvc.settings.addresses import split_address
from recsvc.settings.server import ServerSettings


def check_binding(settings: ServerSettings) -> None:
    """Refuse a service that is open to other machines and asks nobody who they are.

    Raises:
        SettingsError: it is.
    """
    if settings.asks_for_credentials or settings.tls_client_ca is not None:
        return
    _refuse_strangers(
        settings,
        settings.listen,
        setting="RECSVC_LISTEN / --listen",
        may="may do everything",
        credentials="RECSVC_API_KEYS_FILE (recsvc keys add writes it), RECSVC_JWT_KEYS_FILE, "
        "RECSVC_JWT_KEYS_URL or RECSVC_TLS_CLIENT_CA",
        page="docs/security.md",
    )


def check_door(settings: DoorSettings, http: str) -> None:
    """Refuse a door for agents that is open to other machines and asks nobody who they are.

    Args:
        settings: tokens are all that it looks at, neither keys of services nor certificates.
        http: ``HOST:PORT`` that it is to listen on.

    Raises:
        SettingsError: it is.
    """
    if settings.has_keys:
        return
    _refuse_strangers(
        settings,
        http,
        setting="--http",
        may="asks at the shop's cost",
        credentials="RECSVC_JWT_KEYS_FILE, RECSVC_JWT_KEYS_URL or RECSVC_JWT_SECRET",
        page="docs/agents.md",
    )


def _refuse_strangers(
    settings: DoorSettings, address: str, *, setting: str, may: str, credentials: str, page: str
) -> None:
    if settings.allow_anonymous or is_loopback(split_address(address)[0]):
        return
    raise SettingsError(
        f"{setting}: {address} is open to other machines, and whoever reaches it {may}, since no "
        f"credential is asked for: give {credentials}; or listen on 127.0.0.1; or, where something "
        "else keeps strangers away, say "
        f"RECSVC_ALLOW_ANONYMOUS=anyone-who-reaches-the-port ({page})"
    )


def openness(settings: ServerSettings) -> Iterator[tuple[str, str]]:
    """What strangers may do at a door that may be opened: the name of an event, and a sentence."""
    if is_loopback(split_address(settings.listen)[0]):
        return
    if not (settings.asks_for_credentials or settings.tls_client_ca):
        if not settings.allow_anonymous:
            return  # it is refused
        said = (
            f"whoever reaches {settings.listen} may do everything: RECSVC_ALLOW_ANONYMOUS says so"
        )
        yield "anonymous_allowed", said
    elif settings.tls_cert is None:
        said = (
            f"credentials and lists can be read on the way to {settings.listen}: give "
            "RECSVC_TLS_CERT and RECSVC_TLS_KEY, unless what stands before the service ends TLS"
        )
        yield "plain_text", said


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host. Of other names nobody knows it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
