"""The whole of a shop that is put to the test: service, Valkey, disk, certificates, clock."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import redis

from recsvc.access.api_keys import new_key, write_api_keys
from recsvc.access.scopes import Scope
from recsvc.artifacts.registry import Registry
from recsvc.store.connection import connect
from tests.certificates import Pair, signed_pair
from tests.chaos.clock import SteppedClock
from tests.chaos.processes import Processes
from tests.disks import small_disk
from tests.purchases import SMALL, Lines, write_shop
from tests.quick import QUICK, quick_fit
from tests.serving import Service, running_service
from training.purchases import FitInput

DISK_MIB = 192
COLLECT_SECONDS = 3.0
FRESH_SECONDS = "3"
"""That a list is as good as new: old ones meet the faults as well."""
REQUESTS_A_SECOND = 10_000.0
"""That the shop may make: more than it does, so that they are counted and none is turned away."""


@dataclass
class Scene:
    """What faults are done to.

    Attributes:
        service: two workers over an embedded Valkey, which listen with TLS and ask for a key.
        processes: of the service.
        registry: of the models.
        versions: two that can be served.
        disk: folder of registry, Valkey, history and the workers' numbers.
        is_own_disk: whether that is a disk of its own, which may be filled.
        clock: of the service.
        authority: signs certificates.
        certificates: folder of the one that is shown.
        collector: drains the event log.
    """

    service: Service
    processes: Processes
    registry: Registry
    versions: tuple[str, str]
    disk: Path
    is_own_disk: bool
    clock: SteppedClock
    authority: Pair
    certificates: Path
    collector: "Collector"

    @property
    def redis_url(self) -> str:
        """Of the embedded Valkey."""
        return f"unix://{self.service.data_dir / 'valkey.sock'}"

    def redis(self) -> redis.Redis:
        """A client of the embedded Valkey, with patience."""
        return connect(self.redis_url, connect_timeout_seconds=10, socket_timeout_seconds=10)

    def show_certificate(self, name: str) -> None:
        """Put a new certificate in place of the one that is shown."""
        signed_pair(name, self.authority).write(self.certificates)


class Collector:
    """A process that drains the event log every few seconds.

    Args:
        arguments: of ``tests.chaos.collecting``.
        log: file for what it complains of.
    """

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._command = [sys.executable, "-m", "tests.chaos.collecting", *arguments]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stderr=log)

    def kill(self) -> None:
        """Kill it, wherever it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def scene(folder: Path, settings: Mapping[str, str], *, wants_own_disk: bool) -> Iterator[Scene]:
    """Build a shop and open it.

    Args:
        folder: for everything; empty.
        settings: of the service, as its environment.
        wants_own_disk: whether the disk will be filled.
    """
    with ExitStack() as stack:
        disk = folder / "disk"
        disk.mkdir()
        is_own_disk = wants_own_disk and stack.enter_context(small_disk(disk, DISK_MIB))
        (disk / "tmp").mkdir()
        registry, versions = _models(folder, disk / "models")
        authority, certificates = signed_pair("authority"), folder / "certificates"
        certificates.mkdir()
        (folder / "ca.crt").write_bytes(authority.pem)
        cert, key = signed_pair("first", authority).write(certificates)
        api_key, secret = new_key("shop", Scope, datetime.now(UTC), REQUESTS_A_SECOND)
        keys = folder / "keys.json"
        keys.touch(0o600)
        keys.write_bytes(write_api_keys([api_key]))
        (folder / "key").write_text(secret)
        clock = SteppedClock(folder / "clock")
        environment = {
            "RECSVC_TLS_CERT": str(cert),
            "RECSVC_TLS_KEY": str(key),
            "RECSVC_API_KEYS_FILE": str(keys),
            "RECSVC_CACHE_TTL_SECONDS": FRESH_SECONDS,
            "RECSVC_DATA_DIR": str(disk / "valkey"),
            "TMPDIR": str(disk / "tmp"),  # where the workers' numbers lie
            **clock.environment(),
            **settings,
        }
        service = stack.enter_context(
            running_service(registry.root, folder / "run", "--workers", "2", **environment)
        )
        service.data_dir = disk / "valkey"
        built = Scene(
            service=service,
            processes=Processes(service),
            registry=registry,
            versions=versions,
            disk=disk,
            is_own_disk=is_own_disk,
            clock=clock,
            authority=authority,
            certificates=certificates,
            collector=Collector([], folder),
        )
        arguments = [built.redis_url, *map(str, (disk / "history", registry.root, folder / "runs"))]
        collector = Collector([*arguments, str(COLLECT_SECONDS)], folder / "collecting.log")
        built.collector = collector
        stack.callback(collector.kill)
        collector.start()
        yield built


def _models(folder: Path, root: Path) -> tuple[Registry, tuple[str, str]]:
    """A registry with two models of one shop, the second of which has learnt without place."""
    files, registry = write_shop(folder), Registry(root)
    source = FitInput(events=[files.events], products=files.products, stores=files.stores)
    first, second = (
        quick_fit(source, settings, registry, Lines()).version_id for settings in (SMALL, QUICK)
    )
    registry.promote(first, datetime.now(UTC))
    return registry, (first, second)
