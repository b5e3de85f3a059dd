"""The shop that is asked: its people, its places, and questions drawn by lot."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from google.type.latlng_pb2 import LatLng

from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import recommendation_service_pb2 as api
from tests.purchases import N_CUSTOMERS, STORES

BUYERS = tuple(f"c{number:03}" for number in range(90))
"""Known to the model; of these events are sent, and nothing is decided."""

UNDECIDED = tuple(f"c{number:03}" for number in range(90, 120))
"""Known to the model; they grant and withdraw their consent."""

LEAVERS = tuple(f"c{number:03}" for number in range(120, N_CUSTOMERS))
"""Known to the model; they have themselves erased, and after them others who are not."""

VISITORS = tuple(f"device-{number}" for number in range(40))

_PLACES = (
    common.Location(),
    *(common.Location(store_id=store.store_id) for store in STORES),
    *(common.Location(country_code=store.country_code) for store in STORES[:1]),
    common.Location(country_code="PT", postal_code="4000-114"),
    common.Location(lat_lng=LatLng(latitude=53.8, longitude=-1.5)),
    common.Location(country_code="NZ"),
)
_PAGE_SIZES = (1, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A question.

    Attributes:
        request: as it is sent, without a token.
        customer_id: whom it is for; ``""`` for a visitor, or nobody.
        carries_token: whether it wishes for what was decided last.
    """

    request: api.RecommendRequest
    customer_id: str
    carries_token: bool = False


def question(random: Random, products: Sequence[str], erased: Sequence[str]) -> Drawn:
    """Draw a question.

    Args:
        random: the lot.
        products: those that may be excluded.
        erased: people who were erased.
    """
    shopper, customer_id = _shopper(random, erased)
    request = api.RecommendRequest(
        shopper=shopper,
        page_size=10 if random.random() < 0.7 else random.choice(_PAGE_SIZES),
        explain=random.random() < 0.1,
    )
    if random.random() < 0.4:  # else at home: what many ask is answered from the cache
        request.context.location.CopyFrom(random.choice(_PLACES))
    if random.random() < 0.1:
        request.filter.exclude_product_ids.extend(random.sample(products, 3))
    return Drawn(request, customer_id)


def _shopper(random: Random, erased: Sequence[str]) -> tuple[common.Shopper, str]:
    lot = random.random()
    if lot < 0.6:
        customer_id = random.choice(BUYERS)
    elif lot < 0.75:
        customer_id = random.choice(UNDECIDED)
    elif lot < 0.85 and erased:
        customer_id = random.choice(erased)
    elif lot < 0.9:
        customer_id = f"stranger-{random.randrange(50)}"
    elif lot < 0.95:
        return common.Shopper(visitor_id=random.choice(VISITORS)), ""
    else:
        return common.Shopper(), ""
    return common.Shopper(customer_id=customer_id), customer_id


def batch(random: Random, products: Sequence[str], ids: Sequence[str]) -> list[events.Event]:
    """Draw events of buyers and visitors, some of them twice.

    Args:
        random: the lot.
        products: what they are about.
        ids: one for each event.
    """
    drawn = [
        events.Event(
            event_id=event_id,
            type=random.choice((events.EVENT_TYPE_PURCHASE, events.EVENT_TYPE_VIEW)),
            shopper=(
                common.Shopper(visitor_id=random.choice(VISITORS))
                if random.random() < 0.2
                else common.Shopper(customer_id=random.choice(BUYERS))
            ),
            items=[common.LineItem(product_id=random.choice(products))],
        )
        for event_id in ids
    ]
    return drawn + random.sample(drawn, len(drawn) // 5)


def purchase(customer_id: str, product_id: str, event_id: str) -> events.Event:
    """What a leaver does before leaving."""
    return events.Event(
        event_id=event_id,
        type=events.EVENT_TYPE_PURCHASE,
        shopper=common.Shopper(customer_id=customer_id),
        items=[common.LineItem(product_id=product_id)],
    )
