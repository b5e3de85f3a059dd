"""Events of the service as the API writes them."""

from datetime import UTC, datetime

from recsvc.server.messages import location_message, money, timestamp
from recsvc.service.shopping import Event, Line, Person
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as api


def event_message(event: Event) -> api.Event:
    """Write an event."""
    shopper = common.Shopper(session_id=event.session_id)
    if event.shopper.kind is Person.CUSTOMER:
        shopper.customer_id = event.shopper.shopper_id
    else:
        shopper.visitor_id = event.shopper.shopper_id
    return api.Event(
        event_id=event.event_id,
        type=f"EVENT_TYPE_{event.act.name}",
        shopper=shopper,
        event_time=timestamp(datetime.fromtimestamp(event.time, UTC)),
        items=[_line(line) for line in event.lines],
        location=location_message(event.location) if event.location else None,
        channel=f"CHANNEL_{event.channel or 'UNSPECIFIED'}",
        placement_id=event.placement_id,
        recommendation_id=event.recommendation_id,
        order_id=event.order_id,
        rating=event.rating,
    )


def _line(line: Line) -> common.LineItem:
    price = None if line.unit_price is None else money(line.unit_price, line.currency)
    return common.LineItem(product_id=line.product_id, quantity=line.quantity, unit_price=price)
