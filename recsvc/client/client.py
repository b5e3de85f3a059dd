"""A thin client: a channel with sane deadlines and retries, and errors of our own."""

import json
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar, cast

import grpc
from google.protobuf.message import Message

from recsvc.client.errors import to_error
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as event_api
from recsvc.v1 import event_service_pb2_grpc as event_api_grpc
from recsvc.v1 import model_service_pb2 as model_api
from recsvc.v1 import model_service_pb2_grpc as model_api_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc

DEADLINE_SECONDS = 1.0

# UNAVAILABLE is the one code that may be retried without a thought: see docs/api.md. CANCELLED
# means the same wherever the caller has cancelled nothing: a server that shuts down answers so to
# calls that it has received and not begun yet (grpc/grpc#41785), and asking again is harmless.
_RETRIES = {
    "methodConfig": [
        {
            "name": [
                {"service": "recsvc.v1.RecommendationService"},
                # Deduplicated by event_id, so that sending them again is as safe.
                {"service": "recsvc.v1.EventService"},
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ]
}

# gRPC would wait for a second before it connects again, longer than all of the retries above.
_RECONNECT_MS = 100

INGEST_SECONDS = 30.0

_Response = TypeVar("_Response", bound=Message)


class RecommendationClient:
    """Calls a recsvc server; thread-safe, and to be closed after use.

    Every method raises an error of ``recsvc.errors``: ``UnavailableError`` where there is no
    answer in time, ``InvalidRequestError``, ``NotFoundError`` and so on as the server says.
    Questions are asked again, within the deadline, where a server was not there, was not ready
    or shut down.

    Args:
        target: ``HOST:PORT``, or any other name that gRPC resolves.
        deadline_seconds: how long a call may take, retries included.
    """

    def __init__(self, target: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._target = target
        self._deadline_seconds = deadline_seconds
        self._channel = _channel(target)
        self._recommendations = api_grpc.RecommendationServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._models = model_api_grpc.ModelServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def recommend(  # the fields of a request, each given by name
        self,
        customer_id: str = "",
        *,
        location: common.Location | None = None,
        page_size: int = 0,
        product_filter: common.ProductFilter | None = None,
        explain: bool = False,
        include_products: bool = False,
    ) -> api.RecommendResponse:
        """Recommend products.

        Args:
            customer_id: who the list is for, ``""`` for nobody in particular.
            location: where; None is the customer's home.
            page_size: how many, 0 for the server's default.
            product_filter: which products are allowed.
            explain: say why each product is there.
            include_products: add each product's catalogue entry.
        """
        return self.ask(
            api.RecommendRequest(
                shopper=common.Shopper(customer_id=customer_id) if customer_id else None,
                context=common.RecommendationContext(location=location),
                page_size=page_size,
                filter=product_filter,
                explain=explain,
                include_products=include_products,
            )
        )

    def ask(self, request: api.RecommendRequest) -> api.RecommendResponse:
        """Send a whole ``RecommendRequest``."""
        return self._call(self._recommendations.Recommend, request, api.RecommendResponse)

    def batch(self, requests: list[api.RecommendRequest]) -> api.BatchRecommendResponse:
        """Send up to 100 requests in one call; each has a response or a status of its own."""
        request = api.BatchRecommendRequest(requests=requests)
        return self._call(self._recommendations.BatchRecommend, request, api.BatchRecommendResponse)

    def similar(self, request: api.ListSimilarProductsRequest) -> api.ListSimilarProductsResponse:
        """List products like one."""
        return self._call(
            self._recommendations.ListSimilarProducts, request, api.ListSimilarProductsResponse
        )

    def models(self, page_size: int = 0, page_token: str = "") -> model_api.ListModelsResponse:
        """List the versions in the registry, the newest first."""
        request = model_api.ListModelsRequest(page_size=page_size, page_token=page_token)
        return self._call(self._models.ListModels, request, model_api.ListModelsResponse)

    def activate(self, version_id: str) -> model_api.ActivateModelResponse:
        """Make a version current; returns when the process that was called serves it."""
        request = model_api.ActivateModelRequest(version_id=version_id)
        return self._call(self._models.ActivateModel, request, model_api.ActivateModelResponse)

    def roll_back(self) -> model_api.RollbackModelResponse:
        """Make the version before the current one current again."""
        return self._call(
            self._models.RollbackModel,
            model_api.RollbackModelRequest(),
            model_api.RollbackModelResponse,
        )

    def _call(
        self, method: Callable[..., object], request: Message, answer: type[_Response]
    ) -> _Response:
        return _called(method, request, answer, self._target, self._deadline_seconds)


class EventClient:
    """Sends events to a recsvc server; thread-safe, and to be closed after use.

    Events are sent again, within the deadline, where a server was not there or shut down: what it
    had stored already is a duplicate.

    Args:
        target: ``HOST:PORT``, or any other name that gRPC resolves.
        deadline_seconds: how long a call may take, retries included.
    """

    def __init__(self, target: str, *, deadline_seconds: float = INGEST_SECONDS) -> None:
        self._target = target
        self._deadline_seconds = deadline_seconds
        self._channel = _channel(target)
        self._events = event_api_grpc.EventServiceStub(self._channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def ingest(
        self, events: Sequence[event_api.Event], *, durable: bool = False
    ) -> event_api.IngestEventsResponse:
        """Send up to 1,000 events.

        Args:
            events: each with an ``event_id`` of its own.
            durable: answer only when they are on the server's disk.
        """
        request = event_api.IngestEventsRequest(events=events, durable=durable)
        return _called(
            self._events.IngestEvents,
            request,
            event_api.IngestEventsResponse,
            self._target,
            self._deadline_seconds,
        )


def _channel(target: str) -> grpc.Channel:
    return grpc.insecure_channel(
        target,
        options=[
            ("grpc.service_config", json.dumps(_RETRIES)),
            ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS),
        ],
    )


def _called(
    method: Callable[..., object],
    request: Message,
    answer: type[_Response],
    target: str,
    deadline_seconds: float,
) -> _Response:
    """Call a method, which answers with an ``answer``."""
    try:
        response = method(request, timeout=deadline_seconds)
    except grpc.RpcError as error:
        call = cast(grpc.Call, error)  # it is, though the types do not say so
        raise to_error(call, target, deadline_seconds) from error
    assert isinstance(response, answer)  # noqa: S101  # for the type checker: stubs are untyped
    return response
