"""How products, stores and stock are written: all comes back, and nothing damaged is believed."""

import math
from dataclasses import replace

import pytest

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Product
from recsvc.core.places import Location
from recsvc.service.selling import Shop, StockRecord
from recsvc.store.catalogue_format import (
    product_bytes,
    read_product,
    read_shop,
    read_stock,
    shop_bytes,
    stock_bytes,
)

PRODUCT = Product(
    product_id="p",
    title="Käse \U0001f9c0",
    category_path="Food > Dairy",
    brand="Meadow",
    price=0.1 + 0.2,
    currency="GBP",
    available_from=0,
    available_to=4_294_967_295,
    group_id="cheese",
    titles={"pt-BR": "queijo", "de": "Käse"},
    attributes={"colour": ("yellow", "white", "yellow"), "empty": ()},
    uri='https://shop.example/p?a="b"',
    image_uri="https://shop.example/p.png",
    is_sensitive=True,
)
SHOP = Shop(
    name="Leeds Süd",
    location=Location(
        store_id="s",
        postal_code="LS1 4DY",
        cell="861942c5fffffff",
        subdivision_code="GB-ENG",
        country_code="GB",
    ),
    latitude=0.0,
    longitude=-1.5491,
    time_zone="Europe/London",
)


def test_every_field_of_a_product_comes_back() -> None:
    """As it was, a price to the last bit, and bounds of its window that are zero."""
    assert read_product("p", product_bytes(PRODUCT)) == PRODUCT


def test_a_product_of_which_nothing_is_known_is_nearly_nothing() -> None:
    """What is unknown is left out, and unknown again when it is read."""
    assert product_bytes(Product(product_id="p")) == b"{}"
    found = read_product("p", b"{}")
    assert math.isnan(found.price)
    assert replace(found, price=0.0) == Product(product_id="p", price=0.0)
    assert (found.available_from, found.available_to) == (ALWAYS_FROM, ALWAYS_TO)


@pytest.mark.parametrize("field", ["price", "available_from", "available_to"])
def test_zero_is_not_unknown(field: str) -> None:
    """A free product has a price, and 1 January 1970 is a day."""
    zero = replace(PRODUCT, **{field: 0})  # type: ignore[arg-type]  # all three are numbers
    assert read_product("p", product_bytes(zero)) == zero


def test_one_product_is_written_in_one_way() -> None:
    """Else the same product, sent again, would pass for a change."""
    turned = replace(
        PRODUCT,
        titles=dict(reversed(list(PRODUCT.titles.items()))),
        attributes=dict(reversed(list(PRODUCT.attributes.items()))),
    )
    assert product_bytes(turned) == product_bytes(PRODUCT)


@pytest.mark.parametrize(
    "shop",
    [
        SHOP,
        Shop("", Location(store_id="s")),
        replace(SHOP, latitude=None, longitude=None, time_zone=""),
    ],
)
def test_every_field_of_a_store_comes_back(shop: Shop) -> None:
    """The equator and the meridian are places, nothing is nowhere."""
    assert read_shop("s", shop_bytes(shop)) == shop


def test_a_store_of_which_nothing_is_known_is_nearly_nothing() -> None:
    """Its id is the row's name."""
    assert shop_bytes(Shop("", Location(store_id="s"))) == b"{}"


@pytest.mark.parametrize(
    "record",
    [
        StockRecord(product_id="p", effective=1),
        StockRecord(product_id="p", is_in_stock=False, quantity=0.0, effective=2**52),
        StockRecord(
            product_id="p", is_in_stock=True, quantity=0.5, price=0.0, currency="EUR", effective=7
        ),
        StockRecord(product_id="p", is_in_stock=True, price=0.1 + 0.2, currency="GBP", effective=7),
    ],
)
def test_every_field_of_a_stock_record_comes_back(record: StockRecord) -> None:
    """Unknown, no, and none left are three things; so are no price and a price of nothing."""
    shown, hidden = stock_bytes(record)
    assert read_stock("p", shown, hidden, record.effective) == record


def test_how_much_is_there_does_not_show() -> None:
    """Lists depend on whether there is any, and on the price; a count changes all day long."""
    some = StockRecord(product_id="p", is_in_stock=True, quantity=5, effective=1)
    fewer = replace(some, quantity=4, effective=2)
    assert stock_bytes(some)[0] == stock_bytes(fewer)[0]
    assert stock_bytes(some)[1] != stock_bytes(fewer)[1]
    for other in (replace(some, is_in_stock=False), replace(some, price=1.0, currency="EUR")):
        assert stock_bytes(some)[0] != stock_bytes(other)[0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b"null",
        b'{"price":"much"}',
        b'{"price":[]}',
        b'{"from":"then"}',
        b'{"attributes":{"colour":3}}',
        b'{"attributes":[]}',
    ],
)
def test_a_damaged_product_is_no_product(content: bytes) -> None:
    """Whatever is wrong with it, the reader hears of one kind of error."""
    with pytest.raises(ValueError, match=r"\w"):
        read_product("p", content)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"3"])
def test_a_damaged_store_is_no_store(content: bytes) -> None:
    """Likewise."""
    with pytest.raises(ValueError, match=r"\w"):
        read_shop("s", content)


GOOD, COUNTED = stock_bytes(
    StockRecord(product_id="p", is_in_stock=True, quantity=1, price=1, currency="EUR", effective=1)
)


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [
        (b"", b""),
        (GOOD[:-1], COUNTED),
        (GOOD + b"\0", COUNTED),
        (b"\x03" + GOOD[1:], COUNTED),
        (GOOD, COUNTED[:-1]),
        (GOOD[:1] + b"\xff\xff\xff" + GOOD[4:], COUNTED),
    ],
)
def test_a_damaged_stock_record_is_none(shown: bytes, hidden: bytes) -> None:
    """Cut short, too long, of an availability that there is not, of a currency that is no text."""
    with pytest.raises(ValueError, match=r"\w"):
        read_stock("p", shown, hidden, 1)
