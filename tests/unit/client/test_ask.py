"""Plain arguments as the messages of the API."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from google.type.money_pb2 import Money

from recsvc.client import ask
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api


def test_every_argument_has_its_place() -> None:
    """And nothing else is set."""
    now = datetime(2026, 4, 1, 12, tzinfo=UTC)
    request = ask.recommend(
        "anna",
        session_id="s",
        store_id="leeds-1",
        location=common.Location(country_code="GB"),
        channel=common.CHANNEL_CHAT,
        placement_id="home",
        journey_stage=common.JOURNEY_STAGE_CART,
        basket=["tea", common.LineItem(product_id="jam", quantity=2)],
        recent=["milk"],
        currency_code="GBP",
        as_of=now,
        language_code="de",
        budget=(Decimal("7.50"), "GBP"),
        price_min=Money(currency_code="GBP", units=1),
        categories=["Drinks"],
        brands=["Alta"],
        exclude=["soap"],
        in_stock_only=False,
        exclude_purchased=True,
        strict=True,
        product_filter=common.ProductFilter(brands=["Leaf"]),
        page_size=5,
        page_token="t",  # noqa: S106  # no password
        diversity=api.DIVERSITY_LOW,
        experiment_id="e",
        explain=True,
        include_products=True,
        consistency_token="c",  # noqa: S106  # no password
    )
    context = common.RecommendationContext(
        location=common.Location(store_id="leeds-1", country_code="GB"),
        channel=common.CHANNEL_CHAT,
        placement_id="home",
        journey_stage=common.JOURNEY_STAGE_CART,
        basket=[
            common.LineItem(product_id="tea"),
            common.LineItem(product_id="jam", quantity=2),
        ],
        recent_product_ids=["milk"],
        currency_code="GBP",
        language_code="de",
    )
    context.as_of_time.FromDatetime(now)
    assert request == api.RecommendRequest(
        shopper=common.Shopper(customer_id="anna", session_id="s"),
        context=context,
        filter=common.ProductFilter(
            category_paths=["Drinks"],
            brands=["Leaf", "Alta"],
            price_range=common.PriceRange(
                min=Money(currency_code="GBP", units=1),
                max=Money(currency_code="GBP", units=7, nanos=500_000_000),
            ),
            exclude_product_ids=["soap"],
            in_stock_only=False,
            exclude_purchased=True,
            strict=True,
        ),
        page_size=5,
        page_token="t",  # noqa: S106  # no password
        diversity=api.DIVERSITY_LOW,
        experiment_id="e",
        explain=True,
        include_products=True,
        consistency_token="c",  # noqa: S106  # no password
    )


def test_nothing_asked_is_nothing_sent() -> None:
    """An empty question is anonymous, anywhere."""
    assert not ask.recommend().HasField("shopper")
    assert not ask.recommend().HasField("filter")
    assert ask.recommend().context == common.RecommendationContext()


def test_all_questions_share_their_arguments() -> None:
    """A visitor's, and one of nobody but a session's."""
    similar = ask.list_similar_products("tea", visitor_id="v", page_size=2)
    together = ask.list_bought_together(["tea", "jam"], session_id="s", explain=True)
    again = ask.list_buy_again("anna", budget=(-0.5, "EUR"))
    assert (similar.product_id, similar.shopper.visitor_id, similar.page_size) == ("tea", "v", 2)
    assert (list(together.product_ids), together.shopper.session_id) == (["tea", "jam"], "s")
    assert again.filter.price_range.max == Money(currency_code="EUR", nanos=-500_000_000)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"customer_id": "anna", "visitor_id": "v"}, "name two people"),
        ({"store_id": "a", "location": common.Location(store_id="b")}, "name two stores"),
        ({"as_of": datetime(2026, 4, 1)}, "without a zone"),  # noqa: DTZ001  # the point
    ],
)
def test_contradictions_are_refused(asked: dict[str, Any], said: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match=said):
        ask.recommend(**asked)


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), Decimal("NaN"), 1e30])
def test_what_is_no_price_is_refused_by_name(amount: float | Decimal) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match=r"budget: .* is no price"):
        ask.recommend(budget=(amount, "EUR"))
    with pytest.raises(ValueError, match=r"price_min: .* is no price"):
        ask.recommend(price_min=(amount, "EUR"))
