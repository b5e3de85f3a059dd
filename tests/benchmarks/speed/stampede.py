"""Many callers of one hot list at the same moment, over two processes and one Redis."""

import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from recsvc.store.connection import connect
from recsvc.v1 import recommendation_service_pb2 as api
from tests.benchmarks.speed.paths import question, somebody
from tests.serving import Service, wait_until
from tests.stampede import Crowd, Told, counted, counts, grow_old, slow_service
from tests.stores import running_valkey

N_CALLERS = 32
LIST_SECONDS = 0.15
TTL_SECONDS = 300.0
PATIENT_SECONDS, HURRIED_SECONDS = 10.0, 0.1
"""Time of callers who can wait for the list, and of callers who cannot."""

MOMENTS = ("cold", "fresh", "expired", "hurried")


def measure(registry: Path, work: Path, *, rounds: int) -> dict[str, dict[str, float]]:
    """How often the list is made, and how long its callers wait.

    Returns:
        For each moment, the medians over the rounds of ``made`` (lists that were made, for callers
        or behind their backs), of how many callers were answered in which way, and of the times:
        ``worked_ms`` as the service says, ``waited_ms`` as the callers know. ``cold``: nothing is
        kept; ``fresh``: the list is; ``expired``: it has grown old; ``hurried``: nothing is kept,
        and the callers have less time than the list takes.
    """
    person = question(*somebody(registry, 1)[0])
    rows: dict[str, list[dict[str, float]]] = {moment: [] for moment in MOMENTS}
    with ExitStack() as stack:
        valkey = stack.enter_context(running_valkey(work / "valkey"))
        client = stack.enter_context(connect(valkey.url, socket_timeout_seconds=5.0))
        service = stack.enter_context(
            slow_service(
                registry,
                work / "service",
                valkey.url,
                LIST_SECONDS,
                RECSVC_PROCESS_CACHE_MIB="0",
                RECSVC_CACHE_TTL_SECONDS=str(TTL_SECONDS),
            )
        )
        crowd = Crowd(service.target, N_CALLERS, stack)
        for _ in range(rounds):
            client.flushall()
            rows["cold"].append(_asked(service, crowd, person, PATIENT_SECONDS))
            rows["fresh"].append(_asked(service, crowd, person, PATIENT_SECONDS))
            grow_old(client, TTL_SECONDS + 1)
            rows["expired"].append(_asked(service, crowd, person, PATIENT_SECONDS, refreshed=True))
            client.flushall()
            rows["hurried"].append(_asked(service, crowd, person, HURRIED_SECONDS))
    return {moment: _medians(found) for moment, found in rows.items()}


def _asked(
    service: Service,
    crowd: Crowd,
    request: api.RecommendRequest,
    seconds: float,
    *,
    refreshed: bool = False,
) -> dict[str, float]:
    before = counts(service)
    told = crowd.ask([request] * N_CALLERS, seconds)
    if refreshed:
        done = "cache_refreshes:done"
        wait_until(lambda: counts(service)[done] > before[done])
    # Who had given up before a thread took the call is in no count.
    n_answered = sum(each.served_from != "DEADLINE_EXCEEDED" for each in told)
    if n_answered < N_CALLERS:
        time.sleep(4 * LIST_SECONDS)  # it may still be made, for nobody, and is counted then
    since = counted(service, before, n_answered)
    return _row(told, since)


def _row(told: Sequence[Told], since: Mapping[str, int]) -> dict[str, float]:
    answered = [each for each in told if each.served_from != "DEADLINE_EXCEEDED"]
    worked, waited = ([getattr(each, name) for each in answered] for name in _TIMES)
    return {
        "made": since.get("answers:MODEL", 0) + since.get("cache_refreshes:done", 0),
        "degraded": sum(bool(each.degraded_reason) for each in told),
        **Counter(each.served_from for each in told),
        "worked_ms_median": statistics.median(worked),
        "worked_ms_max": max(worked),
        "waited_ms_median": statistics.median(waited),
        "waited_ms_max": max(waited),
    }


_TIMES = ("worked_ms", "waited_ms")


def _medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    found = {name: statistics.median(row.get(name, 0.0) for row in rows) for name in names}
    return {**found, "made_max": max(row["made"] for row in rows)}
