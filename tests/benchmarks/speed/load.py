"""Load from h2load (Debian's ``nghttp2-client``), and what it costs the server."""

import re
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WARM_UP_SECONDS = 1
N_CLIENTS = 8
GRPC = (("content-type", "application/grpc"), ("te", "trailers"))
"""Headers that every call has."""


@dataclass(frozen=True)
class Load:
    """What came of one load.

    Attributes:
        rate: answers a second.
        cpu_us: microseconds of CPU that the server used for each.
        generator_share: of the load's own core how much it used: near 1 it was the limit.
        p50_ms, p99_ms: until the answer was whole.
        failed: calls without an answer of status 200, which that of a refused one is too: see
            :func:`not_ok`.
    """

    rate: float
    cpu_us: float
    generator_share: float
    p50_ms: float
    p99_ms: float
    failed: int


def cpu_seconds(pids: Sequence[int]) -> float:
    """What all threads of some processes have used."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
    return total / 1e9


def not_ok(metrics: str) -> float:
    """How many calls have ended with another code than OK.

    Args:
        metrics: the page of a service.
    """
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in metrics.splitlines()
        if line.startswith("recsvc_requests_total{") and 'code="OK"' not in line
    )


def run(  # each says one thing of the load
    port: int,
    path: str,
    message: bytes,
    pids: Sequence[int],
    work: Path,
    *,
    seconds: int,
    rate: int | None = None,
    calls: int | None = None,
    core: int = 1,
    headers: Sequence[tuple[str, str]] = (),
) -> Load:
    """Send one request again and again from one core.

    Args:
        port: where the server listens.
        path: ``/package.Service/Method``.
        message: the request, serialised.
        pids: the server's processes.
        work: folder for files.
        seconds: how long it is measured.
        rate: calls a second, sent when they are due whether earlier ones were answered or not;
            None sends as many as are answered, 64 under way.
        calls: so many calls one after another, for whatever time they take: of those that take
            long a few seconds would cut off too many.
        core: where the load runs.
        headers: what each call says beside :data:`GRPC`, as of who makes it.
    """
    body, log = work / "request.bin", work / "requests.log"
    body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    log.unlink(missing_ok=True)
    if calls is not None:
        pace = ["-n", str(calls), "-c", "1", "-m", "1"]
    else:
        pace = ["-D", str(seconds), "--warm-up-time", str(WARM_UP_SECONDS), "-c", str(N_CLIENTS)]
        pace += ["-m", "8"] if rate is None else ["-m", "100", "--rps", str(rate // N_CLIENTS)]
    command = [
        *("taskset", "-c", str(core), "h2load", *pace, "-t", "1", "-d", str(body)),
        *(part for name, value in (*GRPC, *headers) for part in ("-H", f"{name}: {value}")),
        *("--log-file", str(log), f"http://127.0.0.1:{port}{path}"),
    ]
    before, begun = cpu_seconds(pids), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    used_by_load = 0.0
    while process.poll() is None:
        used_by_load = max(used_by_load, cpu_seconds([process.pid]))
        time.sleep(0.05)
    took = time.perf_counter() - begun
    used = cpu_seconds(pids) - before
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    found = re.search(r"requests: \d+ total, .*?(\d+) succeeded, (\d+) failed", said)
    assert found is not None, said
    done, failed = int(found[1]), int(found[2])
    durations = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    quantiles = statistics.quantiles(durations, n=100) if len(durations) > 1 else [0.0] * 99
    # The second of warming up is served, and not counted by h2load.
    n_served = done if calls is not None else done * (seconds + WARM_UP_SECONDS) / seconds
    return Load(
        rate=done / (took if calls is not None else seconds),
        cpu_us=used / max(n_served, 1) * 1e6,
        generator_share=used_by_load / took,
        p50_ms=quantiles[49] / 1e3,
        p99_ms=quantiles[98] / 1e3,
        failed=failed,
    )
