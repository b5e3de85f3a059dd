"""The service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from recsvc.settings.access import AccessSettings
from recsvc.settings.addresses import split_address
from recsvc.settings.base import OFF, Flag, Seconds, Secret, SecretUrl
from recsvc.settings.lists import ListSettings
from recsvc.settings.logs import LogSettings


class ConsentDefault(StrEnum):
    """How silence is taken."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


class Scheduling(StrEnum):
    """How the system takes turns with a worker's threads."""

    BATCH = "batch"
    INHERIT = "inherit"


def _address(text: str) -> str:
    split_address(text)
    return text


def _address_or_off(text: str) -> str:
    return "" if text in {"", OFF} else _address(text)


class ServerSettings(LogSettings, ListSettings, AccessSettings):
    """Everything that ``recsvc serve`` and its workers can be told."""

    registry: Annotated[
        str, Flag("--registry", "give the path that recsvc-train fit published to")
    ] = Field(min_length=1)
    """The model registry: a path or a ``file://`` URI. Required."""

    listen: Annotated[str, AfterValidator(_address), Flag("--listen")] = "127.0.0.1:50051"
    """``HOST:PORT`` that gRPC listens on; port 0 takes a free one."""

    workers: Annotated[int, Flag("--workers")] = Field(default=1, ge=1, le=256)
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

    max_wait_ms: int = Field(default=100, ge=1, le=60_000)
    """Longest that who asks for a list may have to wait for its turn, milliseconds, and seven
    tenths of what callers give beyond two and a half times that, eight times the setting at most;
    half of it once a queue has been there for as long as they wait. Beyond it calls are turned away
    as OVERLOADED."""

    stream_idle_seconds: Seconds = Field(default=60.0, gt=0, le=86_400)
    """How long a stream may be held open while nothing is asked on it, or while its caller does
    not read what was answered; then it is ended, and its place is free."""

    redis_url: Annotated[SecretUrl, Flag("--redis")] = None
    """``redis://``, ``rediss://`` or ``unix://`` URL of a Redis or Valkey; unset starts an
    embedded Valkey."""

    redis_timeout_ms: int = Field(default=50, ge=1, le=60_000)
    """Longest wait for Redis in one call, milliseconds."""

    redis_write_timeout_ms: int = Field(default=2_000, ge=1, le=60_000)
    """Longest wait for Redis when events come in, milliseconds; ``durable`` may take three times
    as long."""

    data_dir: Annotated[Path | None, Flag("--data-dir")] = None
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

    hash_key: Secret = None
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

    metrics_listen: Annotated[str, AfterValidator(_address_or_off), Flag("--metrics-listen")] = (
        "127.0.0.1:0"
    )
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
