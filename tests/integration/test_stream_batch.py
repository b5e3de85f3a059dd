"""Questions over one stream: each with its mark and an answer of its own, once it is ready."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import LocalServer, local_server, small_registry, wait_until

METHOD = "RecommendationService/StreamBatchRecommend"
SECONDS = 60.0
CUSTOMERS = ("anna", "ben", "nobody-knows")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    registry = small_registry(tmp_path_factory.mktemp("registry"))
    with local_server(registry.root) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: LocalServer) -> api_grpc.RecommendationServiceStub:
    return api_grpc.RecommendationServiceStub(server.channel)


def question(customer_id: str, **fields: Any) -> api.RecommendRequest:  # of the message
    return api.RecommendRequest(shopper=common.Shopper(customer_id=customer_id), **fields)


def marked(mark: str, request: api.RecommendRequest | None) -> api.StreamBatchRecommendRequest:
    return api.StreamBatchRecommendRequest(correlation_id=mark, request=request)


def ids(response: api.RecommendResponse) -> list[str]:
    return [item.product_id for item in response.recommendations]


def lines(server: LocalServer) -> list[dict[str, Any]]:
    return [line for line in server.log.lines("request") if line["method"] == METHOD]


def test_each_answer_is_that_of_the_question_alone(
    server: LocalServer, stub: api_grpc.RecommendationServiceStub
) -> None:
    """Hundreds of them, more than wait at once, none of them twice; no deadline is none."""
    questions = {
        f"{customer}-{n}-{k}": question(customer, page_size=n)
        for customer in CUSTOMERS
        for n in range(1, 6)
        for k in range(20)
    }
    answers = list(stub.StreamBatchRecommend(marked(*each) for each in questions.items()))
    assert sorted(answer.correlation_id for answer in answers) == sorted(questions)
    for answer in answers:
        customer, n, _ = answer.correlation_id.rsplit("-", 2)
        alone = stub.Recommend(question(customer, page_size=int(n)), timeout=10)
        assert ids(answer.result.response) == ids(alone)
        assert answer.result.response.serving.warnings == alone.serving.warnings
    names = [answer.result.response.recommendation_id for answer in answers]
    assert len(set(names)) == len(names)
    wait_until(lambda: bool(lines(server)))
    line = lines(server)[-1]
    assert (line["code"], line["n_requests"], line["n_failed"]) == ("OK", len(questions), 0)
    assert line["n_model"] + line.get("n_cache", 0) == len(questions)


def test_an_answer_comes_while_the_caller_still_asks(
    stub: api_grpc.RecommendationServiceStub,
) -> None:
    """Nobody waits for the end of a stream, or for more questions."""
    answered = threading.Event()

    def ask() -> Iterator[api.StreamBatchRecommendRequest]:
        yield marked("first", question("anna"))
        assert answered.wait(SECONDS)
        yield marked("second", question("ben"))

    stream = stub.StreamBatchRecommend(ask(), timeout=SECONDS)
    assert next(stream).correlation_id == "first"
    answered.set()
    assert [answer.correlation_id for answer in stream] == ["second"]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (marked("bad", question("anna", page_size=-1)), "page_size"),
        (marked("bad", None), "request"),
        (marked("bad" * 100, question("anna")), "correlation_id"),
    ],
)
def test_a_bad_question_fails_no_other(
    server: LocalServer,
    stub: api_grpc.RecommendationServiceStub,
    bad: api.StreamBatchRecommendRequest,
    field: str,
) -> None:
    """It has a status in place of a list, and its mark."""
    good = [marked(str(n), question("anna")) for n in range(2)]
    answers = {
        answer.correlation_id: answer.result
        for answer in stub.StreamBatchRecommend(iter([good[0], bad, good[1]]), timeout=10)
    }
    status = answers.pop(bad.correlation_id).status
    assert status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert field in status.message
    assert sorted(answers) == ["0", "1"]
    assert all(ids(result.response) for result in answers.values())
    wait_until(lambda: lines(server)[-1]["n_requests"] == 3)
    assert lines(server)[-1]["n_failed"] == 1


def test_what_came_before_bytes_that_are_no_message_is_answered(server: LocalServer) -> None:
    """Then the stream ends, as the caller's fault."""
    method: grpc.StreamStreamMultiCallable[bytes, bytes] = server.channel.stream_stream(
        f"/recsvc.v1.{METHOD}"
    )
    sound = marked("sound", question("anna")).SerializeToString()
    answers = method(iter([sound, b"\xff\xff", *[sound] * 300]), timeout=10)
    assert api.StreamBatchRecommendResponse.FromString(next(answers)).correlation_id == "sound"
    with pytest.raises(grpc.RpcError):
        next(answers)
    assert answers.code() is grpc.StatusCode.INVALID_ARGUMENT
    # Who read ahead, and found no more room, is let go.
    wait_until(lambda: "stream-reader" not in {thread.name for thread in threading.enumerate()})


def test_open_streams_hold_up_neither_others_nor_the_end(tmp_path: Path) -> None:
    """Idle ones are let go at once when the process ends."""
    gate = threading.Event()

    def ask() -> Iterator[api.StreamBatchRecommendRequest]:
        yield marked("first", question("anna"))
        gate.wait(SECONDS)

    registry = small_registry(tmp_path)
    with local_server(registry.root, max_threads=1, grace_seconds=60) as server:
        stub = api_grpc.RecommendationServiceStub(server.channel)
        streams = [stub.StreamBatchRecommend(ask(), timeout=SECONDS) for _ in range(10)]
        for stream in streams:
            assert next(stream).correlation_id == "first"
        assert stub.Recommend(question("anna"), timeout=10).recommendations
        stopping = threading.Thread(target=server.worker.stop)
        stopping.start()
        stopping.join(SECONDS / 3)
        gate.set()
        assert not stopping.is_alive()
        readers = [t for t in threading.enumerate() if t.name == "stream-reader"]
        for reader in readers:
            reader.join(SECONDS / 3)
            assert not reader.is_alive()


def test_without_a_model_a_stream_ends(tmp_path: Path) -> None:
    """As a call does."""
    registry = small_registry(tmp_path)
    (registry.root / "current.json").unlink()
    with local_server(registry.root) as server:
        stub = api_grpc.RecommendationServiceStub(server.channel)
        stream = stub.StreamBatchRecommend(iter([marked("a", question("anna"))]), timeout=10)
        with pytest.raises(grpc.RpcError):
            next(stream)
        assert stream.code() is grpc.StatusCode.UNAVAILABLE
