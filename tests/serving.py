"""What tests of the service share: registries of small models, workers, whole services."""

import atexit
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry

from recsvc.app.worker import Worker, build_worker
from recsvc.artifacts.registry import Registry
from recsvc.core.model import Model
from recsvc.core.vocabulary import Vocabulary
from recsvc.logs import Logger, make_logger
from recsvc.metrics import Metrics
from recsvc.service.experiments import Experiments
from recsvc.service.inquiries import Circumstances
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.models import ModelSlot
from recsvc.service.shop_rules import ShopRules
from recsvc.service.standing import Standing
from recsvc.service.stock import Stock
from recsvc.settings.logs import LogFormat, LogLevel
from recsvc.settings.server import ServerSettings
from recsvc.store.catalogue_store import TableCatalogueStore
from recsvc.store.tables import InMemoryTables
from tests.samples import tiny_artifact, tiny_model

START_SECONDS = 60.0
NOW = datetime(2026, 4, 1, tzinfo=UTC)
"""Less than a day after the sample's data ends."""


def renamed_model(prefix: str) -> Model:
    """The small model with ``prefix`` before every product id: no list of it has one of another."""
    model = tiny_model()
    ids = [prefix + model.catalogue.items.ids[i] for i in range(len(model.catalogue))]
    return replace(model, catalogue=replace(model.catalogue, items=Vocabulary.from_ids(ids)))


def small_registry(root: Path, n_versions: int = 1, *, promote: bool = True) -> Registry:
    """A registry with ``v1`` and up to two versions more; no list of one has a product of another.

    What was published once is linked, since a publication waits for the disk: whoever damages a
    version removes the file before.
    """
    template = _published(n_versions, promote=promote)
    shutil.copytree(template, root, ignore=shutil.ignore_patterns("versions"), dirs_exist_ok=True)
    shutil.copytree(template / "versions", root / "versions", copy_function=_link)
    return Registry(root)


def _link(source: str, target: str) -> None:
    """Make ``target`` the same file as ``source``, or alike where it is on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@cache
def _published(n_versions: int, *, promote: bool) -> Path:
    """The registry that the others are copies of; it lives as long as the process."""
    root = Path(tempfile.mkdtemp(prefix="recsvc-small-registry-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    registry = Registry(root)
    for number, prefix in enumerate(("", "b-", "c-")[:n_versions], start=1):
        tiny_artifact(registry, renamed_model(prefix), f"v{number}")
    if promote:
        registry.promote("v1", NOW)
    return root


def corrupt(registry: Registry, version_id: str) -> None:
    """Change one byte of a version, as a bad disk would."""
    path = registry.root / "versions" / version_id / "popularity.order.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 0xFF
    path.unlink()  # it may be a link that others share
    path.write_bytes(bytes(content))


class Log:
    """A logger that can be read again."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.logger: Logger = make_logger(LogLevel.DEBUG, LogFormat.JSON, self._stream)

    @property
    def text(self) -> str:
        """Everything that was logged."""
        return self._stream.getvalue()

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event."""
        parsed = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in parsed if line["event"] == event]


def new_standing(
    registry: Registry, log: Log | None = None, *, consents_by_default: bool = True
) -> Standing:
    """What people decided, of a registry; every decision is taken at ``NOW``."""
    logger = (log or Log()).logger
    return Standing(
        registry.ledger,
        consents_by_default=consents_by_default,
        logger=logger,
        now=lambda: NOW,
    )


def new_circumstances(
    standing: Standing, slot: ModelSlot, catalogue: TableCatalogueStore | None = None
) -> Circumstances:
    """What is true beside the model; the shop has said nothing unless told otherwise."""
    store = catalogue or TableCatalogueStore(InMemoryTables())
    rules = new_rules(slot.registry)
    return Circumstances(
        standing,
        LiveCatalogue(store, store, Log().logger, rules.sell),
        Stock(store, store, timeout_seconds=5),
        Experiments(
            slot.registry.documents("experiments"),
            slot,
            rules,
            logger=Log().logger,
            metrics=new_metrics()[0],
        ),
        rules,
    )


def new_rules(registry: Registry) -> ShopRules:
    """The shop's rules, as they are in the registry now."""
    rules = ShopRules(registry.documents("rules"), logger=Log().logger, metrics=new_metrics()[0])
    rules.refresh()
    return rules


def new_metrics() -> tuple[Metrics, CollectorRegistry]:
    """Metrics, and where to read them."""
    registry = CollectorRegistry()
    return Metrics(registry), registry


@dataclass(frozen=True)
class LocalServer:
    """A worker in this process, over memory instead of Redis."""

    worker: Worker
    log: Log
    channel: grpc.Channel

    @property
    def target(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self.worker.server.port}"


@contextmanager
def local_server(registry: Path, **settings: Any) -> Iterator[LocalServer]:
    """Run a worker in this process."""
    log = Log()
    given = {"registry": str(registry), "listen": "127.0.0.1:0", "poll_interval_seconds": 0.02}
    worker = build_worker(ServerSettings.load(given | settings), log.logger, shares_port=False)
    worker.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{worker.server.port}") as channel:
            yield LocalServer(worker, log, channel)
    finally:
        worker.stop()


class Service:
    """A whole service: ``recsvc serve`` in a process of its own."""

    def __init__(self, registry: Path, directory: Path, *flags: str, **env: str) -> None:
        self.data_dir = directory / "valkey"
        self.log_path = directory / "service.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "recsvc.cli", "serve"),
                    *("--registry", str(registry), "--listen", "127.0.0.1:0", *flags),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "RECSVC_DATA_DIR": str(self.data_dir), **env},
            )
        try:
            self.target = self._read_target()
        except AssertionError:
            self.stop()
            raise

    def _read_target(self) -> str:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline().decode() if readable else ""
        assert line.startswith("listening on "), f"{line!r}; log: {self.log}"
        return line.removeprefix("listening on ").strip()

    @property
    def log(self) -> str:
        """All that was written to stderr."""
        return self.log_path.read_text()

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of one event."""
        whole, _, _ = self.log.rpartition("\n")  # the last one may still be in the writing
        parsed = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in parsed if line["event"] == event]

    def metrics(self) -> str:
        """The Prometheus page."""
        with urllib.request.urlopen(self.lines("metrics_listening")[0]["url"]) as page:  # noqa: S310  # http, of here
            return str(page.read().decode())

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(START_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def running_service(registry: Path, directory: Path, *flags: str, **env: str) -> Iterator[Service]:
    """Run a service; stopped afterwards, if it still runs."""
    directory.mkdir(exist_ok=True)
    service = Service(registry, directory, *flags, **env)
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def two_workers(registry: Path, directory: Path) -> Iterator[Service]:
    """Run a service of two workers, as a shop does."""
    # A second of patience: a busy machine is not a dead Valkey.
    with running_service(
        registry, directory, "--workers", "2", RECSVC_REDIS_TIMEOUT_MS="1000"
    ) as service:
        yield service


def wait_until(is_true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what must come true, and fail if it does not."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


@dataclass(frozen=True)
class Refusal:
    """What a failed call was told."""

    code: grpc.StatusCode
    message: str
    info: ErrorInfo
    field: str
    has_retry: bool


def refusal(method: Callable[..., Any], request: Message, seconds: float = 10.0) -> Refusal:
    """Call a method that must fail."""
    try:
        method(request, timeout=seconds)
    except grpc.RpcError as error:
        return refused(error)
    raise AssertionError("the call did not fail")


def refused(error: Any) -> Refusal:  # noqa: ANN401  # an RpcError that is a Call as well
    """What an error says."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    n_info = sum(detail.Unpack(info) for detail in status.details)
    assert n_info == 1
    assert info.domain == "recsvc"
    for detail in status.details:
        detail.Unpack(bad)
    return Refusal(
        error.code(),
        error.details(),
        info,
        bad.field_violations[0].field if bad.field_violations else "",
        any(detail.Unpack(retry) for detail in status.details),
    )
