"""``recsvc.v1.EventService``: convert, call the use case, convert back."""

import time
from collections.abc import Callable, Iterable, Iterator

import grpc

from recsvc.errors import InvalidRequestError
from recsvc.logs import note
from recsvc.server.context import deadline_of
from recsvc.server.errors import to_status
from recsvc.server.event_requests import MAX_EVENTS, read_event
from recsvc.server.fields import check_batch
from recsvc.server.replays import Replays
from recsvc.server.tokens import ConsistencyTokens
from recsvc.service.events import Events
from recsvc.service.shopping import Event, Outcome
from recsvc.v1 import event_service_pb2 as api
from recsvc.v1 import event_service_pb2_grpc as api_grpc


class EventServicer(api_grpc.EventServiceServicer):
    """The methods of the service.

    Args:
        events: the use case.
        tokens: writes consistency tokens.
        replays: gives the first answer to a repeated request.
        key: secret that people's ids are hashed with.
        now: unix seconds.
    """

    def __init__(
        self,
        events: Events,
        tokens: ConsistencyTokens,
        replays: Replays,
        key: bytes,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._events = events
        self._tokens = tokens
        self._replays = replays
        self._key = key
        self._now = now

    def IngestEvents(  # noqa: N802  # the API's name
        self,
        request: api.IngestEventsRequest,
        context: grpc.ServicerContext,
    ) -> api.IngestEventsResponse:
        """Take in up to 1,000 events."""
        check_batch("events", len(request.events), MAX_EVENTS)
        deadline = deadline_of(context)
        return self._replays.answer(
            request,
            deadline,
            api.IngestEventsResponse,
            lambda: self._take(request, deadline),
            lambda response: _name(response, request),
        )

    def StreamEvents(  # noqa: N802  # the API's name
        self,
        request_iterator: Iterable[api.StreamEventsRequest],
        context: grpc.ServicerContext,
    ) -> Iterator[api.StreamEventsResponse]:
        """Take in events one by one, and acknowledge each."""
        deadline = deadline_of(context)
        n_rejected = 0
        for n_events, request in enumerate(request_iterator, start=1):
            one = api.IngestEventsRequest(events=[request.event], durable=request.durable)
            taken = self._take(one, deadline)
            _name(taken, one)
            n_rejected += taken.results[0].outcome == api.EVENT_OUTCOME_REJECTED
            note(n_events=n_events, n_rejected=n_rejected)
            yield api.StreamEventsResponse(
                result=taken.results[0], consistency_token=taken.consistency_token
            )

    def _take(self, request: api.IngestEventsRequest, deadline: float) -> api.IngestEventsResponse:
        results = [api.EventResult() for _ in request.events]
        valid: list[tuple[api.EventResult, Event]] = []
        now = self._now()
        for result, message in zip(results, request.events, strict=True):
            try:
                valid.append((result, read_event(message, self._key, now)))
            except InvalidRequestError as error:
                result.outcome = api.EVENT_OUTCOME_REJECTED
                result.status.CopyFrom(to_status(error))
        taken = self._events.take(
            [event for _, event in valid], durable=request.durable, deadline=deadline
        )
        for (result, _), outcome in zip(valid, taken.outcomes, strict=True):
            result.outcome = _OUTCOMES[outcome]
        note(n_events=len(results), n_rejected=len(results) - len(valid))
        return api.IngestEventsResponse(
            results=results, consistency_token=self._tokens.write(taken.position)
        )


def _name(response: api.IngestEventsResponse, request: api.IngestEventsRequest) -> None:
    """Say which event each result is of."""
    for result, event in zip(response.results, request.events, strict=True):
        result.event_id = event.event_id


_OUTCOMES = {
    Outcome.ACCEPTED: api.EVENT_OUTCOME_ACCEPTED,
    Outcome.DUPLICATE: api.EVENT_OUTCOME_DUPLICATE,
    Outcome.DROPPED_NO_CONSENT: api.EVENT_OUTCOME_DROPPED_NO_CONSENT,
}
