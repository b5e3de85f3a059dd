"""How a live profile is written: everything comes back, and nothing damaged is believed."""

import math
import struct
from dataclasses import replace
from hashlib import shake_128
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.service.shopping import NO_DEEDS, Deed, Event, Line
from recsvc.store.profile_format import (
    FORMAT,
    HEADER,
    RECEIVED_BYTES,
    compacted,
    deed_of,
    read_profile,
    record,
    records_of,
    revision_of,
)
from tests.shoppers import T0, event

MAX_ID_BYTES = 256


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f"))
ids = st.one_of(texts, st.just("ü" * 128), st.just("\U0001f6d2" * 64)).filter(
    lambda text: 0 < len(text.encode()) <= MAX_ID_BYTES
)
codes = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1f"), max_size=10)
locations = st.builds(
    Location,
    store_id=codes,
    postal_code=codes,
    cell=codes,
    subdivision_code=codes,
    country_code=codes,
)
quantities = st.integers(1, 1_000).map(float) | st.floats(2**-20, 1e9, width=32, exclude_min=True)
lines = st.lists(st.builds(Line, ids, quantities), min_size=1, max_size=5).map(tuple)
events = st.builds(
    event,
    st.just("e1"),
    act=st.sampled_from(Act),
    time=st.floats(0, 0xFFFF_FFFF),
    lines=lines,
    location=st.just(Location()) | locations,
    order_id=st.just("") | ids,
    rating=st.none() | st.integers(10, 50).map(lambda tenths: tenths / 10),
)
times = st.integers(0, 2**48 - 1)
histories = st.lists(st.tuples(events, times), max_size=12)
revisions = st.integers(1, 0xFFFF_FFFF)


def random_id(number: int, length: int) -> str:
    """Return an id that hardly compresses."""
    return shake_128(str(number).encode()).hexdigest(length // 2)


def written(history: list[tuple[Event, int]], revision: int = 7) -> bytes:
    """Return a profile as the script leaves it: nothing packed yet."""
    records = (received.to_bytes(RECEIVED_BYTES) + record(one) for one, received in history)
    return HEADER.pack(FORMAT, revision, 0) + b"".join(records)


def deeds_of(history: list[tuple[Event, int]]) -> tuple[Deed, ...]:
    return tuple(deed_of(one, received) for one, received in history)


SAMPLE = written(
    [
        (
            event(
                f"e{n}",
                order_id="o1",
                location=Location(store_id="s"),
                lines=(Line("product", 1.0), Line("weighed", 0.25)),
            ),
            n,
        )
        for n in range(9)
    ]
)


@given(events, times)
@example(event("e1", lines=(Line("a", 250.0), Line("b", 251.0), Line("c", 255.0))), 0)
def test_deed_says_what_the_event_said(one: Event, received: int) -> None:
    """Everything that questions need of an event is in its deed."""
    deed = deed_of(one, received)
    assert (deed.act, deed.time, deed.received) == (one.act, int(one.time), received)
    assert deed.products == tuple(line.product_id for line in one.lines)
    assert deed.quantities == tuple(line.quantity for line in one.lines)
    assert deed.location == one.location
    assert deed.rating == (one.rating or 0.0)
    assert (deed.order == 0) == (one.order_id == "")


@given(histories, revisions)
def test_profile_reads_back(history: list[tuple[Event, int]], revision: int) -> None:
    """Records one after another are the deeds in their order, and the revision is beside them."""
    value = written(history, revision)
    profile = read_profile(value)
    assert profile.revision == revision_of(value) == revision
    assert profile.deeds == deeds_of(history)
    records, is_whole = records_of(value)
    assert is_whole
    assert len(records) == len(history)
    assert HEADER.pack(FORMAT, revision, 0) + b"".join(records) == value


@given(histories, histories, revisions, st.randoms(use_true_random=False))
def test_compacted_keeps_what_is_asked(
    history: list[tuple[Event, int]],
    later: list[tuple[Event, int]],
    revision: int,
    random: Random,
) -> None:
    """What is kept, once or twice packed and with more added since, reads as it did before."""
    keep = [random.random() < 0.5 for _ in history]
    kept = [entry for entry, wanted in zip(history, keep, strict=True) if wanted]
    packed = compacted(written(history, revision), keep)
    assert read_profile(packed).revision == revision
    assert read_profile(packed).deeds == deeds_of(kept)
    grown = packed + written(later)[HEADER.size :]
    assert read_profile(grown).deeds == deeds_of(kept + later)
    again = compacted(grown, [True] * (len(kept) + len(later)))
    assert read_profile(again) == read_profile(grown)
    assert records_of(again) == records_of(grown)


def test_packing_makes_it_smaller() -> None:
    """Records are alike, so they take a fraction of the bytes together."""
    assert len(compacted(SAMPLE, [True] * 9)) < len(SAMPLE) * 0.7


def test_packing_keeps_within_the_format() -> None:
    """What would not fit loses its oldest records, and no more than has to go."""
    history = [(event(f"e{n}", lines=(Line(random_id(n, 40)),)), n) for n in range(4_000)]
    packed = compacted(written(history), [True] * 4_000)
    deeds = read_profile(packed).deeds
    assert 0xFFFF * 0.8 < len(packed) <= 0xFFFF + HEADER.size
    assert deeds == deeds_of(history)[-len(deeds) :]


def test_a_record_too_large_for_the_format_is_left_out() -> None:
    """An event that no profile can hold does not keep later ones from being packed."""
    big = event("big", lines=tuple(Line(random_id(n, MAX_ID_BYTES)) for n in range(1_000)))
    history = [(big, 0), *((event(f"e{n}"), n) for n in range(1, 31))]
    packed = compacted(written(history), [True] * 31)
    deeds = read_profile(packed).deeds
    assert len(packed) < 1_000
    assert deeds == deeds_of(history)[-len(deeds) :]
    assert len(deeds) > 1
    assert read_profile(compacted(written(history[:1]), [True])).deeds == ()


def test_nothing_stored_is_nothing_done() -> None:
    """A missing profile is empty, of revision 0."""
    assert read_profile(None) == NO_DEEDS
    assert revision_of(None) == 0


@pytest.mark.parametrize("value", [b"", b"\x01", SAMPLE[: HEADER.size - 1]])
def test_too_short_for_a_profile(value: bytes) -> None:
    """Less than a header is no profile, and of no revision."""
    assert revision_of(value) == 0
    for read in (read_profile, lambda v: compacted(v, [])):
        with pytest.raises(ValueError, match="another format"):
            read(value)
    assert records_of(value) == ([], False)


@pytest.mark.parametrize("other", [0, FORMAT + 1, 255])
def test_another_format_is_refused(other: int) -> None:
    """What a later version writes is not guessed at."""
    value = bytes([other]) + SAMPLE[1:]
    for read in (read_profile, lambda v: compacted(v, [True] * 9)):
        with pytest.raises(ValueError, match="another format"):
            read(value)
    assert records_of(value) == ([], False)


@pytest.mark.parametrize("is_packed", [False, True])
def test_every_cut_is_noticed(*, is_packed: bool) -> None:
    """A profile that ends within a record is damaged wherever it does."""
    value = compacted(SAMPLE, [True] * 9) if is_packed else SAMPLE
    ends = {len(written([]))} if is_packed else whole_ends()
    for end in set(range(HEADER.size, len(value))) - ends:
        for read in (read_profile, lambda v: compacted(v, [True] * 9)):
            with pytest.raises(ValueError, match=r"damaged|shorter"):
                read(value[:end])
        records, is_whole = records_of(value[:end])
        assert not is_whole
        assert records == records_of(value)[0][: len(records)]


def whole_ends() -> set[int]:
    """Return where the records of SAMPLE end."""
    sizes = [len(one) for one in records_of(SAMPLE)[0]]
    return {HEADER.size + sum(sizes[:n]) for n in range(len(sizes) + 1)}


@given(tail=st.binary(max_size=60), is_packed=st.booleans())
def test_nonsense_raises_nothing_but_value_errors(tail: bytes, is_packed: bool) -> None:  # noqa: FBT001  # hypothesis gives it
    """Whatever lies there is read, or is a ``ValueError``."""
    value = HEADER.pack(FORMAT, 1, len(tail) if is_packed else 0) + tail
    for read in (read_profile, records_of, lambda v: compacted(v, [True] * 100)):
        try:
            read(value)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "location",
    [
        Location(store_id="s" * 256),
        Location(store_id="ü" * 100, postal_code="p" * 32, cell="c" * 30),
        Location(store_id="a\x1fb"),
        Location(country_code="GB", subdivision_code="\x1f"),
    ],
)
def test_a_place_that_cannot_be_written_is_left_out(location: Location) -> None:
    """It is in the log; a profile takes the event without a place, never with a wrong one."""
    deed = deed_of(event("e1", location=location), 1)
    assert deed.location == Location()
    assert deed.products == ("e1",)


@pytest.mark.parametrize("store_id", ["s" * 255, "ü" * 127])
def test_the_longest_place_is_kept(store_id: str) -> None:
    """Up to 255 bytes fit."""
    location = Location(store_id=store_id)
    assert deed_of(event("e1", location=location), 1).location == location


@pytest.mark.parametrize(
    ("given_quantity", "kept"),
    [
        (0.5, 0.5),
        (250.0, 250.0),
        (250.5, 250.5),
        (251.0, 251.0),
        (255.0, 255.0),
        (1e9, 1e9),
        (1e300, 3e38),
        (math.inf, 3e38),
        (0.1, struct.unpack(">f", struct.pack(">f", 0.1))[0]),
    ],
)
def test_quantities_are_kept_to_seven_digits(given_quantity: float, kept: float) -> None:
    """Small whole ones take a byte, all others four more, and none is refused."""
    deed = deed_of(event("e1", lines=(Line("a", given_quantity), Line("b"))), 1)
    assert deed.quantities == pytest.approx((kept, 1.0), rel=1e-6)


@pytest.mark.parametrize(
    ("time", "kept"), [(-1.0, 0), (0.0, 0), (T0, int(T0)), (2.0**32, 0xFFFF_FFFF)]
)
def test_times_stay_within_their_range(time: float, kept: int) -> None:
    """What an unsigned 32-bit second cannot hold becomes its nearest."""
    assert deed_of(event("e1", time=time), 1).time == kept


def test_orders_are_told_apart() -> None:
    """The same order is the same number, another order another, and none is 0."""
    numbers = [deed_of(event("e", order_id=f"o{n}"), 1).order for n in range(200)]
    assert deed_of(event("x", order_id="o7"), 2).order == numbers[7]
    assert len(set(numbers)) == 200
    assert min(numbers) > 0


def test_a_purchase_takes_few_bytes() -> None:
    """One product bought in a store under an order: 18 bytes and the names."""
    one = event("e1", lines=(Line("product"),), order_id="order", location=Location(store_id="s1"))
    assert RECEIVED_BYTES + len(record(one)) == 18 + len("product") + len("s1")
    assert record(replace(one, order_id="", location=Location())) == record(
        event("e1", lines=(Line("product"),))
    )
