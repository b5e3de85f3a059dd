"""What stops no start and ruins a service all the same, in words."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from redis.exceptions import RedisError

from recsvc.access.binding import openness
from recsvc.access.exposure import exposed_files, loose_tokens
from recsvc.artifacts import experiment_shelf, rules_file
from recsvc.artifacts.documents import Documents
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.rules_check import rules_in_force
from recsvc.errors import RecsvcError, SettingsError
from recsvc.settings.server import ServerSettings
from recsvc.store.connection import connect

ROOM_BYTES = 1 << 30
"""A disk with less is nearly full: a model, or a day of Valkey's log, may be as large."""

NUMBERS_ROOM_BYTES = 16 << 20
"""With less for temporary files the workers' numbers, a few MB, may have no room."""

_LOSES_EVENTS = "events that were acknowledged are lost with it until they are collected"

_LACKS = "the page of the metrics may lack what workers count"


def warnings(settings: ServerSettings) -> Iterator[tuple[str, str]]:
    """Look at what is there, and change nothing.

    Args:
        settings: of a service that may start.

    Yields:
        What a warning is about, and one line.
    """
    yield from (("files", said) for said in exposed_files(settings))
    yield from (("access", said) for said in loose_tokens(settings))
    yield from (("access", said) for _, said in openness(settings))
    with suppress(RecsvcError):  # where there is none, another check says so
        registry = Registry.open(settings.registry)
        registry.pointer()
        yield from (("registry", said) for said in _of_registry(registry))
    yield from (("metrics", said) for said in _of_temporary())
    if not settings.redis_url:
        yield from (("redis", said) for said in _of_room(settings.valkey_dir))
        return
    with suppress(SettingsError):  # where it cannot be used, likewise
        yield from (("redis", said) for said in _of_redis(settings))


def _of_registry(registry: Registry) -> Iterator[str]:
    shelves: dict[str, Callable[[Documents], object]] = {
        rules_file.KIND: rules_in_force,
        experiment_shelf.KIND: experiment_shelf.running,
    }
    for kind, read in shelves.items():
        try:
            read(registry.documents(kind))
        except RecsvcError as error:
            yield f"{error}; the service would do without until that is mended"
    yield from _of_folder(registry.root)


def _of_folder(folder: Path) -> Iterator[str]:
    if not os.access(folder, os.W_OK):
        yield (
            f"{folder} cannot be written: recalls, consent and erasures would be refused; give "
            "the service's user the right, or mount it to be written"
        )
    yield from _of_room(folder)


def _of_room(folder: Path) -> Iterator[str]:
    """Of the disk that a folder is on, or will be once the start has made it."""
    try:
        path = folder.resolve()
        existing = next(each for each in (path, *path.parents) if each.exists())
        free = shutil.disk_usage(existing).free
    except OSError as error:
        yield f"{folder} cannot be looked at ({error.strerror}); give the service's user the right"
        return
    if free < ROOM_BYTES:
        yield f"the disk of {folder} has only {free >> 20:,} MB left; make room"


def _of_temporary() -> Iterator[str]:
    try:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield f"there is no folder for temporary files ({error}): {_LACKS}; set TMPDIR"
        return
    if free < NUMBERS_ROOM_BYTES:
        yield f"{folder}, for temporary files, has only {free >> 20} MB left: {_LACKS}; make room"


def _of_redis(settings: ServerSettings) -> Iterator[str]:
    seconds = settings.redis_timeout_seconds
    url = str(settings.redis_url)
    try:
        with connect(
            url, connect_timeout_seconds=seconds, socket_timeout_seconds=seconds
        ) as client:
            found = client.config_get("appendonly", "maxmemory-policy")
    except RedisError as error:
        yield (
            f"it does not tell its settings ({error}); see to it that appendonly is yes and "
            "maxmemory-policy no allkeys one (docs/redis.md)"
        )
        return
    if found.get("appendonly") == "no":
        yield f"appendonly is no: {_LOSES_EVENTS}; set appendonly yes (docs/durability.md)"
    policy = str(found.get("maxmemory-policy", ""))
    if policy.startswith("allkeys"):
        yield (
            f"maxmemory-policy is {policy}: it may throw away events; take volatile-lru or "
            "volatile-ttl (docs/redis.md)"
        )
