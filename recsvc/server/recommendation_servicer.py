"""The lists over gRPC: convert, call the use case, convert back."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import grpc

from recsvc.errors import InvalidRequestError
from recsvc.logs import note
from recsvc.server import requests, response_codec, responses
from recsvc.server.batch_answers import BatchAnswers, BatchCounts
from recsvc.server.context import deadline_of
from recsvc.server.fields import check_batch
from recsvc.server.tokens import Tokens
from recsvc.service.models import ModelSlot
from recsvc.service.recommendations import Recommendations
from recsvc.service.related import Related
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc

_SENDING_SECONDS = 0.01
"""What a batch leaves of its time to put the answer together and send it."""

MAX_CHEAP = 16
"""So many questions of a batch are answered cheaply: who is given what lies ready waits behind."""


def is_small(request: api.BatchRecommendRequest) -> bool:
    """Whether a batch may be answered cheaply."""
    return len(request.requests) <= MAX_CHEAP


class RecommendationServicer(api_grpc.RecommendationServiceServicer):
    """``recsvc.v1.RecommendationService``.

    Args:
        slot: the current model.
        recommendations: lists for the moment.
        related: lists about products.
        tokens: reads the tokens of requests.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        slot: ModelSlot,
        recommendations: Recommendations,
        related: Related,
        tokens: Tokens,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._recommendations = recommendations
        self._related = related
        self._tokens = tokens
        self._writer = response_codec.ListWriter()
        self._batches = BatchAnswers(recommendations, self._writer, tokens, monotonic)
        self._monotonic = monotonic

    def stop(self) -> None:
        """Let no call wait any more for what another one makes."""
        self._recommendations.stop()

    def kept(self, request: bytes) -> bytes | None:
        """What :meth:`Recommend` answers where that lies in the process; None where it does not."""
        served = self._recommendations.again(request)
        return None if served is None else self._writer.response(served)

    def Recommend(  # noqa: N802  # the API's name
        self, request: bytes, context: grpc.ServicerContext
    ) -> bytes:
        """Recommend products for a shopper; the request is not read where that can be spared."""
        kept = self.kept(request)
        if kept is not None:
            return kept
        return self._recommended(request, deadline_of(context), written=request)

    def recommend_cheaply(self, request: bytes, _: grpc.ServicerContext) -> bytes:
        """What sells where the shopper is, as :meth:`Recommend` gives it to who has no time left.

        Nothing is waited for.
        """
        return self._recommended(request, self._monotonic())

    def BatchRecommend(  # noqa: N802  # the API's name
        self, request: api.BatchRecommendRequest, context: grpc.ServicerContext
    ) -> bytes:
        """Answer several questions, each with a response or a status of its own."""
        return self._batch(request, context)

    def batch_recommend_cheaply(
        self, request: api.BatchRecommendRequest, context: grpc.ServicerContext
    ) -> bytes:
        """The same for each question of a batch, which may be told too large for that before."""
        return self._batch(request, context, cheaply=True)

    def _recommended(self, request: bytes, deadline: float, *, written: bytes = b"") -> bytes:
        asked = requests.recommend_request(request)
        loaded = self._slot.current()
        question = requests.recommend_question(asked, self._tokens)
        begun = self._recommendations.begin(question, deadline, loaded, written)
        served = self._recommendations.finish(begun)
        note(n_items=served.n_items, version_id=served.version_id)
        return self._writer.response(served)

    def _batch(
        self,
        request: api.BatchRecommendRequest,
        context: grpc.ServicerContext,
        *,
        cheaply: bool = False,
    ) -> bytes:
        check_batch("requests", len(request.requests), requests.MAX_BATCH)
        loaded, counts = self._slot.current(), BatchCounts()
        end, is_wanted = self._end(context), context.is_active
        entries = request.requests
        answers = dict(
            self._batches.answer(entries, loaded, end, counts, is_wanted, cheaply=cheaply)
        )
        note(version_id=loaded.reference.version_id, **counts.facts())
        return response_codec.batch_response(answers[at] for at in sorted(answers))

    def StreamBatchRecommend(  # noqa: N802  # the API's name
        self,
        request_iterator: Iterable[Sequence[api.StreamBatchRecommendRequest]],
        context: grpc.ServicerContext,
    ) -> Iterator[bytes]:
        """Answer questions as they come, those together that have come meanwhile.

        Args:
            request_iterator: groups of questions (see :class:`CallInterceptor`).
            context: of the call.
        """
        counts = BatchCounts()
        for group in request_iterator:
            loaded = self._slot.current()
            asked: list[api.StreamBatchRecommendRequest] = []
            for request in group:
                try:
                    requests.check_streamed(request)
                    asked.append(request)
                except InvalidRequestError as error:
                    counts.n_requests += 1
                    counts.n_failed += 1
                    result = response_codec.failed_result(error)
                    yield response_codec.streamed_response(request.correlation_id, result)
            entries = [request.request for request in asked]
            end, is_wanted = self._end(context), context.is_active
            for at, result in self._batches.answer(entries, loaded, end, counts, is_wanted):
                yield response_codec.streamed_response(asked[at].correlation_id, result)
            note(version_id=loaded.reference.version_id, **counts.facts())

    def ListSimilarProducts(  # noqa: N802  # the API's name
        self,
        request: api.ListSimilarProductsRequest,
        context: grpc.ServicerContext,
    ) -> api.ListSimilarProductsResponse:
        """List products like one."""
        question = requests.similar_question(request, self._tokens)
        computed = self._related.similar(request.product_id, question, deadline_of(context))
        return responses.similar_response(computed)

    def ListBoughtTogether(  # noqa: N802  # the API's name
        self,
        request: api.ListBoughtTogetherRequest,
        context: grpc.ServicerContext,
    ) -> api.ListBoughtTogetherResponse:
        """List products that go into one basket with some."""
        question = requests.together_question(request, self._tokens)
        computed = self._related.together(request.product_ids, question, deadline_of(context))
        return responses.together_response(computed)

    def ListBuyAgain(  # noqa: N802  # the API's name
        self,
        request: api.ListBuyAgainRequest,
        context: grpc.ServicerContext,
    ) -> api.ListBuyAgainResponse:
        """List what a customer needs again, and when."""
        question = requests.again_question(request, self._tokens)
        needed = self._related.again(question, deadline_of(context))
        return responses.again_response(needed)

    def _end(self, context: grpc.ServicerContext) -> float:
        """When a call of several entries has no time left, monotonic seconds."""
        return self._monotonic() + context.time_remaining() - _SENDING_SECONDS
