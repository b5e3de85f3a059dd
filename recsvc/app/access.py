"""Who may call a server process, as its settings say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from recsvc.access.binding import check_binding
from recsvc.access.credential import Credential
from recsvc.access.key_ring import KeyRing, ring_of
from recsvc.access.watched import NamedFile, Watched
from recsvc.errors import SettingsError
from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.server.gate import Gate, Guard
from recsvc.server.rates import PeerGate, Rates
from recsvc.service.poller import Poller
from recsvc.service.stopping import STOP_SECONDS, stop_all
from recsvc.settings.access import AccessSettings
from recsvc.settings.server import ServerSettings

if TYPE_CHECKING:
    from recsvc.access.certificates import Identity
    from recsvc.access.trusted_tokens import TrustedTokens

# What reads certificates and tokens is imported by what is asked for them: its libraries take
# longer to start than most of the rest, and not every service has either.

_URL_LOOK_SECONDS = 1.0
FILE_LOOK_SECONDS = 1.0

FIRST_FETCH_SECONDS = 5.0
"""So long at most a start waits for the keys of a URL."""


@dataclass(frozen=True, slots=True)
class Access:
    """What is asked of callers, and what is followed for it.

    Attributes:
        identity: what TLS shows; None, there is none.
        keys: of services; None, none are believed.
        tokens: of shoppers; None, none are believed.
        files: looks at all files again.
        fetches: fetches keys, by a thread of its own: it may have to wait.
    """

    identity: "Watched[Identity] | None"
    keys: Watched[KeyRing] | None
    tokens: "TrustedTokens | None"
    files: Poller
    fetches: Poller

    def gate(self, rates: Rates, rate: float) -> Guard | None:
        """What stands before every method; None, nothing does.

        Args:
            rates: turns away who asks too often.
            rate: requests a second of each address, where nobody is asked who they are.
        """
        if self.keys is None and self.tokens is None:
            return PeerGate(rates, rate) if rate else None
        return Gate(
            None if self.keys is None else partial(_of_key, self.keys),
            None if self.tokens is None else self.tokens.verify,
            rates.charge,
        )

    def start(self, interval_seconds: float, metrics: Metrics | None = None) -> None:
        """Follow what changes; the keys of a URL are there then, unless their issuer is slow.

        Args:
            interval_seconds: how often files are looked at.
            metrics: told of what expires and of what cannot be used; None, nobody is.
        """
        if self.tokens is not None:
            fetched, tokens = Event(), self.tokens

            def fetch() -> None:
                tokens.refresh_url()
                if metrics is not None:
                    metrics.token_keys_not_fetched.set(tokens.is_url_failing)
                fetched.set()

            self.fetches.start(fetch, _URL_LOOK_SECONDS, at_once=True)
            fetched.wait(FIRST_FETCH_SECONDS)
        if self._looks:
            self.files.start(partial(self._look, metrics), interval_seconds, at_once=True)

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """Follow nothing any more; what is under way is waited for so long."""
        stop_all([self.files.stop, self.fetches.stop], wait_seconds)

    @property
    def _looks(self) -> list[Callable[[], object]]:
        # First what revokes: a fault of the others must not keep a key good.
        looks: list[Callable[[], object]] = []
        if self.keys is not None:
            looks.append(self.keys.refresh)
        if self.tokens is not None:
            looks.append(self.tokens.refresh_file)
        if self.identity is not None:
            looks.append(self.identity.refresh)
        return looks

    def _look(self, metrics: Metrics | None) -> None:
        for look in self._looks:
            look()
        if metrics is not None:
            self._measure(metrics)

    def _measure(self, metrics: Metrics) -> None:
        identity, keys, tokens = self.identity, self.keys, self.tokens
        metrics.access_files_unusable.set(
            (identity is not None and identity.is_unusable)
            + (keys is not None and keys.is_unusable)
            + (tokens is not None and tokens.is_file_unusable)
        )
        if identity is not None:
            shown, ends = identity.value, metrics.certificate_expiry
            ends.labels("server").set(shown.valid_until.timestamp())
            if shown.clients_until is not None:
                ends.labels("client_ca").set(shown.clients_until.timestamp())


def _of_key(keys: Watched[KeyRing], secret: str) -> Credential:
    """What a key allows, of those that are known now."""
    return keys.value.credential(secret)


@contextmanager
def following(tokens: "TrustedTokens | None", logger: Logger) -> Iterator[None]:
    """Follow the keys of tokens, where nothing else is asked of callers."""
    access = Access(
        None, None, tokens, Poller("access-files", logger), Poller("token-keys", logger)
    )
    access.start(FILE_LOOK_SECONDS)
    try:
        yield
    finally:
        access.stop()


def build_access(settings: ServerSettings, logger: Logger) -> Access:
    """Read everything that says who may call.

    Raises:
        SettingsError: a file cannot be used, or the door would be open to everybody.
    """
    check_binding(settings)
    return Access(
        identity_of(settings, logger),
        keys_of(settings, logger),
        _tokens_of(settings, logger),
        Poller("access-files", logger),
        Poller("token-keys", logger),
    )


def identity_of(settings: AccessSettings, logger: Logger) -> "Watched[Identity] | None":
    """What TLS shows; None where there is to be none.

    Raises:
        SettingsError: the files cannot be used, or one of them is not given.
    """
    cert, key, roots = settings.tls_cert, settings.tls_key, settings.tls_client_ca
    if cert is None and key is None and roots is None:
        return None
    if cert is None or key is None:
        missing = "RECSVC_TLS_CERT" if cert is None else "RECSVC_TLS_KEY"
        raise SettingsError(
            f"{missing}: is not given; TLS needs a certificate (RECSVC_TLS_CERT) and its key "
            "(RECSVC_TLS_KEY)"
        )
    from recsvc.access.certificates import identity_reader  # noqa: PLC0415  # cryptography, unused without TLS

    files = [NamedFile("RECSVC_TLS_CERT", cert), NamedFile("RECSVC_TLS_KEY", key)]
    client_ca = None
    if roots is not None:
        client_ca = NamedFile("RECSVC_TLS_CLIENT_CA", roots)
        files.append(client_ca)
    reader = partial(identity_reader, files[0], files[1], client_ca, partial(datetime.now, UTC))
    # A process that is started again must not stay away for what ends its service in part: whoever
    # asks for more than the certificates still give is refused by their own library, or by ours.
    identity = Watched(files, reader(), logger, at_start=reader(must_hold=False))
    for fault in identity.value.faults:
        logger.warning(
            "certificate_not_valid",
            error=fault,
            hint="the service starts all the same, and is there as soon as another one is",
        )
    return identity


def keys_of(settings: AccessSettings, logger: Logger) -> Watched[KeyRing] | None:
    """The keys of services; None where no file is given.

    Raises:
        SettingsError: it cannot be used.
    """
    if settings.api_keys_file is None:
        return None
    file = NamedFile("RECSVC_API_KEYS_FILE", settings.api_keys_file)
    return Watched([file], partial(ring_of, file), logger)


def _tokens_of(settings: AccessSettings, logger: Logger) -> "TrustedTokens | None":
    if not settings.has_keys:
        return None
    from recsvc.access.trusted_tokens import TrustedTokens  # noqa: PLC0415  # jwt and urllib, unused without tokens

    return TrustedTokens(settings, logger)
