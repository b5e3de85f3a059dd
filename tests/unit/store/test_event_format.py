"""How an event is written in the log: everything comes back, and nothing else is believed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.service.shopping import Event, Line, Link, Person, Shopper
from recsvc.store.event_format import event_json, link_json, read_entry
from tests.shoppers import ANNA, GUEST, event

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ids = texts.filter(bool) | st.just("ü" * 128)
amounts = st.floats(0, 1e15)
shoppers = st.builds(Shopper, st.sampled_from(Person), ids, st.from_regex("[0-9a-f]{16}"))
# A currency is of a price.
lines = st.builds(Line, ids, st.floats(1e-9, 1e9)) | st.builds(
    Line, ids, st.just(1.0) | st.floats(1e-9, 1e9), amounts, texts
)
locations = st.builds(
    Location,
    store_id=texts,
    postal_code=texts,
    cell=texts,
    subdivision_code=texts,
    country_code=texts,
)
moments = st.floats(0, 2.0**32)
events = st.builds(
    Event,
    event_id=ids,
    act=st.sampled_from(Act),
    shopper=shoppers,
    time=moments,
    lines=st.lists(lines, min_size=1, max_size=4).map(tuple),
    location=st.just(Location()) | locations,
    order_id=texts,
    session_id=texts,
    placement_id=texts,
    recommendation_id=texts,
    channel=texts,
    rating=st.none() | st.floats(1, 5),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["id", "a", "t", "c", "v", "k", "vk", "l", "at", "r", "o", "s"])


@given(events)
def test_event_reads_back(one: Event) -> None:
    """Every field is there again, bit by bit."""
    assert read_entry(event_json(one)) == one


@given(shoppers, shoppers, moments)
def test_link_reads_back(visitor: Shopper, customer: Shopper, time: float) -> None:
    """So is who turned out to be whom."""
    link = Link(
        Shopper(Person.VISITOR, visitor.shopper_id, visitor.key),
        Shopper(Person.CUSTOMER, customer.shopper_id, customer.key),
        time,
    )
    assert read_entry(link_json(link)) == link


def test_event_is_spelled_as_agreed() -> None:
    """The trainer and other versions read it: the names do not drift."""
    one = event(
        "e1",
        time=1.5,
        lines=(Line("a"), Line("b", 2.0), Line("c", 1.0, 2.5, "GBP")),
        location=Location(
            store_id="s",
            postal_code="p",
            cell="c",
            subdivision_code="GB-ENG",
            country_code="GB",
        ),
        order_id="o",
        session_id="s",
        placement_id="p",
        recommendation_id="n",
        channel="WEB",
        rating=4.5,
    )
    assert json.loads(event_json(one)) == {
        "id": "e1",
        "a": 1,
        "t": 1.5,
        "c": "anna",
        "k": ANNA.key,
        "l": [["a"], ["b", 2.0], ["c", 1.0, 2.5, "GBP"]],
        "at": {"store": "s", "postal": "p", "cell": "c", "sub": "GB-ENG", "country": "GB"},
        "o": "o",
        "s": "s",
        "p": "p",
        "n": "n",
        "h": "WEB",
        "r": 4.5,
    }
    assert json.loads(link_json(Link(GUEST, ANNA, 1.5))) == {
        "a": 0,
        "t": 1.5,
        "v": "guest",
        "vk": GUEST.key,
        "c": "anna",
        "k": ANNA.key,
    }


WHOLE: dict[str, Any] = json.loads(event_json(event("e1", location=Location(store_id="s"))))
WRONG: list[dict[str, Any]] = [
    {"a": 9},
    {"a": -1},
    {"a": "1"},
    {"a": None},
    {"t": "soon"},
    {"t": None},
    {"t": 10**400},
    {"l": 7},
    {"l": [[]]},
    {"l": [["a", 1, 2, "GBP", "more"]]},
    {"at": []},
    {"at": {"planet": "mars"}},
]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b"{}",
        b'{"a": 0}',
        b"[" * 100_000,
        *(json.dumps(WHOLE | wrong).encode() for wrong in WRONG),
        *(
            json.dumps({n: v for n, v in WHOLE.items() if n != name}).encode()
            for name in ("id", "a", "t", "c", "k", "l")
        ),
    ],
)
def test_what_is_no_entry_is_refused(text: bytes) -> None:
    """Garbage and fields that are missing or of the wrong kind are a ``ValueError``."""
    with pytest.raises(ValueError, match=r"."):
        read_entry(text)


@given(st.dictionaries(fields, values))
def test_nonsense_raises_nothing_but_value_errors(change: dict[str, Any]) -> None:
    """Whatever the fields hold, it is read or refused."""
    try:
        read_entry(json.dumps(WHOLE | change).encode())
    except ValueError:
        return
