"""Calls that end without an answer: what is asked again, and what the caller is told."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from recsvc.client import AsyncClient, Client
from recsvc.errors import (
    CredentialError,
    ForbiddenError,
    OverloadedError,
    RecsvcError,
    StreamEndedError,
    UnavailableError,
)
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.unit.client.recorder import Recorder, recording

SECONDS = 20


def question(name: str) -> api.StreamBatchRecommendRequest:
    """One of a stream."""
    return api.StreamBatchRecommendRequest(correlation_id=name)


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that accepts, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield listener


def address(listener: socket.socket) -> str:
    """As a client wants it."""
    return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, CredentialError),
        (grpc.StatusCode.PERMISSION_DENIED, ForbiddenError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, OverloadedError),
        (grpc.StatusCode.INTERNAL, RecsvcError),
    ],
)
def test_nothing_but_unavailable_is_asked_again(
    code: grpc.StatusCode, kind: type[RecsvcError]
) -> None:
    """The caller is told at once, in an error of its own."""
    recorder = Recorder(code)
    with (
        recording(recorder) as target,
        Client(target, deadline_seconds=20) as client,
        pytest.raises(kind) as caught,
    ):
        client.recommend()
    assert (str(caught.value), len(recorder.peers)) == ("as you wish", 1)


def test_a_stream_that_was_not_read_has_its_reason() -> None:
    """Though its status comes without details, which would wait behind what is not read."""
    with (
        recording(Recorder(grpc.StatusCode.ABORTED)) as target,
        Client(target, deadline_seconds=SECONDS) as client,
        pytest.raises(StreamEndedError, match="as you wish") as caught,
    ):
        client.recommend()
    assert caught.value.reason == "STREAM_UNREAD"


def test_unavailable_is_asked_again() -> None:
    """Four times in all, within the deadline."""
    recorder = Recorder(grpc.StatusCode.UNAVAILABLE)
    with (
        recording(recorder) as target,
        Client(target, deadline_seconds=20) as client,
        pytest.raises(UnavailableError),
    ):
        client.recommend()
    assert len(recorder.peers) == 4


def dropping(n_failures: float) -> Recorder:
    """Answers the first calls as gRPC does those that it drops when it shuts down."""
    return Recorder(grpc.StatusCode.CANCELLED, message="CANCELLED", n_failures=n_failures)


def test_a_call_that_a_server_dropped_is_asked_once_more() -> None:
    """It was not begun, so that UNAVAILABLE would be the truth; waiting and awaited alike."""

    async def ask(target: str) -> str:
        async with AsyncClient(target, deadline_seconds=SECONDS) as client:
            return (await client.recommend()).recommendation_id

    with recording(dropping(1)) as target, Client(target, deadline_seconds=SECONDS) as client:
        assert client.recommend().recommendation_id == "answered"
    with recording(dropping(1)) as target:
        assert asyncio.run(ask(target)) == "answered"


def test_a_call_that_is_dropped_again_fails() -> None:
    """As unavailable, in one line that says what happened."""

    async def ask(target: str) -> None:
        async with AsyncClient(target, deadline_seconds=SECONDS) as client:
            await client.recommend()

    for call in (
        lambda target: Client(target, deadline_seconds=SECONDS).recommend(),
        lambda target: asyncio.run(ask(target)),
    ):
        recorder = dropping(2)
        with recording(recorder) as target, pytest.raises(UnavailableError, match="shut") as caught:
            call(target)
        assert (caught.value.reason, len(recorder.peers)) == ("CANCELLED", 2)


def test_a_call_that_was_cancelled_on_purpose_is_not_asked_again() -> None:
    """Whoever does that says something of it, and may mean it."""
    recorder = Recorder(grpc.StatusCode.CANCELLED)
    with (
        recording(recorder) as target,
        Client(target, deadline_seconds=SECONDS) as client,
        pytest.raises(UnavailableError),
    ):
        client.recommend()
    assert len(recorder.peers) == 1


class StopsBetween(grpc.ServerInterceptor):
    """Stops its server while a call has begun and the next one waits to be looked at.

    gRPC asks interceptors on the thread that takes calls in: whatever comes meanwhile waits.
    """

    def __init__(self, replace: Callable[[], object]) -> None:
        self.has_begun = threading.Event()
        self.may_stop = threading.Event()
        self._replace = replace

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:  # noqa: ANN401  # untyped in grpc
        """Stop, then answer this call as usual."""
        self.has_begun.set()
        self.may_stop.wait(SECONDS)
        self._replace()
        return continuation(handler_call_details)


def test_a_real_server_that_stops_loses_no_call() -> None:
    """Another takes its port over, as one worker does for another; gRPC words it as expected."""
    recorder, later = Recorder(), Recorder()

    def replace() -> None:
        server.stop(SECONDS)
        following.add_insecure_port(f"127.0.0.1:{port}")
        following.start()

    interceptor = StopsBetween(replace)
    server = grpc.server(ThreadPoolExecutor(2), interceptors=[interceptor])
    following = grpc.server(ThreadPoolExecutor(2))
    api_grpc.add_RecommendationServiceServicer_to_server(recorder, server)
    api_grpc.add_RecommendationServiceServicer_to_server(later, following)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with (
        Client(f"127.0.0.1:{port}", deadline_seconds=SECONDS) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(client.recommend)
        assert interceptor.has_begun.wait(SECONDS)
        second = pool.submit(client.recommend)
        time.sleep(0.2)  # until it waits in gRPC, of which nobody is told
        interceptor.may_stop.set()
        first.result()
        server.stop(0).wait()
        assert second.result().recommendation_id == "answered"
    following.stop(None).wait()


def test_a_closed_client_says_so_on_all_its_channels() -> None:
    """Waiting and awaited alike."""

    async def ask(target: str) -> None:
        async with AsyncClient(target, deadline_seconds=SECONDS, channels=2) as client:
            await client.recommend()
        for _ in range(2):
            with pytest.raises(UnavailableError, match="this client is closed"):
                await client.recommend()
        with pytest.raises(UnavailableError, match="this client is closed"):
            await anext(client.export_customer("anna"))

    with recording(Recorder()) as target:
        with Client(target, deadline_seconds=SECONDS, channels=2) as client:
            client.recommend()
        for _ in range(2):
            with pytest.raises(UnavailableError, match="this client is closed") as caught:
                client.recommend()
        with pytest.raises(UnavailableError, match="this client is closed"):
            next(client.export_customer("anna"))
        asyncio.run(ask(target))
    assert caught.value.reason == "CLIENT_CLOSED"


def test_closing_ends_calls_that_wait(silent: socket.socket) -> None:
    """Each is told that it was this client, whichever kind of call it is."""
    calls: list[Callable[[Client], object]] = [
        lambda client: client.recommend(),
        lambda client: next(client.export_customer("anna")),
    ]
    with ThreadPoolExecutor(1) as pool:
        for call in calls:
            client = Client(address(silent), deadline_seconds=SECONDS)
            waiting = pool.submit(call, client)
            with silent.accept()[0]:
                client.close()
                with pytest.raises(UnavailableError, match="this client is closed") as caught:
                    waiting.result()
            assert caught.value.reason == "CLIENT_CLOSED"


def test_closing_ends_calls_that_are_awaited(silent: socket.socket) -> None:
    """The same; nobody has cancelled the tasks that wait, so they are not cancelled."""

    async def read(client: AsyncClient) -> None:
        await anext(client.export_customer("anna"))

    async def ask() -> None:
        for call in (lambda client: client.recommend(), read):
            client = AsyncClient(address(silent), deadline_seconds=SECONDS)
            waiting = asyncio.create_task(call(client))
            with (await asyncio.to_thread(silent.accept))[0]:
                await client.close()
                with pytest.raises(UnavailableError, match="this client is closed") as caught:
                    await waiting
            assert caught.value.reason == "CLIENT_CLOSED"

    asyncio.run(ask())


def test_a_task_that_is_cancelled_is_cancelled(silent: socket.socket) -> None:
    """It does not go on as if the server had been away."""

    async def read(client: AsyncClient) -> None:
        await anext(client.export_customer("anna"))

    async def ask() -> None:
        for call in (lambda client: client.recommend(), read):
            async with AsyncClient(address(silent), deadline_seconds=SECONDS) as client:
                waiting = asyncio.create_task(call(client))
                with (await asyncio.to_thread(silent.accept))[0]:
                    waiting.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await waiting

    asyncio.run(ask())


def test_an_error_among_the_requests_comes_after_the_answers() -> None:
    """What was sent before it is answered, and the reader gets the error itself."""

    def broken() -> Iterator[api.StreamBatchRecommendRequest]:
        yield question("a")
        raise KeyError("my own")

    async def awaited() -> AsyncIterator[api.StreamBatchRecommendRequest]:
        for request in broken():
            yield request

    async def ask(target: str) -> None:
        async with AsyncClient(target) as client:
            for requests in (broken(), awaited()):
                answers = client.stream_batch_recommend(requests)
                assert (await anext(answers)).correlation_id == "a"
                with pytest.raises(KeyError, match="my own"):
                    await anext(answers)

    with recording(Recorder()) as target:
        with Client(target) as client:
            answers = client.stream_batch_recommend(broken())
            assert next(answers).correlation_id == "a"
            with pytest.raises(KeyError, match="my own"):
                next(answers)
        asyncio.run(ask(target))


def test_requests_that_are_cancelled_end_the_call() -> None:
    """The one who reads is not cancelled by that."""

    async def cancelled() -> AsyncIterator[api.StreamBatchRecommendRequest]:
        yield question("a")
        raise asyncio.CancelledError

    async def ask(target: str) -> None:
        async with AsyncClient(target) as client:
            with pytest.raises(UnavailableError) as caught:
                _ = [answer async for answer in client.stream_batch_recommend(cancelled())]
        assert caught.value.reason == "CANCELLED"

    with recording(Recorder()) as target:
        asyncio.run(ask(target))


def test_an_error_of_the_token_is_the_callers_own() -> None:
    """It is not taken for one of the channel."""

    def expired() -> str:
        raise ValueError("no token any more")

    with (
        Client("127.0.0.1:1", token=expired) as client,
        pytest.raises(ValueError, match="no token"),
    ):
        client.recommend()
