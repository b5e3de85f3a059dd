"""Errors as statuses."""

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from recsvc import errors
from recsvc.errors import InvalidRequestError, NotFoundError, RecsvcError, UnavailableError
from recsvc.server.errors import INTERNAL_MESSAGE, code_of, to_grpc_status, to_status
from recsvc.v1 import errors_pb2

API_REASONS = [
    name.removeprefix("ERROR_REASON_")
    for name in errors_pb2.ErrorReason.keys()  # noqa: SIM118  # an enum wrapper is no mapping
    if name not in {"ERROR_REASON_UNSPECIFIED", "ERROR_REASON_INTERNAL"}
]


@pytest.mark.parametrize("reason", API_REASONS)
def test_every_reason_of_the_api_has_a_code_of_its_own(reason: str) -> None:
    """None of them leaves as INTERNAL."""
    assert code_of(RecsvcError("x", reason=reason)) is not StatusCode.INTERNAL


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        errors.RegistryError("/srv/secret"),
        errors.SettingsError("secret"),
        RecsvcError("secret"),
    ],
)
def test_what_is_not_in_the_api_stays_inside(error: Exception) -> None:
    """A fixed message, and the reason INTERNAL."""
    status = to_status(error)
    assert status.code == StatusCode.INTERNAL.value[0]
    assert status.message == INTERNAL_MESSAGE
    assert b"secret" not in status.SerializeToString()
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("INTERNAL", "recsvc")


def test_an_invalid_field_is_named() -> None:
    """In a BadRequest, beside the reason."""
    status = to_status(InvalidRequestError("filter.brands", "too many"))
    bad = BadRequest()
    assert status.details[1].Unpack(bad)
    (violation,) = bad.field_violations
    assert (violation.field, violation.description) == ("filter.brands", "too many")
    assert status.message == "filter.brands: too many"


def test_what_may_be_retried_says_when() -> None:
    """A RetryInfo for who should come back, and none for who should not."""
    retry = RetryInfo()
    assert to_status(UnavailableError("later")).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1000
    assert len(to_status(NotFoundError("no", reason="MODEL_NOT_FOUND")).details) == 1


def test_a_rate_that_is_used_up_is_a_quota() -> None:
    """Of whoever it is, beside when to come back."""
    error = errors.RateLimitedError(
        "more than 5 requests a second", metadata={"caller": "web"}, retry_seconds=0.75
    )
    status, quota, retry = to_status(error), QuotaFailure(), RetryInfo()
    assert status.code == StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert status.details[1].Unpack(quota)
    (violation,) = quota.violations
    assert (violation.subject, violation.description) == ("web", "more than 5 requests a second")
    assert status.details[2].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 750


@pytest.mark.parametrize("metadata", [{}, {"what": "streams"}])
def test_those_who_are_told_the_same_get_the_same_status(metadata: dict[str, str]) -> None:
    """It is made once; delays are told apart by hundredths of a second."""

    def told(message: str, seconds: float) -> grpc.Status:
        error = errors.OverloadedError(message, metadata=metadata, retry_seconds=seconds)
        return to_grpc_status(error)

    status = told("full", 0.2512)
    assert told("full", 0.2488) is status
    assert (status.code, status.details) == (StatusCode.RESOURCE_EXHAUSTED, "full")
    assert told("slow", 0.25).details == "slow"
    ((_, written),) = status.trailing_metadata
    error = errors.OverloadedError("full", metadata=metadata, retry_seconds=0.25)
    assert Status.FromString(written) == to_status(error)
    ((_, later),) = told("full", 0.26).trailing_metadata
    assert later != written
