"""What is held about a customer: described, changed, linked, erased and exported."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from recsvc.artifacts.ledger import Decision, Ledger, LedgerEntry
from recsvc.artifacts.registry import Registry
from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.errors import DamagedError, NotFoundError, StoreUnavailableError
from recsvc.service.customer_records import Customer, Learnt
from recsvc.service.customers import Customers
from recsvc.service.ledger_state import Consent
from recsvc.service.models import ModelSlot
from recsvc.service.ports import People, Person, Swept
from recsvc.service.selling import Written
from recsvc.service.shopping import Event, Line, Outcome
from recsvc.service.standing import Standing
from recsvc.store.memory import (
    InMemoryEventLog,
    InMemoryPeople,
    InMemoryProfiles,
    InMemoryServedLists,
)
from tests.counting import DATA_END, DATA_END_TIME, DAY
from tests.samples import tiny_model
from tests.serving import NOW, Log, new_metrics, new_standing
from tests.shoppers import ANNA, GUEST, KEY, T0, customer, event, visitor

MakeRegistry = Callable[..., Registry]
NEWCOMER = customer("newcomer")


@dataclass(frozen=True)
class Bench:
    """The use cases over memory."""

    registry: Registry
    slot: ModelSlot
    standing: Standing
    profiles: InMemoryProfiles
    log: InMemoryEventLog
    people: InMemoryPeople
    served: InMemoryServedLists
    customers: Customers

    def did(self, *events: Event) -> None:
        self.standing.follow()
        heeds = self.standing.position
        outcomes = self.log.append(events, durable=False, heeds=heeds)
        assert set(outcomes) == {Outcome.ACCEPTED}

    def is_known(self, customer_id: str) -> bool:
        try:
            self.customers.get(customer_id)
        except NotFoundError:
            return False
        return True

    def update(  # what is given is what is changed
        self,
        customer_id: str,
        *,
        consent: Consent | None = None,
        home: Location | None = None,
        segments: tuple[str, ...] | None = None,
        allow_missing: bool = False,
    ) -> int:
        return self.customers.update(
            customer_id,
            consent=consent,
            home=home,
            segments=segments,
            now=NOW,
            allow_missing=allow_missing,
        )


def bench_of(registry: Registry) -> Bench:
    slot = ModelSlot(registry, logger=Log().logger, metrics=new_metrics()[0])
    slot.refresh()
    standing = new_standing(registry)
    profiles = InMemoryProfiles()
    log = InMemoryEventLog(lambda: T0, profiles)
    people, served = InMemoryPeople(profiles), InMemoryServedLists(profiles, clock=lambda: T0)
    customers = Customers(slot, standing, log, people, served, hash_key=KEY)
    return Bench(registry, slot, standing, profiles, log, people, served, customers)


def customers_over(bench: Bench, people: People) -> Customers:
    return Customers(bench.slot, bench.standing, bench.log, people, bench.served, hash_key=KEY)


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return bench_of(registry)


def test_a_customer_of_the_model_is_described(bench: Bench) -> None:
    """Purchases, products, first and last, and the home that was learnt."""
    anna = bench.customers.get("anna")
    assert (anna.customer_id, anna.consent) == ("anna", Consent.UNKNOWN)
    assert (anna.n_purchases, anna.n_products, anna.n_live_events) == (5, 3, 0)
    assert anna.first_purchase == datetime.fromtimestamp(DATA_END - 60 * DAY, UTC)
    assert anna.last_purchase == datetime.fromtimestamp(DATA_END - 3 * DAY, UTC)
    assert (anna.home.store_id, anna.home_is_learnt) == ("leeds-1", True)
    assert (anna.segments, anna.visitor_ids, anna.update_time) == ((), (), None)


def test_live_purchases_count_too(bench: Bench) -> None:
    """A product that the model knows of the customer counts once; other acts buy nothing."""
    bench.did(
        event("tea", time=DATA_END + DAY),
        event("milk", time=DATA_END + DAY),
        event("seen", time=DATA_END + 2 * DAY, act=Act.VIEW),
    )
    anna = bench.customers.get("anna")
    assert (anna.n_purchases, anna.n_products, anna.n_live_events) == (7, 4, 3)
    assert anna.last_purchase == datetime.fromtimestamp(DATA_END + DAY, UTC)


def test_who_is_unknown_to_all_is_not_found(bench: Bench) -> None:
    """Without saying who was asked for; a token from elsewhere is not seen here yet."""
    with pytest.raises(NotFoundError) as caught:
        bench.customers.get("a-very-particular-customer")
    assert caught.value.reason == "CUSTOMER_NOT_FOUND"
    assert "particular" not in str(caught.value)
    with pytest.raises(StoreUnavailableError, match="not to be seen here yet"):
        bench.customers.get("anna", must_see=Written(1))
    assert bench.customers.describe("nobody") == Customer(customer_id="nobody")


@pytest.mark.parametrize("what", ["event", "consent", "home", "link", "allow_missing"])
def test_anything_makes_a_customer_known(bench: Bench, what: str) -> None:
    """An event, a word of theirs, or a caller who wants them to be there."""
    assert not bench.is_known("newcomer")
    if what == "event":
        bench.did(event("tea", NEWCOMER))
    elif what == "consent":
        bench.standing.set_consent(NEWCOMER.key, Consent.WITHDRAWN)
    elif what == "home":
        bench.update("newcomer", home=Location(country_code="PT"), allow_missing=True)
    elif what == "link":
        bench.customers.link("guest", "newcomer", T0)
    else:
        bench.update("newcomer", allow_missing=True)
    assert bench.is_known("newcomer")


def test_what_is_given_is_changed_and_nothing_else(bench: Bench) -> None:
    """A home that was set goes before one that was learnt, and an empty one clears it."""
    bench.update("anna", home=Location(country_code="PT"))
    bench.update("anna", segments=("loyalty-gold",))
    position = bench.update("anna", consent=Consent.GRANTED)
    assert position == bench.standing.position > 0
    anna = bench.customers.get("anna")
    assert (anna.home, anna.home_is_learnt) == (Location(country_code="PT"), False)
    assert (anna.segments, anna.consent) == (("loyalty-gold",), Consent.GRANTED)
    bench.update("anna", home=Location(), segments=())
    anna = bench.customers.get("anna")
    assert (anna.home.store_id, anna.home_is_learnt, anna.segments) == ("leeds-1", True, ())


@pytest.mark.parametrize(
    "change", [{"consent": Consent.WITHDRAWN}, {"home": Location()}, {"segments": ("a",)}]
)
def test_every_change_has_a_time(bench: Bench, change: dict[str, object]) -> None:
    """Consent is as much a change as any other."""
    bench.update("anna", **change)  # type: ignore[arg-type]  # each of its own type
    assert bench.customers.get("anna").update_time == NOW


def test_who_is_not_there_is_changed_only_if_allowed(bench: Bench) -> None:
    """A misspelt id leaves nothing behind, not even in the ledger."""
    with pytest.raises(NotFoundError):
        bench.update("newcomer", consent=Consent.WITHDRAWN, segments=("a",))
    assert bench.standing.position == 0
    assert not bench.is_known("newcomer")


def collected(bench: Bench) -> None:
    """Let every event that waits be collected, as ``recsvc-train collect`` does."""
    bench.log._events.clear()


def test_a_newcomer_whose_events_were_collected_is_known(bench: Bench) -> None:
    """By the live profile, until a model has learnt of them: purchases, returns, when."""
    bench.did(
        event("tea", NEWCOMER, time=DATA_END + DAY),
        event("jam", NEWCOMER, time=DATA_END + 2 * DAY),
        event("seen", NEWCOMER, time=DATA_END + 3 * DAY, act=Act.VIEW),
    )
    waiting = bench.customers.get("newcomer")
    assert (waiting.n_purchases, waiting.n_products, waiting.n_live_events) == (2, 2, 3)
    collected(bench)
    assert bench.customers.get("newcomer") == replace(waiting, n_live_events=0)
    bench.did(event("e", NEWCOMER, act=Act.RETURN, lines=(Line("jam"),), time=DATA_END + 4 * DAY))
    assert bench.customers.get("newcomer").n_purchases == 1


def test_what_a_model_has_learnt_counts_once(bench: Bench) -> None:
    """Though the live profile still holds it."""
    purchases = bench.customers.get("anna").n_purchases
    bench.did(event("milk", time=DATA_END - 3 * DAY), event("tea", time=DATA_END + DAY))
    collected(bench)
    assert bench.customers.get("anna").n_purchases == purchases + 1


def test_a_customer_with_a_visitor_is_known(make_registry: MakeRegistry) -> None:
    """Who was never asked, where that is a refusal: nothing is handed over, and it is exported."""
    bench = bench_of(make_registry())
    standing = new_standing(bench.registry, consents_by_default=False)
    customers = Customers(bench.slot, standing, bench.log, bench.people, bench.served, hash_key=KEY)
    bench.did(event("tea", GUEST))
    customers.link("guest", "newcomer", T0)
    assert customers.get("newcomer") == Customer(customer_id="newcomer")
    _, _, events = customers.export("newcomer")
    assert [one.event_id for one in events] == ["tea"]


class BusyPeople(InMemoryPeople):
    """A store in which somebody else links a visitor between every look and its change."""

    n_others = 0

    def get(self, customer: str, deadline: float = math.inf) -> Person:
        person = super().get(customer, deadline)
        if self.n_others < 3:
            self.n_others += 1
            visitors = (*person.visitor_ids, f"v{self.n_others}")
            super().put(customer, replace(person, visitor_ids=visitors), heeds=0)
        return person


def test_nothing_is_lost_of_what_others_change_meanwhile(bench: Bench) -> None:
    """An erasure must find every visitor."""
    customers = customers_over(bench, BusyPeople())
    customers.link("guest", "anna", T0)
    assert customers.get("anna").visitor_ids == ("v1", "v2", "v3", "guest")


class DeadPeople(InMemoryPeople):
    """A store that is not there."""

    def get(self, customer: str, deadline: float = math.inf) -> Person:
        raise StoreUnavailableError(f"down for {len(customer)} {deadline}")


@pytest.mark.parametrize("allow_missing", [True, False])
def test_consent_is_heeded_though_the_store_is_down(bench: Bench, *, allow_missing: bool) -> None:
    """The caller hears that it failed; nobody reads on against the customer's will."""
    customers = customers_over(bench, DeadPeople())
    with pytest.raises(StoreUnavailableError):
        customers.update(
            "anna",
            consent=Consent.WITHDRAWN,
            home=None,
            segments=None,
            now=NOW,
            allow_missing=allow_missing,
        )
    assert not bench.standing.allows(ANNA.key)


class OvertakenPeople(InMemoryPeople):
    """A store in which another process erases the customer between a look and its change.

    Args:
        bench: whose customer, once ``is_armed``.
    """

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.profiles)
        self._bench = bench
        self.is_armed = True

    def get(self, customer: str, deadline: float = math.inf) -> Person:
        person = super().get(customer, deadline)
        if self.is_armed:
            self.is_armed = False
            another_process(self._bench).erase("anna")
        return person


def another_process(bench: Bench) -> Customers:
    standing = new_standing(bench.registry)
    return Customers(bench.slot, standing, bench.log, bench.people, bench.served, hash_key=KEY)


def test_a_link_that_cannot_be_read_back_is_told_with_its_position(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that has to see it must not take what was known before for it."""

    def unreadable(_: Ledger, position: int) -> tuple[list[LedgerEntry], int]:
        raise OSError(f"nothing can be read after {position}")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "read", unreadable)
        linked = bench.customers.link("guest", "anna", T0)
    assert linked.position == bench.registry.ledger.end() > bench.standing.position
    assert bench.standing.sees(linked.position)


def test_a_link_that_an_erasure_overtakes_leaves_nothing(bench: Bench) -> None:
    """It ends as if it had come just before; made again, it is a beginning."""
    bench.did(event("v1", GUEST), event("own"))
    customers = customers_over(bench, OvertakenPeople(bench))
    assert customers.link("guest", "anna", T0).n_events_moved == 0
    assert not bench.profiles.profiles
    assert not bench.profiles.people
    assert not bench.log.length()
    bench.did(event("v2", GUEST))
    assert customers.link("guest", "anna", T0).n_events_moved == 1
    assert customers.get("anna").visitor_ids == ("guest",)


def test_a_change_that_an_erasure_overtakes_leaves_nothing(bench: Bench) -> None:
    """Home and segments are gone with the rest."""
    customers = customers_over(bench, OvertakenPeople(bench))
    customers.update(
        "anna", consent=None, home=None, segments=("vip",), now=NOW, allow_missing=True
    )
    assert not bench.profiles.people


def test_a_mark_that_the_ledger_does_not_explain_is_no_success(bench: Bench) -> None:
    """A ledger from a backup has lost the erasure: the caller hears that nothing was kept."""
    bench.log.erase(ANNA.key, 10_000)
    with pytest.raises(StoreUnavailableError, match="nothing was kept"):
        bench.update("anna", segments=("vip",), allow_missing=True)


def test_an_erasure_knows_a_link_that_was_made_before_it_alone(bench: Bench) -> None:
    """Erased with the customer is who was linked meanwhile; who is linked after it is not."""
    bench.did(event("v1", GUEST))
    erasing = another_process(bench)
    bench.customers.link("guest", "anna", T0)
    receipt = erasing.erase("anna")
    assert (receipt.n_visitors, receipt.n_events) == (1, 1)
    bench.did(event("v2", GUEST))
    assert bench.customers.link("guest", "anna", T0).n_events_moved == 1


def test_a_visitor_becomes_a_customer(bench: Bench) -> None:
    """Their live profile changes hands once, and the link is known for ever."""
    bench.did(event("tea", GUEST), event("jam", GUEST), event("milk"))
    linked = bench.customers.link("guest", "anna", T0)
    assert (linked.n_events_moved, linked.position) == (2, bench.standing.position)
    assert bench.customers.link("guest", "anna", T0).n_events_moved == 0
    assert bench.customers.get("anna").visitor_ids == ("guest",)
    products = [deed.products for deed in bench.profiles.get(ANNA.key).deeds]
    assert products == [("milk",), ("tea",), ("jam",)]


def test_nothing_is_handed_to_who_has_not_consented(bench: Bench) -> None:
    """Their word counts for the visitor from then on, of whom only a hash is kept."""
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    bench.did(event("tea", GUEST))
    assert bench.customers.link("guest", "anna", T0).n_events_moved == 0
    assert bench.customers.get("anna").visitor_ids == ()
    assert len(bench.profiles.get(GUEST.key).deeds) == 1
    assert not bench.standing.allows_visitor(GUEST.key)


def test_a_visitor_without_consent_is_exported_and_erased(bench: Bench) -> None:
    """What is held of them is the customer's, whether it is read or not."""
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    bench.did(event("tea", GUEST))
    bench.customers.link("guest", "anna", T0)
    _, _, events = bench.customers.export("anna")
    assert [one.event_id for one in events] == ["tea"]
    assert bench.customers.erase("anna").n_visitors == 1
    assert list(bench.log.events_of(GUEST.key)) == []
    assert bench.profiles.get(GUEST.key).deeds == ()


def test_who_consents_later_is_handed_what_waited(bench: Bench) -> None:
    """By the next link."""
    bench.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    bench.did(event("tea", GUEST))
    bench.customers.link("guest", "anna", T0)
    bench.standing.set_consent(ANNA.key, Consent.GRANTED)
    assert bench.customers.link("guest", "anna", T0).n_events_moved == 1
    assert bench.customers.get("anna").visitor_ids == ("guest",)


def test_an_erased_customer_is_unknown(bench: Bench) -> None:
    """With events, visitors, segments and the word on consent; the receipt names nobody."""
    bench.did(event("tea"), event("jam", GUEST), event("kept", customer("ben")))
    bench.update("anna", consent=Consent.GRANTED, segments=("loyalty-gold",))
    bench.customers.link("guest", "anna", T0)
    receipt = bench.customers.erase("anna")
    assert (receipt.customer_hash, receipt.n_visitors) == (ANNA.key, 1)
    assert receipt.n_events == 2
    assert (receipt.time, receipt.position) == (NOW, bench.standing.position)
    assert "anna" not in repr(receipt)
    assert not bench.is_known("anna")
    assert bench.profiles.profiles.keys() == {customer("ben").key}
    assert [one.event_id for one in bench.log.events_of(customer("ben").key)] == ["kept"]
    assert bench.people.get(ANNA.key) == Person()
    for shopper in (ANNA, GUEST):
        assert 0 < bench.standing.erased_at(shopper.key) < receipt.position
    assert bench.is_known("ben")


def test_erasing_again_or_whom_nobody_knows_is_an_erasure(bench: Bench) -> None:
    """Each has a receipt of its own."""
    first, second = bench.customers.erase("stranger"), bench.customers.erase("stranger")
    assert (first.n_events, first.n_visitors) == (0, 0)
    assert first.receipt_id != second.receipt_id
    assert first.position < second.position


def test_who_comes_back_starts_afresh(bench: Bench) -> None:
    """What they do from then on is all that is known of them."""
    bench.customers.erase("anna")
    bench.did(event("tea"))
    anna = bench.customers.get("anna")
    assert (anna.n_purchases, anna.n_products) == (1, 1)
    assert (anna.home, anna.consent) == (Location(), Consent.UNKNOWN)


def test_a_later_model_may_know_them_again(make_registry: MakeRegistry) -> None:
    """Who was erased before it learnt and has come back since; after a restart as before it."""
    bench = bench_of(make_registry())
    receipt = bench.customers.erase("anna")
    bench.standing.withdraw(["milk"])  # something more in the ledger
    for version_id, position, is_known in (
        ("earlier", receipt.position - 1, False),
        ("later", receipt.position, True),
    ):
        model = tiny_model()
        bench.registry.publish(
            model.to_arrays(),
            model_id="tiny",
            train_time=DATA_END_TIME,
            parameters=model.to_parameters() | {"ledger_position": position},
            metrics={},
            data={},
            code_version="0",
            version_id=version_id,
        )
        bench.registry.promote(version_id, NOW)
        bench.slot.refresh()
        assert bench.is_known("anna") is is_known
        restarted = bench_of(bench.registry)
        restarted.standing.refresh()
        assert restarted.is_known("anna") is is_known


def test_without_a_model_customers_are_described_all_the_same(make_registry: MakeRegistry) -> None:
    """By what was set and what was done of late."""
    bench = bench_of(make_registry(promote=False))
    assert not bench.is_known("anna")
    bench.did(event("tea"))
    assert bench.customers.get("anna").n_purchases == 1


def test_an_export_is_all_that_is_held(bench: Bench) -> None:
    """The customer, what was learnt, and every event, also from before they were known."""
    bench.did(event("tea", GUEST), event("milk"), event("jam", visitor("another")))
    bench.customers.link("guest", "anna", T0)
    described, learnt, events = bench.customers.export("anna")
    assert described == bench.customers.get("anna")
    day = datetime.fromtimestamp(DATA_END, UTC) - timedelta(days=3)
    assert learnt == [
        Learnt("bread", 1, day - timedelta(days=42), day - timedelta(days=42), 1.0),
        Learnt("espresso", 3, day - timedelta(days=57), day, 1.0),
        Learnt("milk", 1, day, day, 2.0),
    ]
    assert [one.event_id for one in events] == ["tea", "milk"]
    bench.customers.erase("anna")
    bench.did(event("back"))
    assert bench.customers.export("anna")[1] == []
    with pytest.raises(NotFoundError):
        bench.customers.export("nobody")


def test_the_same_id_is_another_person_as_a_visitor(bench: Bench) -> None:
    """Erasing the customer leaves the visitor alone."""
    same = visitor("anna")
    bench.did(event("tea", same))
    assert bench.customers.erase("anna").n_events == 0
    assert len(bench.profiles.get(same.key).deeds) == 1


def test_an_emptied_store_hides_no_visitor_from_an_erasure(bench: Bench) -> None:
    """The ledger knows who was linked: what they did since is erased as well."""
    bench.customers.link("guest", "anna", T0)
    bench.profiles.people.clear()
    bench.did(event("later", GUEST))
    receipt = bench.customers.erase("anna")
    assert (receipt.n_visitors, receipt.n_events) == (1, 1)
    assert 0 < bench.standing.erased_at(GUEST.key) < receipt.position
    assert not bench.profiles.profiles


class DamagedPeople(InMemoryPeople):
    """What it keeps cannot be read."""

    def get(self, customer: str, deadline: float = math.inf) -> Person:
        raise DamagedError(f"what is kept of {customer} is damaged ({deadline})")


def test_a_damaged_record_hides_nobody_from_an_erasure(bench: Bench) -> None:
    """Whom the ledger knows as theirs is erased as well."""
    bench.did(event("v1", GUEST))
    bench.update("anna", consent=Consent.WITHDRAWN, allow_missing=True)
    bench.customers.link("guest", "anna", T0)
    damaged = Customers(
        bench.slot,
        bench.standing,
        bench.log,
        DamagedPeople(bench.profiles),
        bench.served,
        hash_key=KEY,
    )
    receipt = damaged.erase("anna")
    assert (receipt.n_visitors, receipt.n_events) == (1, 1)
    assert not bench.log.length()


def test_who_was_linked_elsewhere_a_moment_ago_is_erased_too(bench: Bench) -> None:
    """Another process has written the link, and this one has not looked since."""
    bench.did(event("v1", GUEST))
    new_standing(bench.registry).link(GUEST.key, ANNA.key)
    receipt = bench.customers.erase("anna")
    assert (receipt.n_visitors, receipt.n_events) == (1, 1)


class Returning(InMemoryServedLists):
    """Another process hears of the person again, who has come back, just before lists are erased.

    Args:
        bench: whose erasure it is.
    """

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.profiles)
        self._bench = bench
        self._is_armed = True

    def erase(self, shopper: str) -> int:
        if self._is_armed and shopper == ANNA.key:
            self._is_armed = False
            another = another_process(self._bench)
            another.update(
                "anna",
                consent=Consent.WITHDRAWN,
                home=None,
                segments=("back",),
                now=NOW,
                allow_missing=True,
            )
            self._bench.did(event("back"))
            another.link("guest", "anna", T0)
        return super().erase(shopper)


def test_who_comes_back_within_an_erasure_stays_as_they_are(bench: Bench) -> None:
    """Consent, link, record and events are of afterwards: the receipt does not void them."""
    bench.did(event("before"))
    erasing = Customers(
        bench.slot, bench.standing, bench.log, bench.people, Returning(bench), hash_key=KEY
    )
    assert erasing.erase("anna").n_events == 1
    assert bench.standing.consent(ANNA.key) is Consent.WITHDRAWN
    assert bench.standing.visitors(ANNA.key) == (GUEST.key,)
    assert bench.people.get(ANNA.key).segments == ("back",)
    assert [deed.products for deed in bench.profiles.get(ANNA.key).deeds] == [("back",)]
    assert [one.event_id for one in bench.log.events_of(ANNA.key)] == ["back"]


def test_a_receipt_says_in_the_ledger_when_the_log_let_go(bench: Bench) -> None:
    """By the log's own clock, whatever the service's is: what it received until then is purged."""
    bench.customers.link("guest", "anna", T0)
    receipt = bench.customers.erase("anna")
    entries, end = bench.registry.ledger.read(0)
    swept = [entry for entry in entries if entry.decision is Decision.SWEPT]
    assert [entry.subjects for entry in swept] == [(GUEST.key,), (ANNA.key,)]
    times = [round(1_000 * entry.time.timestamp()) for entry in swept]
    assert times == [round(1_000 * T0)] * 2
    assert receipt.time == NOW
    assert receipt.position == end


class DeadLog(InMemoryEventLog):
    """A log that is not there."""

    def erase(self, shopper: str, position: int) -> Swept:
        raise StoreUnavailableError(f"down for {shopper} at {position}")


def test_an_erasure_holds_at_once_though_the_store_is_down(bench: Bench) -> None:
    """The caller hears that it failed; repeated, it finds the visitors whom the first one had."""
    bench.did(event("own"), event("v1", GUEST))
    bench.standing.link(GUEST.key, ANNA.key)
    dead = Customers(
        bench.slot,
        bench.standing,
        DeadLog(lambda: T0, bench.profiles),
        DeadPeople(bench.profiles),
        bench.served,
        hash_key=KEY,
    )
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="down for"):
            dead.erase("anna")
    assert bench.standing.erased_at(ANNA.key) == bench.standing.position
    receipt = bench.customers.erase("anna")
    assert (receipt.n_events, receipt.n_visitors) == (2, 1)
    assert bench.customers.erase("anna").n_visitors == 0


def test_consent_that_an_erasure_overtakes_is_not_written(bench: Bench) -> None:
    """It ends as if it had come just before: the customer is unknown, home and all."""

    class Overtaken(Standing):
        is_armed = True

        def follow(self) -> None:
            super().follow()
            if self.is_armed:
                self.is_armed = False
                another_process(bench).erase("anna")

    standing = Overtaken(
        bench.registry.ledger, consents_by_default=False, logger=Log().logger, now=lambda: NOW
    )
    customers = Customers(bench.slot, standing, bench.log, bench.people, bench.served, hash_key=KEY)
    position = customers.update(
        "anna",
        consent=Consent.GRANTED,
        home=None,
        segments=("vip",),
        now=NOW,
        allow_missing=True,
    )
    assert standing.consent(ANNA.key) is Consent.UNKNOWN
    assert position == standing.position == bench.registry.ledger.end()
    assert not bench.profiles.people


def test_an_export_has_what_was_collected_and_still_counts(bench: Bench) -> None:
    """Each deed once: as the event where that waits, else as the live profile holds it."""
    place = Location(store_id="leeds-1")
    bench.did(event("old", GUEST, lines=(Line("tea", 2.0, 1.5, "GBP"),), location=place))
    bench.customers.link("guest", "newcomer", T0)
    bench.did(event("rated", NEWCOMER, act=Act.FEEDBACK, rating=4.0), event("looks", GUEST))
    collected(bench)
    bench.did(event("new", NEWCOMER), event("again", GUEST, lines=(Line("looks"),)))
    _, _, events = bench.customers.export("newcomer")
    told = list(events)
    assert [one.event_id for one in told] == ["again", "new", "", "", ""]
    visited, bought, rated = told[2:]
    assert (visited.shopper, visited.lines) == (GUEST, (Line("looks"),))
    assert (bought.shopper, bought.lines) == (NEWCOMER, (Line("tea", 2.0),))
    assert (bought.time, bought.location, bought.rating) == (int(T0), place, None)
    assert (rated.act, rated.rating) == (Act.FEEDBACK, 4.0)
    bench.customers.erase("newcomer")
    assert not bench.is_known("newcomer")


def test_a_visitor_of_two_is_erased_with_either(bench: Bench) -> None:
    """What the other one was handed by then stays theirs, and the visitor goes by their word."""
    ben = customer("ben")
    bench.did(event("as-annas", GUEST))
    bench.customers.link("guest", "anna", T0)
    bench.did(event("handed", GUEST))
    bench.customers.link("guest", "ben", T0)
    bench.did(event("waits", GUEST))
    receipt = bench.customers.erase("anna")
    assert (receipt.n_visitors, receipt.n_events) == (1, 3)
    assert bench.log.profile_of(GUEST.key).deeds == ()
    assert [deed.products for deed in bench.log.profile_of(ben.key).deeds] == [("handed",)]
    bench.standing.set_consent(ben.key, Consent.WITHDRAWN)
    assert not bench.standing.allows_visitor(GUEST.key)


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_a_receipt_waits_for_the_disk(bench: Bench, *, is_on_disk: bool) -> None:
    """When all is deleted, and says whether that came to be known."""

    class SlowLog(InMemoryEventLog):
        def settle(self, shopper: str) -> bool:
            assert shopper == ANNA.key
            assert bench.people.get(ANNA.key) == Person()
            assert not bench.profiles.profiles
            return is_on_disk

    log = SlowLog(lambda: T0, bench.profiles)
    customers = Customers(bench.slot, bench.standing, log, bench.people, bench.served, hash_key=KEY)
    bench.update("anna", segments=("a",))
    bench.did(event("e1"))
    assert customers.erase("anna").is_on_disk is is_on_disk
