"""The tokens that are believed now: keys from settings, a file and a URL, and what was checked."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from recsvc.access.credential import Credential
from recsvc.access.key_url import KeyUrl
from recsvc.access.marker import Marker
from recsvc.access.token_verifier import (
    Key,
    TokenVerifier,
    UnknownKeyError,
    parse_keys,
    secret_key,
)
from recsvc.access.watched import NamedFile, Watched
from recsvc.errors import CredentialError, UnavailableError
from recsvc.logs import Logger
from recsvc.settings.access import TokenSettings

MAX_CHECKED = 10_000
"""Tokens whose check is remembered, about half a kilobyte each."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A verifier, and what it has said of tokens, by their marks."""

    verifier: TokenVerifier
    checked: dict[bytes, Credential] = field(default_factory=dict)


class TrustedTokens:
    """Checks tokens, each once while it holds and the keys stay; safe to share between threads.

    Args:
        settings: which tokens are believed; there is a key of some kind.
        logger: told of keys that change.
        asks_scope: whether every token must have the scope of the settings.
        now: unix seconds.

    Raises:
        SettingsError: a key cannot be used.
    """

    def __init__(
        self,
        settings: TokenSettings,
        logger: Logger,
        *,
        asks_scope: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._scope = settings.jwt_scope if asks_scope else ""
        self._now = now
        secret = settings.jwt_secret
        self._secret = [] if secret is None else [secret_key(secret.get_secret_value())]
        self._file = _watched(settings, logger)
        self._url = None if settings.jwt_keys_url is None else KeyUrl(settings.jwt_keys_url, logger)
        self._lock = threading.Lock()
        self._marker = Marker()
        self._known = _Known(self._verifier())

    def verify(self, token: str) -> Credential:
        """Check a token, or remember what came of it.

        Raises:
            CredentialError: it cannot be believed.
            ForbiddenError: it lacks the scope that every token must have.
            UnavailableError: the keys have not been fetched yet.
        """
        known, mark = self._known, self._marker.mark(token)
        credential = known.checked.get(mark)
        if credential is not None:
            if self._now() < credential.expires_at + known.verifier.leeway_seconds:
                return credential
            with self._lock:
                known.checked.pop(mark, None)
        credential = self._checked(known.verifier, token)
        with self._lock:
            if len(known.checked) >= MAX_CHECKED:
                known.checked.pop(next(iter(known.checked)))
            known.checked[mark] = credential
        return credential

    def fetch(self) -> None:
        """Fetch the keys of the URL now.

        Raises:
            SettingsError: they cannot be had.
        """
        if self._url is not None:
            self._url.fetch()
            self._renew()

    def refresh_file(self) -> None:
        """Read the file of keys again."""
        if self._file is not None and self._file.refresh():
            self._renew()

    def refresh_url(self) -> None:
        """Fetch the keys of the URL, if it is time; it may take some seconds."""
        if self._url is not None and self._url.refresh():
            self._renew()

    @property
    def is_file_unusable(self) -> bool:
        """Whether the file of keys cannot be used now; what it said before goes on holding."""
        return self._file is not None and self._file.is_unusable

    @property
    def is_url_failing(self) -> bool:
        """Whether the last try to fetch the keys of the URL has failed."""
        return self._url is not None and self._url.is_failing

    def _checked(self, verifier: TokenVerifier, token: str) -> Credential:
        try:
            return verifier.verify(token)
        except CredentialError as error:
            if self._url is None or not isinstance(error.__cause__, UnknownKeyError):
                raise
            if self._url.keys is None:
                raise UnavailableError(
                    "the keys that tokens are checked with have not been fetched yet; try again"
                ) from error
            self._url.want()
            raise

    def _renew(self) -> None:
        """Believe what the keys of now say, and forget what others said."""
        with self._lock:
            self._known = _Known(self._verifier())

    def _verifier(self) -> TokenVerifier:
        keys: list[Key] = [*self._secret]
        if self._file is not None:
            keys += self._file.value
        if self._url is not None:
            keys += self._url.keys or ()
        return TokenVerifier(
            keys,
            audience=self._settings.jwt_audience,
            issuer=self._settings.jwt_issuer,
            scope=self._scope,
            leeway_seconds=self._settings.jwt_leeway_seconds,
        )


def _watched(settings: TokenSettings, logger: Logger) -> Watched[list[Key]] | None:
    path = settings.jwt_keys_file
    if path is None:
        return None
    return Watched(
        [NamedFile("RECSVC_JWT_KEYS_FILE", path)], lambda content: parse_keys(path, content), logger
    )
