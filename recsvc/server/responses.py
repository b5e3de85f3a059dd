"""Answers into responses, and the bytes of both that are kept in the cache."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc import __version__
from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Product
from recsvc.core.cells import centre_of
from recsvc.core.claims import Explanation
from recsvc.core.places import Level, Location
from recsvc.core.sources import Strategy
from recsvc.server.tokens import PageTokens
from recsvc.service.deliveries import Computed, Needed, Served
from recsvc.service.model_admin import ModelDescription
from recsvc.service.questions import (
    Answer,
    Delivery,
    Item,
    KeptList,
    ModelReference,
    Reason,
    ServedFrom,
)
from recsvc.service.selling import Shop, StockRecord
from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import model_service_pb2 as models
from recsvc.v1 import recommendation_service_pb2 as api

_LEVELS: Mapping[Level, str] = {level: f"LOCATION_LEVEL_{level.name}" for level in Level}
_SERVED_FROM: Mapping[ServedFrom, api.ServedFrom] = {
    each: getattr(api, f"SERVED_FROM_{each.name}") for each in ServedFrom
}
_STRATEGIES: Mapping[Strategy, str] = {
    strategy: f"STRATEGY_{strategy.name}" for strategy in Strategy
}


class ResponseCodec:
    """Writes answers as a ``RecommendResponse`` without what differs by call.

    The rest follows as a second piece of the same message: protobuf merges the two.

    Args:
        pages: writes the token of the next page.
    """

    def __init__(self, pages: PageTokens) -> None:
        self._pages = pages
        files = (api.DESCRIPTOR, common.DESCRIPTOR, catalog.DESCRIPTOR)
        digest = blake2b(__version__.encode(), digest_size=8)
        for file in files:
            digest.update(file.serialized_pb)
        self._schema = digest.hexdigest()

    @property
    def schema(self) -> str:
        """Digest of the protos and of this version."""
        return self._schema

    def encode(self, answer: Answer) -> bytes:
        """Return the answer as it is sent."""
        response = api.RecommendResponse(
            recommendations=[_item(item) for item in answer.items],
            next_page_token=self._pages.write(answer.next_page),
            serving=_serving(answer),
        )
        return response.SerializeToString()

    def kept(self, payload: bytes) -> KeptList | None:
        """Look into bytes that were kept; None where they are no response of a model."""
        try:
            found = api.RecommendResponse.FromString(payload)
        except DecodeError:
            return None
        if not found.serving.HasField("model"):
            return None
        return KeptList(
            len(found.recommendations), lambda: [each.product_id for each in found.recommendations]
        )


def recommend_response(served: Served) -> bytes:
    """Join the two pieces of a ``RecommendResponse``, neither of which is looked into."""
    piece = api.RecommendResponse(recommendation_id=served.delivery.recommendation_id)
    _deliver(served.delivery, piece.serving)
    return served.payload + piece.SerializeToString()


def result_of(response: bytes) -> bytes:
    """Write a response as the ``RecommendResult`` of an entry of a batch."""
    return _field(api.RecommendResult.RESPONSE_FIELD_NUMBER, response)


def batch_response(results: Iterable[bytes]) -> bytes:
    """Write a ``BatchRecommendResponse``, of which no list is looked into.

    Args:
        results: a ``RecommendResult`` for each entry.
    """
    number = api.BatchRecommendResponse.RESULTS_FIELD_NUMBER
    return b"".join([_field(number, result) for result in results])


def _field(number: int, content: bytes) -> bytes:
    """A field as it is sent whose content has a length: its key, the length, and the content."""
    left, head = len(content), bytearray((number << 3 | 2,))
    while left > 127:  # noqa: PLR2004  # seven bits a byte, the last one without the eighth
        head.append(left & 127 | 128)
        left >>= 7
    head.append(left)
    return bytes(head) + content


def similar_response(computed: Computed) -> api.ListSimilarProductsResponse:
    """Write a list of similar products."""
    return api.ListSimilarProductsResponse(
        recommendations=[_item(item) for item in computed.answer.items],
        recommendation_id=computed.delivery.recommendation_id,
        serving=_computed(computed),
    )


def together_response(computed: Computed) -> api.ListBoughtTogetherResponse:
    """Write a list of what goes with products."""
    return api.ListBoughtTogetherResponse(
        recommendations=[_item(item) for item in computed.answer.items],
        recommendation_id=computed.delivery.recommendation_id,
        serving=_computed(computed),
    )


def again_response(needed: Needed) -> api.ListBuyAgainResponse:
    """Write a list of what is needed again."""
    return api.ListBuyAgainResponse(
        recommendations=[
            api.BuyAgainRecommendation(
                recommended_product=_item(item),
                due_time=_time(need.due_time),
                usual_interval=_duration(float(round(need.interval_seconds))),
                usual_quantity=need.quantity,
            )
            for item, need in zip(needed.answer.items, needed.needs, strict=True)
        ],
        recommendation_id=needed.delivery.recommendation_id,
        serving=_computed(needed),
    )


def _computed(computed: Computed | Needed) -> api.ServingInfo:
    serving = _serving(computed.answer)
    _deliver(computed.delivery, serving)
    return serving


def model_message(model: ModelDescription) -> models.Model:
    """Write the description of a model."""
    return models.Model(
        model_id=model.model_id,
        version_id=model.version_id,
        train_time=timestamp(model.train_time),
        state=f"MODEL_STATE_{model.state.name}",
        generation=model.generation,
        metrics=model.metrics,
        data_start_time=timestamp(model.data_start),
        data_end_time=timestamp(model.data_end),
        code_version=model.code_version,
        **model.counts,
    )


def _item(item: Item) -> api.RecommendedProduct:
    return api.RecommendedProduct(
        product_id=item.product_id,
        rank=item.rank,
        score=item.score,
        strategy=_STRATEGIES[item.strategy],
        location_level=_level(item.level),
        explanation=_explanation(item.reason),
        product=None if item.product is None else product_message(item.product),
        rule_ids=item.rules,
    )


def _explanation(reason: Reason | None) -> api.Explanation | None:
    if reason is None:
        return None
    return api.Explanation(
        reason_code=reason.why.code.value,
        text=reason.text,
        evidence_product_ids=reason.evidence,
        language_code=reason.language_code,
        facts=_facts(reason.why),
    )


def _facts(why: Explanation) -> api.ReasonFacts:
    return api.ReasonFacts(
        n_purchases=why.n_purchases,
        last_purchase_time=_moment(why.last_time, 0),
        mean_interval=_duration(why.interval_seconds or None),
        lift=why.lift,
        window_start_time=_moment(why.window_start, 0),
        window_end_time=_moment(why.window_end, 0),
        location_level=_level(why.level),
        rule_id=why.rule_id,
    )


def product_message(product: Product, *, is_withdrawn: bool = False) -> catalog.Product:
    """Write a product of the catalogue."""
    return catalog.Product(
        product_id=product.product_id,
        title=product.title,
        category_path=product.category_path,
        brand=product.brand,
        price=money(product.price, product.currency),
        available_from=_moment(product.available_from, ALWAYS_FROM),
        available_to=_moment(product.available_to, ALWAYS_TO),
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


def _moment(seconds: int, never: int) -> Timestamp | None:
    return None if seconds == never else Timestamp(seconds=seconds)


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


_AVAILABILITY = {
    None: catalog.AVAILABILITY_UNSPECIFIED,
    True: catalog.AVAILABILITY_IN_STOCK,
    False: catalog.AVAILABILITY_OUT_OF_STOCK,
}


def money(price: float, currency: str) -> Money | None:
    """Write a price; NaN is none."""
    if math.isnan(price):
        return None
    units, nanos = divmod(round(abs(price) * 1_000_000_000), 1_000_000_000)
    sign = -1 if price < 0 else 1
    return Money(currency_code=currency, units=sign * units, nanos=sign * nanos)


def _serving(answer: Answer) -> api.ServingInfo:
    return api.ServingInfo(
        model=_model(answer.model),
        warnings=answer.warnings,
        resolved_location=location_message(answer.location) if answer.location else None,
        location_level=_level(answer.level),
        rules_version_id=answer.rules_version_id,
        applied_rule_ids=answer.applied_rules,
        store_id=answer.store_id,
    )


def _level(level: Level | None) -> str | None:
    return None if level is None else _LEVELS[level]


def _deliver(delivery: Delivery, serving: api.ServingInfo) -> None:
    """Add what is true of a delivery: field by field, a fifth of what one call of all costs."""
    serving.served_from = _SERVED_FROM[delivery.served_from]
    _set_duration(serving.compute_time, delivery.compute_seconds)
    if delivery.cache_age_seconds is not None:
        _set_duration(serving.cache_age, delivery.cache_age_seconds)
    if delivery.degraded_reason:
        serving.degraded = True
        serving.degraded_reason = delivery.degraded_reason
    if delivery.warnings:
        serving.warnings.extend(delivery.warnings)
    if delivery.experiment_id:
        serving.experiment_id = delivery.experiment_id
        serving.variant_id = delivery.variant_id


def _model(model: ModelReference) -> api.ServingModel:
    return api.ServingModel(
        model_id=model.model_id,
        version_id=model.version_id,
        train_time=timestamp(model.train_time),
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


def timestamp(time: datetime | None) -> Timestamp | None:
    """Write a time, if there is one."""
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def _time(seconds: float) -> Timestamp:
    """Write a moment, to the second: nothing is known more finely."""
    return Timestamp(seconds=round(seconds))


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    _set_duration(duration, seconds)
    return duration


def _set_duration(duration: Duration, seconds: float) -> None:
    """Write a span of time that is not negative."""
    duration.seconds, duration.nanos = divmod(round(seconds * 1e9), 1_000_000_000)
    duration.SetInParent()  # no time at all is a time too
