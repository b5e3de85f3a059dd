"""A hot list that takes long, two processes, and many callers who want it at the same moment."""

import os
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import redis
from prometheus_client.parser import text_string_to_metric_families

from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import Service, running_service, wait_until

SLOW = Path(__file__).parent / "slow_lists"
_TIME = struct.Struct(">Q")
_TIME_AT = 1  # behind the format


@dataclass(frozen=True)
class Told:
    """What one caller was told.

    Attributes:
        served_from: as the API names it; the gRPC code where the call failed.
        degraded_reason: likewise.
        worked_ms: how long the service says it worked on the call.
        waited_ms: how long the caller waited.
    """

    served_from: str
    degraded_reason: str
    worked_ms: float
    waited_ms: float


class Crowd:
    """Callers with a connection each, so that they come to all processes of a service.

    Args:
        target: ``HOST:PORT``.
        n_callers: how many.
    """

    def __init__(self, target: str, n_callers: int, stack: ExitStack) -> None:
        self._stubs = []
        for _ in range(n_callers):
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = stack.enter_context(grpc.insecure_channel(target, options))
            grpc.channel_ready_future(channel).result(30)
            self._stubs.append(api_grpc.RecommendationServiceStub(channel))

    def ask(self, requests: Sequence[api.RecommendRequest], seconds: float) -> list[Told]:
        """Ask all at once, each with so much time."""
        start = threading.Barrier(len(self._stubs))
        told: list[Told] = []

        def call(stub: api_grpc.RecommendationServiceStub, request: api.RecommendRequest) -> None:
            start.wait()
            told.append(_told(stub, request, seconds))

        threads = [
            threading.Thread(target=call, args=pair)
            for pair in zip(self._stubs, requests, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return told


def _told(
    stub: api_grpc.RecommendationServiceStub, request: api.RecommendRequest, seconds: float
) -> Told:
    began = time.perf_counter()
    try:
        answer = stub.Recommend(request, timeout=seconds)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return Told(code.name, "", 0.0, (time.perf_counter() - began) * 1e3)
    waited_ms = (time.perf_counter() - began) * 1e3
    serving = answer.serving
    assert len(answer.recommendations) > 0
    name = api.ServedFrom.Name(serving.served_from).removeprefix("SERVED_FROM_")
    worked_ms = serving.compute_time.ToNanoseconds() / 1e6
    return Told(name, serving.degraded_reason, worked_ms, waited_ms)


@contextmanager
def slow_service(
    registry: Path,
    directory: Path,
    url: str,
    list_seconds: float,
    *,
    n_workers: int = 2,
    **env: str,
) -> Iterator[Service]:
    """Processes on one port whose lists take so long each, over one Redis."""
    path = os.pathsep.join([str(SLOW), os.environ.get("PYTHONPATH", "")])
    with running_service(
        registry,
        directory,
        *("--workers", str(n_workers), "--redis", url),
        PYTHONPATH=path,
        SLOW_LIST_SECONDS=str(list_seconds),
        **env,
    ) as service:
        yield service


def hot(customer_id: str = "") -> api.RecommendRequest:
    """The list that everybody wants: of nobody in particular, or of one customer."""
    return api.RecommendRequest(shopper=common.Shopper(customer_id=customer_id), page_size=20)


def grow_old(client: redis.Redis, seconds: float) -> int:
    """Make every list that is kept older, without waiting, and return how many there are."""
    n_lists = 0
    for name in client.scan_iter("*:list:*"):
        value = client.get(name)
        assert isinstance(value, bytes)
        (microseconds,) = _TIME.unpack_from(value, _TIME_AT)
        client.setrange(name, _TIME_AT, _TIME.pack(microseconds - round(seconds * 1e6)))
        n_lists += 1
    return n_lists


def counts(service: Service) -> Counter[str]:
    """How many lists were made so far, how the others came about, and what came of refreshes."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(service.metrics()):
        if family.name in {"recsvc_answers", "recsvc_cache_refreshes", "recsvc_cache_waits"}:
            for sample in family.samples:
                if sample.name.endswith("_total"):
                    (label,) = sample.labels.values()
                    found[f"{family.name.removeprefix('recsvc_')}:{label}"] += int(sample.value)
    return found


def counted(service: Service, before: Counter[str], n_answers: int) -> Counter[str]:
    """What has come to the counts since, once all answers are among them."""

    def since() -> Counter[str]:
        now = counts(service)
        now.subtract(before)
        return Counter({name: number for name, number in now.items() if number})

    def n_counted() -> int:
        return sum(number for name, number in since().items() if name.startswith("answers:"))

    wait_until(lambda: n_counted() >= n_answers)  # numbers are written after a tenth of a second
    return since()
