"""One RPC of the API, found by the message that answers it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import uuid4

from google.protobuf.message import Message

from recsvc.v1 import event_service_pb2 as events

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)

QUESTION_SECONDS = 1.0
WRITE_SECONDS = 30.0
"""How long a question and a write may take, retries included: a write may wait for a disk or for
a model that is loaded."""

UNTIL_DONE = math.inf
"""The deadline of what has no foreseeable end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc(Generic[Request, Response]):
    """What the two clients need to know of an RPC.

    Attributes:
        service: full name.
        method: name.
        response: what answers.
        seconds: how long it may take where the caller has not said.
        prepare: makes a request safe to repeat, in place: the same object that is sent again has
            the same key.
        is_retried: whether it may be asked again.
    """

    service: str
    method: str
    response: type[Response]
    seconds: float
    prepare: Callable[[Request], object]
    is_retried: bool

    @property
    def path(self) -> str:
        """As gRPC writes it."""
        return f"/{self.service}/{self.method}"


def rpc_of(
    response: type[Response],
    *,
    seconds: float,
    prepare: Callable[[Request], object],
    is_retried: bool,
) -> Rpc[Request, Response]:
    """Find the RPC that a message answers: each has a response of its own, in its own file."""
    answer = response.DESCRIPTOR
    service, method = next(
        (service.full_name, method.name)
        for service in answer.file.services_by_name.values()
        for method in service.methods
        if method.output_type is answer
    )
    return Rpc(
        service=service,
        method=method,
        response=response,
        seconds=seconds,
        prepare=prepare,
        is_retried=is_retried,
    )


def as_it_is(_: Message) -> None:
    """A question needs no key."""


def with_request_id(request: Any) -> None:  # noqa: ANN401  # messages with one share no class
    """Give a write the ``request_id`` that it lacks."""
    if not request.request_id:
        request.request_id = str(uuid4())


def with_event_ids(request: events.IngestEventsRequest) -> None:
    """Give each event the ``event_id`` that it lacks; with these no ``request_id`` is needed."""
    for event in request.events:
        with_event_id(event)


def with_streamed_event_id(request: events.StreamEventsRequest) -> None:
    """Give the event of a stream the ``event_id`` that it lacks."""
    with_event_id(request.event)


def with_event_id(event: events.Event) -> None:
    """Give an event the ``event_id`` that it lacks."""
    if not event.event_id:
        event.event_id = str(uuid4())
