"""Five times as many computed lists as a process can make: what its callers still get.

Calls are sent when they are due, whether earlier ones were answered or not, from a process of its
own. Whoever is turned away does not ask again: a shop's page shows what it has without.
"""

import json
import statistics
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from recsvc.settings.server import ServerSettings
from recsvc.v1 import recommendation_service_pb2 as api
from tests.benchmarks.speed.load import cpu_seconds
from tests.benchmarks.speed.paths import (
    LOAD_CORE,
    PATHS,
    RECOMMEND,
    pinned_valkey,
    question,
    serving,
    somebody,
)

N_CUSTOMERS = 300
N_CHANNELS = 8
IN_FLIGHT = 8
"""Under way at once while the greatest rate is looked for."""

TIMES_CAPACITY = 5
AS_SOLD = {
    **PATHS["computed"],
    "RECSVC_MAX_WAIT_MS": str(ServerSettings.model_fields["max_wait_ms"].default),
}
DEADLINE_SECONDS = 0.25
AFTER_SECONDS = 4
CALM_SHARE = 0.5
"""Of the capacity, before and after: the load that the service carries with ease."""

_ALONE = [("grpc.use_local_subchannel_pool", 1)]


@dataclass(frozen=True)
class Asked:
    """A call, and what came of it.

    Attributes:
        due: when it was to be sent, seconds since the load began.
        seconds: from then to its end.
        outcome: where the list came from, or the code and whether it said when to come again.
    """

    due: float
    seconds: float
    outcome: str

    @property
    def is_good(self) -> bool:
        """Whether it was answered in time with a list that was made or found."""
        return self.outcome in {"model", "cache"} and self.seconds <= DEADLINE_SECONDS


def measure(registry: Path, work: Path, *, rounds: int, seconds: int) -> dict[str, float]:
    """Goodput, what a call costs that is turned away, and how soon all is well again.

    Returns:
        Medians over the rounds. ``capacity`` is of lists a second that :data:`IN_FLIGHT` callers
        get who wait for each; ``goodput_of_capacity`` counts lists that were made in time and no
        fallbacks, those are ``fallback_of_capacity``; ``turned_away_cpu_us`` is what is left of the
        CPU once the lists have had theirs, and no call that expired is in it; ``recovery_seconds``
        is the time from the end of the load to the end of the last call that did not go well.
    """
    people = somebody(registry, N_CUSTOMERS)
    with ExitStack() as stack:
        valkey = stack.enter_context(pinned_valkey(work))
        _, port, pids = stack.enter_context(serving(registry, work, valkey, AS_SOLD))
        asked = work / "asked"
        asked.mkdir()
        for at, person in enumerate(people):
            (asked / f"{at:06}").write_bytes(question(*person).SerializeToString())
        rows = [_round(port, asked, pids, seconds) for _ in range(rounds)]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: statistics.median(row.get(name, 0.0) for row in rows) for name in names}


def _round(port: int, asked: Path, pids: Sequence[int], seconds: int) -> dict[str, float]:
    capacity, list_cpu = _capacity(port, asked, pids, seconds)
    calm, heavy = round(CALM_SHARE * capacity), round(TIMES_CAPACITY * capacity)
    before = _goes_well(_load(port, asked, [(calm, 2)])[0])
    used = cpu_seconds(pids)
    calls, share = _load(port, asked, [(heavy, seconds), (calm, AFTER_SECONDS)])
    used = cpu_seconds(pids) - used
    during = [call for call in calls if call.due < seconds]
    after = [call for call in calls if call.due >= seconds]
    outcomes = Counter(call.outcome for call in during)
    n_good = sum(call.is_good for call in during)
    n_away = outcomes["RESOURCE_EXHAUSTED"]
    n_made = sum(call.outcome == "model" for call in calls)
    ended = [call.due + call.seconds - seconds for call in after if not call.is_good]
    return {
        "capacity": capacity,
        "asked": len(during) / seconds,
        "goodput": n_good / seconds,
        "goodput_of_capacity": n_good / seconds / capacity,
        "fallback_of_capacity": outcomes["fallback"] / seconds / capacity,
        "list_cpu_us": list_cpu,
        "turned_away_cpu_us": (used * 1e6 - n_made * list_cpu) / max(n_away, 1),
        "recovery_seconds": max(ended, default=0.0),
        "not_well_before": 1 - before,
        "generator_share": share,
        **{f"p{q}_ms": 1e3 * wait for q, wait in _waits(during).items()},
        **{f"share_{name}": n / len(during) for name, n in outcomes.items()},
    }


def _capacity(port: int, asked: Path, pids: Sequence[int], seconds: int) -> tuple[float, float]:
    """Lists a second at most, and the CPU of one, microseconds."""
    used = cpu_seconds(pids)
    calls, _ = _load(port, asked, [(0, seconds)])
    used = cpu_seconds(pids) - used
    return sum(call.is_good for call in calls) / seconds, 1e6 * used / len(calls)


def _goes_well(calls: Sequence[Asked]) -> float:
    return sum(call.is_good for call in calls) / len(calls)


def _waits(calls: Iterable[Asked]) -> dict[int, float]:
    """Quantiles of what the good ones waited."""
    quantiles = statistics.quantiles(
        [call.seconds for call in calls if call.is_good] or [0, 0], n=100
    )
    return {50: quantiles[49], 99: quantiles[98]}


def _load(port: int, asked: Path, phases: Sequence[tuple[int, int]]) -> tuple[list[Asked], float]:
    """Send calls, and say what came of each and how much of its core the load used.

    Args:
        port: where the service listens.
        asked: folder of requests.
        phases: calls a second and seconds, one after the other; 0 a second sends as many as are
            answered.
    """
    command = ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", __name__]
    said = subprocess.run(
        [*command, str(port), str(asked), json.dumps(phases)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = json.loads(said)
    return [Asked(*row) for row in found["calls"]], found["share"]


class _Generator:
    """Sends calls from one thread, and takes down what came of them."""

    def __init__(self, port: int, messages: Sequence[bytes]) -> None:
        self._messages = messages
        self._methods: list[grpc.UnaryUnaryMultiCallable[bytes, bytes]] = [
            grpc.insecure_channel(f"127.0.0.1:{port}", _ALONE).unary_unary(RECOMMEND)
            for _ in range(N_CHANNELS)
        ]
        self._n_sent = 0
        self.ended: deque[tuple[float, float, grpc.Future[bytes]]] = deque()
        for method in self._methods:  # all are connected before anything is measured
            method(messages[0], timeout=10)

    def send(self, due: float) -> None:
        """Send the next one, which was due then, by the clock of ``perf_counter``."""
        at, self._n_sent = self._n_sent, self._n_sent + 1
        message = self._messages[at % len(self._messages)]
        call = self._methods[at % N_CHANNELS].future(message, timeout=DEADLINE_SECONDS)
        call.add_done_callback(lambda done: self.ended.append((due, time.perf_counter(), done)))

    def phase(self, begun: float, rate: int, seconds: float) -> None:
        """Send so many a second for so long, or as many as are answered."""
        first = self._n_sent
        while (now := time.perf_counter()) < begun + seconds:
            if rate:
                n_due = int((now - begun) * rate) + 1
                for number in range(self._n_sent - first, n_due):
                    self.send(begun + number / rate)
            else:
                while self._n_sent - len(self.ended) < IN_FLIGHT:
                    self.send(time.perf_counter())
            time.sleep(0.0005)  # finer than what is told apart here

    def wait(self) -> None:
        """Wait for those under way: each has a deadline."""
        while len(self.ended) < self._n_sent:
            time.sleep(0.001)


def _outcome(call: "grpc.Future[bytes]") -> str:
    error = call.exception()
    if error is None:
        served = api.RecommendResponse.FromString(call.result()).serving.served_from
        return api.ServedFrom.Name(served).removeprefix("SERVED_FROM_").lower()
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    says_when = status is not None and any(
        detail.Is(RetryInfo.DESCRIPTOR) for detail in status.details
    )
    name = error.code().name
    return name if name != "RESOURCE_EXHAUSTED" or says_when else f"{name} without RetryInfo"


def _generate(port: int, folder: Path, phases: Sequence[tuple[int, int]]) -> None:
    """Send what is asked; what came of it to stdout, as JSON."""
    generator = _Generator(port, [path.read_bytes() for path in sorted(folder.iterdir())])
    begun, used = time.perf_counter(), time.process_time()
    at = begun
    for rate, seconds in phases:
        generator.phase(at, rate, seconds)
        at += seconds
    share = (time.process_time() - used) / (time.perf_counter() - begun)
    generator.wait()
    calls = [(due - begun, end - due, _outcome(call)) for due, end, call in generator.ended]
    sys.stdout.write(json.dumps({"share": share, "calls": calls}))


if __name__ == "__main__":
    _generate(int(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
