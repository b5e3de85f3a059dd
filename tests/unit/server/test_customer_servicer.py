"""Customers over the API, without a network: masks, limits, and what is kept of answers."""

from typing import Any
from uuid import UUID

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng

from recsvc.core.cells import cell_of
from recsvc.errors import InvalidRequestError, NotFoundError
from recsvc.identity import customer_hash
from recsvc.logs import collected_facts
from recsvc.server.customer_servicer import CustomerServicer
from recsvc.server.replays import Replays
from recsvc.server.tokens import ConsistencyTokens
from recsvc.service.customers import Customers
from recsvc.service.models import ModelSlot
from recsvc.store.memory import (
    InMemoryAnswerStore,
    InMemoryEventLog,
    InMemoryPeople,
    InMemoryProfiles,
    InMemoryServedLists,
)
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import customer_service_pb2 as api
from tests.calls import Context
from tests.counting import DATA_END, DAY
from tests.serving import NOW, Log, new_metrics, new_standing, small_registry
from tests.shoppers import ANNA, GUEST, KEY, T0, event

CALLER: Any = Context()
"""The context of a call with ten seconds left."""
REQUEST_ID = str(UUID(int=0xABCDEF, version=4))


class Bench:
    """The servicer over memory."""

    def __init__(self, slot: ModelSlot) -> None:
        self.standing = new_standing(slot.registry)
        profiles = InMemoryProfiles()
        self.log = InMemoryEventLog(lambda: T0, profiles)
        self.people = InMemoryPeople(profiles)
        self.served = InMemoryServedLists(profiles, clock=lambda: T0)
        self.answers = InMemoryAnswerStore()
        self.tokens = ConsistencyTokens(KEY)
        self.servicer = CustomerServicer(
            Customers(slot, self.standing, self.log, self.people, self.served, hash_key=KEY),
            self.tokens,
            Replays(self.answers, KEY),
            now=lambda: NOW,
        )

    def get(self, customer_id: str, token: str = "") -> api.Customer:
        request = api.GetCustomerRequest(customer_id=customer_id, consistency_token=token)
        return self.servicer.GetCustomer(request, CALLER).customer

    def update(
        self,
        *paths: str,
        request_id: str = "",
        allow_missing: bool = False,
        **fields: Any,
    ) -> api.UpdateCustomerResponse:
        request = api.UpdateCustomerRequest(
            customer=api.Customer(**({"customer_id": "anna"} | fields)),
            update_mask=FieldMask(paths=paths),
            allow_missing=allow_missing,
            request_id=request_id,
        )
        return self.servicer.UpdateCustomer(request, CALLER)

    def link(self, visitor_id: str, customer_id: str, **fields: str) -> api.LinkVisitorResponse:
        request = api.LinkVisitorRequest(visitor_id=visitor_id, customer_id=customer_id, **fields)
        return self.servicer.LinkVisitor(request, CALLER)

    def erase(self, customer_id: str, **fields: str) -> api.EraseCustomerResponse:
        request = api.EraseCustomerRequest(customer_id=customer_id, **fields)
        return self.servicer.EraseCustomer(request, CALLER)

    def export(self, customer_id: str) -> list[api.ExportCustomerResponse]:
        request = api.ExportCustomerRequest(customer_id=customer_id)
        return list(self.servicer.ExportCustomer(request, CALLER))


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    registry = small_registry(tmp_path_factory.mktemp("registry"))
    slot = ModelSlot(registry, logger=Log().logger, metrics=new_metrics()[0])
    slot.refresh()
    return Bench(slot)


PORTO = common.Location(store_id="porto-1", country_code="PT")


def seconds(time: float) -> Timestamp:
    return Timestamp(seconds=int(time))


def test_a_customer_is_described_in_the_apis_words(bench: Bench) -> None:
    """Every field in its place; a cell as its centre."""
    anna = bench.get("anna")
    assert anna.consent == api.CONSENT_UNKNOWN
    assert (anna.home_location.store_id, anna.home_location_learnt) == ("leeds-1", True)
    assert anna.home_location.lat_lng.latitude == pytest.approx(53.8, abs=0.1)
    assert (anna.n_purchases, anna.n_products, anna.n_live_events) == (5, 3, 0)
    assert anna.first_purchase_time == seconds(DATA_END - 60 * DAY)
    assert anna.last_purchase_time == seconds(DATA_END - 3 * DAY)
    assert not anna.HasField("update_time")
    emil = bench.get("emil")
    assert not emil.HasField("home_location")


def test_a_mask_names_what_is_changed(bench: Bench) -> None:
    """What it names and is empty is cleared; what it does not name stays."""
    fields: dict[str, Any] = {
        "segments": ["a"],
        "home_location": PORTO,
        "consent": api.CONSENT_GRANTED,
    }
    changed = bench.update("segments", "home_location", **fields).customer
    assert (list(changed.segments), changed.home_location) == (["a"], PORTO)
    assert changed.consent == api.CONSENT_UNKNOWN
    changed = bench.update("segments", consent=api.CONSENT_GRANTED).customer
    assert (list(changed.segments), changed.home_location) == ([], PORTO)
    assert changed.consent == api.CONSENT_UNKNOWN
    changed = bench.update("home_location").customer
    assert (changed.home_location.store_id, changed.home_location_learnt) == ("leeds-1", True)
    assert changed.update_time == seconds(NOW.timestamp())
    assert changed == bench.get("anna")


def test_without_a_mask_what_is_set_is_changed(bench: Bench) -> None:
    """And nothing is cleared."""
    bench.update(segments=["a"], home_location=PORTO)
    changed = bench.update(consent=api.CONSENT_WITHDRAWN).customer
    assert changed.consent == api.CONSENT_WITHDRAWN
    assert (list(changed.segments), changed.home_location) == (["a"], PORTO)
    assert bench.update().customer == changed


@pytest.mark.parametrize(
    ("paths", "fields", "field"),
    [
        (["customer_id"], {}, "update_mask"),
        (["n_purchases"], {}, "update_mask"),
        (["segments", "nonsense" * 100], {}, "update_mask"),
        (["home_location.store_id"], {}, "update_mask"),
        (["*"], {}, "update_mask"),
        (["consent"], {}, "customer.consent"),
        ([], {"consent": 9}, "customer.consent"),
        ([], {"segments": ["x"] * 101}, "customer.segments"),
        ([], {"segments": ["x", ""]}, "customer.segments[1]"),
        ([], {"segments": ["x" * 257]}, "customer.segments[0]"),
        ([], {"home_location": common.Location(country_code="pt")},
         "customer.home_location.country_code"),
        ([], {"customer_id": ""}, "customer.customer_id"),
        ([], {"customer_id": "x" * 257}, "customer.customer_id"),
    ],
)  # fmt: skip
def test_a_change_that_is_not_understood_changes_nothing(
    bench: Bench, paths: list[str], fields: dict[str, Any], field: str
) -> None:
    """The field is named in one short line."""
    with pytest.raises(InvalidRequestError) as caught:
        bench.update(*paths, allow_missing=True, **fields)
    assert (caught.value.field, caught.value.reason) == (field, "FIELD_INVALID")
    assert len(str(caught.value)) < 200
    assert not bench.get("anna").HasField("update_time")


def test_a_home_is_kept_no_finer_than_a_cell(bench: Bench) -> None:
    """Coordinates are gone on receipt."""
    point = LatLng(latitude=41.149, longitude=-8.607)
    home = bench.update(home_location=common.Location(lat_lng=point)).customer.home_location
    assert bench.people.get(ANNA.key).home.cell == cell_of(41.149, -8.607)
    assert home.lat_lng != point


def test_who_is_not_there_is_made_only_if_allowed(bench: Bench) -> None:
    """And is there from then on, with nothing else known of them."""
    with pytest.raises(NotFoundError):
        bench.update(customer_id="newcomer", consent=api.CONSENT_GRANTED)
    made = bench.update(customer_id="newcomer", allow_missing=True).customer
    assert (made.customer_id, made.consent) == ("newcomer", api.CONSENT_UNKNOWN)
    assert bench.get("newcomer") == made


def test_a_token_of_a_change_is_one_that_reads_know(bench: Bench) -> None:
    """It holds the position that has the change; another's is refused."""
    token = bench.update(consent=api.CONSENT_GRANTED).consistency_token
    assert bench.tokens.read(token).ledger == bench.standing.position > 0
    assert bench.get("anna", token).consent == api.CONSENT_GRANTED
    with pytest.raises(InvalidRequestError, match="consistency_token"):
        bench.get("anna", "nonsense")


@pytest.mark.parametrize(
    ("visitor_id", "customer_id", "field"),
    [("", "anna", "visitor_id"), ("x" * 257, "anna", "visitor_id"), ("guest", "", "customer_id")],
)
def test_a_link_names_two(bench: Bench, visitor_id: str, customer_id: str, field: str) -> None:
    """Both within the limits of ids."""
    with pytest.raises(InvalidRequestError) as caught:
        bench.link(visitor_id, customer_id)
    assert caught.value.field == field


def test_linking_again_is_safe(bench: Bench) -> None:
    """A visitor's events change hands once; who repeats the request gets the first answer."""
    bench.log.append([event("tea", GUEST)], durable=False, heeds=0)
    with collected_facts() as facts:
        first = bench.link("guest", "anna", request_id=REQUEST_ID)
    assert (first.n_events_moved, list(first.customer.visitor_ids)) == (1, ["guest"])
    assert facts == {"n_events": 1}
    assert bench.link("guest", "anna", request_id=REQUEST_ID) == first
    assert bench.link("guest", "anna").n_events_moved == 0


def test_a_receipt_names_nobody(bench: Bench) -> None:
    """It has the hash, the time, and how much was erased; a repetition gets the same one."""
    bench.log.append([event("tea"), event("jam", GUEST)], durable=False, heeds=0)
    bench.link("guest", "anna")
    response = bench.erase("anna", request_id=REQUEST_ID)
    receipt = response.receipt
    assert receipt.customer_hash == customer_hash(KEY, "anna")
    assert (receipt.n_events_erased, receipt.n_visitors_erased) == (2, 1)
    assert receipt.erase_time == seconds(NOW.timestamp())
    assert "anna" not in str(response)
    assert bench.erase("anna", request_id=REQUEST_ID) == response
    assert bench.erase("anna").receipt.receipt_id != receipt.receipt_id
    with pytest.raises(NotFoundError):
        bench.get("anna")
    with pytest.raises(InvalidRequestError, match="customer_id: is required"):
        bench.erase("")


def test_what_is_kept_of_answers_names_nobody(bench: Bench) -> None:
    """An erasure does not reach it; who repeats a change is told of the customer as of now."""
    bench.update(segments=["very-particular"], request_id=REQUEST_ID)
    link_id = REQUEST_ID.replace("abcdef", "fedcba")
    bench.link("guest", "anna", request_id=link_id)
    for request_id in (REQUEST_ID, link_id):
        kept = bench.answers.get(request_id)
        assert kept is not None
        for secret in (b"anna", b"guest", b"very-particular", ANNA.key.encode()):
            assert secret not in kept
    bench.erase("anna")
    again = bench.update(segments=["very-particular"], request_id=REQUEST_ID)
    assert again.customer == api.Customer(customer_id="anna", consent=api.CONSENT_UNKNOWN)
    with pytest.raises(NotFoundError):  # the repetition has not brought them back
        bench.get("anna")


def test_an_export_begins_with_the_customer(bench: Bench) -> None:
    """Once; then what was learnt, then every event, as it was sent."""
    bench.log.append([event("tea"), event("jam")], durable=False, heeds=0)
    first, *rest = bench.export("anna")
    assert first.customer == bench.get("anna")
    learnt = [record.learnt for record in rest if record.HasField("learnt")]
    counts = {one.product_id: one.purchase_count for one in learnt}
    assert counts == {"bread": 1, "espresso": 3, "milk": 1}
    assert [one.usual_quantity for one in learnt] == [1, 1, 2]
    assert learnt[1].first_time.seconds == DATA_END - 60 * DAY
    assert learnt[1].last_time.seconds == DATA_END - 3 * DAY
    rest = rest[len(learnt) :]
    assert [record.event.event_id for record in rest] == ["tea", "jam"]
    assert rest[0].event.shopper.customer_id == "anna"
    with pytest.raises(NotFoundError):
        bench.export("nobody")
    with pytest.raises(InvalidRequestError):
        bench.export("")


def test_for_who_has_left_no_lists_are_looked_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are the last and the largest part of an export."""
    bench.update("segments", segments=["vip"], allow_missing=True)
    monkeypatch.setattr(bench.served, "of_shopper", lambda *_: pytest.fail("was looked up"))
    has_left: Any = Context(is_active=False)
    request = api.ExportCustomerRequest(customer_id="anna")
    first, *_ = bench.servicer.ExportCustomer(request, has_left)
    assert first.customer.segments == ["vip"]
