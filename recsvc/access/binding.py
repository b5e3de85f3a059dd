"""What may be listened on without asking anybody who they are. Imports next to nothing."""

import ipaddress
from collections.abc import Iterator

from recsvc.errors import SettingsError
from recsvc.settings.addresses import split_address
from recsvc.settings.server import ServerSettings

_REMEDY = (
    "give RECSVC_API_KEYS_FILE (recsvc keys add writes it), RECSVC_JWT_KEYS_FILE, "
    "RECSVC_JWT_KEYS_URL or RECSVC_TLS_CLIENT_CA; or listen on 127.0.0.1; or, where something else "
    "keeps strangers away, say RECSVC_ALLOW_ANONYMOUS=anyone-who-reaches-the-port "
    "(docs/security.md)"
)


def check_binding(settings: ServerSettings) -> None:
    """Refuse a door that is open to other machines and asks nobody who they are.

    Raises:
        SettingsError: it is.
    """
    if (
        settings.asks_for_credentials
        or settings.tls_client_ca is not None
        or settings.allow_anonymous
        or is_loopback(split_address(settings.listen)[0])
    ):
        return
    raise SettingsError(
        f"RECSVC_LISTEN / --listen: {settings.listen} is open to other machines, and whoever "
        f"reaches it may do everything, since no credential is asked for: {_REMEDY}"
    )


def openness(settings: ServerSettings) -> Iterator[tuple[str, str]]:
    """What strangers may do at a door that may be opened: the name of an event, and a sentence."""
    if is_loopback(split_address(settings.listen)[0]):
        return
    if not (settings.asks_for_credentials or settings.tls_client_ca):
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
