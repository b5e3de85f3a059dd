"""What it costs to know who calls and to count their calls, of a list that lies in the process."""

import statistics
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import grpc

from recsvc.access.api_keys import new_key, write_api_keys
from recsvc.access.scopes import Scope
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.benchmarks.speed.load import not_ok
from tests.benchmarks.speed.paths import (
    RECOMMEND,
    Side,
    counted,
    in_turns,
    pinned_valkey,
    question,
    ratio,
    serving,
    somebody,
)
from tests.serving import Service

RATE = "1000000"
"""Requests a second that the key may make: so many that all pass, and each is counted."""


def measure(registry: Path, work: Path, *, rounds: int, seconds: int) -> dict[str, float]:
    """Load a service that asks for an API key and limits its rate, and one that does neither.

    Three callers ask for the same list in turns: ``on`` shows its key to the first; ``off`` has
    none, and asks the second; ``shown`` asks the second as well, and shows a key that nobody looks
    at, so that what gRPC takes to read it is on both sides.

    Returns:
        Medians of the turns, CPU in microseconds a call; and of the turns' own ratios.
    """
    one = question(*somebody(registry, 1)[0])
    key, secret = new_key("speed", [Scope.RECOMMEND], datetime.now(UTC))
    keys = work / "keys.json"
    keys.touch(0o600)
    keys.write_bytes(write_api_keys([key]))
    shown = (("authorization", f"Bearer {secret}"),)
    asks = {"RECSVC_API_KEYS_FILE": str(keys), "RECSVC_RATE_LIMIT": RATE}
    with ExitStack() as stack:
        valkeys = [stack.enter_context(pinned_valkey(work)) for _ in range(2)]
        asking = stack.enter_context(serving(registry, work, valkeys[0], asks, shown))
        open_to_all = stack.enter_context(serving(registry, work, valkeys[1], {}))
        services = [service for service, _, _ in (asking, open_to_all)]
        assert [asks_who(service.target, one) for service in services] == [True, False]

        def side(to: tuple[Service, int, tuple[int, ...]], *headers: tuple[str, str]) -> Side:
            _, port, pids = to
            return Side(port, RECOMMEND, one.SerializeToString(), pids, headers=headers)

        sides = {
            "on": side(asking, *shown),
            "off": side(open_to_all),
            "shown": side(open_to_all, *shown),
        }
        before = sum(not_ok(service.metrics()) for service in services)
        loads = in_turns(sides, work, rounds=rounds, seconds=seconds)
        cpu = {side: [load.cpu_us for load in of] for side, of in loads.items()}
        rate = {side: [load.rate for load in of] for side, of in loads.items()}
        return {
            **{f"{side}_cpu_us": statistics.median(of) for side, of in cpu.items()},
            "cpu_of_off": ratio(cpu["on"], cpu["off"]),
            "cpu_of_shown": ratio(cpu["on"], cpu["shown"]),
            "rate_of_off": ratio(rate["on"], rate["off"]),
            "rate_of_shown": ratio(rate["on"], rate["shown"]),
            "failed": float(sum(load.failed for of in loads.values() for load in of)),
            "not_ok": sum(map(counted, services)) - before,
        }


def asks_who(target: str, request: api.RecommendRequest) -> bool:
    """Whether a service wants to know who calls."""
    with grpc.insecure_channel(target) as channel:
        stub = api_grpc.RecommendationServiceStub(channel)
        try:
            stub.Recommend(request, timeout=10)
        except grpc.RpcError as error:
            return error.code() is grpc.StatusCode.UNAUTHENTICATED
    return False
