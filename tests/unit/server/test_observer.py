"""What is seen of a call."""

from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from recsvc.errors import NotFoundError, StoreUnavailableError
from recsvc.logs import note
from recsvc.server.observer import Observed, Observer, count_defects
from recsvc.server.patience import UnreadError
from tests.calls import AbortedError, Context
from tests.serving import Log, new_metrics

METHOD = "RecommendationService/Recommend"


class Bench:
    """An observer, and what it leaves behind."""

    def __init__(self) -> None:
        self.log = Log()
        metrics, self.numbers = new_metrics()
        self._observer = Observer(METHOD, metrics, self.log.logger)

    def observed(self, context: Any) -> Observed:  # noqa: ANN401  # as much of one as is used
        return Observed(self._observer, context)

    def failed(self, error: BaseException) -> Any:  # noqa: ANN401  # grpc_status has no types
        """The status that a call ends with in which this was raised."""
        context = Context()
        with pytest.raises(AbortedError), self.observed(context):
            raise error
        return context.status

    def line(self) -> dict[str, Any]:
        (line,) = self.log.lines("request")
        return line


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_call_is_timed_counted_and_logged(bench: Bench) -> None:
    """Once, with what was noted on the way."""
    value = bench.numbers.get_sample_value
    with bench.observed(Context()):
        note(n_items=3)
        assert value("recsvc_requests_in_flight") == 1
    assert (bench.line()["code"], bench.line()["n_items"]) == ("OK", 3)
    assert value("recsvc_requests_total", {"method": METHOD, "code": "OK"}) == 1
    assert value("recsvc_requests_in_flight") == 0
    assert value("recsvc_request_seconds_count", {"method": METHOD}) == 1


def test_a_method_without_a_defect_has_a_count_of_none() -> None:
    """From the start, and its first defect adds to it."""
    metrics, numbers = new_metrics()
    count_defects(metrics, [METHOD])
    labels = {"method": METHOD, "code": "INTERNAL"}
    assert numbers.get_sample_value("recsvc_requests_total", labels) == 0
    Observer(METHOD, metrics, Log().logger).record("INTERNAL", 0.0, ValueError("ours"), {})
    assert numbers.get_sample_value("recsvc_requests_total", labels) == 1


def test_an_error_becomes_a_status(bench: Bench) -> None:
    """With the reason in the log line."""
    status = bench.failed(NotFoundError("no such model", reason="MODEL_NOT_FOUND"))
    assert status.code is grpc.StatusCode.NOT_FOUND
    assert status.details == "no such model"
    assert bench.line()["reason"] == "MODEL_NOT_FOUND"
    assert bench.line()["level"] == "info"
    assert in_flight(bench.numbers) == 0


def test_a_defect_is_logged_with_its_trace_and_told_to_nobody(bench: Bench) -> None:
    """The caller learns that it was our fault, and no more."""
    status = bench.failed(ZeroDivisionError("the secret cause"))
    assert status.code is grpc.StatusCode.INTERNAL
    assert "secret" not in status.details
    assert bench.line()["level"] == "error"
    assert "the secret cause" in bench.line()["exception"]


def test_the_cause_of_a_dead_store_is_for_the_log_alone(bench: Bench) -> None:
    """Another library's words may name hosts and paths."""
    error = StoreUnavailableError("no answer from 10.0.0.5")
    error.__cause__ = OSError("10.0.0.5")
    status = bench.failed(error)
    assert status.code is grpc.StatusCode.UNAVAILABLE
    assert "10.0.0.5" not in status.details
    assert bench.line()["error"] == "no answer from 10.0.0.5"


def test_a_method_that_nobody_wrote_yet_says_so(bench: Bench) -> None:
    """Generated base classes raise this error for all that is not filled in."""
    status = bench.failed(NotImplementedError())
    assert status.code is grpc.StatusCode.UNIMPLEMENTED
    assert METHOD in status.details


def test_a_caller_who_left_is_not_counted_as_answered(bench: Bench) -> None:
    """The work was done, and nobody read it."""
    with bench.observed(Context(is_active=False)):
        pass
    assert bench.line()["code"] == "CANCELLED"


def test_a_caller_who_leaves_a_stream_is_no_error(bench: Bench) -> None:
    """Whoever hangs up fills no log with our faults."""
    context = Context(is_active=False)
    with bench.observed(context):
        raise grpc.RpcError  # as gRPC does
    assert (bench.line()["code"], bench.line()["level"]) == ("CANCELLED", "info")
    assert context.status is None


def test_who_has_been_told_already_is_told_nothing(bench: Bench) -> None:
    """A stream that nobody reads was ended from outside; its line says why."""
    context = Context()
    with bench.observed(context):
        raise UnreadError("an answer was not read")
    assert bench.line()["reason"] == "STREAM_UNREAD"
    assert context.status is None


def test_the_end_of_the_process_is_not_held_up(bench: Bench) -> None:
    """What is no error of the call goes on, and the call is over all the same."""
    with pytest.raises(KeyboardInterrupt), bench.observed(Context()):
        raise KeyboardInterrupt
    assert in_flight(bench.numbers) == 0


def in_flight(numbers: CollectorRegistry) -> float | None:
    return numbers.get_sample_value("recsvc_requests_in_flight")
