"""The methods of the API: convert, call the use case, convert back.

A method that is not here comes from its generated base class, and the interceptor answers it
with NOT_YET_AVAILABLE.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

import grpc

from recsvc.errors import (
    InvalidRequestError,
    NotYetAvailableError,
    RecsvcError,
    UnavailableError,
)
from recsvc.server import requests, responses
from recsvc.server.errors import to_status
from recsvc.server.tokens import Signer, Tokens
from recsvc.service.model_admin import ModelAdmin
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.recommendations import Recommendations
from recsvc.telemetry import collected_facts, note
from recsvc.v1 import model_service_pb2 as models
from recsvc.v1 import model_service_pb2_grpc as models_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc

# What the entries of a batch leave of its time: to put the answer together and send it, and for
# each entry that is still to come, to list at least what sells at the place.
_SENDING_SECONDS = 0.01
_FALLBACK_SECONDS = 0.002


def deadline_of(context: grpc.ServicerContext) -> float:
    """When the caller stops waiting, monotonic seconds."""
    return time.monotonic() + context.time_remaining()


class RecommendationServicer(api_grpc.RecommendationServiceServicer):
    """``recsvc.v1.RecommendationService``.

    Args:
        slot: the current model.
        recommendations: the use case.
        tokens: reads the tokens of requests.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        slot: ModelSlot,
        recommendations: Recommendations,
        tokens: Tokens,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._recommendations = recommendations
        self._tokens = tokens
        self._monotonic = monotonic

    def Recommend(  # noqa: N802  # the API's name
        self, request: api.RecommendRequest, context: grpc.ServicerContext
    ) -> api.RecommendResponse:
        """Recommend products for a shopper."""
        return self._recommend(request, deadline_of(context), self._slot.current())

    def BatchRecommend(  # noqa: N802  # the API's name
        self, request: api.BatchRecommendRequest, context: grpc.ServicerContext
    ) -> api.BatchRecommendResponse:
        """Answer several questions, each with a response or a status of its own."""
        requests.check_batch(len(request.requests))
        end = self._monotonic() + context.time_remaining() - _SENDING_SECONDS
        loaded = self._slot.current()
        results = []
        for n_before, entry in enumerate(request.requests):
            n_after = len(request.requests) - n_before - 1
            deadline = end - n_after * _FALLBACK_SECONDS
            results.append(self._result(entry, end, deadline, loaded))
        note(version_id=loaded.reference.version_id, **_batch_facts(results))
        return api.BatchRecommendResponse(results=results)

    def ListSimilarProducts(  # noqa: N802  # the API's name
        self,
        request: api.ListSimilarProductsRequest,
        context: grpc.ServicerContext,
    ) -> api.ListSimilarProductsResponse:
        """List products like one."""
        question = requests.similar_question(request, self._tokens)
        computed = self._recommendations.similar(request.product_id, question, deadline_of(context))
        note(n_items=len(computed.answer.items))
        return responses.similar_response(computed)

    def _recommend(
        self, request: api.RecommendRequest, deadline: float, loaded: LoadedModel
    ) -> api.RecommendResponse:
        question = requests.recommend_question(request, self._tokens)
        served = self._recommendations.recommend(question, deadline, loaded)
        response = responses.recommend_response(served)
        note(
            n_items=len(response.recommendations),
            version_id=response.serving.model.version_id,
        )
        return response

    def _result(
        self, request: api.RecommendRequest, end: float, deadline: float, loaded: LoadedModel
    ) -> api.RecommendResult:
        """Answer an entry by its ``deadline``, or say that the whole batch is at its ``end``."""
        try:
            if self._monotonic() >= end:
                raise UnavailableError(
                    "no time was left for this entry; ask for fewer at once, or wait longer",
                    reason="DEADLINE_EXCEEDED",
                )
            with collected_facts():  # one entry's would pass for those of the whole call
                return api.RecommendResult(response=self._recommend(request, deadline, loaded))
        except RecsvcError as error:
            return api.RecommendResult(status=to_status(error))


def _batch_facts(results: Sequence[api.RecommendResult]) -> dict[str, int]:
    """What the log line of a batch says of its entries: how many, and how they were made."""
    lists = [result.response for result in results if result.HasField("response")]
    made = Counter(api.ServedFrom.Name(answer.serving.served_from) for answer in lists)
    return {
        "n_requests": len(results),
        "n_failed": len(results) - len(lists),
        "n_degraded": sum(answer.serving.degraded for answer in lists),
        **{f"n_{name.removeprefix('SERVED_FROM_').lower()}": n for name, n in made.items()},
    }


class ModelServicer(models_grpc.ModelServiceServicer):
    """``recsvc.v1.ModelService``.

    Args:
        admin: the use cases.
        key: secret that page tokens are signed with.
    """

    def __init__(self, admin: ModelAdmin, key: bytes) -> None:
        self._admin = admin
        self._signer = Signer(key, b"models")

    def ListModels(  # noqa: N802  # the API's name
        self,
        request: models.ListModelsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
    ) -> models.ListModelsResponse:
        """List versions, the newest first."""
        page = self._admin.versions(request.page_size, self._read_token(request.page_token))
        return models.ListModelsResponse(
            models=[responses.model_message(model) for model in page.models],
            next_page_token=self._token(page.last_version_id) if page.last_version_id else "",
        )

    def GetModel(  # noqa: N802  # the API's name
        self,
        request: models.GetModelRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
    ) -> models.GetModelResponse:
        """Describe one version."""
        requests.check_id("version_id", request.version_id, required=True)
        return models.GetModelResponse(
            model=responses.model_message(self._admin.version(request.version_id))
        )

    def ActivateModel(  # noqa: N802  # the API's name
        self, request: models.ActivateModelRequest, context: grpc.ServicerContext
    ) -> models.ActivateModelResponse:
        """Make a version current."""
        requests.check_id("version_id", request.version_id, required=True)
        _refuse_request_id(request.request_id)
        change = self._admin.activate(request.version_id, deadline_of(context))
        note(version_id=change.model.version_id)
        return models.ActivateModelResponse(
            model=responses.model_message(change.model),
            previous_version_id=change.previous_version_id,
        )

    def RollbackModel(  # noqa: N802  # the API's name
        self, request: models.RollbackModelRequest, context: grpc.ServicerContext
    ) -> models.RollbackModelResponse:
        """Make the version before the current one current again."""
        _refuse_request_id(request.request_id)
        change = self._admin.roll_back(deadline_of(context))
        note(version_id=change.model.version_id)
        return models.RollbackModelResponse(
            model=responses.model_message(change.model),
            previous_version_id=change.previous_version_id,
        )

    def _token(self, version_id: str) -> str:
        return self._signer.token(version_id.encode())

    def _read_token(self, token: str) -> str:
        if not token:
            return ""
        content = self._signer.content(token)
        if content is None:
            raise InvalidRequestError(
                "page_token",
                "was not made by this service; ask without one",
                reason="PAGE_TOKEN_INVALID",
            )
        return content.decode()


def _refuse_request_id(request_id: str) -> None:
    """A repetition that is not recognised would be a second change: say so beforehand."""
    if request_id:
        raise NotYetAvailableError(
            "request_id: repetitions are not recognised yet; ask without one"
        )
