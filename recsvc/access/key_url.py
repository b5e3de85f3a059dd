"""Keys that an issuer publishes at a URL: fetched behind the calls, the last good ones kept."""

import threading
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPMessage
from typing import IO, Final
from urllib.parse import urlsplit, urlunsplit
from urllib.request import (
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from recsvc.access.binding import is_loopback
from recsvc.access.token_verifier import Key, published_keys
from recsvc.errors import SettingsError
from recsvc.logs import Logger

MAX_BYTES = 1 << 20
FETCH_SECONDS = 5.0
"""So long at most the issuer is silent, and so long all of the body takes. An issuer that drips its
headers holds up whoever fetches for longer; no call waits for that, and no start for long."""

FRESH_SECONDS = 300.0
"""So old at most keys grow before they are fetched again."""

RETRY_SECONDS = 10.0
"""So long after a failure comes the next try."""

UNKNOWN_SECONDS = 30.0
"""So often at most a key that nobody knows has them fetched: anybody can name one."""


class KeyUrl:
    """Follows a JSON Web Key Set.

    Args:
        url: ``https``, or ``http`` on this machine.
        logger: told of new keys, and of what keeps them away.
        monotonic: monotonic seconds.

    Attributes:
        keys: the last good ones; None until there have been any.

    Raises:
        SettingsError: it is no such URL.
    """

    def __init__(
        self, url: str, logger: Logger, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        _check(url)
        self.keys: list[Key] | None = None
        self._url: Final = url
        self._shown: Final = _shown(url)
        self._opener: Final = _opener(url)
        self._logger = logger
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._content: bytes | None = None
        self._trouble = ""
        self._fetched_at = self._due_at = monotonic()

    @property
    def is_failing(self) -> bool:
        """Whether the last try to fetch them has failed."""
        return bool(self._trouble)

    def want(self) -> None:
        """Have the keys fetched soon: somebody has named one that is not there."""
        with self._lock:
            self._due_at = min(self._due_at, self._fetched_at + UNKNOWN_SECONDS)

    def refresh(self) -> bool:
        """Fetch the keys if it is time; whether there are other ones now."""
        with self._lock:
            if self._monotonic() < self._due_at:
                return False
        try:
            return self.fetch()
        except SettingsError as error:
            self._next(RETRY_SECONDS)
            self._tell(str(error))
            return False

    def fetch(self) -> bool:
        """Fetch the keys now; whether there are other ones.

        Raises:
            SettingsError: they cannot be had, and the last good ones stay.
        """
        try:
            content = self._fetch()
            keys = self.keys if content == self._content else published_keys(content)
        except (OSError, HTTPException, ValueError) as error:
            why = str(error) or type(error).__name__
            raise SettingsError(
                f"RECSVC_JWT_KEYS_URL: no keys come from {self._shown}: {why}"
            ) from error
        self._next(FRESH_SECONDS)
        self._trouble = ""
        is_new = content != self._content
        self.keys, self._content = keys, content
        if is_new:
            self._logger.info("token_keys_fetched", url=self._shown, n_keys=len(keys or ()))
        return is_new

    def _next(self, seconds: float) -> None:
        with self._lock:
            self._fetched_at = self._monotonic()
            self._due_at = self._fetched_at + seconds

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            hint = "the last ones go on holding" if self.keys else "no token is believed until then"
            self._logger.error("token_keys_not_fetched", url=self._shown, error=trouble, hint=hint)
        self._trouble = trouble

    def _fetch(self) -> bytes:
        end = self._monotonic() + FETCH_SECONDS
        request = Request(self._url, headers={"Accept": "application/json"})  # noqa: S310  # checked
        content = b""
        with self._opener.open(request, timeout=FETCH_SECONDS) as response:
            # One piece at a time, since the time-out is of each, and a server may send it by drops.
            while piece := response.read1(65_536):
                content += piece
                if len(content) > MAX_BYTES:
                    raise ValueError(f"it is longer than {MAX_BYTES:,} bytes")
                if self._monotonic() > end:
                    raise TimeoutError(f"it took longer than {FETCH_SECONDS:g} s")
        return content


class _NoRedirects(HTTPRedirectHandler):
    """Who is trusted is said by the setting, not by an answer."""

    def redirect_request(  # its base class's
        self,
        req: Request,  # noqa: ARG002
        fp: IO[bytes],  # noqa: ARG002
        code: int,  # noqa: ARG002
        msg: str,  # noqa: ARG002
        headers: HTTPMessage,  # noqa: ARG002
        newurl: str,  # noqa: ARG002
    ) -> None:
        """Follow none."""
        return


def _opener(url: str) -> OpenerDirector:
    # What is plain text because it stays on this machine must not leave it for a proxy.
    proxies = [ProxyHandler({})] if url.lower().startswith("http:") else []
    return build_opener(_NoRedirects, *proxies)


def _shown(url: str) -> str:
    """A URL as it may be told: what follows ``?`` may be a key to the issuer's door."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def _check(url: str) -> None:
    where = "RECSVC_JWT_KEYS_URL: the URL cannot be used"
    # urllib would say so later, and quote all of it.
    if not url.isprintable() or " " in url:
        raise SettingsError(f"{where}: it holds a space or a sign that cannot be seen")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise SettingsError(f"{where}: it is none; give https://HOST/PATH") from error
    if parts.username is not None:
        raise SettingsError(
            f"{where}: it holds a name or a password; keys are public, leave it out"
        )
    if not host or parts.scheme not in {"https", "http"}:
        raise SettingsError(f"{where}: give https://HOST/PATH")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(
            f"{where}: over http anybody on the way could put their own keys into it; give https://"
        )
