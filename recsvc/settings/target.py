"""The server that a command calls."""

from pathlib import Path

from recsvc.settings.base import Secret, Settings


class TargetSettings(Settings):
    """How the commands that call a server reach it, and what they say of themselves."""

    target_ca: Path | None = None
    """File with the roots, PEM, that the server's certificate is checked with; unset the call is
    plain text, unless ``target_tls`` is on."""

    target_tls: bool = False
    """Whether to speak TLS; where ``target_ca`` gives none, with the roots that gRPC has."""

    target_cert: Path | None = None
    """File with the certificate to show a server that asks for one, PEM."""

    target_key: Path | None = None
    """File with its private key."""

    target_token: Secret = None
    """API key or token to send along."""

    target_token_file: Path | None = None
    """File with it, read again at each call."""
