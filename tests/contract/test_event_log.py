"""What every ``EventLog`` promises, together with the cache of its shop; Redis is a real Valkey."""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.identity import partition_of
from recsvc.service.cache_port import CachedEntry, CacheKey
from recsvc.service.shopping import (
    NO_DEEDS,
    Event,
    Line,
    LiveProfile,
    Outcome,
    Shopper,
)
from tests.shoppers import ANNA, BEN, GUEST, T0, customer, event
from tests.stores import ROOM, SetClock, Stores

ACCEPTED, DUPLICATE, FULL = Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.FULL

FULL_EVENT = Event(
    event_id="Bestellung-7/é",
    act=Act.FEEDBACK,
    shopper=GUEST,
    time=T0,
    lines=(Line("bread", 2.0, 2.8, "GBP"), Line("Käse", 0.125), Line("milk")),
    location=Location(
        store_id="leeds-1",
        postal_code="LS1 4DY",
        cell="861942c5fffffff",
        subdivision_code="GB-ENG",
        country_code="GB",
    ),
    order_id="o1",
    session_id="s1",
    placement_id="home",
    recommendation_id="r1",
    channel="WEB",
    rating=4.5,
)


def append(stores: Stores, *events: Event) -> list[Outcome]:
    return stores.log.append(events, durable=False, heeds=0)


def key_of(shopper: Shopper) -> CacheKey:
    return CacheKey(7, shopper.key, "c41a")


def live(stores: Stores, shopper: Shopper) -> LiveProfile:
    """Return a shopper's live profile, as a question finds it."""
    return stores.cache.get(key_of(shopper)).live()


def cached(stores: Stores, shopper: Shopper) -> CachedEntry | None:
    return stores.cache.get(key_of(shopper)).entry


def keep(stores: Stores, shopper: Shopper) -> None:
    """Keep an answer that is made from a shopper's profile of now."""
    stores.cache.put(key_of(shopper), b"list", 60, live(stores, shopper).revision)
    assert cached(stores, shopper) is not None


def products(profile: LiveProfile) -> list[str]:
    return [product for deed in profile.deeds for product in deed.products]


def ids(events: Iterable[Event]) -> list[str]:
    return [event.event_id for event in events]


def neighbour_of(shopper: Shopper) -> Shopper:
    """Return a customer of the same partition."""
    some = (customer(f"c{number}") for number in range(6_400))
    return next(one for one in some if partition_of(one.key) == partition_of(shopper.key))


def test_nobody_did_anything_in_an_empty_log(stores: Stores) -> None:
    """Without events there is nothing of anybody, and no error."""
    assert stores.log.length() == 0
    assert list(stores.log.events_of(ANNA.key)) == []
    assert live(stores, ANNA) == NO_DEEDS
    assert append(stores) == []


def test_event_comes_back_as_it_was_sent(stores: Stores) -> None:
    """Every field of an event is in the log."""
    small = event("e1", BEN)
    assert append(stores, FULL_EVENT, small) == [ACCEPTED, ACCEPTED]
    assert list(stores.log.events_of(GUEST.key)) == [FULL_EVENT]
    assert list(stores.log.events_of(BEN.key)) == [small]


def test_profile_holds_what_counts_for_lists(stores: Stores) -> None:
    """An event is in its shopper's profile at once, with what questions need of it."""
    append(stores, FULL_EVENT)
    profile = live(stores, GUEST)
    (deed,) = profile.deeds
    assert profile.revision > 0
    assert (deed.act, deed.time, deed.rating) == (Act.FEEDBACK, int(T0), 4.5)
    assert deed.location == FULL_EVENT.location
    assert deed.products == ("bread", "Käse", "milk")
    assert deed.quantities == (2.0, 0.125, 1.0)
    assert deed.order > 0
    assert deed.received > 1_600_000_000_000


def test_repeated_event_is_a_duplicate(stores: Stores) -> None:
    """Sent again, in the same call or later, an event changes neither log nor profile."""
    assert append(stores, event("e1"), event("e1")) == [ACCEPTED, DUPLICATE]
    before = live(stores, ANNA)
    assert append(stores, event("e2"), event("e1")) == [ACCEPTED, DUPLICATE]
    assert products(before) == ["e1"]
    assert products(live(stores, ANNA)) == ["e1", "e2"]
    assert ids(stores.log.events_of(ANNA.key)) == ["e1", "e2"]


def test_same_event_id_of_another_shopper_is_no_duplicate(stores: Stores) -> None:
    """Shoppers number their events apart, those of one partition too."""
    assert partition_of(BEN.key) != partition_of(ANNA.key)
    events = [event("e1", shopper) for shopper in (ANNA, BEN, neighbour_of(ANNA))]
    assert append(stores, *events) == [ACCEPTED] * 3
    assert append(stores, *events) == [DUPLICATE] * 3


def test_events_are_kept_in_the_order_in_which_they_came(stores: Stores) -> None:
    """Log and profile have the events of calls, and those within a call, one after another."""
    for number in range(3):
        append(stores, event(f"a{number}"), event(f"b{number}", BEN), event(f"c{number}"))
    expected = ["a0", "c0", "a1", "c1", "a2", "c2"]
    assert ids(stores.log.events_of(ANNA.key)) == expected
    assert products(live(stores, ANNA)) == expected
    assert stores.log.length() == 9


def test_outcomes_are_in_the_order_of_the_events(stores: Stores) -> None:
    """Whatever partitions a call's events go to, each outcome stands where its event did."""
    people = [customer(f"c{number}") for number in range(8)]
    append(stores, *(event("e1", person) for person in people[::2]))
    outcomes = append(stores, *(event("e1", person) for person in people))
    assert outcomes == [DUPLICATE, ACCEPTED] * 4


@pytest.mark.parametrize("act", [act for act in Act if act is not Act.IMPRESSION])
def test_event_outdates_what_was_cached_before_it(stores: Stores, act: Act) -> None:
    """An answer made before its shopper's last event is not given, one made after it is."""
    keep(stores, ANNA)
    keep(stores, BEN)
    append(stores, event("e1", act=act))
    assert cached(stores, ANNA) is None
    keep(stores, ANNA)
    append(stores, event("e2", act=act))
    assert cached(stores, ANNA) is None
    assert cached(stores, BEN) is not None


def test_impression_leaves_the_profile_alone(stores: Stores) -> None:
    """What was only shown is in the log, outdates no answer and is no deed."""
    append(stores, event("e1"))
    keep(stores, ANNA)
    before = live(stores, ANNA)
    assert append(stores, event("e2", act=Act.IMPRESSION)) == [ACCEPTED]
    assert live(stores, ANNA) == before
    assert cached(stores, ANNA) is not None
    assert ids(stores.log.events_of(ANNA.key)) == ["e1", "e2"]


def test_full_log_refuses_and_forgets_nothing(stores: Stores) -> None:
    """At its bound the log takes no more, what it has stays, and a refused event left no trace."""
    numbers = range(ROOM + 2)
    outcomes = append(stores, *(event(f"e{number}") for number in numbers))
    assert outcomes == [ACCEPTED] * ROOM + [FULL] * 2
    before = live(stores, ANNA)
    assert append(stores, event("e0"), event(f"e{ROOM}")) == [DUPLICATE, FULL]
    assert live(stores, ANNA) == before
    assert ids(stores.log.events_of(ANNA.key)) == [f"e{number}" for number in range(ROOM)]
    stores.log.erase(ANNA.key, 0)
    assert append(stores, event(f"e{ROOM}")) == [ACCEPTED]


def test_erasing_deletes_profile_and_waiting_events(stores: Stores) -> None:
    """Nothing of the shopper is left, all of them are counted, and others keep theirs."""
    neighbour = neighbour_of(ANNA)
    append(stores, *(event(f"e{number}") for number in range(3)), event("n", neighbour))
    append(stores, event("e9", act=Act.IMPRESSION))
    assert stores.log.erase(ANNA.key, 0).n_events == 4
    assert live(stores, ANNA) == NO_DEEDS
    assert list(stores.log.events_of(ANNA.key)) == []
    assert products(live(stores, neighbour)) == ["n"]
    assert ids(stores.log.events_of(neighbour.key)) == ["n"]
    assert stores.log.length() == 1
    assert stores.log.erase(ANNA.key, 0).n_events == 0


def test_answer_of_an_erased_profile_is_not_given_again(stores: Stores) -> None:
    """Who comes back and does as much as before does not get what was made from the old deeds."""
    append(stores, event("old"))
    keep(stores, ANNA)
    stores.log.erase(ANNA.key, 0)
    append(stores, event("new"))
    assert products(live(stores, ANNA)) == ["new"]
    assert cached(stores, ANNA) is None


def test_visitor_is_handed_over_once(stores: Stores) -> None:
    """The visitor's deeds become the customer's, who had some; a repetition does nothing."""
    append(stores, event("own"), event("v1", GUEST, act=Act.VIEW), event("v2", GUEST))
    keep(stores, ANNA)
    keep(stores, GUEST)
    assert stores.log.hand_over(GUEST, ANNA, T0, heeds=0) == 2
    assert products(live(stores, ANNA)) == ["own", "v1", "v2"]
    assert [deed.act for deed in live(stores, ANNA).deeds] == [Act.PURCHASE, Act.VIEW, Act.PURCHASE]
    assert live(stores, GUEST) == NO_DEEDS
    assert cached(stores, ANNA) is None
    assert cached(stores, GUEST) is None
    keep(stores, ANNA)
    assert stores.log.hand_over(GUEST, ANNA, T0, heeds=0) == 0
    assert cached(stores, ANNA) is not None


def test_visitor_is_handed_over_to_a_customer_of_whom_nothing_is_known(stores: Stores) -> None:
    """A first purchase as a guest begins the customer's profile."""
    keep(stores, ANNA)
    append(stores, event("v1", GUEST))
    assert stores.log.hand_over(GUEST, ANNA, T0, heeds=0) == 1
    assert products(live(stores, ANNA)) == ["v1"]
    assert cached(stores, ANNA) is None


def test_visitor_who_comes_again_is_handed_over_again(stores: Stores) -> None:
    """What a visitor does after a hand-over waits for the next one, even if it is the same."""
    for number in range(2):
        append(stores, event(f"e{number}", GUEST, lines=(Line("bread"),)))
        assert stores.log.hand_over(GUEST, ANNA, T0, heeds=0) == 1
    assert products(live(stores, ANNA)) == ["bread", "bread"]


def test_handing_over_deletes_and_repeats_no_event(stores: Stores) -> None:
    """The log keeps a visitor's events under the visitor, as they were sent."""
    append(stores, event("v1", GUEST), event("own"))
    stores.log.hand_over(GUEST, ANNA, T0, heeds=0)
    assert ids(stores.log.events_of(GUEST.key)) == ["v1"]
    assert ids(stores.log.events_of(ANNA.key)) == ["own"]


def test_what_was_handed_over_is_erased_with_the_customer(stores: Stores) -> None:
    """Erasing customer and visitor leaves nothing, and counts what they did, not the link."""
    append(stores, event("v1", GUEST), event("own"))
    stores.log.hand_over(GUEST, ANNA, T0, heeds=0)
    assert stores.log.erase(GUEST.key, 0).n_events == 1
    assert products(live(stores, ANNA)) == ["own", "v1"]
    assert stores.log.erase(ANNA.key, 0).n_events == 1
    assert live(stores, ANNA) == NO_DEEDS
    assert stores.log.length() == 0


def test_what_is_handed_over_counts_as_received_then(stores: Stores, clock: SetClock) -> None:
    """A model that learnt all of the customer's before the hand-over has not learnt the visitor's.

    So it comes after what the customer did, though the visitor did it before.
    """
    append(stores, event("v1", GUEST))
    clock.now += 0.002
    time.sleep(0.002)  # for Redis, which has a clock of its own
    append(stores, event("own"))
    stores.log.hand_over(GUEST, ANNA, T0, heeds=0)
    own, handed_over = live(stores, ANNA).deeds
    assert handed_over.received >= own.received


def test_threads_lose_and_repeat_nothing(stores: Stores) -> None:
    """Threads that send the same events at once get each accepted exactly once."""
    names = [f"e{number}" for number in range(ROOM)]
    accepted: list[str] = []

    def work() -> None:
        for name in names:
            accepted.extend([name] if append(stores, event(name)) == [ACCEPTED] else [])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(accepted) == sorted(names)
    assert products(live(stores, ANNA)) == ids(stores.log.events_of(ANNA.key))
    assert len(live(stores, ANNA).deeds) == ROOM


@pytest.mark.parametrize("act", [Act.PURCHASE, Act.IMPRESSION])
def test_event_that_is_late_for_an_erasure_is_dropped(stores: Stores, act: Act) -> None:
    """Who does not heed the last erasure keeps nothing of that shopper; who does begins anew."""
    stores.log.erase(ANNA.key, 20)
    stores.log.erase(ANNA.key, 10)  # another's, which took longer
    late = stores.log.append([event("e1", act=act), event("e1", BEN)], durable=False, heeds=19)
    assert late == [Outcome.DROPPED_NO_CONSENT, ACCEPTED]
    assert live(stores, ANNA) == NO_DEEDS
    assert list(stores.log.events_of(ANNA.key)) == []
    assert stores.log.append([event("e1", act=act)], durable=False, heeds=20) == [ACCEPTED]


def test_what_who_has_come_back_does_is_theirs(stores: Stores) -> None:
    """It was received after the erasure; the same one again, or an earlier one, leaves it alone."""
    append(stores, event("before"))
    swept = stores.log.erase(ANNA.key, 20)
    assert swept.n_events == 1
    assert stores.log.append([event("back")], durable=False, heeds=20) == [ACCEPTED]
    for position in (20, 19):
        assert stores.log.erase(ANNA.key, position) == replace(swept, n_events=0)
    assert products(live(stores, ANNA)) == ["back"]
    assert ids(stores.log.events_of(ANNA.key)) == ["back"]
    assert stores.log.erase(ANNA.key, 21).n_events == 1


@pytest.mark.parametrize("erased", [GUEST, ANNA])
def test_link_that_is_late_for_an_erasure_moves_nothing(stores: Stores, erased: Shopper) -> None:
    """Of the visitor or of the customer; what the visitor has done since stays theirs."""
    stores.log.erase(erased.key, 20)
    stores.log.append([event("v1", GUEST)], durable=False, heeds=20)
    assert stores.log.hand_over(GUEST, ANNA, T0, heeds=19) == 0
    assert live(stores, ANNA) == NO_DEEDS
    assert stores.log.hand_over(GUEST, ANNA, T0, heeds=20) == 1
    assert products(live(stores, ANNA)) == ["v1"]


def test_profile_is_told_without_a_question(stores: Stores) -> None:
    """As questions find it; of who did nothing, or was erased, there is none."""
    append(stores, FULL_EVENT, event("e1"))
    assert stores.log.profile_of(GUEST.key).deeds == live(stores, GUEST).deeds != ()
    assert stores.log.profile_of(BEN.key) == NO_DEEDS
    stores.log.erase(GUEST.key, 20)
    assert stores.log.profile_of(GUEST.key) == NO_DEEDS
