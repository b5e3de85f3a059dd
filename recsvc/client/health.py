"""Whether a server can answer, by gRPC's standard health protocol."""

from typing import cast

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from recsvc.client.errors import to_error
from recsvc.errors import NotFoundError


def health_of(
    target: str,
    service: str = "",
    *,
    credentials: grpc.ChannelCredentials | None = None,
    server_name: str = "",
    deadline_seconds: float = 2.0,
) -> str:
    """Ask once, over a connection of its own.

    Args:
        target: ``HOST:PORT``.
        service: such as ``recsvc.v1.ModelService``; ``""`` the server as a whole.
        credentials: of TLS; None speaks plain text.
        server_name: whom its certificate must be for; ``""`` the target's host.
        deadline_seconds: how long it may take, the connection included.

    Returns:
        ``SERVING``, or what it is instead: ``NOT_SERVING`` without a model and while it stops.

    Raises:
        NotFoundError: the server has no such service.
        UnavailableError: it cannot be reached, or says nothing in time.
    """
    options = [("grpc.ssl_target_name_override", server_name)] if server_name else []
    channel = (
        grpc.insecure_channel(target)
        if credentials is None
        else grpc.secure_channel(target, credentials, options)
    )
    with channel:
        try:
            answer = HealthStub(channel).Check(
                HealthCheckRequest(service=service), timeout=deadline_seconds
            )
        except grpc.RpcError as error:
            call = cast(grpc.Call, error)  # it is one as well, though the types do not say so
            if call.code() is grpc.StatusCode.NOT_FOUND:
                raise NotFoundError(f"{target} has no service {service!r}; leave it out") from error
            raise to_error(call, target, deadline_seconds) from error
    name: str = HealthCheckResponse.ServingStatus.Name(answer.status)
    return name
