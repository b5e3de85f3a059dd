"""Events sent by many clients while processes are killed: is each in the history exactly once?"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import polars as pl

from recsvc.artifacts.registry import Registry
from recsvc.store.embedded import EmbeddedValkey
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as api
from recsvc.v1 import event_service_pb2_grpc as api_grpc
from tests.serving import Service, running_service

_BATCH = 50
_RETRIED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}
_COLLECT = """
import sys, time
from pathlib import Path
from training.cli_collect import drained
while True:
    drained(sys.argv[1], "recsvc", Path(sys.argv[2]))
    time.sleep(0.2)
"""


@dataclass(frozen=True, slots=True)
class Drill:
    """What came of it.

    Attributes:
        n_sent: different events that were acknowledged.
        n_repeated: events that were sent a second time on purpose.
        n_retries: calls that failed and were repeated.
        n_server_kills, n_collect_kills: processes that were killed.
        missing: acknowledged events that the history does not have.
        repeated: event ids that it has more than once.
        seconds: how long sending took.
    """

    n_sent: int
    n_repeated: int
    n_retries: int
    n_server_kills: int
    n_collect_kills: int
    missing: tuple[str, ...]
    repeated: tuple[str, ...]
    seconds: float


class _Client(threading.Thread):
    """Sends its events in batches, some twice, until each is acknowledged."""

    def __init__(self, target: str, event_ids: Sequence[str], seed: int) -> None:
        super().__init__(daemon=True)
        self._target = target
        self._event_ids = event_ids
        self._random = random.Random(seed)
        self.n_retries = 0
        self.n_repeated = 0

    def run(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 50)]
        with grpc.insecure_channel(self._target, options) as channel:
            stub = api_grpc.EventServiceStub(channel)
            for start in range(0, len(self._event_ids), _BATCH):
                batch = list(self._event_ids[start : start + _BATCH])
                again = self._random.sample(batch, len(batch) // 10)
                self.n_repeated += len(again)
                self._send(stub, [*batch, *again])

    def _send(self, stub: api_grpc.EventServiceStub, event_ids: Sequence[str]) -> None:
        request = api.IngestEventsRequest(events=[_event(event_id) for event_id in event_ids])
        while True:
            try:
                response = stub.IngestEvents(request, timeout=5)
            except grpc.RpcError as error:
                if error.code() not in _RETRIED:
                    raise
                self.n_retries += 1
                time.sleep(0.05)
                continue
            outcomes = {result.outcome for result in response.results}
            assert outcomes <= {api.EVENT_OUTCOME_ACCEPTED, api.EVENT_OUTCOME_DUPLICATE}
            return


def _event(event_id: str) -> api.Event:
    customer = f"c{int(event_id[:4], 16) % 500}"
    return api.Event(
        event_id=event_id,
        type=api.EVENT_TYPE_PURCHASE,
        shopper=common.Shopper(customer_id=customer),
        items=[common.LineItem(product_id="espresso")],
        order_id=event_id,
    )


def drill(registry: Registry, directory: Path, *, n_events: int, kill_seconds: float) -> Drill:
    """Send events by 4 clients to 2 processes, of which one is killed every few seconds.

    Args:
        registry: of the models.
        directory: for everything else.
        n_events: different events.
        kill_seconds: from one kill to the next; each time a collecting process is killed too.
    """
    directory.mkdir(parents=True, exist_ok=True)
    valkey = EmbeddedValkey(directory / "valkey")
    valkey.start()
    history = directory / "live"
    event_ids = [uuid.uuid4().hex for _ in range(n_events)]
    try:
        flags = ("--workers", "2", "--redis", valkey.url)
        with running_service(registry.root, directory / "service", *flags) as service:
            clients = [_Client(service.target, event_ids[n::4], n) for n in range(4)]
            started = time.monotonic()
            for client in clients:
                client.start()
            kills = _disturb(service, valkey.url, history, clients, kill_seconds)
            seconds = time.monotonic() - started
        time.sleep(1.2)  # what has just come in is left for the next run
        subprocess.run([sys.executable, "-c", _ONCE, valkey.url, str(history)], check=True)
    finally:
        valkey.stop()
    found = pl.read_parquet(history / "live-*.parquet")["event_id"]
    return Drill(
        n_sent=n_events,
        n_repeated=sum(client.n_repeated for client in clients),
        n_retries=sum(client.n_retries for client in clients),
        n_server_kills=kills,
        n_collect_kills=kills,
        missing=tuple({*event_ids} - {*found.to_list()}),
        repeated=tuple(found.filter(found.is_duplicated()).unique().to_list()),
        seconds=seconds,
    )


_ONCE = """
import sys
from pathlib import Path
from training.cli_collect import drained
drained(sys.argv[1], "recsvc", Path(sys.argv[2]))
"""


def _disturb(
    service: Service, url: str, history: Path, clients: Sequence[_Client], seconds: float
) -> int:
    """Kill a worker and a collecting process again and again until the clients are done."""
    kills = 0
    while any(client.is_alive() for client in clients):
        collecting = subprocess.Popen(
            [sys.executable, "-c", _COLLECT, url, str(history)], stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(client.is_alive() for client in clients):
            time.sleep(0.05)
        started = service.lines("worker_started")
        if started:
            with suppress(ProcessLookupError):  # it was killed before, and its heir is on its way
                os.kill(int(started[-1 - kills % 2]["pid"]), signal.SIGKILL)
        collecting.kill()
        collecting.wait()
        kills += 1
    for client in clients:
        client.join()
    return kills
