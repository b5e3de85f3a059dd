"""Plain arguments as the messages of the API."""

import re
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


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"store": "A"}, "'store' is no argument of a question; did you mean 'store_id'?"),
        ({"in_stock": True}, "did you mean 'in_stock_only'?"),
        ({"exclude_product_ids": ["1"]}, "'exclude_product_ids' is no argument"),
        ({"foo": 1}, "they are as_of, attributes, basket"),
        ({"exclude": "0011"}, "exclude: '0011' is no list; give ['0011']"),
        ({"basket": "0011"}, "basket: '0011' is no list"),
        ({"recent": "0011"}, "recent: '0011' is no list"),
        ({"attributes": {"roast": "dark"}}, "attributes['roast']: 'dark' is no list"),
        ({"exclude": [1]}, "exclude: 1 is no text; give '1'"),
        ({"basket": [1]}, "basket: 1 is no text; give '1'"),
        ({"store_id": 1}, "store_id: 1 is no text; give '1'"),
        ({"customer_id": 1104}, "customer_id: 1104 is no text; give '1104'"),
        ({"explain": "yes"}, "explain: 'yes' is neither True nor False"),
        ({"budget": 5}, "budget: 5 has no currency; give both"),
        ({"price_min": "5"}, "price_min: '5' has no currency"),
    ],
)
def test_what_no_question_takes_is_refused_by_name(asked: dict[str, Any], said: str) -> None:
    """Instead of a list that is silently another one, and also by who uses no type checker."""
    with pytest.raises(TypeError, match=re.escape(said)):
        ask.recommend(**asked)


def test_products_are_refused_by_name_too() -> None:
    """One by itself is no list of them."""
    one: Any = "0011"
    with pytest.raises(TypeError, match=r"product_ids: '0011' is no list"):
        ask.list_bought_together(one)
    with pytest.raises(TypeError, match="product_id: 11 is no text"):
        ask.list_similar_products(int(one))  # type: ignore[arg-type]  # the point


def test_a_price_may_be_as_json_has_it() -> None:
    """Where there are lists alone."""
    price: Any = [7.5, "EUR"]
    wanted = ask.recommend(budget=price).filter.price_range.max
    assert wanted == Money(currency_code="EUR", units=7, nanos=500_000_000)
