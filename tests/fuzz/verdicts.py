"""What a call may end with: the table of the API, and an ErrorInfo with every error."""

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

CALL_SECONDS: Final = 20.0
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
HANGS: Final = "hangs"
LEFT_EARLY: Final = "left early"
"""In place of a code: the call never ended; the caller did not wait for the end."""
UNHEARD: Final = {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAVAILABLE", LEFT_EARLY}
"""Ends without a word of the service, which may have seen nothing of the call."""
DETAILS: Final = "grpc-status-details-bin"

REASONS: Final = {
    "INVALID_ARGUMENT": {
        *("FIELD_INVALID", "PAGE_TOKEN_INVALID", "PAGE_TOKEN_MISMATCH", "BATCH_TOO_LARGE"),
        "FILTER_UNSUPPORTED",
    },
    "NOT_FOUND": {
        *("PRODUCT_NOT_FOUND", "STORE_NOT_FOUND", "MODEL_NOT_FOUND", "CUSTOMER_NOT_FOUND"),
    },
    "FAILED_PRECONDITION": {
        *("MODEL_NOT_ACTIVATABLE", "NO_PREVIOUS_MODEL", "DURABILITY_UNAVAILABLE"),
    },
    "ALREADY_EXISTS": {"REQUEST_ID_REUSED"},
    "UNAUTHENTICATED": {"CREDENTIAL_MISSING", "CREDENTIAL_INVALID"},
    "PERMISSION_DENIED": {"SCOPE_MISSING", "CUSTOMER_MISMATCH"},
    "RESOURCE_EXHAUSTED": {"RATE_LIMITED", "OVERLOADED"},
    "UNAVAILABLE": {"WARMING_UP", "DRAINING", "STORE_UNAVAILABLE"},
    "ABORTED": {"STREAM_IDLE"},
    "UNIMPLEMENTED": {"NOT_YET_AVAILABLE"},
}
"""What the API promises; the server has its own table, which is what is tested."""
_UNREAD: Final = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}
_WAITS: Final = {"RESOURCE_EXHAUSTED", "UNAVAILABLE"}
_NUMBERS: Final = re.compile(r"\d+|\[[^]]*\]|'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True)
class Verdict:
    """What came of a call.

    Attributes:
        code: name of its status.
        fault: what is wrong with that; empty where nothing is.
        kind: what calls that went the same way have in common.
    """

    code: str
    fault: str
    kind: str


def verdict_of(  # options of one judgement, by keyword
    call: Any,  # noqa: ANN401  # an RpcError that is a Call
    *,
    may_expire: bool,
    n_bytes: int,
    bare: Container[grpc.StatusCode] = (),
) -> Verdict:
    """Judge a call that has ended.

    Args:
        call: the ended call.
        may_expire: its deadline was too short to be kept.
        n_bytes: of its largest message.
        bare: codes that it may end with and say no more.
    """
    code: grpc.StatusCode = call.code()
    if code is grpc.StatusCode.OK:
        return Verdict("OK", "", "OK")
    name, said = code.name, call.details() or ""
    if (code is grpc.StatusCode.DEADLINE_EXCEEDED and may_expire) or (
        # gRPC itself turns it away before anybody reads it, or ends its connection for its age
        # while it comes in.
        code in _UNREAD and n_bytes > MAX_MESSAGE_BYTES
    ):
        return Verdict(name, "", name)
    packed = [value for key, value in call.trailing_metadata() or () if key == DETAILS]
    if not packed and code in bare:
        return Verdict(name, "", name)
    if not packed:
        return Verdict(name, f"{name} without details: {said[:300]}", name)
    try:
        status = Status.FromString(packed[0])
    except DecodeError:
        return Verdict(name, f"{name} with details that cannot be read", name)
    fault, kind = _judged(status, name)
    return Verdict(name, fault, f"{name} {kind}")


def fault_of(status: Status, *, may_expire: bool = False) -> str:
    """What is wrong with the error of one entry of a batch; empty where nothing is."""
    if may_expire and status.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]:
        return ""
    codes = {code.value[0]: code.name for code in grpc.StatusCode}
    return _judged(status, codes.get(status.code, str(status.code)))[0]


def _judged(status: Status, name: str) -> tuple[str, str]:
    infos, fields, waits = [], [], False
    for detail in status.details:
        info, bad = ErrorInfo(), BadRequest()
        if detail.Unpack(info):
            infos.append(info)
        elif detail.Unpack(bad):
            fields += [violation.field for violation in bad.field_violations]
        waits = waits or detail.Is(RetryInfo.DESCRIPTOR)
    reasons = " ".join(info.reason for info in infos)
    kind = f"{reasons} {_NUMBERS.sub('#', f'{fields} {status.message[:80]}')}"
    if name not in REASONS:
        return f"{name}: {status.message[:300]}", kind
    if len(infos) != 1 or infos[0].domain != "recsvc":
        return f"{name} with {len(infos)} ErrorInfo: {status.message[:300]}", kind
    if infos[0].reason not in REASONS[name]:
        return f"{name} for the reason {infos[0].reason}", kind
    if name == "INVALID_ARGUMENT" and not fields:
        return f"{name} that names no field: {status.message[:300]}", kind
    if (name in _WAITS) != waits:
        return f"{name} with{'' if waits else 'out'} RetryInfo", kind
    return "", kind
