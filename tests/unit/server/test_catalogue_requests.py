"""Every limit that the API promises for products, stores and stock."""

import math
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Product
from recsvc.core.places import Location
from recsvc.errors import InvalidRequestError
from recsvc.server.catalogue_requests import (
    read_entries,
    read_inventory,
    read_inventory_key,
    read_product,
    read_store,
)
from recsvc.service.selling import Shop, StockRecord
from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import common_pb2 as common

LAST_SECOND = 2**32 - 1
NOW = Timestamp(seconds=1_775_000_000)

CLOCK = float(LAST_SECOND)


def pounds(units: int = 1, nanos: int = 0, currency_code: str = "GBP") -> Money:
    return Money(units=units, nanos=nanos, currency_code=currency_code)


def values(*given: str) -> common.AttributeValues:
    return common.AttributeValues(values=given)


def product(**fields: Any) -> catalog.Product:
    return catalog.Product(**{"product_id": "p", **fields})


def store(**fields: Any) -> catalog.Store:
    return catalog.Store(**{"store_id": "s", **fields})


def record(**fields: Any) -> catalog.InventoryRecord:
    key = catalog.InventoryKey(store_id="s", product_id="p")
    return catalog.InventoryRecord(**{"key": key, "effective_time": NOW, **fields})


def test_everything_of_a_product_arrives() -> None:
    """A path in its canonical form, a brand without blanks around it, times in whole seconds."""
    message = product(
        group_id="g",
        title="Tea",
        titles={"de": "Tee", "": "?"},
        category_path="Drinks>Tea > Green",
        brand=" Leaf ",
        price=pounds(3, 100_000_000),
        attributes={"colour": values("red", "blue"), "none": values()},
        available_from=Timestamp(seconds=10, nanos=999_999_999),
        available_to=Timestamp(seconds=20),
        uri="u",
        image_uri="i",
        sensitive=True,
        withdrawn=True,  # output only
    )
    assert read_product(message) == Product(
        product_id="p",
        group_id="g",
        title="Tea",
        titles={"de": "Tee", "": "?"},
        category_path="Drinks > Tea > Green",
        brand="Leaf",
        price=3.1,
        currency="GBP",
        attributes={"colour": ("red", "blue"), "none": ()},
        available_from=10,
        available_to=20,
        uri="u",
        image_uri="i",
        is_sensitive=True,
    )


def test_a_product_is_its_id_at_least() -> None:
    """All else is unknown: no price, no window."""
    found = read_product(product())
    assert (found.title, found.category_path, found.currency) == ("", "", "")
    assert math.isnan(found.price)
    assert (found.available_from, found.available_to) == (ALWAYS_FROM, ALWAYS_TO)


@pytest.mark.parametrize(
    "message",
    [
        product(product_id="x" * 256),
        product(title="x" * 1_000, titles={"x" * 256: "x" * 1_000}),
        product(category_path="x" * 1_000, brand="x" * 256, group_id="x" * 256),
        product(titles={str(n): "" for n in range(100)}),
        product(attributes={str(n): values() for n in range(100)}),
        product(attributes={"x" * 256: values(*["x" * 256] * 100)}),
        product(uri="x" * 2_000, image_uri="x" * 2_000),
        product(price=pounds(0)),
        product(price=pounds(10**12, 999_999_999)),
        product(available_from=Timestamp(), available_to=Timestamp(seconds=1)),
        product(available_to=Timestamp(seconds=LAST_SECOND)),
    ],
)
def test_a_product_at_its_limits_is_taken(message: catalog.Product) -> None:
    """The last value that is allowed is."""
    assert read_product(message).product_id == message.product_id


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (catalog.Product(), "product_id"),
        (product(product_id="x" * 257), "product_id"),
        (product(product_id="é" * 129), "product_id"),
        (product(group_id="x" * 257), "group_id"),
        (product(title="x" * 1_001), "title"),
        (product(titles={"de": "x" * 1_001}), "titles"),
        (product(titles={"x" * 257: ""}), "titles"),
        (product(titles={str(n): "" for n in range(101)}), "titles"),
        (product(category_path="x" * 1_001), "category_path"),
        (product(brand="x" * 257), "brand"),
        (product(attributes={str(n): values() for n in range(101)}), "attributes"),
        (product(attributes={"x" * 257: values()}), "attributes"),
        (product(attributes={"a": values(*[""] * 101)}), "attributes['a']"),
        (product(attributes={"a": values("x" * 257)}), "attributes['a']"),
        (product(uri="x" * 2_001), "uri"),
        (product(image_uri="x" * 2_001), "image_uri"),
        (product(price=pounds(-1)), "price"),
        (product(price=pounds(0, -1)), "price"),
        (product(price=pounds(0, 1_000_000_000)), "price"),
        (product(price=pounds(10**12 + 1)), "price"),
        (product(price=pounds(currency_code="")), "price.currency_code"),
        (product(price=pounds(currency_code="gbp")), "price.currency_code"),
        (product(available_from=Timestamp(seconds=-1)), "available_from"),
        (product(available_from=Timestamp(nanos=-1)), "available_from"),
        (product(available_from=Timestamp(nanos=1_000_000_000)), "available_from"),
        (product(available_to=Timestamp(seconds=LAST_SECOND + 1)), "available_to"),
        (product(available_from=NOW, available_to=NOW), "available_to"),
        (product(available_from=NOW, available_to=Timestamp(seconds=1)), "available_to"),
    ],
)
def test_a_product_beyond_its_limits_is_refused(message: catalog.Product, field: str) -> None:
    """With the field that is wrong."""
    with pytest.raises(InvalidRequestError) as caught:
        read_product(message)
    assert (caught.value.field, caught.value.reason) == (field, "FIELD_INVALID")
    assert len(str(caught.value)) < 200


def test_everything_of_a_store_arrives() -> None:
    """Its coordinates as they are, since it is no person, and their cell; a country of its own."""
    found = read_store(
        store(
            name="Leeds Station",
            subdivision_code="GB-ENG",
            postal_code="LS1 4DY",
            lat_lng=LatLng(latitude=53.7950, longitude=-1.5491),
            time_zone="Europe/London",
        )
    )
    where = Location(
        store_id="s",
        postal_code="LS1 4DY",
        cell="861942c5fffffff",
        subdivision_code="GB-ENG",
        country_code="GB",
    )
    assert found == Shop("Leeds Station", where, 53.7950, -1.5491, "Europe/London")


def test_a_store_is_its_id_at_least() -> None:
    """It is nowhere then; a point that is given is one, though all of it is zero."""
    assert read_store(store()) == Shop("", Location(store_id="s"))
    null_island = read_store(store(lat_lng=LatLng()))
    assert (null_island.latitude, null_island.longitude) == (0.0, 0.0)
    assert null_island.location.cell == "86754e64fffffff"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (catalog.Store(), "store_id"),
        (store(store_id="x" * 257), "store_id"),
        (store(store_id=" s"), "store_id"),
        (store(store_id="s\n"), "store_id"),
        (store(name="x" * 1_001), "name"),
        (store(country_code="gb"), "country_code"),
        (store(country_code="GBR"), "country_code"),
        (store(subdivision_code="ENG"), "subdivision_code"),
        (store(postal_code="x" * 33), "postal_code"),
        (store(lat_lng=LatLng(latitude=90.1)), "lat_lng.latitude"),
        (store(lat_lng=LatLng(latitude=math.nan)), "lat_lng.latitude"),
        (store(lat_lng=LatLng(longitude=-180.1)), "lat_lng.longitude"),
        (store(time_zone="x" * 257), "time_zone"),
        (store(time_zone="Europe"), "time_zone"),
        (store(time_zone="Europe/Atlantis"), "time_zone"),
        (store(time_zone="../../etc/passwd"), "time_zone"),
        (store(time_zone="\0"), "time_zone"),
    ],
)
def test_a_store_beyond_its_limits_is_refused(message: catalog.Store, field: str) -> None:
    """With the field that is wrong."""
    with pytest.raises(InvalidRequestError) as caught:
        read_store(message)
    assert (caught.value.field, caught.value.reason) == (field, "FIELD_INVALID")
    assert len(str(caught.value)) < 200


def test_everything_of_a_stock_record_arrives() -> None:
    """Its time to the microsecond; blanks around a store's id are none of it."""
    message = record(
        key=catalog.InventoryKey(store_id=" s ", product_id=" p"),
        availability=catalog.AVAILABILITY_OUT_OF_STOCK,
        quantity=2.5,
        price=pounds(0, 500_000_000),
        effective_time=Timestamp(seconds=1_775_000_000, nanos=123_456_789),
    )
    assert read_inventory(message, CLOCK) == (
        "s",
        StockRecord(
            product_id=" p",
            is_in_stock=False,
            quantity=2.5,
            price=0.5,
            currency="GBP",
            effective=1_775_000_000_123_456,
        ),
    )
    assert read_inventory_key(message.key) == ("s", " p")


@pytest.mark.parametrize(
    ("availability", "quantity", "is_in_stock"),
    [
        (catalog.AVAILABILITY_UNSPECIFIED, None, None),
        (catalog.AVAILABILITY_UNSPECIFIED, 0.0, False),
        (catalog.AVAILABILITY_UNSPECIFIED, 0.1, True),
        (catalog.AVAILABILITY_IN_STOCK, None, True),
        (catalog.AVAILABILITY_IN_STOCK, 0.0, True),
        (catalog.AVAILABILITY_OUT_OF_STOCK, None, False),
        (catalog.AVAILABILITY_OUT_OF_STOCK, 1.0, False),
    ],
)
def test_quantity_decides_where_nothing_else_was_said(
    availability: catalog.Availability, quantity: float | None, *, is_in_stock: bool | None
) -> None:
    """A display piece is there and not for sale; where nothing is counted, nobody has said."""
    _, found = read_inventory(record(availability=availability, quantity=quantity), CLOCK)
    assert (found.is_in_stock, found.quantity) == (is_in_stock, quantity)


@pytest.mark.parametrize(
    ("seconds", "effective"), [(0, 1), (1, 1_000_000), (LAST_SECOND, LAST_SECOND * 1_000_000)]
)
def test_a_stock_record_is_of_some_moment(seconds: int, effective: int) -> None:
    """The first of all is above zero, which would stand for none."""
    message = record(effective_time=Timestamp(seconds=seconds))
    assert read_inventory(message, CLOCK)[1].effective == effective


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (record(key=None), "key.product_id"),
        (record(key=catalog.InventoryKey(product_id="x" * 257)), "key.product_id"),
        (record(key=catalog.InventoryKey(product_id="p", store_id="x" * 257)), "key.store_id"),
        (record(quantity=-0.1), "quantity"),
        (record(quantity=math.nan), "quantity"),
        (record(quantity=math.inf), "quantity"),
        (record(quantity=1.1e12), "quantity"),
        (record(availability=3), "availability"),
        (record(price=pounds(-1)), "price"),
        (record(price=pounds(currency_code="")), "price.currency_code"),
        (record(effective_time=None), "effective_time"),
        (record(effective_time=Timestamp(seconds=-1)), "effective_time"),
        (record(effective_time=Timestamp(seconds=LAST_SECOND + 1)), "effective_time"),
        (record(effective_time=Timestamp(nanos=-1)), "effective_time"),
    ],
)
def test_a_stock_record_beyond_its_limits_is_refused(
    message: catalog.InventoryRecord, field: str
) -> None:
    """With the field that is wrong."""
    with pytest.raises(InvalidRequestError) as caught:
        read_inventory(message, CLOCK)
    assert (caught.value.field, caught.value.reason) == (field, "FIELD_INVALID")


def test_a_bad_entry_is_bad_by_itself() -> None:
    """The others are read, in their order; of two of one name the first one is."""
    entries = [product(title="1"), catalog.Product(), product(title="2"), product(product_id="q")]
    read = read_entries(entries, read_product, "product_id", lambda one: one.product_id)
    first, missing, second, other = read
    assert isinstance(first, Product)
    assert first.title == "1"
    assert isinstance(missing, InvalidRequestError)
    assert str(missing) == "product_id: is required"
    assert isinstance(second, InvalidRequestError)
    assert second.description == "is in this batch twice; the first one is taken"
    assert isinstance(other, Product)


def test_a_bad_entry_takes_no_name() -> None:
    """What was refused is not the first of two."""
    entries = [product(title="x" * 1_001), product(title="good")]
    refused, good = read_entries(entries, read_product, "product_id", lambda one: one.product_id)
    assert isinstance(refused, InvalidRequestError)
    assert isinstance(good, Product)


def test_an_error_names_a_field() -> None:
    """Also that of two entries of one name, whose message is read by people too."""
    _, twice = read_entries(
        [store(), store()], read_store, "store_id", lambda one: one.location.store_id
    )
    assert isinstance(twice, InvalidRequestError)
    assert twice.field == "store_id"
