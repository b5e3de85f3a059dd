"""Answers as messages, and the bytes that are kept."""

import math
from dataclasses import replace

import pytest

from recsvc.core.catalogue import Product
from recsvc.core.places import Level, Location
from recsvc.core.sources import Strategy
from recsvc.server.response_codec import ListWriter, ResponseCodec
from recsvc.server.responses import again_response
from recsvc.server.tokens import PageTokens
from recsvc.service.deliveries import Needed, Served
from recsvc.service.questions import Answer, Delivery, Item, ModelReference, Need, ServedFrom
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from tests.serving import NOW
from tests.wire import written_twice

PRODUCT = Product(
    product_id="milk",
    title="Whole milk",
    category_path="Food > Dairy",
    brand="Meadow",
    price=1.15,
    currency="GBP",
)
ITEM = Item(
    product_id="milk",
    rank=1,
    score=0.5,
    strategy=Strategy.BUY_AGAIN,
    level=Level.STORE,
    reason=None,
    product=PRODUCT,
)
ANSWER = Answer(
    items=(ITEM,),
    model=ModelReference(model_id="tiny", version_id="v1", train_time=NOW),
    location=Location(store_id="leeds-1", cell="861942c5fffffff"),
    level=Level.STORE,
    warnings=("STALE_DATA",),
    store_id="leeds-1",
)
DELIVERY = Delivery(
    recommendation_id="r1",
    served_from=ServedFrom.CACHE,
    compute_seconds=0.002,
    cache_age_seconds=3.5,
    degraded_reason="STORE_UNAVAILABLE",
    warnings=("MODEL_LOAD_FAILED",),
)


PAGES = PageTokens(b"key")


def sent(answer: Answer) -> api.RecommendResponse:
    served = Served(ResponseCodec(PAGES).encode(answer), DELIVERY, len(answer.items), "v1")
    return api.RecommendResponse.FromString(ListWriter().response(served))


def test_several_responses_are_what_each_is_alone() -> None:
    """Whatever of their deliveries is alike, and in whatever order they come."""
    of_variant = DELIVERY._replace(
        degraded_reason="", warnings=(), experiment_id="summer", variant_id="b"
    )
    deliveries = [
        DELIVERY,
        DELIVERY._replace(recommendation_id="r2", cache_age_seconds=0.0),
        of_variant,
        DELIVERY._replace(served_from=ServedFrom.MODEL, cache_age_seconds=None),
        of_variant._replace(cache_age_seconds=60.25),
        DELIVERY._replace(recommendation_id="r3", compute_seconds=0.5),
    ]
    codec = ResponseCodec(PAGES)
    payloads = [
        codec.encode(replace(ANSWER, store_id=f"store-{n}")) for n in range(len(deliveries))
    ]
    lists = [
        Served(payload, each, 1, "v1") for payload, each in zip(payloads, deliveries, strict=True)
    ]
    writer = ListWriter()
    written = [writer.response(served) for served in lists]
    assert written == [ListWriter().response(served) for served in lists]
    for data, each in zip(written, deliveries, strict=True):
        assert written_twice(api.RecommendResponse, data) == []
        assert api.RecommendResponse.FromString(data).recommendation_id == each.recommendation_id


def test_what_is_kept_and_what_differs_by_call_are_one_message() -> None:
    """Nothing of either is lost."""
    response = sent(ANSWER)
    assert response.recommendation_id == "r1"
    (item,) = response.recommendations
    assert (item.product_id, item.rank, item.score) == ("milk", 1, 0.5)
    assert item.strategy == api.STRATEGY_BUY_AGAIN
    assert item.location_level == common.LOCATION_LEVEL_STORE
    serving = response.serving
    assert serving.model.version_id == "v1"
    assert serving.served_from == api.SERVED_FROM_CACHE
    assert serving.cache_age.ToMilliseconds() == 3500
    assert serving.compute_time.ToMicroseconds() == 2000
    assert (serving.degraded, serving.degraded_reason) == (True, "STORE_UNAVAILABLE")
    assert serving.warnings == ["STALE_DATA", "MODEL_LOAD_FAILED"]
    assert (serving.resolved_location.store_id, serving.store_id) == ("leeds-1", "leeds-1")
    assert serving.resolved_location.lat_lng.latitude == pytest.approx(53.8, abs=0.1)


def test_what_is_needed_again_says_when_and_how_much() -> None:
    """To the second; the answer itself is written like any other."""
    need = Need(due_time=1_700_000_000.4, interval_seconds=864_000.2, quantity=2.5)
    response = again_response(Needed(ANSWER, (need,), DELIVERY))
    (line,) = response.recommendations
    assert line.recommended_product.product_id == "milk"
    assert line.recommended_product.location_level == common.LOCATION_LEVEL_STORE
    assert line.due_time.ToNanoseconds() == 1_700_000_000 * 10**9
    assert line.usual_interval.ToNanoseconds() == 864_000 * 10**9
    assert line.usual_quantity == 2.5
    assert response.recommendation_id == "r1"
    assert response.serving.resolved_location.store_id == "leeds-1"
    assert response.serving.warnings == ["STALE_DATA", "MODEL_LOAD_FAILED"]
    assert response.serving.degraded_reason == "STORE_UNAVAILABLE"


def test_a_place_without_a_cell_has_no_coordinates() -> None:
    """And no place at all is unset."""
    assert not sent(
        replace(ANSWER, location=Location(country_code="GB"))
    ).serving.resolved_location.HasField("lat_lng")
    assert not sent(replace(ANSWER, location=Location())).serving.HasField("resolved_location")


@pytest.mark.parametrize(
    ("price", "units", "nanos"),
    [(1.15, 1, 150_000_000), (0.1, 0, 100_000_000), (2.9999999999, 3, 0), (-1.5, -1, -500_000_000)],
)
def test_money_is_exact_to_the_cent(price: float, units: int, nanos: int) -> None:
    """Units and nanos of one sign, rounded once."""
    product = replace(PRODUCT, price=price)
    money = sent(replace(ANSWER, items=(ITEM._replace(product=product),)))
    found = money.recommendations[0].product.price
    assert (found.units, found.nanos, found.currency_code) == (units, nanos, "GBP")


def test_an_unknown_price_is_unset() -> None:
    """Not zero: that would be a gift."""
    product = replace(PRODUCT, price=math.nan, currency="")
    response = sent(replace(ANSWER, items=(ITEM._replace(product=product),)))
    assert not response.recommendations[0].product.HasField("price")


def test_only_our_own_bytes_are_readable() -> None:
    """Neither garbage nor an empty message passes for an answer, nor part of one."""
    codec = ResponseCodec(PAGES)
    ours = codec.encode(ANSWER)
    assert codec.kept(ours) is not None
    for damaged in (b"", b"\xff\xff\xff", b"\0" * 10, ours[:-1], ours + b"\0"):
        assert codec.kept(damaged) is None
    for at in range(len(ours)):
        damaged = ours[:at] + bytes([ours[at] ^ 1]) + ours[at + 1 :]
        assert codec.kept(damaged) is None
    assert codec.schema == ResponseCodec(PAGES).schema


def test_the_products_of_a_kept_list_can_be_told() -> None:
    """In its order, so that one that was withdrawn since is not sent."""
    codec = ResponseCodec(PAGES)
    items = (ITEM, ITEM._replace(product_id="tea"))
    for own in ((), items):
        kept = codec.kept(codec.encode(replace(ANSWER, items=own)))
        assert kept is not None
        assert kept.n_items == len(own)
        assert kept.product_ids() == [item.product_id for item in own]


def test_another_release_finds_no_list_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would write differently is unknown, so the schema of cached lists differs."""
    schema = ResponseCodec(PAGES).schema
    monkeypatch.setattr("recsvc.server.response_codec.__version__", "99.0.0")
    assert ResponseCodec(PAGES).schema != schema


def test_lists_that_lay_otherwise_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their bytes are no message that would tell them apart, so the schema does."""
    schema = ResponseCodec(PAGES).schema
    monkeypatch.setattr("recsvc.server.response_codec._LAYOUT", b"")  # that of a whole response
    assert ResponseCodec(PAGES).schema != schema
