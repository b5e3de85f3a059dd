"""A mix of questions as a shop has them: some asked again and again, many only once."""

import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np

from recsvc.v1 import recommendation_service_pb2 as api
from tests.benchmarks.speed.load import cpu_seconds
from tests.benchmarks.speed.paths import (
    LOAD_CORE,
    RECOMMEND,
    pinned_valkey,
    question,
    serving,
    somebody,
)

N_CUSTOMERS = 1_000
ZIPF = 1.1
"""How fast the share of a question falls with its rank."""

IN_FLIGHT, N_CHANNELS = 32, 4
_ALONE = [("grpc.use_local_subchannel_pool", 1)]


def measure(registry: Path, work: Path, *, rounds: int, n_calls: int) -> dict[str, float]:
    """Server CPU a call, calls a second, waits, and where the lists came from.

    The questions of a round are drawn anew: customers by Zipf's law, at their store or nowhere, for
    10 or 20 products. ``generator_share`` is how much of its core the load used.
    """
    people = somebody(registry, N_CUSTOMERS)
    rows = []
    with ExitStack() as stack:
        valkey = stack.enter_context(pinned_valkey(work))
        _, port, pids = stack.enter_context(serving(registry, work, valkey, {}))
        for number in range(rounds):
            rng = np.random.default_rng(number)
            asked = work / f"asked-{number}"
            asked.mkdir()
            for at, message in enumerate(_drawn(people, n_calls, rng)):
                (asked / f"{at:06}").write_bytes(message)
            before = cpu_seconds(pids)
            command = ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", __name__]
            said = subprocess.run(
                [*command, str(port), str(asked)], check=True, capture_output=True, text=True
            ).stdout
            used = cpu_seconds(pids) - before
            figures = dict(line.split() for line in said.splitlines())
            rows.append(
                {"cpu_us": 1e6 * used / n_calls} | {name: float(v) for name, v in figures.items()}
            )
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: statistics.median(row.get(name, 0.0) for row in rows) for name in names}


def _drawn(
    people: Sequence[tuple[str, str]], n_calls: int, rng: np.random.Generator
) -> Sequence[bytes]:
    shares = 1 / np.arange(1, len(people) + 1) ** ZIPF
    who = rng.choice(rng.permutation(len(people)), n_calls, p=shares / shares.sum())
    drawn = []
    for customer, variant in zip(who.tolist(), rng.integers(4, size=n_calls).tolist(), strict=True):
        customer_id, store_id = people[customer]
        request = question(customer_id, store_id if variant & 1 else "")
        request.page_size = 20 if variant & 2 else 10
        drawn.append(request.SerializeToString())
    return drawn


def _generate(port: int, folder: Path) -> None:
    """Keep so many calls under way until all are answered; figures to stdout, a line each."""
    messages = [path.read_bytes() for path in sorted(folder.iterdir())]
    channels = [grpc.insecure_channel(f"127.0.0.1:{port}", _ALONE) for _ in range(N_CHANNELS)]
    methods: list[grpc.UnaryUnaryMultiCallable[bytes, bytes]] = [
        channel.unary_unary(RECOMMEND) for channel in channels
    ]

    def ask(number: int) -> tuple[float, bytes]:
        begun = time.perf_counter()
        answer = methods[number % N_CHANNELS](messages[number], timeout=30)
        return time.perf_counter() - begun, answer

    begun = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        answers = list(pool.map(ask, range(len(messages))))
    took, used = time.perf_counter() - begun, sum(os.times()[:2])
    quantiles = statistics.quantiles([waited for waited, _ in answers], n=100)
    served = Counter(
        _name(api.RecommendResponse.FromString(answer).serving.served_from) for _, answer in answers
    )
    figures = {
        "rate": len(messages) / took,
        "p50_ms": 1e3 * quantiles[49],
        "p99_ms": 1e3 * quantiles[98],
        "generator_share": used / took,
        **{f"share_{name}": n / len(messages) for name, n in served.items()},
    }
    sys.stdout.write("".join(f"{name} {value}\n" for name, value in figures.items()))


def _name(served_from: "api.ServedFrom") -> str:
    return api.ServedFrom.Name(served_from).removeprefix("SERVED_FROM_").lower()


if __name__ == "__main__":
    _generate(int(sys.argv[1]), Path(sys.argv[2]))
