"""What responses of many methods are made of: products, stores, stock, places, prices, times."""

import math
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Product
from recsvc.core.cells import centre_of
from recsvc.core.places import Location
from recsvc.service.selling import Shop, StockRecord
from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import common_pb2 as common

_AVAILABILITY = {
    None: catalog.AVAILABILITY_UNSPECIFIED,
    True: catalog.AVAILABILITY_IN_STOCK,
    False: catalog.AVAILABILITY_OUT_OF_STOCK,
}


def product_message(product: Product, *, is_withdrawn: bool = False) -> catalog.Product:
    """Write a product of the catalogue."""
    return catalog.Product(
        product_id=product.product_id,
        title=product.title,
        category_path=product.category_path,
        brand=product.brand,
        price=money(product.price, product.currency),
        available_from=moment(product.available_from, ALWAYS_FROM),
        available_to=moment(product.available_to, ALWAYS_TO),
        group_id=product.group_id,
        titles=product.titles,
        attributes={
            name: common.AttributeValues(values=values)
            for name, values in product.attributes.items()
        },
        uri=product.uri,
        image_uri=product.image_uri,
        sensitive=product.is_sensitive,
        withdrawn=is_withdrawn,
    )


def store_message(shop: Shop) -> catalog.Store:
    """Write a store; one whose coordinates nobody said, with the centre of its cell."""
    location = location_message(shop.location)
    point = location.lat_lng if location.HasField("lat_lng") else None
    if shop.latitude is not None:
        point = LatLng(latitude=shop.latitude, longitude=shop.longitude)
    return catalog.Store(
        store_id=shop.location.store_id,
        name=shop.name,
        country_code=location.country_code,
        subdivision_code=location.subdivision_code,
        postal_code=location.postal_code,
        lat_lng=point,
        time_zone=shop.time_zone,
    )


def inventory_message(
    store_id: str, product_id: str, record: StockRecord | None
) -> catalog.InventoryRecord:
    """Write a stock record; of what nobody has said anything its key alone."""
    key = catalog.InventoryKey(store_id=store_id, product_id=product_id)
    if record is None:
        return catalog.InventoryRecord(key=key)
    effective = Timestamp()
    effective.FromMicroseconds(record.effective)
    return catalog.InventoryRecord(
        key=key,
        availability=_AVAILABILITY[record.is_in_stock],
        quantity=record.quantity,
        price=None if record.price is None else money(record.price, record.currency),
        effective_time=effective,
    )


def location_message(location: Location) -> common.Location:
    """Write a place; a cell as its centre."""
    point = None
    if location.cell:
        latitude, longitude = centre_of(location.cell)
        point = LatLng(latitude=latitude, longitude=longitude)
    return common.Location(
        country_code=location.country_code,
        subdivision_code=location.subdivision_code,
        postal_code=location.postal_code,
        store_id=location.store_id,
        lat_lng=point,
    )


def money(price: float, currency: str) -> Money | None:
    """Write a price; NaN is none."""
    if math.isnan(price):
        return None
    units, nanos = divmod(round(abs(price) * 1_000_000_000), 1_000_000_000)
    sign = -1 if price < 0 else 1
    return Money(currency_code=currency, units=sign * units, nanos=sign * nanos)


def timestamp(time: datetime | None) -> Timestamp | None:
    """Write a time, if there is one."""
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def moment(seconds: int, never: int) -> Timestamp | None:
    """Write a moment, unix seconds; ``never`` is none."""
    return None if seconds == never else Timestamp(seconds=seconds)
