"""What can be set from outside: ``RECSVC_*`` variables, and the flags that go before them."""

import ipaddress
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from recsvc.errors import SettingsError

PREFIX = "RECSVC_"

OFF = "off"

_ADDRESS = re.compile(r"(\[[^\]]+\]|[^:\[\]]+):(\d{1,5})")
_MAX_PORT = 65535
_HIDDEN = {"redis_url", "hash_key", "jwt_secret", "jwt_keys_url", "target_token"}
"""Settings whose value may hold a password and is never shown."""


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """From which level on lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class ConsentDefault(StrEnum):
    """How silence is taken."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


class Scheduling(StrEnum):
    """How the system takes turns with a worker's threads."""

    BATCH = "batch"
    INHERIT = "inherit"


def split_address(text: str) -> tuple[str, int]:
    """Split ``HOST:PORT``; an IPv6 host stands in brackets.

    Returns:
        The host without brackets, and the port, 0 to 65535.

    Raises:
        ValueError: it is no such address.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[2]) > _MAX_PORT:
        raise ValueError("give HOST:PORT, for example 127.0.0.1:50051, or port 0 for a free one")
    host = match[1]
    if host.startswith("["):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    return host, int(match[2])


def join_address(host: str, port: int) -> str:
    """The inverse of :func:`split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _address(text: str) -> str:
    split_address(text)
    return text


def _address_or_off(text: str) -> str:
    return "" if text in {"", OFF} else _address(text)


Seconds = Annotated[float, Field(allow_inf_nan=False)]


class _Settings(BaseSettings):
    """Arguments go before the environment, and the environment before the defaults."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    @classmethod
    def load(cls, given: Mapping[str, Any] | None = None) -> Self:
        """Read the settings.

        Args:
            given: what the command line says, by field name; None values are not given.

        Raises:
            SettingsError: a value cannot be used; one line names it and what is allowed.
        """
        arguments = {name: value for name, value in (given or {}).items() if value is not None}
        try:
            return cls(**arguments)
        except ValidationError as error:
            raise _one_line(error) from error


class TokenSettings(_Settings):
    """Which bearer tokens the doors believe that ask for one."""

    jwt_secret: SecretStr | None = None
    """Secret that tokens are signed with by HS256, at least 32 bytes; unset none are."""

    jwt_keys_file: Path | None = None
    """File with the public keys of tokens that are signed with RS256, ES256 or EdDSA: one key as
    PEM, or a JSON Web Key Set; unset none are."""

    jwt_keys_url: str | None = None
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


class AccessSettings(TokenSettings):
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

    allow_anonymous: Literal["anyone-who-reaches-the-port"] | None = None
    """``anyone-who-reaches-the-port`` lets the service listen where other machines reach it without
    asking them for a credential."""

    @property
    def asks_for_credentials(self) -> bool:
        """Whether every call must say who makes it."""
        return self.api_keys_file is not None or self.has_keys


class TargetSettings(_Settings):
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

    target_token: SecretStr | None = None
    """API key or token to send along."""

    target_token_file: Path | None = None
    """File with it, read again at each call."""


class LogSettings(_Settings):
    """What a process logs, and how."""

    log_level: LogLevel = LogLevel.INFO
    """``debug``, ``info``, ``warning`` or ``error``; one line a call is ``info``."""

    log_format: LogFormat = LogFormat.JSON
    """``json``, or ``console`` for eyes."""


class ListSettings(_Settings):
    """What lists are like wherever they are made: by the service, in a batch or for a look."""

    diversity: Literal["none", "low", "medium", "high"] = "none"
    """How varied lists are that ask for no ``diversity``: ``none`` (by score alone), ``low``,
    ``medium`` or ``high``; what each costs stands in docs/rules.md."""


class ServerSettings(LogSettings, ListSettings, AccessSettings):
    """Everything that ``recsvc serve`` and its workers can be told."""

    registry: str = Field(min_length=1)
    """The model registry: a path or a ``file://`` URI. Required."""

    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1:50051"
    """``HOST:PORT`` that gRPC listens on; port 0 takes a free one."""

    workers: int = Field(default=1, ge=1, le=256)
    """Server processes that share the port; one a core is a good number."""

    scheduling: Scheduling = Scheduling.BATCH
    """How the system takes turns with a worker's threads: ``batch``, none that wakes pushes another
    aside, where it is Linux and the workers start with its usual policy; ``inherit``, as they
    start."""

    max_threads: int = Field(default=8, ge=1, le=1000)
    """Calls for lists that one process works on at once, and as many others beside them."""

    max_concurrent: int = Field(default=256, ge=1)
    """Calls that one process holds at once, those waiting for a thread included; above it
    calls are turned away as OVERLOADED."""

    rate_limit: Seconds = Field(default=0.0, ge=0, le=1e6)
    """Requests a second that each caller may make, over all processes: each API key, each shopper
    of tokens, or, where nobody is asked who they are, each address; 0 does not limit them. A key
    may have a rate of its own."""

    max_wait_ms: int = Field(default=100, ge=1, le=60_000)
    """Longest that who asks for a list may have to wait for a thread, milliseconds, and half of
    it once there has been a queue for so long; beyond it calls are turned away as OVERLOADED."""

    stream_idle_seconds: Seconds = Field(default=60.0, gt=0, le=86_400)
    """How long a stream may be held open while nothing is asked on it, or while its caller does
    not read what was answered; then it is ended, and its place is free."""

    redis_url: str | None = None
    """``redis://``, ``rediss://`` or ``unix://`` URL of a Redis or Valkey; unset starts an
    embedded Valkey."""

    redis_timeout_ms: int = Field(default=50, ge=1, le=60_000)
    """Longest wait for Redis in one call, milliseconds."""

    redis_write_timeout_ms: int = Field(default=2_000, ge=1, le=60_000)
    """Longest wait for Redis when events come in, milliseconds; ``durable`` may take three times
    as long."""

    data_dir: Path | None = None
    """Folder of the embedded Valkey; unset is the registry's path with ``.valkey`` added."""

    namespace: str = Field(default="recsvc", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Keeps several shops apart in one Redis: letters, digits, dots, dashes, underscores."""

    cache_ttl_seconds: Seconds = Field(default=300.0, ge=0, le=86_400)
    """How long a list may be answered from the cache; 0 turns the cache off."""

    cache_stale_seconds: Seconds = Field(default=60.0, ge=0, le=86_400)
    """How long after that it may still be answered while a new one is made, at most as long again;
    with 0 whoever asks next waits for the new one."""

    process_cache_mib: int = Field(default=64, ge=0, le=65_536)
    """Room in each process for lists that were asked for twice within a minute, MiB; 0 keeps
    none there."""

    hash_key: SecretStr | None = None
    """Secret that people's ids are hashed with in keys, logs and the ledger; unset takes the one
    that lies in the registry. The trainer needs the same one, and whoever changes it forgets who
    was erased and who withdrew consent."""

    consent_default: ConsentDefault = ConsentDefault.GRANTED
    """How a customer is treated who was never asked for consent: ``granted`` or ``withdrawn``.
    Where the law wants consent before personalisation, set ``withdrawn``."""

    language: str = "en"
    """The language of reasons where the caller's is not spoken, BCP 47: ``en`` or ``de``, also with
    a country, as in ``en-US`` or ``de-AT``, which changes how dates and numbers are written."""

    event_log_max: int = Field(default=1_000_000, ge=64, le=1_000_000_000)
    """Events that may wait for ``recsvc-train collect``; at it new ones are refused."""

    served_sample: float = Field(default=0.01, ge=0, le=1)
    """Share of the lists that are kept for ``recsvc-train replay``; 0 keeps none."""

    served_days: int = Field(default=7, ge=1, le=30)
    """How long they are kept, days, and up to an hour more."""

    metrics_listen: Annotated[str, AfterValidator(_address_or_off)] = "127.0.0.1:0"
    """``HOST:PORT`` of the Prometheus page; port 0 takes a free one, which the log names;
    ``off`` or an empty argument turns it off."""

    grace_seconds: Seconds = Field(default=30.0, ge=0, le=3600)
    """Longest wait for running calls when stopping."""

    poll_interval_seconds: Seconds = Field(default=0.25, gt=0, le=60)
    """How often each process looks for another current model."""

    @property
    def valkey_dir(self) -> Path:
        """Folder of the embedded Valkey.

        Beside the registry and named after it: writable for whoever trains here, never
        shared by two services of different models, and easy to find.
        """
        if self.data_dir is not None:
            return self.data_dir
        path = Path(self.registry.removeprefix("file://")).absolute()
        return path.with_name(path.name + ".valkey")

    @property
    def redis_timeout_seconds(self) -> float:
        """Longest wait for Redis in one call."""
        return self.redis_timeout_ms / 1000

    def to_env(self) -> dict[str, str]:
        """All settings as environment variables, from which a worker reads the same ones."""
        values = self.model_dump(exclude_none=True)
        # An empty variable means the default: where that is not empty, there is a word for it.
        words = {name: _text(value) for name, value in values.items()}
        fields = type(self).model_fields
        return {
            PREFIX + name.upper(): word or OFF
            for name, word in words.items()
            if word or fields[name].default
        }


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _one_line(error: ValidationError) -> SettingsError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    where = PREFIX + name.upper() + (f" / {_FLAGS[name]}" if name in _FLAGS else "")
    if first["type"] == "missing":
        return SettingsError(f"{where}: is not given; {_HINTS.get(name, 'give a value')}")
    why = first["msg"].removeprefix("Value error, ")
    why = why[0].lower() + why[1:]
    shown = "the value" if name in _HIDDEN else repr(str(first["input"])[:80])
    return SettingsError(f"{where}: {shown} cannot be used: {why}")


_FLAGS = {
    "registry": "--registry",
    "listen": "--listen",
    "workers": "--workers",
    "redis_url": "--redis",
    "data_dir": "--data-dir",
    "metrics_listen": "--metrics-listen",
    "log_level": "--log-level",
    "log_format": "--log-format",
}
"""Those of ``recsvc serve``; the other settings have a variable only."""

_HINTS = {"registry": "give the path that recsvc-train fit published to"}
