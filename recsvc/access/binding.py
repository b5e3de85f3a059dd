"""What may be listened on without asking anybody who they are. Imports next to nothing."""

import ipaddress

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


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host. Of other names nobody knows it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
