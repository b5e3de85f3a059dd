"""Events over the API, without a network: an outcome for each, and repetitions."""

import math
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import pytest
from google.rpc.error_details_pb2 import BadRequest

from recsvc.artifacts.registry import Registry
from recsvc.errors import (
    InvalidRequestError,
    OverloadedError,
    PreconditionError,
    StoreUnavailableError,
)
from recsvc.logs import collected_facts
from recsvc.server.event_servicer import EventServicer
from recsvc.server.replays import Replays, RequestIdReusedError
from recsvc.server.tokens import ConsistencyTokens
from recsvc.service.events import Events
from recsvc.service.ledger_state import Consent
from recsvc.store.memory import InMemoryAnswerStore, InMemoryEventLog, InMemoryProfiles
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as api
from tests.calls import Context
from tests.serving import new_metrics, new_standing
from tests.shoppers import ANNA, BEN, KEY, T0

ACCEPTED, DUPLICATE, REJECTED, DROPPED = (
    api.EVENT_OUTCOME_ACCEPTED,
    api.EVENT_OUTCOME_DUPLICATE,
    api.EVENT_OUTCOME_REJECTED,
    api.EVENT_OUTCOME_DROPPED_NO_CONSENT,
)
CALLER: Any = Context()
"""The context of a call with ten seconds left."""
REQUEST_ID = str(UUID(int=0xABCDEF, version=4))


class Answers(InMemoryAnswerStore):
    """A store that can be down, and that shows what it holds."""

    cannot_get = cannot_put = False

    def get(self, request_id: str, deadline: float = math.inf) -> bytes | None:
        if self.cannot_get:
            raise StoreUnavailableError("down")
        return super().get(request_id, deadline)

    def put(self, request_id: str, answer: bytes, deadline: float = math.inf) -> None:
        if self.cannot_put:
            raise StoreUnavailableError("down")
        super().put(request_id, answer, deadline)


class Bench:
    """The servicer over memory."""

    def __init__(self, registry: Registry, max_events: int = 100) -> None:
        self.standing = new_standing(registry)
        self.log = InMemoryEventLog(lambda: T0, InMemoryProfiles(), max_events=max_events)
        self.answers = Answers()
        self.tokens = ConsistencyTokens(KEY)
        self.servicer = EventServicer(
            Events(self.log, self.standing, new_metrics()[0]),
            self.tokens,
            Replays(self.answers, KEY),
            KEY,
            now=lambda: T0,
        )

    def ingest(self, *events: api.Event, request_id: str = "") -> api.IngestEventsResponse:
        request = api.IngestEventsRequest(events=events, request_id=request_id)
        return self.servicer.IngestEvents(request, CALLER)

    def stream(self, events: Iterable[api.Event]) -> list[api.StreamEventsResponse]:
        requests = (api.StreamEventsRequest(event=event) for event in events)
        return list(self.servicer.StreamEvents(requests, CALLER))


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Registry(tmp_path_factory.mktemp("registry")))


def bought(event_id: str, customer_id: str = "anna", product_id: str = "milk") -> api.Event:
    return api.Event(
        event_id=event_id,
        type=api.EVENT_TYPE_PURCHASE,
        shopper=common.Shopper(customer_id=customer_id),
        items=[common.LineItem(product_id=product_id)],
    )


def outcomes(results: Sequence[api.EventResult]) -> list[tuple[str, int]]:
    return [(result.event_id, result.outcome) for result in results]


def test_one_bad_event_never_fails_the_rest(bench: Bench) -> None:
    """Each has its outcome in its place, and a rejected one says why."""
    bench.standing.set_consent(BEN.key, Consent.WITHDRAWN)
    response = bench.ingest(
        bought("a"), bought("b", product_id=""), bought("c", "ben"), bought("a"), bought(""),
        bought("d"),
    )  # fmt: skip
    assert outcomes(response.results) == [
        ("a", ACCEPTED),
        ("b", REJECTED),
        ("c", DROPPED),
        ("a", DUPLICATE),
        ("", REJECTED),
        ("d", ACCEPTED),
    ]
    assert [one.event_id for one in bench.log.events_of(ANNA.key)] == ["a", "d"]
    bad = BadRequest()
    assert response.results[1].status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == "items[0].product_id"
    assert [result.HasField("status") for result in response.results] == [
        outcome == REJECTED for _, outcome in outcomes(response.results)
    ]
    assert bench.tokens.read(response.consistency_token).ledger == bench.standing.position > 0


def test_events_that_are_all_bad_are_an_answer_too(bench: Bench) -> None:
    """Nothing is stored, and nothing fails."""
    response = bench.ingest(*(bought("", product_id="") for _ in range(1_000)))
    assert {result.outcome for result in response.results} == {REJECTED}
    assert bench.log.length() == 0


def test_a_call_has_its_limits(bench: Bench) -> None:
    """Beyond them it fails as a whole."""
    for n_events, reason in ((0, "FIELD_INVALID"), (1_001, "BATCH_TOO_LARGE")):
        with pytest.raises(InvalidRequestError) as caught:
            bench.ingest(*(bought(str(n)) for n in range(n_events)))
        assert caught.value.reason == reason
    assert bench.log.length() == 0


def test_a_stream_acknowledges_each_event_in_order(bench: Bench) -> None:
    """A bad one does not end it, and each carries a token."""
    events = [bought("a"), bought("b", product_id=""), bought("a"), bought("c")]
    responses = bench.stream(events)
    assert outcomes([response.result for response in responses]) == [
        ("a", ACCEPTED),
        ("b", REJECTED),
        ("a", DUPLICATE),
        ("c", ACCEPTED),
    ]
    assert all(response.consistency_token for response in responses)
    assert bench.stream([]) == []


def test_a_stream_answers_before_the_next_event_comes(bench: Bench) -> None:
    """Who waits for each acknowledgement is not kept waiting."""
    stored: list[int] = []

    def events() -> Iterable[api.Event]:
        for event_id in "abc":
            yield bought(event_id)
            stored.append(bench.log.length())

    assert len(bench.stream(events())) == 3
    assert stored == [1, 2, 3]


def test_a_full_log_ends_the_call(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As overload: what was acknowledged in a stream before that is stored."""
    bench = Bench(Registry(tmp_path_factory.mktemp("registry")), max_events=1)
    answers = bench.servicer.StreamEvents(
        iter([api.StreamEventsRequest(event=bought(event_id)) for event_id in "ab"]), CALLER
    )
    assert next(iter(answers)).result.outcome == ACCEPTED
    with pytest.raises(OverloadedError):
        next(iter(answers))
    assert bench.log.length() == 1


def test_the_log_line_of_a_call_names_nobody(bench: Bench) -> None:
    """How many events there were, and how many were rejected."""
    with collected_facts() as facts:
        bench.ingest(bought("a", "a-very-particular-customer"), bought("b", product_id=""))
    assert facts == {"n_events": 2, "n_rejected": 1}
    with collected_facts() as facts:
        bench.stream([bought("", "ben"), bought("d"), bought("e")])
    assert facts == {"n_events": 3, "n_rejected": 1}


def test_a_repeated_request_gets_the_first_answer(bench: Bench) -> None:
    """Outcomes, reasons and token, whatever has changed in the meantime."""
    events = [bought("a"), bought("b", product_id="")]
    first = bench.ingest(*events, request_id=REQUEST_ID)
    assert outcomes(first.results) == [("a", ACCEPTED), ("b", REJECTED)]
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    assert bench.ingest(*events, request_id=REQUEST_ID) == first
    assert bench.ingest(*events, request_id=REQUEST_ID.upper()) == first
    assert outcomes(bench.ingest(*events).results)[0] == ("a", DROPPED)


def test_a_request_id_is_of_one_request(bench: Bench) -> None:
    """Another one under it is refused, and nothing of it is stored."""
    bench.ingest(bought("a"), request_id=REQUEST_ID)
    with pytest.raises(RequestIdReusedError) as caught:
        bench.ingest(bought("b"), request_id=REQUEST_ID)
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert bench.log.length() == 1


@pytest.mark.parametrize("request_id", ["1", str(UUID(int=7, version=1)), "x" * 100_000])
def test_a_request_id_is_a_uuid4(bench: Bench, request_id: str) -> None:
    """Said before anything is done."""
    with pytest.raises(InvalidRequestError, match="request_id: is no UUID4"):
        bench.ingest(bought("a"), request_id=request_id)
    assert bench.log.length() == 0


@pytest.mark.parametrize("cannot_get", [True, False])
def test_without_the_store_a_repetition_is_answered_anew(bench: Bench, *, cannot_get: bool) -> None:
    """No event fails for it: its own id protects it."""
    bench.answers.cannot_put = True
    bench.answers.cannot_get = cannot_get
    for outcome in (ACCEPTED, DUPLICATE):
        response = bench.ingest(bought("a"), request_id=REQUEST_ID)
        assert outcomes(response.results) == [("a", outcome)]


def test_a_failure_is_no_first_answer(bench: Bench) -> None:
    """The same request may succeed the next time."""
    request = api.IngestEventsRequest(events=[bought("a")], durable=True, request_id=REQUEST_ID)
    for _ in range(2):
        with pytest.raises(PreconditionError, match="kept in memory alone"):
            bench.servicer.IngestEvents(request, CALLER)


def test_what_is_kept_of_an_answer_names_nobody(bench: Bench) -> None:
    """An erasure does not reach it: neither ids nor anything that they could be guessed by."""
    event = bought("order-of-anna", "anna")
    bench.ingest(event, request_id=REQUEST_ID)
    kept = bench.answers.get(REQUEST_ID)
    assert kept is not None
    assert b"anna" not in kept
    another = Replays(bench.answers, b"another key")
    with pytest.raises(RequestIdReusedError):  # so the key is in what the requests are told by
        another.answer(
            api.IngestEventsRequest(events=[event], request_id=REQUEST_ID),
            math.inf,
            api.IngestEventsResponse,
            api.IngestEventsResponse,
        )
