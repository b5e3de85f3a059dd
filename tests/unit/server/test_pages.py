"""Pages of a list, over a real channel."""

from collections.abc import Iterator
from typing import Any

import pytest

from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import event_service_pb2_grpc as events_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import LocalServer, local_server, refusal, small_registry


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with local_server(small_registry(tmp_path_factory.mktemp("pages")).root) as running:
        yield running


def ask(
    server: LocalServer, token: str = "", size: int = 4, **fields: Any
) -> api.RecommendResponse:
    """One page of anna's list."""
    stub = api_grpc.RecommendationServiceStub(server.channel)
    request = api.RecommendRequest(
        **{"shopper": common.Shopper(customer_id="anna"), **fields},
        page_size=size,
        page_token=token,
    )
    response: api.RecommendResponse = stub.Recommend(request, timeout=10)
    return response


def ids(response: api.RecommendResponse) -> list[str]:
    return [item.product_id for item in response.recommendations]


def test_the_pages_together_are_the_list_without_repetition(server: LocalServer) -> None:
    """The first page is that of a longer list, the last one has no token."""
    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        response = ask(server, token)
        pages.append(ids(response))
        token = response.next_page_token
    whole = [product for page in pages for product in page]
    assert pages[0] == ids(ask(server, size=20))[:4]
    assert len(whole) == len(set(whole)) == len(ids(ask(server, size=20)))


def test_a_page_that_is_asked_for_again_is_the_same(server: LocalServer) -> None:
    """From the cache or computed, the second page follows the first."""
    token = ask(server).next_page_token
    assert token
    assert ids(ask(server, token)) == ids(ask(server, token))
    assert ask(server, token).serving.served_from == api.SERVED_FROM_CACHE


def test_what_happens_between_two_pages_repeats_nothing(server: LocalServer) -> None:
    """A purchase changes the order of what is to come, not what was shown."""
    first = ask(server, shopper=common.Shopper(customer_id="ben"))
    stub = events_grpc.EventServiceStub(server.channel)
    event = events.Event(
        event_id="between",
        type=events.EVENT_TYPE_PURCHASE,
        shopper=common.Shopper(customer_id="ben"),
        items=[common.LineItem(product_id="jam")],
    )
    stub.IngestEvents(events.IngestEventsRequest(events=[event]), timeout=10)
    second = ask(server, first.next_page_token, shopper=common.Shopper(customer_id="ben"))
    assert ids(second)
    assert not {*ids(first)} & {*ids(second)}


@pytest.mark.parametrize(
    "changed",
    [
        {"shopper": common.Shopper(customer_id="ben")},
        {"shopper": None},
        {"size": 3},
        {"filter": common.ProductFilter(brands=["Leaf"])},
        {"context": common.RecommendationContext(location=common.Location(store_id="york-1"))},
    ],
)
def test_a_changed_request_with_an_old_token_is_an_error(
    server: LocalServer, changed: dict[str, Any]
) -> None:
    """Whose list it is, how long its pages are, what it may hold and where it is for."""
    token = ask(server).next_page_token
    stub = api_grpc.RecommendationServiceStub(server.channel)
    given: dict[str, Any] = {"shopper": common.Shopper(customer_id="anna"), "size": 4} | changed
    size = given.pop("size")
    request = api.RecommendRequest(**given, page_size=size, page_token=token)
    found = refusal(stub.Recommend, request)
    assert (found.code.name, found.info.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_MISMATCH")


def test_a_token_that_was_not_made_here_is_an_error(server: LocalServer) -> None:
    """Neither garbage nor a token of another kind."""
    stub = api_grpc.RecommendationServiceStub(server.channel)
    for token in ("x", "AAAAAAAAAAAAAAAA"):
        found = refusal(stub.Recommend, api.RecommendRequest(page_token=token))
        assert (found.code.name, found.info.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


def test_what_is_new_to_a_customer_is_never_what_was_just_bought(server: LocalServer) -> None:
    """A list that nothing is left for stays empty: no shortage lets a product break a condition."""
    stub = events_grpc.EventServiceStub(server.channel)
    clara = common.Shopper(customer_id="everything")
    wanted = common.ProductFilter(brands=["Leaf"], exclude_purchased=True)
    offered = ids(ask(server, shopper=clara, filter=wanted))
    assert offered
    event = events.Event(
        event_id="all-of-it",
        type=events.EVENT_TYPE_PURCHASE,
        shopper=clara,
        items=[common.LineItem(product_id=product_id) for product_id in offered],
    )
    stub.IngestEvents(events.IngestEventsRequest(events=[event]), timeout=10)
    assert ids(ask(server, shopper=clara, filter=wanted)) == []
    wanted.exclude_purchased = False
    assert ids(ask(server, shopper=clara, filter=wanted)) == offered
