"""The models over gRPC: convert, call the use case, convert back."""

import grpc

from recsvc.errors import NotYetAvailableError
from recsvc.logs import note
from recsvc.server.context import deadline_of
from recsvc.server.fields import check_id
from recsvc.server.messages import timestamp
from recsvc.server.tokens import PageTokens
from recsvc.service.model_admin import ModelAdmin, ModelDescription
from recsvc.v1 import model_service_pb2 as models
from recsvc.v1 import model_service_pb2_grpc as models_grpc


class ModelServicer(models_grpc.ModelServiceServicer):
    """``recsvc.v1.ModelService``.

    Args:
        admin: the use cases.
        key: secret that page tokens are signed with.
    """

    def __init__(self, admin: ModelAdmin, key: bytes) -> None:
        self._admin = admin
        self._pages = PageTokens(key, b"models")

    def ListModels(  # noqa: N802  # the API's name
        self,
        request: models.ListModelsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
    ) -> models.ListModelsResponse:
        """List versions, the newest first."""
        after = self._pages.read(request.page_token).decode()
        page = self._admin.versions(request.page_size, after)
        return models.ListModelsResponse(
            models=[_model_message(model) for model in page.models],
            next_page_token=self._pages.write(page.last_version_id.encode()),
        )

    def GetModel(  # noqa: N802  # the API's name
        self,
        request: models.GetModelRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
    ) -> models.GetModelResponse:
        """Describe one version."""
        check_id("version_id", request.version_id, required=True)
        return models.GetModelResponse(
            model=_model_message(self._admin.version(request.version_id))
        )

    def ActivateModel(  # noqa: N802  # the API's name
        self, request: models.ActivateModelRequest, context: grpc.ServicerContext
    ) -> models.ActivateModelResponse:
        """Make a version current."""
        check_id("version_id", request.version_id, required=True)
        _refuse_request_id(request.request_id)
        change = self._admin.activate(request.version_id, deadline_of(context))
        note(version_id=change.model.version_id)
        return models.ActivateModelResponse(
            model=_model_message(change.model),
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
            model=_model_message(change.model),
            previous_version_id=change.previous_version_id,
        )


def _model_message(model: ModelDescription) -> models.Model:
    """Write the description of a model."""
    return models.Model(
        model_id=model.model_id,
        version_id=model.version_id,
        train_time=timestamp(model.train_time),
        state=f"MODEL_STATE_{model.state.name}",
        generation=model.generation,
        metrics=model.metrics,
        data_start_time=timestamp(model.data_start),
        data_end_time=timestamp(model.data_end),
        code_version=model.code_version,
        **model.counts,
    )


def _refuse_request_id(request_id: str) -> None:
    """A repetition that is not recognised would be a second change: say so beforehand."""
    if request_id:
        raise NotYetAvailableError(
            "request_id: repetitions are not recognised yet; ask without one"
        )
