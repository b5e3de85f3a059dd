"""Doors that stand wider open than should be meant. Imports next to nothing."""

import stat
from collections.abc import Iterator
from contextlib import suppress

from recsvc.settings.access import AccessSettings, TokenSettings


def exposed_files(settings: AccessSettings) -> Iterator[str]:
    """What is to be said of each file that every user of this machine may read: a sentence each.

    What they may write to is refused where it is read.
    """
    for setting, path, why in (
        ("RECSVC_TLS_KEY", settings.tls_key, "who has the private key can pass for this service"),
        (
            "RECSVC_API_KEYS_FILE",
            settings.api_keys_file,
            "it says which services there are, and what each may do",
        ),
    ):
        if path is None:
            continue
        with suppress(OSError):  # whoever reads it says so
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & stat.S_IROTH:
                yield (
                    f"{setting}: every user of this machine may read {path} (mode {mode:o}): "
                    f"{why}; chmod o-r {path}"
                )


def loose_tokens(settings: TokenSettings) -> Iterator[str]:
    """What tokens of other services may pass here: a sentence for each setting that is missing."""
    if not settings.has_keys:
        return
    if not settings.jwt_audience:
        yield (
            "RECSVC_JWT_AUDIENCE: is not set: tokens that their issuer made for another service "
            "pass here; set it to what 'aud' names this one"
        )
    if not settings.jwt_issuer:
        yield (
            "RECSVC_JWT_ISSUER: is not set: whatever was signed with the keys passes, of every "
            "tenant of theirs; set it to what 'iss' is"
        )
