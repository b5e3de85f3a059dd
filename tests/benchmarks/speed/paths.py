"""The ways to a list, each beside what gRPC and Redis cost alone, in turns."""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import redis

from recsvc.artifacts.registry import Registry
from recsvc.core.model import Model
from recsvc.core.places import Level
from recsvc.store.embedded import EmbeddedValkey
from recsvc.tallies import LINGER_SECONDS
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.benchmarks.speed.load import Load, not_ok, run
from tests.serving import Service, running_service

RECOMMEND = "/recsvc.v1.RecommendationService/Recommend"
BATCH = "/recsvc.v1.RecommendationService/BatchRecommend"
ECHO = "/echo.Echo/Get"
PAGE_SIZE = 20
N_BATCH = 100
SERVER_CORE, LOAD_CORE = 0, 1
PATIENCE_SECONDS = 30.0

PATHS: Mapping[str, Mapping[str, str]] = {
    "process": {},
    "redis": {"RECSVC_PROCESS_CACHE_MIB": "0"},
    "computed": {"RECSVC_CACHE_TTL_SECONDS": "0"},
}
"""Each way to a list, and the settings that leave no other."""

BATCHES = {"process": 200, "redis": 50, "computed": 10}
"""Batches in each turn: a third of a second of work at least, beside which the connection, and what
else a process does by the clock, weigh little."""


@dataclass(frozen=True)
class Side:
    """A server under load.

    Attributes:
        port: where it listens.
        path: the method that is called.
        message: the request, serialised.
        pids: the processes whose CPU counts.
        calls: so many calls in each turn; None as many as there is time for.
        headers: what each call says beside what gRPC asks for.
    """

    port: int
    path: str
    message: bytes
    pids: tuple[int, ...]
    calls: int | None = None
    headers: Sequence[tuple[str, str]] = ()


def question(customer_id: str, store_id: str) -> api.RecommendRequest:
    """A list of 20 for a shopper at a store."""
    location = common.Location(store_id=store_id) if store_id else None
    return api.RecommendRequest(
        shopper=common.Shopper(customer_id=customer_id),
        context=common.RecommendationContext(location=location),
        page_size=PAGE_SIZE,
    )


def somebody(registry: Path, n: int) -> list[tuple[str, str]]:
    """Customers with middling histories, and the stores where they buy."""
    manifest, arrays = Registry(registry).load("current")
    model = Model.from_arrays(arrays, manifest.parameters)
    lengths = [len(model.histories.profile(c).items) for c in range(len(model.customers))]
    middling = sorted(range(len(lengths)), key=lengths.__getitem__)[len(lengths) // 2 :][:n]
    stores = list(model.places.levels[Level.STORE].keys.ids)
    return [
        (model.customers.ids[c], stores[model.histories.homes[c, Level.STORE]] if stores else "")
        for c in middling
    ]


def workers_of(service: Service) -> tuple[int, ...]:
    """The worker processes of a service; its supervisor and its Valkey are none."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes()
            stat = (entry / "stat").read_text()
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            continue
        parent = int(stat.rpartition(")")[2].split()[1])
        if parent == service.process.pid and b"valkey" not in command:
            found.append(int(entry.name))
    return tuple(found)


def pin(pid: int, core: int) -> None:
    """Keep all threads of a process on one core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def pinned_valkey(work: Path) -> Iterator[EmbeddedValkey]:
    """An empty store, on the core of the load."""
    valkey = EmbeddedValkey(Path(tempfile.mkdtemp(dir=work)))
    valkey.start()
    try:
        pin(valkey.pid or 0, LOAD_CORE)
        yield valkey
    finally:
        valkey.stop()


@contextmanager
def echoing(reply: bytes, work: Path, *store: str) -> Iterator[Side]:
    """A bare grpcio server that answers with ``reply``, pinned to the server's core."""
    port, file = free_port(), work / f"reply-{len(store)}.bin"
    file.write_bytes(reply)
    module = "tests.benchmarks.speed.echo"
    command = [
        *("taskset", "-c", str(SERVER_CORE), sys.executable, "-m", module, str(port), str(file)),
        *store,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield Side(port, ECHO, b"", (process.pid,))
        finally:
            process.send_signal(signal.SIGKILL)


PATIENT = {"RECSVC_MAX_WAIT_MS": "60000"}


@contextmanager
def serving(
    registry: Path,
    work: Path,
    valkey: EmbeddedValkey,
    env: Mapping[str, str],
    headers: Sequence[tuple[str, str]] = (),
) -> Iterator[tuple[Service, int, tuple[int, ...]]]:
    """A service of one worker, pinned to the server's core.

    It turns nobody away for the wait, unless ``env`` says otherwise: with 64 calls under way of a
    list or a batch that takes milliseconds, what is to be timed would be refused. ``headers`` are
    those of a caller whom it answers.
    """
    env = PATIENT | dict(env)
    directory = Path(tempfile.mkdtemp(dir=work))
    with running_service(registry, directory, "--redis", valkey.url, **env) as service:
        port = int(service.target.rpartition(":")[2])
        with grpc.insecure_channel(service.target) as channel:
            stub = api_grpc.RecommendationServiceStub(channel)
            end = time.monotonic() + PATIENCE_SECONDS
            while True:  # until the model is there
                try:
                    stub.Recommend(question("nobody", ""), timeout=5, metadata=tuple(headers))
                    break
                except grpc.RpcError:
                    assert time.monotonic() < end, service.log
                    time.sleep(0.05)
        pids = workers_of(service)
        pin(service.process.pid, LOAD_CORE)
        for pid in pids:
            pin(pid, SERVER_CORE)
        yield service, port, pids


def ask(target: str, request: api.RecommendRequest) -> bytes:
    """One answer's bytes."""
    with grpc.insecure_channel(target) as channel:
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(RECOMMEND)
        answer: bytes = method(request.SerializeToString(), timeout=10)
        return answer


def in_turns(
    sides: Mapping[str, Side], work: Path, *, rounds: int, seconds: int
) -> dict[str, list[Load]]:
    """Load each side in turn, so often."""
    found: dict[str, list[Load]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            load = run(
                side.port,
                side.path,
                side.message,
                side.pids,
                work,
                seconds=seconds,
                calls=side.calls,
                core=LOAD_CORE,
                headers=side.headers,
            )
            found[name].append(load)
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the ratios of each round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def counted(service: Service) -> float:
    """Calls that have not ended well, once all numbers are written."""
    time.sleep(2 * LINGER_SECONDS)  # they wait so long for each other
    return not_ok(service.metrics())


def measure(
    registry: Path, work: Path, *, rounds: int, seconds: int
) -> dict[str, dict[str, float]]:
    """All ways to a list, one and a hundred at a time."""
    people = somebody(registry, N_BATCH)
    one = question(*people[0])
    many = api.BatchRecommendRequest(requests=[question(*person) for person in people])
    table: dict[str, dict[str, float]] = {}
    for name, env in PATHS.items():
        with ExitStack() as stack:
            valkey = stack.enter_context(pinned_valkey(work))
            service, port, pids = stack.enter_context(serving(registry, work, valkey, env))
            reply = ask(service.target, one)
            store = stack.enter_context(redis.Redis.from_url(valkey.url))
            store.set("speed", reply)
            sides = {
                "echo": stack.enter_context(echoing(reply, work)),
                "get": stack.enter_context(echoing(reply, work, valkey.url, "speed")),
                "ours": Side(port, RECOMMEND, one.SerializeToString(), pids),
                "batch": Side(port, BATCH, many.SerializeToString(), pids, calls=BATCHES[name]),
            }
            before = not_ok(service.metrics())
            loads = in_turns(sides, work, rounds=rounds, seconds=seconds)
            cpu = {side: [load.cpu_us for load in of] for side, of in loads.items()}
            rate = {side: [load.rate for load in of] for side, of in loads.items()}
            table[name] = {
                "cpu_us": statistics.median(cpu["ours"]),
                "echo_cpu_us": statistics.median(cpu["echo"]),
                "get_cpu_us": statistics.median(cpu["get"]),
                "cpu_of_echo": ratio(cpu["ours"], cpu["echo"]),
                "cpu_of_echo_and_get": ratio(cpu["ours"], cpu["get"]),
                "rate_of_echo": ratio(rate["ours"], rate["echo"]),
                "batch_cpu_us_a_list": statistics.median(cpu["batch"]) / N_BATCH,
                "generator_share": max(load.generator_share for load in loads["echo"]),
                "failed": float(sum(load.failed for of in loads.values() for load in of)),
                "not_ok": counted(service) - before,
            }
    return table
