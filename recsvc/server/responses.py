"""Answers into responses: products of a list, why each is there, and how it was served."""

from collections.abc import Mapping
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from recsvc.core.claims import Explanation
from recsvc.core.places import Level
from recsvc.core.sources import Strategy
from recsvc.server.messages import location_message, moment, product_message, timestamp
from recsvc.service.deliveries import Computed, Needed
from recsvc.service.questions import Answer, Delivery, Item, ModelReference, Reason, ServedFrom
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api

# As numbers: protobuf looks a name up in its descriptor each time.
_LEVELS: Mapping[Level, common.LocationLevel] = {
    level: getattr(common, f"LOCATION_LEVEL_{level.name}") for level in Level
}
SERVED_FROM: Mapping[ServedFrom, api.ServedFrom] = {
    each: getattr(api, f"SERVED_FROM_{each.name}") for each in ServedFrom
}
_STRATEGIES: Mapping[Strategy, api.Strategy] = {
    strategy: getattr(api, f"STRATEGY_{strategy.name}") for strategy in Strategy
}


def similar_response(computed: Computed) -> api.ListSimilarProductsResponse:
    """Write a list of similar products."""
    return api.ListSimilarProductsResponse(
        recommendations=[item_message(item) for item in computed.answer.items],
        recommendation_id=computed.delivery.recommendation_id,
        serving=_computed(computed),
    )


def together_response(computed: Computed) -> api.ListBoughtTogetherResponse:
    """Write a list of what goes with products."""
    return api.ListBoughtTogetherResponse(
        recommendations=[item_message(item) for item in computed.answer.items],
        recommendation_id=computed.delivery.recommendation_id,
        serving=_computed(computed),
    )


def again_response(needed: Needed) -> api.ListBuyAgainResponse:
    """Write a list of what is needed again."""
    return api.ListBuyAgainResponse(
        recommendations=[
            api.BuyAgainRecommendation(
                recommended_product=item_message(item),
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
    serving = serving_info(computed.answer)
    deliver(computed.delivery, serving)
    return serving


def item_message(item: Item) -> api.RecommendedProduct:
    """Write a product of a list."""
    message = api.RecommendedProduct()
    write_item(message, item)
    return message


def write_item(message: api.RecommendedProduct, item: Item) -> None:
    """Write a product of a list into an empty message: field by field, a third of one call."""
    message.product_id = item.product_id
    message.rank = item.rank
    message.score = item.score
    message.strategy = _STRATEGIES[item.strategy]
    if item.level is not None:
        message.location_level = _LEVELS[item.level]
    if item.reason is not None:
        message.explanation.CopyFrom(_explanation(item.reason))
    if item.product is not None:
        message.product.CopyFrom(product_message(item.product))
    if item.rules:
        message.rule_ids.extend(item.rules)


def _explanation(reason: Reason) -> api.Explanation:
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
        last_purchase_time=moment(why.last_time, 0),
        mean_interval=_duration(why.interval_seconds or None),
        lift=why.lift,
        window_start_time=moment(why.window_start, 0),
        window_end_time=moment(why.window_end, 0),
        location_level=_level(why.level),
        rule_id=why.rule_id,
    )


def serving_info(answer: Answer) -> api.ServingInfo:
    """Write what is true of an answer whenever it is delivered."""
    return api.ServingInfo(
        model=_model(answer.model),
        warnings=answer.warnings,
        resolved_location=location_message(answer.location) if answer.location else None,
        location_level=_level(answer.level),
        rules_version_id=answer.rules_version_id,
        applied_rule_ids=answer.applied_rules,
        store_id=answer.store_id,
    )


def _level(level: Level | None) -> common.LocationLevel | None:
    return None if level is None else _LEVELS[level]


def deliver(delivery: Delivery, serving: api.ServingInfo) -> None:
    """Add what is true of a delivery: field by field, a fifth of what one call of all costs."""
    serving.served_from = SERVED_FROM[delivery.served_from]
    set_duration(serving.compute_time, delivery.compute_seconds)
    if delivery.cache_age_seconds is not None:
        set_duration(serving.cache_age, delivery.cache_age_seconds)
    if delivery.degraded_reason:
        serving.degraded = True
        serving.degraded_reason = delivery.degraded_reason
    if delivery.warnings:
        serving.warnings.extend(delivery.warnings)
    if delivery.experiment_id:
        serving.experiment_id = delivery.experiment_id
        serving.variant_id = delivery.variant_id


@lru_cache(8)  # a few versions answer at a time; a response takes a copy
def _model(model: ModelReference) -> api.ServingModel:
    return api.ServingModel(
        model_id=model.model_id,
        version_id=model.version_id,
        train_time=timestamp(model.train_time),
    )


def _time(seconds: float) -> Timestamp:
    """Write a moment, to the second: nothing is known more finely."""
    return Timestamp(seconds=round(seconds))


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    set_duration(duration, seconds)
    return duration


def set_duration(duration: Duration, seconds: float) -> None:
    """Set a field to a span of time that is not negative."""
    write_duration(duration, seconds)
    duration.SetInParent()  # no time at all is a time too


def write_duration(duration: Duration, seconds: float) -> None:
    """Write such a span into a field that is set already."""
    duration.seconds, duration.nanos = divmod(int(seconds * 1e9 + 0.5), 1_000_000_000)
