"""What a worker costs: memory of its own, and the time from the command to a list."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import grpc

from recsvc.store.embedded import EmbeddedValkey
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.benchmarks.speed.paths import pinned_valkey, question, somebody, workers_of
from tests.serving import running_service

N_WORKERS = 3
N_ASKED = 100
_MIB = 1024
_ALONE = [("grpc.use_local_subchannel_pool", 1)]


def measure(registry: Path, work: Path, *, rounds: int) -> dict[str, float]:
    """Memory that a further worker has for itself, MiB, and seconds from the command to a list.

    ``worker_private_mib`` is the median of three workers after a hundred lists, ``bare_mib`` that
    of an interpreter that has imported grpcio and numpy and started an empty server.
    """
    people = somebody(registry, N_ASKED)
    with ExitStack() as stack:
        valkey = stack.enter_context(pinned_valkey(work))
        starts = [_start_seconds(registry, work, valkey) for _ in range(rounds)]
        directory = Path(tempfile.mkdtemp(dir=work))
        flags = ("--redis", valkey.url, "--workers", str(N_WORKERS))
        service = stack.enter_context(running_service(registry, directory, *flags))
        for person in people:  # a connection each, so that all workers are asked
            with grpc.insecure_channel(service.target, _ALONE) as channel:
                stub = api_grpc.RecommendationServiceStub(channel)
                stub.Recommend(question(*person), timeout=30)
        private = [_private_mib(pid) for pid in workers_of(service)]
    bare = _bare_mib()
    return {
        "start_s": statistics.median(starts),
        "worker_private_mib": statistics.median(private),
        "most_private_mib": max(private),
        "bare_mib": bare,
        "beyond_bare_mib": statistics.median(private) - bare,
    }


def _start_seconds(registry: Path, work: Path, valkey: EmbeddedValkey) -> float:
    begun = time.perf_counter()
    directory = Path(tempfile.mkdtemp(dir=work))
    with running_service(registry, directory, "--redis", valkey.url) as service:
        with grpc.insecure_channel(service.target) as channel:
            stub = api_grpc.RecommendationServiceStub(channel)
            stub.Recommend(question("nobody", ""), timeout=30)
        return time.perf_counter() - begun


def _private_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / _MIB


def _bare_mib() -> float:
    code = (
        "import sys, grpc, numpy; from concurrent import futures; "
        "server = grpc.server(futures.ThreadPoolExecutor(8)); "
        "server.add_insecure_port('127.0.0.1:0'); server.start(); "
        "print('ready', flush=True); sys.stdin.read()"
    )
    command: Sequence[str] = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = _private_mib(process.pid)
        process.kill()
    return found
