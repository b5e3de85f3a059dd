"""Taking events in: consent, what became of each, and a log without room."""

import math
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from recsvc.artifacts.registry import Registry
from recsvc.errors import OverloadedError, PreconditionError
from recsvc.service.events import Events
from recsvc.service.ledger_state import Consent
from recsvc.service.shopping import Event, Outcome
from recsvc.service.standing import Standing
from recsvc.store.memory import InMemoryEventLog, InMemoryProfiles
from tests.serving import new_metrics, new_standing
from tests.shoppers import ANNA, BEN, GUEST, T0, event

ACCEPTED, DUPLICATE, DROPPED = (
    Outcome.ACCEPTED,
    Outcome.DUPLICATE,
    Outcome.DROPPED_NO_CONSENT,
)


class Bench:
    """The use case over memory."""

    def __init__(
        self, registry: Registry, max_events: int = 100, *, consents_by_default: bool = True
    ) -> None:
        self.profiles = InMemoryProfiles()
        self.log = InMemoryEventLog(lambda: T0, self.profiles, max_events=max_events)
        self.standing: Standing = new_standing(registry, consents_by_default=consents_by_default)
        metrics, self.numbers = new_metrics()
        self.events = Events(self.log, self.standing, metrics)

    def take(self, *events: Event) -> Sequence[Outcome]:
        return self.events.take(events, durable=False).outcomes


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry)


def count(numbers: CollectorRegistry, outcome: Outcome) -> float | None:
    return numbers.get_sample_value("recsvc_events_total", {"outcome": outcome.value})


def test_each_event_has_its_outcome_in_order(bench: Bench) -> None:
    """One that is known already is a duplicate, also within one call, and each is counted."""
    assert bench.take(event("a")) == (ACCEPTED,)
    assert bench.take(event("b"), event("a"), event("c"), event("c")) == (
        ACCEPTED,
        DUPLICATE,
        ACCEPTED,
        DUPLICATE,
    )
    assert [kept.event_id for kept in bench.log.events_of(ANNA.key)] == ["a", "b", "c"]
    assert (count(bench.numbers, ACCEPTED), count(bench.numbers, DUPLICATE)) == (3, 2)


def test_nothing_is_kept_of_who_has_not_consented(bench: Bench) -> None:
    """Their events are dropped in their places; those of the others are stored."""
    bench.standing.set_consent(BEN.key, Consent.WITHDRAWN)
    found = bench.take(event("a"), event("b", BEN), event("c", GUEST), event("d", BEN))
    assert found == (ACCEPTED, DROPPED, ACCEPTED, DROPPED)
    assert bench.log.length() == 2
    assert BEN.key not in bench.profiles.profiles
    assert count(bench.numbers, DROPPED) == 2
    bench.standing.set_consent(BEN.key, Consent.GRANTED)
    assert bench.take(event("b", BEN)) == (ACCEPTED,)


def test_silence_is_taken_as_the_shop_has_set_it(registry: Registry) -> None:
    """A visitor has no consent to give: nobody knows who that is."""
    bench = Bench(registry, consents_by_default=False)
    assert bench.take(event("a"), event("b", GUEST)) == (DROPPED, ACCEPTED)
    bench.standing.set_consent(ANNA.key, Consent.GRANTED)
    assert bench.take(event("a")) == (ACCEPTED,)


def test_no_event_at_all_asks_no_store(bench: Bench) -> None:
    """Where all were invalid, or nobody has consented, a dead store is no reason to fail."""
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    # The log in memory promises nothing of the disk and would refuse.
    assert bench.events.take([], durable=True).outcomes == ()
    assert bench.events.take([event("a")], durable=True).outcomes == (DROPPED,)
    with pytest.raises(PreconditionError):
        bench.events.take([event("a", BEN)], durable=True)


def test_a_full_log_refuses_and_loses_nothing(registry: Registry) -> None:
    """What had room is stored; sending all again after a collect stores the rest once."""
    bench = Bench(registry, max_events=2)
    sent = [event("a"), event("b", BEN), event("c")]
    with pytest.raises(OverloadedError, match="recsvc-train collect"):
        bench.take(*sent)
    assert bench.log.length() == 2
    assert count(bench.numbers, Outcome.FULL) == 1
    bench.log.erase(BEN.key, 0)  # makes room, as a collect would
    assert bench.take(*sent) == (DUPLICATE, DUPLICATE, ACCEPTED)


def test_a_read_that_has_seen_the_position_sees_the_events_as_they_count(bench: Bench) -> None:
    """The store is one for all; what may be read of it the ledger says."""
    assert bench.events.take([event("a")], durable=False).position == 0
    _, position = bench.standing.set_consent(ANNA.key, Consent.GRANTED)
    assert bench.events.take([event("b")], durable=False).position == position


def test_a_visitor_who_is_a_customer_needs_their_consent(registry: Registry) -> None:
    """What they do unnamed is theirs as well; a visitor whom nobody knows is taken in."""
    bench = Bench(registry)
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    assert bench.take(event("e1", GUEST)) == (ACCEPTED,)
    bench.standing.link(GUEST.key, ANNA.key)
    assert bench.take(event("e2", GUEST)) == (DROPPED,)
    bench.standing.set_consent(ANNA.key, Consent.GRANTED)
    assert bench.take(event("e2", GUEST)) == (ACCEPTED,)


class OvertakenLog(InMemoryEventLog):
    """A log that hears of an erasure just before the events of a call."""

    def append(
        self, events: Sequence[Event], *, durable: bool, heeds: int, deadline: float = math.inf
    ) -> list[Outcome]:
        self.erase(ANNA.key, heeds + 1)
        return super().append(events, durable=durable, heeds=heeds, deadline=deadline)


def test_an_event_that_an_erasure_overtakes_is_dropped(bench: Bench) -> None:
    """What was under way when its customer was erased is not kept; others' is."""
    log = OvertakenLog(lambda: T0, bench.profiles)
    events = Events(log, bench.standing, new_metrics()[0])
    taken = events.take([event("a"), event("b", BEN)], durable=False)
    assert taken.outcomes == (DROPPED, ACCEPTED)
    assert bench.profiles.profiles.keys() == {BEN.key}


def test_who_was_erased_elsewhere_a_moment_ago_may_come_back(
    registry: Registry, bench: Bench
) -> None:
    """This process had not looked since, and does before it writes."""
    _, position, _ = new_standing(registry).forget(ANNA.key, ())
    bench.log.erase(ANNA.key, position)
    assert bench.take(event("back")) == (ACCEPTED,)
