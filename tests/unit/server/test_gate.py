"""The gate before a method, without a network."""

from collections.abc import Iterator
from typing import Any

import pytest

from recsvc.access.credential import Credential
from recsvc.errors import CredentialError, ForbiddenError
from recsvc.server.gate import Gate
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events

STREAM = "EventService/StreamEvents"
UNARY = "EventService/IngestEvents"


class Context:
    """As much of a ``ServicerContext`` as the gate uses."""

    def __init__(self, *values: str) -> None:
        self._values = values

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("user-agent", "test"), *(("authorization", value) for value in self._values))


class Bench:
    """A gate that believes what it is told to."""

    def __init__(self) -> None:
        self.known = {
            "t": Credential("anna", frozenset({"events"}), 0),
            "recsvc_k": Credential("", frozenset({"events"}), 0, name="web"),
        }
        self.gate = Gate(self.check, self.check)
        self.n_read = 0

    def check(self, secret: str) -> Credential:
        if secret not in self.known:
            raise CredentialError("unknown")
        return self.known[secret]

    def call(self, method: str, request: Any, *values: str, is_stream: bool = False) -> Any:  # noqa: ANN401  # any message
        def asked(given: Any) -> Any:  # noqa: ANN401  # any message
            self.n_read += 1
            return given

        guarded = self.gate.guarded(method, lambda read, _: read, asked, is_stream=is_stream)
        context: Any = Context(*values)
        return guarded(request, context)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def event(customer_id: str) -> events.StreamEventsRequest:
    shopper = common.Shopper(customer_id=customer_id)
    return events.StreamEventsRequest(event=events.Event(shopper=shopper))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((), "CREDENTIAL_MISSING"),
        (("",), "CREDENTIAL_MISSING"),
        (("t",), "CREDENTIAL_INVALID"),
        (("Basic t",), "CREDENTIAL_INVALID"),
        (("Bearer",), "CREDENTIAL_INVALID"),
        (("Bearer ",), "CREDENTIAL_INVALID"),
        (("Bearer  t",), "CREDENTIAL_INVALID"),
        (("Bearer t", "Bearer t"), "CREDENTIAL_INVALID"),
        (("", "Bearer t"), "CREDENTIAL_INVALID"),
    ],
)
def test_nothing_is_read_for_who_shows_no_credential(
    bench: Bench, values: tuple[str, ...], reason: str
) -> None:
    """Nor of anybody whose credential cannot be told for sure."""
    with pytest.raises(CredentialError) as caught:
        bench.call(UNARY, events.IngestEventsRequest(), *values)
    assert caught.value.reason == reason
    assert bench.n_read == 0


@pytest.mark.parametrize("value", ["Bearer t", "bearer t", "BEARER recsvc_k"])
def test_a_bearer_passes_whatever_the_case_of_the_word(bench: Bench, value: str) -> None:
    """As RFC 7235 has it."""
    request = events.IngestEventsRequest()
    assert bench.call(UNARY, request, value) is request


def test_a_stream_ends_with_its_credential(bench: Bench) -> None:
    """It may be open for days: what was revoked meanwhile, or has expired, sends nothing more."""
    given = iter([event("anna"), event("anna")])
    stream = bench.call(STREAM, given, "Bearer t", is_stream=True)
    assert next(stream).event.shopper.customer_id == "anna"
    del bench.known["t"]
    with pytest.raises(CredentialError):
        next(stream)


def test_a_stream_ends_at_the_first_message_about_another(bench: Bench) -> None:
    """Alone, or in a group; a service's key may name anybody."""
    mixed = [event("anna"), event("berta")]
    stream = bench.call(STREAM, iter(mixed), "Bearer t", is_stream=True)
    next(stream)
    with pytest.raises(ForbiddenError) as caught:
        next(stream)
    assert caught.value.reason == "CUSTOMER_MISMATCH"
    groups: Iterator[Any] = iter([mixed])
    stream = bench.call(STREAM, groups, "Bearer t", is_stream=True)
    assert next(stream) == mixed[:1]
    with pytest.raises(ForbiddenError):
        next(stream)
    with pytest.raises(ForbiddenError):
        next(bench.call(STREAM, iter([mixed[1:]]), "Bearer t", is_stream=True))
    assert len(list(bench.call(STREAM, iter(mixed), "Bearer recsvc_k", is_stream=True))) == 2


def test_any_credential_admits_where_no_scope_is_asked(bench: Bench) -> None:
    """As for reflection."""
    context: Any = Context("Bearer t")
    bench.gate.admit(context)
    stranger: Any = Context("Bearer x")
    with pytest.raises(CredentialError):
        bench.gate.admit(stranger)


@pytest.mark.parametrize(
    ("method", "secret"),
    [
        ("CatalogService/GetProduct", "recsvc_k"),
        ("CatalogService/GetProduct", "t"),
        ("CatalogService/WithdrawProducts", "all"),
    ],
)
def test_a_scope_that_lacks_is_named(bench: Bench, method: str, secret: str) -> None:
    """For people and for programs; a shopper's token never has that of a service."""
    bench.known["all"] = Credential("anna", frozenset({"events", "catalog"}), 0)
    with pytest.raises(ForbiddenError, match="lacks the scope catalog") as caught:
        bench.call(method, None, f"Bearer {secret}")
    assert caught.value.reason == "SCOPE_MISSING"
    assert caught.value.metadata == {"scope": "catalog"}
    assert bench.n_read == 0


def test_a_kind_of_credential_that_is_not_set_up_is_refused() -> None:
    """Keys where there are only tokens, and the reverse."""
    bench = Bench()
    bench.gate = Gate(None, bench.check)
    with pytest.raises(CredentialError, match="no credential of this kind"):
        bench.call(UNARY, events.IngestEventsRequest(), "Bearer recsvc_k")
    bench.gate = Gate(bench.check, None)
    with pytest.raises(CredentialError, match="no credential of this kind"):
        bench.call(UNARY, events.IngestEventsRequest(), "Bearer t")


def test_who_passes_is_counted(bench: Bench) -> None:
    """By each message, and nobody who may not pass."""
    charged: list[tuple[str, object]] = []
    bench.gate = Gate(bench.check, bench.check, lambda who, what: charged.append((who.name, what)))
    bench.call(UNARY, "events", "Bearer recsvc_k")
    list(bench.call(STREAM, ["one", "two"], "Bearer recsvc_k", is_stream=True))
    with pytest.raises(ForbiddenError):
        bench.call("CatalogService/GetProduct", "product", "Bearer recsvc_k")
    assert charged == [("web", "events"), ("web", "one"), ("web", "two")]
