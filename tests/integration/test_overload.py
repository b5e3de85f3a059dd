"""More calls than a server can work on, over a real channel."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from recsvc.server.admission import Admission
from recsvc.server.executors import CallExecutor, Lane, StreamExecutor
from recsvc.server.interceptor import CallInterceptor, Cheap, Traits
from recsvc.server.patience import Patience
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import Log, local_server, new_metrics, small_registry, wait_until

SERVICE = "RecommendationService"
RECOMMEND = f"{SERVICE}/Recommend"
N_THREADS = 2
N_JAM = 11
"""With so many a call would wait too long."""

SECONDS = 20.0


class Bench:
    """A server of two threads, whose calls go on until they are let go."""

    def __init__(self, stack: ExitStack) -> None:
        self.log = Log()
        self.may_end, self.n_begun = threading.Event(), 0
        self.executor = CallExecutor(N_THREADS, self.log.logger)
        self.lane = Lane(self.log.logger)
        metrics, self.numbers = new_metrics()
        admission = Admission(
            self.executor.backlog, max_held=100, max_wait_seconds=10.0, metrics=metrics
        )
        interceptor = CallInterceptor(
            admission,
            StreamExecutor(Patience(60.0, metrics), Log().logger),
            self.lane,
            metrics=metrics,
            logger=self.log.logger,
            traits=Traits(
                unread={RECOMMEND},
                hurried=(SERVICE,),
                kept={RECOMMEND: {b"hot": b"kept"}.get},
                cheap={RECOMMEND: Cheap(self._give_popular, b"usual".__eq__)},
            ),
        )
        executor: Any = self.executor
        server = grpc.server(executor, interceptors=[interceptor])
        method: Any = grpc.unary_unary_rpc_method_handler(self._work)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(f"recsvc.v1.{SERVICE}", {"Recommend": method})]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        stack.callback(self.executor.shutdown)
        stack.callback(self.lane.stop)
        stack.callback(lambda: server.stop(0).wait())
        stack.callback(self.may_end.set)
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
        self._ask: Any = channel.unary_unary(f"/recsvc.v1.{RECOMMEND}")

    def _work(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        self.n_begun += 1
        assert self.may_end.wait(SECONDS)
        return request.upper()

    def _give_popular(self, _: bytes, __: grpc.ServicerContext) -> bytes:
        return b"popular"

    def ask(self, request: bytes, seconds: float = SECONDS) -> Any:  # noqa: ANN401  # a call and a future in one
        return self._ask.future(request, timeout=seconds)

    def jam(self, n_calls: int) -> None:
        """Make calls of which each takes a second, as far as the server knows; all are held."""
        for _ in range(N_THREADS):
            self.executor.backlog.learn(1.0)
        self.held = [self.ask(b"made") for _ in range(n_calls)]  # gRPC cancels what is let go of
        wait_until(lambda: self.executor.n_held == n_calls)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack)


def retry_seconds(call: Any) -> float:  # noqa: ANN401  # likewise
    status, info = rpc_status.from_call(call), RetryInfo()
    assert status is not None
    assert any(detail.Unpack(info) for detail in status.details)
    return float(info.retry_delay.ToMilliseconds()) / 1000


def test_who_would_wait_too_long_is_told_so_while_the_others_wait(bench: Bench) -> None:
    """Without any of its threads, and no work is done for them; the others are answered."""
    bench.jam(N_JAM)
    away = [bench.ask(b"made") for _ in range(50)]
    assert {call.exception(SECONDS).code() for call in away} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    delays = [retry_seconds(call) for call in away]
    assert min(delays) >= 0.05
    assert len(set(delays)) > 1  # they do not all come back at once
    assert bench.n_begun == N_THREADS
    bench.may_end.set()
    assert [call.result(SECONDS) for call in bench.held] == [b"MADE"] * len(bench.held)
    wait_until(lambda: not bench.executor.n_held)
    assert bench.ask(b"made").result(SECONDS) == b"MADE"


def test_what_lies_in_the_process_is_answered_meanwhile(bench: Bench) -> None:
    bench.jam(N_JAM)
    assert bench.ask(b"hot").result(SECONDS) == b"kept"


def test_who_comes_while_too_many_wait_gets_what_sells(bench: Bench) -> None:
    """Without any of the threads, which all have something to do."""
    bench.jam(N_JAM)
    assert [bench.ask(b"usual").result(SECONDS) for _ in range(20)] == [b"popular"] * 20
    assert bench.n_begun == N_THREADS


def test_a_whole_server_gives_what_sells_to_who_may_not_wait(tmp_path: Path) -> None:
    """One question or a few; what is made for each call is refused, and so are many questions."""
    with local_server(small_registry(tmp_path).root, max_threads=N_THREADS) as server:
        executor, gate = server.worker.server._executor, threading.Event()  # nothing else jams it
        for _ in range(N_THREADS):
            executor.backlog.learn(10.0)
        for _ in range(N_THREADS + 1):
            executor.submit(gate.wait)
        stub = api_grpc.RecommendationServiceStub(server.channel)
        try:
            anna = api.RecommendRequest(shopper=common.Shopper(customer_id="anna"))
            alone = stub.Recommend(anna, timeout=SECONDS)
            few = stub.BatchRecommend(
                api.BatchRecommendRequest(requests=[anna] * 3), timeout=SECONDS
            )
            for refused, asked in (
                (stub.BatchRecommend, api.BatchRecommendRequest(requests=[anna] * 17)),
                (stub.ListBuyAgain, api.ListBuyAgainRequest(shopper=anna.shopper)),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    refused(asked, timeout=SECONDS)
                assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        finally:
            gate.set()
    for answer in (alone, *(result.response for result in few.results)):
        assert answer.recommendations
        assert answer.serving.served_from == api.SERVED_FROM_FALLBACK
        assert answer.serving.degraded_reason == "DEADLINE"


def test_who_has_stopped_waiting_is_not_worked_for(bench: Bench) -> None:
    """Its deadline passed in the queue."""
    bench.jam(N_THREADS)
    late = bench.ask(b"late", 0.05)
    assert late.exception(SECONDS).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    bench.may_end.set()
    wait_until(lambda: not bench.executor.n_held)
    assert bench.n_begun == N_THREADS
