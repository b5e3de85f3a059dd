"""Every method that the service has, as its descriptors say, and how often it is called."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from recsvc.v1 import (
    catalog_service_pb2,
    customer_service_pb2,
    event_service_pb2,
    model_service_pb2,
    recommendation_service_pb2,
)

_FILES: Final = (
    recommendation_service_pb2,
    event_service_pb2,
    catalog_service_pb2,
    customer_service_pb2,
    model_service_pb2,
)
_STANDARD: Final = (health_pb2, reflection_pb2)
_WEIGHTS: Final = {
    # These wait for the disk, or load a model.
    "ActivateModel": 0.05,
    "RollbackModel": 0.05,
    "EraseCustomer": 0.2,
    "WithdrawProducts": 0.3,
    "RestoreProducts": 0.5,
    # These take a thread of the client for a while.
    "StreamEvents": 0.2,
    "StreamBatchRecommend": 0.2,
    "ExportCustomer": 0.2,
    "ServerReflectionInfo": 0.2,
    "Watch": 0.2,
    "Recommend": 4.0,
}


@dataclass(frozen=True)
class Method:
    """A method.

    Attributes:
        name: ``Service.Method``.
        path: as gRPC calls it.
        request: class of what it takes.
        response: class of what it gives.
        is_streamed: whether requests, and whether responses, come as a stream.
        weight: how often it is called, beside the others.
        is_ours: whether it is of the API, which says how it ends; else gRPC's protocols do.
        asks_nobody: whether it is for everybody, whatever they show.
        ends: whether it ends by itself.
    """

    name: str
    path: str
    request: type[Message]
    response: type[Message]
    is_streamed: tuple[bool, bool]
    weight: float
    is_ours: bool
    asks_nobody: bool
    ends: bool


def methods() -> Iterator[Method]:
    """Every method there is."""
    for file in (*_FILES, *_STANDARD):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield Method(
                    name=f"{service.name}.{method.name}",
                    path=f"/{service.full_name}/{method.name}",
                    request=GetMessageClass(method.input_type),
                    response=GetMessageClass(method.output_type),
                    is_streamed=(method.client_streaming, method.server_streaming),
                    weight=_WEIGHTS.get(method.name, 1.0),
                    is_ours=file in _FILES,
                    asks_nobody=file is health_pb2,
                    ends=method.name != "Watch",
                )
