"""Taking events in: who has not consented is left out, everything else is stored at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recsvc.errors import OverloadedError
from recsvc.metrics import Metrics
from recsvc.service.ports import EventLog
from recsvc.service.shopping import Event, Outcome, Person
from recsvc.service.standing import Standing


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some events.

    Attributes:
        outcomes: of each, in order.
        position: of the ledger; a read that has seen so much sees the events as they count.
    """

    outcomes: tuple[Outcome, ...]
    position: int


class Events:
    """Takes events in.

    Args:
        log: where they are stored.
        standing: who has consented.
        metrics: counts what became of them.
    """

    def __init__(self, log: EventLog, standing: Standing, metrics: Metrics) -> None:
        self._log = log
        self._standing = standing
        self._metrics = metrics

    def take(self, events: Sequence[Event], *, durable: bool, deadline: float = math.inf) -> Taken:
        """Store events, and say what became of each.

        Args:
            events: valid ones.
            durable: answer only when they are on the disk.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            StoreUnavailableError: they cannot be stored now, or not in time; sending all again is
                safe.
            PreconditionError: the store cannot promise ``durable`` (DURABILITY_UNAVAILABLE).
            OverloadedError: the log is full until it is collected; sending all again is safe.
        """
        # Of now, or who was erased elsewhere a moment ago and has come back would be turned away.
        self._standing.follow()
        heeds = self._standing.position
        outcomes = [Outcome.DROPPED_NO_CONSENT] * len(events)
        allowed = [index for index, event in enumerate(events) if self._may_be_kept(event)]
        if allowed:
            stored = self._log.append(
                [events[index] for index in allowed],
                durable=durable,
                heeds=heeds,
                deadline=deadline,
            )
            for index, outcome in zip(allowed, stored, strict=True):
                outcomes[index] = outcome
        for outcome in outcomes:
            self._metrics.events.labels(outcome.value).inc()
        if Outcome.FULL in outcomes:
            raise OverloadedError(
                "the event log is full: nothing is thrown away before it is collected; run "
                "recsvc-train collect, then send the events again"
            )
        return Taken(tuple(outcomes), self._standing.position)

    def _may_be_kept(self, event: Event) -> bool:
        shopper = event.shopper
        if shopper.kind is Person.VISITOR:
            return self._standing.allows_visitor(shopper.key)
        return self._standing.allows(shopper.key)
