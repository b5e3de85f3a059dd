"""Every RPC with every credential over a real channel, and the table that comes of it."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from recsvc.access.api_keys import new_key, write_api_keys
from recsvc.access.scopes import Scope
from tests.serving import LocalServer, local_server

ISSUER, AUDIENCE = "https://idp.example", "recsvc"
TRUSTED, STRANGE = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
ALL = " ".join(Scope)
PASSES = "passes"

METHODS: dict[str, MethodDescriptor] = {
    f"{service.name}/{method.name}": method
    for file in ("recommendation", "event", "catalog", "customer", "model")
    for service in import_module(
        f"recsvc.v1.{file}_service_pb2"
    ).DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def questions(customer_id: str) -> dict[str, Any]:
    """A request for each RPC that is about a customer, where it is about anybody.

    What would change something that others need is asked wrongly: the answer is then another error
    than that of who may not ask.
    """
    shopper = {"shopper": {"customer_id": customer_id}}
    event = {"type": "EVENT_TYPE_VIEW", "items": [{"product_id": "milk"}], **shopper}
    return {
        "RecommendationService/Recommend": shopper,
        "RecommendationService/BatchRecommend": {"requests": [{}, shopper]},
        "RecommendationService/StreamBatchRecommend": {"request": shopper},
        "RecommendationService/ListSimilarProducts": {"product_id": "milk", **shopper},
        "RecommendationService/ListBoughtTogether": {"product_ids": ["milk"], **shopper},
        "RecommendationService/ListBuyAgain": shopper,
        "EventService/IngestEvents": {"events": [event]},
        "EventService/StreamEvents": {"event": event},
        "CustomerService/GetCustomer": {"customer_id": customer_id},
        "CustomerService/UpdateCustomer": {
            "customer": {"customer_id": customer_id, "consent": "CONSENT_GRANTED"},
            "update_mask": "consent",
            "allow_missing": True,
        },
        "CustomerService/LinkVisitor": {"visitor_id": "device", "customer_id": customer_id},
        "CustomerService/EraseCustomer": {"customer_id": customer_id},
        "CustomerService/ExportCustomer": {"customer_id": customer_id},
    }


def signed(key: Any = TRUSTED, algorithm: str = "ES256", **changes: object) -> str:  # noqa: ANN401  # of any kind
    """A good token of anna's with every scope, with changes; None takes a claim away."""
    good = {
        "sub": "anna",
        "exp": int(time.time()) + 600,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "scope": ALL,
    }
    claims = {name: value for name, value in (good | changes).items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": "one"})


def public_key_set(*keys: ec.EllipticCurvePrivateKey) -> str:
    """What an issuer publishes."""
    algorithm = jwt.get_algorithm_by_name("ES256")
    public = [algorithm.to_jwk(key.public_key(), as_dict=True) for key in keys]
    return json.dumps({"keys": [{**key, "kid": "one"} for key in public]})


@dataclass(frozen=True)
class Door:
    """A server that asks for credentials, and keys to it."""

    server: LocalServer
    keys_file: Path
    tokens_file: Path
    keys: dict[str, str]
    """API keys: one of each scope by its name, ``all`` of them, and one that was ``revoked``."""


@contextmanager
def guarded_server(registry: Path, directory: Path, **settings: Any) -> Iterator[Door]:
    """Run a worker in this process that asks for credentials."""
    keys_file, tokens_file = directory / "keys.json", directory / "jwks.json"
    made = {scope.value: new_key(scope.value, [scope], datetime.now(UTC)) for scope in Scope}
    made["all"] = new_key("all", Scope, datetime.now(UTC))
    keys_file.write_bytes(write_api_keys(key for key, _ in made.values()))
    made["revoked"] = new_key("revoked", Scope, datetime.now(UTC))
    tokens_file.write_text(public_key_set(TRUSTED))
    given = {
        "api_keys_file": keys_file,
        "jwt_keys_file": tokens_file,
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
    }
    with local_server(registry, **(given | settings)) as server:
        secrets = {name: secret for name, (_, secret) in made.items()}
        yield Door(server, keys_file, tokens_file, secrets)


def call(
    channel: grpc.Channel, method: str, credential: str | None, customer_id: str = "anna"
) -> str:
    """Call an RPC.

    Args:
        channel: to a server.
        method: ``Service/Method``.
        credential: as a bearer token; None sends nothing.
        customer_id: whom the request is about.

    Returns:
        :data:`PASSES`, whatever came of it, or the code and the reason of who was turned away.
    """
    described = METHODS[method]
    request = GetMessageClass(described.input_type)()
    ParseDict(questions(customer_id).get(method, {}), request)
    metadata = () if credential is None else (("authorization", f"Bearer {credential}"),)
    try:
        _consume(_stub(channel, described), described, request, metadata)
    except grpc.RpcError as error:
        return _refused(error)
    return PASSES


def _stub(channel: grpc.Channel, method: MethodDescriptor) -> Any:  # noqa: ANN401  # a callable of gRPC
    make = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }[method.client_streaming, method.server_streaming]
    return make(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )


def _consume(stub: Any, method: MethodDescriptor, request: Message, metadata: Any) -> None:  # noqa: ANN401  # gRPC's
    requests: Message | Iterable[Message] = iter([request]) if method.client_streaming else request
    answer = stub(requests, timeout=20, metadata=metadata)
    if method.server_streaming:
        list(answer)


def _refused(error: Any) -> str:  # noqa: ANN401  # an RpcError that is a Call as well
    status = rpc_status.from_call(error)
    assert status is not None, error
    info = ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    code: grpc.StatusCode = error.code()
    assert code not in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}, error
    if code in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}:
        return f"{code.name} {info.reason}"
    return PASSES
