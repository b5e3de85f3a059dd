"""A server that answers everything, or nothing, and remembers what it was asked."""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc


class Recorder(api_grpc.RecommendationServiceServicer):
    """Answers everything, and remembers who called and with what.

    Args:
        code: to fail with instead.
        message: to fail with.
        n_failures: how often.
    """

    def __init__(
        self,
        code: grpc.StatusCode | None = None,
        *,
        message: str = "as you wish",
        n_failures: float = math.inf,
    ) -> None:
        self.code = code
        self.message = message
        self.n_failures = n_failures
        self.peers: list[str] = []
        self.authorizations: list[str] = []
        self.seconds: list[float] = []

    def Recommend(  # noqa: N802  # the API's name
        self,
        request: api.RecommendRequest,  # noqa: ARG002  # the signature is grpc's
        context: grpc.ServicerContext,
    ) -> api.RecommendResponse:
        """Answer, or fail with the code."""
        self.peers.append(context.peer())
        metadata = dict(context.invocation_metadata())
        self.authorizations.append(str(metadata.get("authorization", "")))
        self.seconds.append(context.time_remaining())
        if self.code is not None and len(self.peers) <= self.n_failures:
            context.abort(self.code, self.message)
        return api.RecommendResponse(recommendation_id="answered")

    def StreamBatchRecommend(  # noqa: N802  # the API's name
        self,
        request_iterator: Iterable[api.StreamBatchRecommendRequest],
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
    ) -> Iterator[api.StreamBatchRecommendResponse]:
        """Answer each with its mark alone."""
        for request in request_iterator:
            yield api.StreamBatchRecommendResponse(correlation_id=request.correlation_id)


@contextmanager
def recording(recorder: Recorder, credentials: Any = None) -> Iterator[str]:  # noqa: ANN401  # untyped in grpc
    """A server of its own; yields its address."""
    server = grpc.server(ThreadPoolExecutor(2))
    api_grpc.add_RecommendationServiceServicer_to_server(recorder, server)
    address = "127.0.0.1:0"
    if credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
