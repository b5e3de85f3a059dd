"""What a server answered, as the errors of recsvc."""

import re

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from recsvc.errors import (
    CredentialError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    NotYetAvailableError,
    OverloadedError,
    PreconditionError,
    RecsvcError,
    StreamEndedError,
    UnavailableError,
)

_CLASSES: dict[grpc.StatusCode, type[RecsvcError]] = {
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionError,
    grpc.StatusCode.UNAUTHENTICATED: CredentialError,
    grpc.StatusCode.PERMISSION_DENIED: ForbiddenError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.ABORTED: StreamEndedError,
    grpc.StatusCode.UNIMPLEMENTED: NotYetAvailableError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: UnavailableError,
    grpc.StatusCode.CANCELLED: UnavailableError,
}

_REFUSED = re.compile(r"CERTIFICATE_VERIFY_FAILED(?:: ([^:;\n]*))?")
_NOT_NOW = {"certificate has expired", "certificate is not yet valid"}
_UNTRUSTED = ("self signed", "unable to get", "unable to verify")
"""Why BoringSSL takes no certificate, in its own words: its time, its authority."""


def to_error(
    error: grpc.Call | grpc.aio.AioRpcError, target: str, deadline_seconds: float | None
) -> RecsvcError:
    """The error that a failed call stands for.

    Args:
        error: as a stub raised it; every error of a stub is the call as well.
        target: ``HOST:PORT`` that was called.
        deadline_seconds: how long the caller waited; None had no end.
    """
    code, info = error.code(), _info(error)
    message = error.details() or code.name
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:  # whichever side noticed it first
        within = "in time" if deadline_seconds is None else f"within {deadline_seconds:g} s"
        return UnavailableError(
            f"{target} did not answer {within}; try again, or wait longer with deadline_seconds",
            reason=code.name,
        )
    if info is None and code is grpc.StatusCode.UNAVAILABLE:
        return UnavailableError(f"cannot reach {target}{_hint(message)}", reason="UNREACHABLE")
    if info is None and code is grpc.StatusCode.CANCELLED:
        return was_cancelled(target)
    if info is None and code is grpc.StatusCode.ABORTED:
        # Details would wait behind the answers that this client has not read.
        return StreamEndedError(message, reason="STREAM_UNREAD")
    reason = code.name if info is None else info.reason
    metadata = {} if info is None else dict(info.metadata)
    if code is grpc.StatusCode.INVALID_ARGUMENT and "field" in metadata:
        field = metadata["field"]
        return InvalidRequestError(field, message.removeprefix(f"{field}: "), reason=reason)
    return _CLASSES.get(code, RecsvcError)(message, reason=reason, metadata=metadata)


def _hint(message: str) -> str:
    """What may be done, by the words in which gRPC says why it has no connection."""
    if "WRONG_VERSION_NUMBER" in message:
        return " over TLS: it speaks plain text; leave the credentials of TLS out"
    if "Hostname Verification Check failed" in message:
        return (
            " over TLS: its certificate is for another name; call it by one that the certificate "
            "has, or give it one that has this"
        )
    if refused := _REFUSED.search(message):
        return f" over TLS: {_of_certificate(refused[1] or 'no reason is given')}"
    if message.endswith("Socket closed"):
        return (
            ": it closed the connection, as one does that wants TLS, or a client's certificate; "
            "give what it wants (tls_credentials, RECSVC_TARGET_CA), or name another server"
        )
    return "; start a server with recsvc serve, or name another one"


def _of_certificate(why: str) -> str:
    if why in _NOT_NOW:
        return f"its {why}; it needs one that holds now"
    if why.startswith(_UNTRUSTED):
        return (
            f"its certificate is of no authority that is trusted here ({why}); trust its authority "
            "(tls_credentials, RECSVC_TARGET_CA)"
        )
    return f"its certificate is not taken ({why}); it needs another one"


def was_cancelled(target: str) -> UnavailableError:
    """The error of a call that neither its caller nor this client has ended."""
    return UnavailableError(
        f"{target} has not answered: it shut down; try again",
        reason=grpc.StatusCode.CANCELLED.name,
    )


def was_closed(target: str) -> UnavailableError:
    """The error of a call with a client that is closed, or was while the call was under way."""
    return UnavailableError(
        f"{target} was not asked, or not heard out: this client is closed; make another one",
        reason="CLIENT_CLOSED",
    )


def was_dropped(error: grpc.Call | grpc.aio.AioRpcError) -> bool:
    """Whether a server that shut down dropped a call before any of its code saw it.

    gRPC's core says so in these bare words, where UNAVAILABLE would be true (grpc/grpc#41785). Who
    cancels on purpose, this client included, says something else.
    """
    cancelled = grpc.StatusCode.CANCELLED
    is_bare = not error.initial_metadata() and not error.trailing_metadata()
    return error.code() is cancelled and error.details() == cancelled.name and is_bare


def _info(call: grpc.Call | grpc.aio.AioRpcError) -> ErrorInfo | None:
    status = rpc_status.from_call(call)
    if status is not None:
        for detail in status.details:
            info = ErrorInfo()
            if detail.Unpack(info):
                return info
    return None
