"""Errors as gRPC sends them: a code, one line, and details for programs."""

from functools import lru_cache

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_status import rpc_status

from recsvc.errors import (
    InvalidRequestError,
    OverloadedError,
    RateLimitedError,
    RecsvcError,
    StoreUnavailableError,
)

DOMAIN = "recsvc"

INTERNAL_MESSAGE = "an internal error; the server's log has the cause"
STORE_MESSAGE = "what is stored cannot be reached now; try again in a moment"

_REASONS_BY_CODE = {
    StatusCode.INVALID_ARGUMENT: (
        "FIELD_INVALID",
        "PAGE_TOKEN_INVALID",
        "PAGE_TOKEN_MISMATCH",
        "BATCH_TOO_LARGE",
        "FILTER_UNSUPPORTED",
    ),
    StatusCode.NOT_FOUND: (
        "PRODUCT_NOT_FOUND",
        "STORE_NOT_FOUND",
        "MODEL_NOT_FOUND",
        "CUSTOMER_NOT_FOUND",
    ),
    StatusCode.FAILED_PRECONDITION: (
        "MODEL_NOT_ACTIVATABLE",
        "NO_PREVIOUS_MODEL",
        "DURABILITY_UNAVAILABLE",
    ),
    StatusCode.ALREADY_EXISTS: ("REQUEST_ID_REUSED",),
    StatusCode.UNAUTHENTICATED: ("CREDENTIAL_MISSING", "CREDENTIAL_INVALID"),
    StatusCode.PERMISSION_DENIED: ("SCOPE_MISSING", "CUSTOMER_MISMATCH"),
    StatusCode.RESOURCE_EXHAUSTED: ("RATE_LIMITED", "OVERLOADED"),
    StatusCode.ABORTED: ("STREAM_IDLE", "STREAM_UNREAD"),
    StatusCode.UNAVAILABLE: ("WARMING_UP", "DRAINING", "STORE_UNAVAILABLE"),
    StatusCode.UNIMPLEMENTED: ("NOT_YET_AVAILABLE",),
    # No reason of the API: who would read it has stopped waiting.
    StatusCode.DEADLINE_EXCEEDED: ("DEADLINE_EXCEEDED",),
}
_CODES = {reason: code for code, reasons in _REASONS_BY_CODE.items() for reason in reasons}

_RETRY_SECONDS = {
    "WARMING_UP": 1.0,
    "DRAINING": 0.1,
    "STORE_UNAVAILABLE": 1.0,
    "RATE_LIMITED": 1.0,
    "OVERLOADED": 0.25,
}


def code_of(error: Exception) -> StatusCode:
    """The code of an error: that of its reason, INTERNAL for what is not in the API."""
    if not isinstance(error, RecsvcError):
        return StatusCode.INTERNAL
    return _CODES.get(error.reason, StatusCode.INTERNAL)


def to_status(error: Exception) -> Status:
    """What a caller is told of an error.

    The text of an error that is not in the API stays here: it may name paths, or a person.
    """
    code = code_of(error)
    if code is StatusCode.INTERNAL or not isinstance(error, RecsvcError):
        return _status(code, INTERNAL_MESSAGE, [ErrorInfo(reason="INTERNAL", domain=DOMAIN)])
    details: list[Message] = [
        ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if isinstance(error, InvalidRequestError):
        violation = BadRequest.FieldViolation(
            field=error.field, description=error.description, reason=error.reason
        )
        details.append(BadRequest(field_violations=[violation]))
    if isinstance(error, RateLimitedError):
        limit = QuotaFailure.Violation(
            subject=error.metadata.get("caller", ""), description=str(error)
        )
        details.append(QuotaFailure(violations=[limit]))
    if error.reason in _RETRY_SECONDS:
        details.append(RetryInfo(retry_delay=_duration(_retry_seconds(error))))
    return _status(code, _told(error), details)


def to_grpc_status(error: Exception) -> grpc.Status:
    """What a caller is told of an error, as gRPC takes it."""
    # Thousands a second are told so when there is least time for it: few of them differ.
    if type(error) is OverloadedError and error.retry_seconds is not None:
        seconds = round(error.retry_seconds, 2)
        return _overloaded(str(error), error.reason, seconds, *error.metadata.items())
    return _packed(error)


@lru_cache(maxsize=1024)
def _overloaded(
    message: str, reason: str, seconds: float, *metadata: tuple[str, str]
) -> grpc.Status:
    return _packed(
        OverloadedError(message, reason=reason, metadata=dict(metadata), retry_seconds=seconds)
    )


def _packed(error: Exception) -> grpc.Status:
    packed: grpc.Status = rpc_status.to_status(to_status(error))
    return packed


def _retry_seconds(error: RecsvcError) -> float:
    usual = _RETRY_SECONDS[error.reason]
    if isinstance(error, OverloadedError) and error.retry_seconds is not None:
        return error.retry_seconds
    return usual


def _told(error: RecsvcError) -> str:
    # What another library says of a store names hosts and paths.
    is_quoted = isinstance(error, StoreUnavailableError) and error.__cause__ is not None
    return STORE_MESSAGE if is_quoted else str(error)


def _status(code: StatusCode, message: str, details: list[Message]) -> Status:
    packed = []
    for detail in details:
        packed.append(Any())
        packed[-1].Pack(detail)
    return Status(code=code.value[0], message=message, details=packed)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
