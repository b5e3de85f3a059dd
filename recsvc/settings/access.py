"""Who may call a server, and over what."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from recsvc.settings.base import Seconds, Secret, SecretUrl, Settings


class TokenSettings(Settings):
    """Which bearer tokens the doors believe that ask for one."""

    jwt_secret: Secret = None
    """Secret that tokens are signed with by HS256, at least 32 bytes; unset none are."""

    jwt_keys_file: Path | None = None
    """File with the public keys of tokens that are signed with RS256, ES256 or EdDSA: one key as
    PEM, or a JSON Web Key Set; unset none are."""

    jwt_keys_url: SecretUrl = None
    """``https://`` URL of a JSON Web Key Set with such keys, fetched at the start and every five
    minutes; unset none is. ``http://`` is for this machine alone."""

    jwt_leeway_seconds: int = Field(default=30, ge=0, le=300)
    """How far the clocks of issuer and service may be apart."""

    jwt_audience: str = ""
    """What a token's ``aud`` must name; unset it is not looked at."""

    jwt_issuer: str = ""
    """What a token's ``iss`` must be; unset it is not looked at."""

    jwt_scope: str = ""
    """Scope that every token must have; unset none in particular."""

    @property
    def has_keys(self) -> bool:
        """Whether there is anything that a token can be checked with."""
        return (self.jwt_secret or self.jwt_keys_file or self.jwt_keys_url) is not None


class DoorSettings(TokenSettings):
    """Who may come to a door, and how often."""

    allow_anonymous: Literal["anyone-who-reaches-the-port"] | None = None
    """``anyone-who-reaches-the-port`` lets the service, or a door for agents, listen where other
    machines reach it without asking them for a credential."""

    rate_limit: Seconds = Field(default=0.0, ge=0, le=1e6)
    """Requests a second that each caller may make, over all processes of the service, or talks, of
    four HTTP requests each, at one door for agents: each API key, each shopper of tokens, or, where
    nobody is asked who they are, each address; 0 does not limit them. A key may have a rate of its
    own."""


class AccessSettings(DoorSettings):
    """Who may call gRPC, and over what."""

    tls_cert: Path | None = None
    """File with the certificate that gRPC shows and those between it and its root, PEM; unset
    there is no TLS. It is read again when it changes."""

    tls_key: Path | None = None
    """File with the certificate's private key, PEM without a password."""

    tls_client_ca: Path | None = None
    """File with the roots, PEM, one of which must have signed the certificate that every client
    shows; unset clients show none."""

    api_keys_file: Path | None = None
    """File with the keys of services, as ``recsvc keys add`` writes it; unset there are none. It is
    read again when it changes."""

    @property
    def asks_for_credentials(self) -> bool:
        """Whether every call must say who makes it."""
        return self.api_keys_file is not None or self.has_keys
