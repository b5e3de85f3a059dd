"""Products, stores and stock as bytes."""

import json
import math
import struct
from typing import Any

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Product
from recsvc.core.cells import is_cell
from recsvc.core.places import Location
from recsvc.service.selling import Shop, StockRecord

_SHOWN = struct.Struct(">B3sd")
_QUANTITY = struct.Struct(">d")
_AVAILABILITY = {None: 0, True: 1, False: 2}
_IS_IN_STOCK = {code: is_in_stock for is_in_stock, code in _AVAILABILITY.items()}


def product_bytes(product: Product) -> bytes:
    """Write a product, its id aside; what is unknown is left out."""
    document: dict[str, Any] = {
        "title": product.title,
        "category": product.category_path,
        "brand": product.brand,
        "price": "" if math.isnan(product.price) else product.price,
        "currency": product.currency,
        "from": "" if product.available_from == ALWAYS_FROM else product.available_from,
        "to": "" if product.available_to == ALWAYS_TO else product.available_to,
        "group": product.group_id,
        "titles": dict(sorted(product.titles.items())),
        "attributes": {name: product.attributes[name] for name in sorted(product.attributes)},
        "uri": product.uri,
        "image": product.image_uri,
        "sensitive": product.is_sensitive or "",
    }
    return _json({name: value for name, value in document.items() if value not in ("", {})})


def read_product(product_id: str, content: bytes) -> Product:
    """Read what ``product_bytes`` wrote.

    Raises:
        ValueError: it is damaged.
    """
    document = _document(content)
    titles, attributes = _object(document, "titles"), _object(document, "attributes")
    return Product(
        product_id=product_id,
        title=_text(document, "title"),
        category_path=_text(document, "category"),
        brand=_text(document, "brand"),
        price=_number(document, "price", math.nan),
        currency=_text(document, "currency"),
        available_from=int(_number(document, "from", ALWAYS_FROM)),
        available_to=int(_number(document, "to", ALWAYS_TO)),
        group_id=_text(document, "group"),
        titles={language: _text(titles, language) for language in titles},
        attributes={name: _texts(values) for name, values in attributes.items()},
        uri=_text(document, "uri"),
        image_uri=_text(document, "image"),
        is_sensitive=bool(document.get("sensitive", False)),
    )


def shop_bytes(shop: Shop) -> bytes:
    """Write a store, its id aside."""
    where = shop.location
    document: dict[str, Any] = {
        "name": shop.name,
        "postal_code": where.postal_code,
        "cell": where.cell,
        "subdivision_code": where.subdivision_code,
        "country_code": where.country_code,
        "latitude": "" if shop.latitude is None else shop.latitude,
        "longitude": "" if shop.longitude is None else shop.longitude,
        "time_zone": shop.time_zone,
    }
    return _json({name: value for name, value in document.items() if value != ""})


def read_shop(store_id: str, content: bytes) -> Shop:
    """Read what ``shop_bytes`` wrote.

    Raises:
        ValueError: it is damaged.
    """
    document = _document(content)
    cell = _text(document, "cell")
    if cell and not is_cell(cell):
        raise ValueError(f"{cell!r} is no cell")
    latitude, longitude = (_number(document, name, math.nan) for name in ("latitude", "longitude"))
    return Shop(
        name=_text(document, "name"),
        location=Location(
            store_id=store_id,
            postal_code=_text(document, "postal_code"),
            cell=cell,
            subdivision_code=_text(document, "subdivision_code"),
            country_code=_text(document, "country_code"),
        ),
        latitude=None if math.isnan(latitude) else latitude,
        longitude=None if math.isnan(longitude) else longitude,
        time_zone=_text(document, "time_zone"),
    )


def stock_bytes(record: StockRecord) -> tuple[bytes, bytes]:
    """Write a stock record, its product and time aside: what lists depend on, and the rest."""
    price = math.nan if record.price is None else record.price
    shown = _SHOWN.pack(_AVAILABILITY[record.is_in_stock], record.currency.encode(), price)
    return shown, b"" if record.quantity is None else _QUANTITY.pack(record.quantity)


def read_stock(product_id: str, shown: bytes, hidden: bytes, effective: int) -> StockRecord:
    """Read what ``stock_bytes`` wrote.

    Raises:
        ValueError: it is damaged.
    """
    try:
        code, currency, price = _SHOWN.unpack(shown)
        return StockRecord(
            product_id=product_id,
            is_in_stock=_IS_IN_STOCK[code],
            quantity=_QUANTITY.unpack(hidden)[0] if hidden else None,
            price=None if math.isnan(price) else price,
            currency=currency.rstrip(b"\0").decode(),
            effective=effective,
        )
    except (struct.error, KeyError) as error:
        raise ValueError(f"no stock record: {error}") from error


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _document(content: bytes) -> dict[str, Any]:
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("no object")  # noqa: TRY004  # of the data, not of the call
    return document


def _object(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object")  # noqa: TRY004  # of the data, not of the call
    return value


def _text(document: dict[str, Any], name: str) -> str:
    (value,) = _texts([document.get(name, "")])
    return value


def _texts(values: Any) -> tuple[str, ...]:  # noqa: ANN401  # whatever JSON holds
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("not the texts that were expected")
    for value in values:
        value.encode()  # half a surrogate pair is no text, and a ValueError
    return tuple(values)


def _number(document: dict[str, Any], name: str, default: float) -> float:
    value = document.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > ALWAYS_TO:
        raise ValueError(f"{name} is no number")
    return value
