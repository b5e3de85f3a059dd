"""The lists over gRPC: convert, call the use case, convert back.

A method that is not here comes from its generated base class, and the interceptor answers it
with NOT_YET_AVAILABLE.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

import grpc

from recsvc.errors import RecsvcError, UnavailableError
from recsvc.logs import collected_facts, note
from recsvc.server import requests, response_codec, responses
from recsvc.server.context import deadline_of
from recsvc.server.tokens import Tokens
from recsvc.service.deliveries import Served
from recsvc.service.making import Begun
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.questions import Delivery
from recsvc.service.recommendations import Recommendations
from recsvc.service.related import Related
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc

# What the entries of a batch leave of its time: to put the answer together and send it, and for
# each entry that is still to come, to list at least what sells at the place.
_SENDING_SECONDS = 0.01
_FALLBACK_SECONDS = 0.002
# A batch with less than so many times that time is in a hurry.
_HURRY = 2


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
        self._monotonic = monotonic

    def Recommend(  # noqa: N802  # the API's name
        self, request: bytes, context: grpc.ServicerContext
    ) -> bytes:
        """Recommend products for a shopper; the request is not read where that can be spared."""
        served = self._recommendations.again(request)
        if served is None:
            asked = requests.recommend_request(request)
            loaded = self._slot.current()
            begun = self._begun(asked, deadline_of(context), loaded, request)
            served = self._recommendations.finish(begun)
            note(n_items=served.n_items, version_id=served.version_id)
        return self._writer.response(served)

    def BatchRecommend(  # noqa: N802  # the API's name
        self, request: api.BatchRecommendRequest, context: grpc.ServicerContext
    ) -> bytes:
        """Answer several questions, each with a response or a status of its own.

        What was answered a moment ago is given together, and for the others the store is asked in
        one round trip.
        """
        requests.check_batch(len(request.requests))
        end = self._monotonic() + context.time_remaining() - _SENDING_SECONDS
        loaded = self._slot.current()
        written = [entry.SerializeToString() for entry in request.requests]
        with collected_facts():  # one entry's would pass for those of the whole call
            known = self._recommendations.all_again(written, loaded)
            lists = [served.delivery for served in known if served is not None]
            results = [b"" if served is None else self._result(served) for served in known]
            unknown = [at for at, served in enumerate(known) if served is None]
            for group in self._groups(unknown, end):
                begun: list[tuple[int, Begun]] = []
                for at in group:
                    deadline = end - (len(results) - at - 1) * _FALLBACK_SECONDS
                    try:
                        self._check_time(end)
                        each = self._begun(request.requests[at], deadline, loaded, written[at])
                        begun.append((at, each))
                    except RecsvcError as error:
                        results[at] = response_codec.failed_result(error)
                is_shared = len(begun) > 1
                if is_shared:
                    self._recommendations.look_up([each for _, each in begun])
                for at, each in begun:
                    started = self._monotonic() if is_shared else None
                    try:
                        self._check_time(end)
                        served = self._recommendations.finish(each, started, may_wait=False)
                    except RecsvcError as error:
                        results[at] = response_codec.failed_result(error)
                        continue
                    lists.append(served.delivery)
                    results[at] = self._result(served)
        note(version_id=loaded.reference.version_id, **_batch_facts(len(results), lists))
        return response_codec.batch_response(results)

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

    def _result(self, served: Served) -> bytes:
        return response_codec.result_of(self._writer.response(served))

    def _begun(
        self, request: api.RecommendRequest, deadline: float, loaded: LoadedModel, written: bytes
    ) -> Begun:
        question = requests.recommend_question(request, self._tokens)
        return self._recommendations.begin(question, deadline, loaded, written)

    def _groups(self, entries: list[int], end: float) -> list[list[int]]:
        """The entries for which the store is asked together.

        In a hurry each comes by itself: what beginning with them all takes the first would lack.
        """
        has_time = end - self._monotonic() > _HURRY * _FALLBACK_SECONDS * len(entries)
        return [entries] if has_time else [[entry] for entry in entries]

    def _check_time(self, end: float) -> None:
        """Refuse an entry of a batch that is at its ``end``."""
        if self._monotonic() >= end:
            raise UnavailableError(
                "no time was left for this entry; ask for fewer at once, or wait longer",
                reason="DEADLINE_EXCEEDED",
            )


def _batch_facts(n_requests: int, lists: Sequence[Delivery]) -> dict[str, int]:
    """What the log line of a batch says of its entries: how many, and how they were made."""
    made = Counter(delivery.served_from.name.lower() for delivery in lists)
    return {
        "n_requests": n_requests,
        "n_failed": n_requests - len(lists),
        "n_degraded": sum(bool(delivery.degraded_reason) for delivery in lists),
        **{f"n_{name}": n for name, n in made.items()},
    }
