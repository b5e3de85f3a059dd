"""Every limit of an event, at its edge and beyond."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc.core.cells import cell_of
from recsvc.core.live import Act
from recsvc.errors import InvalidRequestError
from recsvc.identity import customer_hash, visitor_hash
from recsvc.server.event_requests import read_event, read_shopper
from recsvc.server.event_responses import event_message
from recsvc.service.shopping import Line, Person, Shopper
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as api

KEY = b"key"
NOW = 1_700_000_000.5
A_DAY = 86_400


def sent(**fields: object) -> api.Event:
    """A purchase of milk by anna, but for ``fields``."""
    given: dict[str, object] = {
        "event_id": "e1",
        "type": api.EVENT_TYPE_PURCHASE,
        "shopper": common.Shopper(customer_id="anna"),
        "items": [common.LineItem(product_id="milk")],
    }
    return api.Event(**(given | fields))  # type: ignore[arg-type]  # the message checks them


def by(**ids: str) -> api.Event:
    return sent(shopper=common.Shopper(**ids))


def at(seconds: int, nanos: int = 0) -> api.Event:
    return sent(event_time=Timestamp(seconds=seconds, nanos=nanos))


def line(**fields: object) -> api.Event:
    item = {"product_id": "milk"} | fields
    return sent(items=[common.LineItem(**item)])  # type: ignore[arg-type]  # the message checks them


def paid(units: int, nanos: int = 0, currency: str = "GBP") -> api.Event:
    return line(unit_price=Money(currency_code=currency, units=units, nanos=nanos))


def rated(rating: float | None, kind: int = api.EVENT_TYPE_FEEDBACK) -> api.Event:
    return sent(type=kind, rating=rating)


def located(**fields: object) -> api.Event:
    return sent(location=common.Location(**fields))  # type: ignore[arg-type]  # the message checks them


NAN, INFINITE = float("nan"), float("inf")
BEYOND = [
    ("event_id", sent(event_id="")),
    ("event_id", sent(event_id="é" * 129)),
    ("type", sent(type=api.EVENT_TYPE_UNSPECIFIED)),
    ("type", sent(type=9)),
    ("shopper", by()),
    ("shopper", by(customer_id="", session_id="s")),
    ("shopper.customer_id", by(customer_id="x" * 257)),
    ("shopper.visitor_id", by(visitor_id="x" * 100_000)),
    ("shopper.session_id", by(customer_id="anna", session_id="x" * 257)),
    ("event_time", at(-1)),
    ("event_time", at(2**32)),
    ("event_time", at(2**62)),
    ("event_time", at(0, -1)),
    ("event_time", at(0, 1_000_000_000)),
    ("event_time", at(1_700_000_001 + A_DAY)),
    ("items", sent(items=[])),
    ("items", sent(items=[common.LineItem(product_id="milk")] * 1_001)),
    ("items[0].product_id", line(product_id="")),
    ("items[0].product_id", line(product_id="x" * 257)),
    ("items[0].quantity", line(quantity=-1)),
    ("items[0].quantity", line(quantity=1.1e9)),
    ("items[0].quantity", line(quantity=NAN)),
    ("items[0].quantity", line(quantity=INFINITE)),
    ("items[0].unit_price", paid(-1)),
    ("items[0].unit_price", paid(0, -1)),
    ("items[0].unit_price", paid(0, 1_000_000_000)),
    ("items[0].unit_price", paid(10**12 + 1)),
    ("items[0].unit_price", paid(2**63 - 1)),
    ("items[0].unit_price.currency_code", paid(1, currency="x" * 257)),
    ("location.country_code", located(country_code="de")),
    ("location.subdivision_code", located(subdivision_code="Bavaria")),
    ("location.postal_code", located(postal_code="1" * 33)),
    ("location.store_id", located(store_id="x" * 257)),
    ("location.lat_lng.latitude", located(lat_lng=LatLng(latitude=NAN))),
    ("location.lat_lng.longitude", located(lat_lng=LatLng(longitude=180.1))),
    ("channel", sent(channel=99)),
    ("placement_id", sent(placement_id="x" * 257)),
    ("recommendation_id", sent(recommendation_id="x" * 257)),
    ("order_id", sent(order_id="x" * 257)),
    ("rating", rated(None)),
    ("rating", rated(0.9)),
    ("rating", rated(5.1)),
    ("rating", rated(NAN)),
    ("rating", rated(4, api.EVENT_TYPE_VIEW)),
]


@pytest.mark.parametrize(("field", "event"), BEYOND)
def test_what_is_beyond_its_limit_names_its_field(field: str, event: api.Event) -> None:
    """FIELD_INVALID with the path as a caller writes it, in one short line."""
    with pytest.raises(InvalidRequestError) as caught:
        read_event(event, KEY, NOW)
    assert (caught.value.field, caught.value.reason) == (field, "FIELD_INVALID")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_later_line_is_named_by_its_place() -> None:
    """So that the caller finds it among a thousand."""
    items = [common.LineItem(product_id="milk"), common.LineItem(product_id="tea", quantity=-1)]
    with pytest.raises(InvalidRequestError, match=r"items\[1\]\.quantity: .* RETURN event"):
        read_event(sent(items=items), KEY, NOW)


@pytest.mark.parametrize(
    ("event", "time"),
    [
        (sent(), NOW),
        (at(0), 0.0),
        (at(1_600_000_000, 250_000_000), 1_600_000_000.25),
        (at(1_700_000_000 + A_DAY), 1_700_000_000 + A_DAY),
    ],
)
def test_a_time_is_the_events_own_or_now(event: api.Event, time: float) -> None:
    """From 1970 to a day ahead: clocks of tills are never quite right."""
    assert read_event(event, KEY, NOW).time == time


@pytest.mark.parametrize("kind", Act)
def test_every_type_of_the_api_is_an_act(kind: Act) -> None:
    """Of the same name and number."""
    assert api.EventType.Name(kind.value) == f"EVENT_TYPE_{kind.name}"
    rating = 4.0 if kind is Act.FEEDBACK else None
    assert read_event(rated(rating, kind), KEY, NOW).act is kind


def test_everything_that_is_sent_arrives_and_is_written_back() -> None:
    """At its limit every field is taken over; coordinates leave as the centre of a cell."""
    message = sent(
        type=api.EVENT_TYPE_FEEDBACK,
        shopper=common.Shopper(visitor_id="x" * 256, session_id="s1"),
        event_time=Timestamp(seconds=1_600_000_000, nanos=500_000_000),
        items=[
            common.LineItem(
                product_id="milk",
                quantity=2.5,
                unit_price=Money(currency_code="GBP", units=1, nanos=150_000_000),
            ),
            common.LineItem(product_id="tea", quantity=1e9),
            common.LineItem(product_id="jam"),
        ],
        location=common.Location(
            store_id="leeds-1", lat_lng=LatLng(latitude=53.79, longitude=-1.54)
        ),
        channel=common.CHANNEL_STORE,
        placement_id="p1",
        recommendation_id="r1",
        order_id="o1",
        rating=1.0,
    )
    event = read_event(message, KEY, NOW)
    assert event.shopper == Shopper(Person.VISITOR, "x" * 256, visitor_hash(KEY, "x" * 256))
    assert event.lines == (
        Line("milk", 2.5, 1.15, "GBP"),
        Line("tea", 1e9),
        Line("jam", 1.0),
    )
    assert event.location.cell == cell_of(53.79, -1.54)
    assert "53.79" not in repr(event)
    assert (event.channel, event.rating) == ("STORE", 1.0)

    message.items[2].quantity = 1
    message.location.lat_lng.Clear()
    written = event_message(event)
    written.location.lat_lng.Clear()
    assert written == message


def test_an_event_of_few_words_is_written_back_as_such() -> None:
    """What was not given stays unset, a price of nothing among it."""
    message = sent(event_time=Timestamp(seconds=1_600_000_000))
    message.items[0].quantity = 1
    assert event_message(read_event(message, KEY, NOW)) == message
    free = paid(0)
    found = event_message(read_event(free, KEY, NOW)).items[0]
    assert found.unit_price == Money(currency_code="GBP")
    dearest = event_message(read_event(paid(10**12, 999_999_999), KEY, NOW)).items[0]
    assert dearest.unit_price.units == pytest.approx(10**12)


def test_a_customer_and_a_visitor_are_two_people() -> None:
    """Even under one id; a message can name one of them."""
    customer = read_shopper("shopper", common.Shopper(customer_id="7"), KEY)
    assert customer == Shopper(Person.CUSTOMER, "7", customer_hash(KEY, "7"))
    visitor = read_shopper("shopper", common.Shopper(visitor_id="7"), KEY)
    assert visitor.key != customer.key
