"""The shop's rules in a running server: every kind of list obeys, and says so."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import LocalServer, local_server, small_registry, wait_until

ANNA = common.Shopper(customer_id="anna")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return small_registry(tmp_path / "models")


@pytest.fixture
def server(registry: Registry) -> Iterator[LocalServer]:
    with local_server(registry.root) as running:
        yield running


@pytest.fixture
def stub(server: LocalServer) -> api_grpc.RecommendationServiceStub:
    return api_grpc.RecommendationServiceStub(server.channel)


def put(registry: Registry, server: LocalServer, *rules: dict[str, Any]) -> str:
    """Put rules in force, and wait until the server follows."""
    shelf, now = registry.documents("rules"), datetime.now(UTC)
    version_id = shelf.publish(json.dumps({"rules": rules}), now)
    shelf.activate(version_id, now)
    wait_until(lambda: server.worker.ground.rules.current.version_id == version_id)
    return version_id


def ids(recommendations: Any) -> list[str]:  # noqa: ANN401  # of any kind of response
    return [each.product_id for each in recommendations]


def again(stub: api_grpc.RecommendationServiceStub) -> list[str]:
    response = stub.ListBuyAgain(api.ListBuyAgainRequest(shopper=ANNA))
    return ids(each.recommended_product for each in response.recommendations)


def test_a_response_says_what_rules_did(
    registry: Registry, server: LocalServer, stub: api_grpc.RecommendationServiceStub
) -> None:
    """The version, the rules of list and product, and the reason; from the cache as well."""
    asked = api.RecommendRequest(shopper=ANNA, page_size=4, explain=True)
    before = stub.Recommend(asked)
    assert before.serving.rules_version_id == ""
    bag = {"product_ids": ["bag"]}
    rule = {"rule_id": "bag", "action": "pin", "position": 3, "select": bag}
    version_id = put(registry, server, rule | {"says": {"en": "A bag for all that."}})
    for _ in range(2):
        after = stub.Recommend(asked)
        assert after.serving.rules_version_id == version_id
        assert list(after.serving.applied_rule_ids) == ["bag"]
        third = after.recommendations[2]
        assert (third.product_id, list(third.rule_ids)) == ("bag", ["bag"])
        assert third.explanation.reason_code == "PICKED"
        assert third.explanation.text == "A bag for all that."
        assert third.explanation.facts.rule_id == "bag"
    put(registry, server)
    assert ids(stub.Recommend(asked).recommendations) == ids(before.recommendations)


def test_every_kind_of_list_keeps_what_is_excluded_off(
    registry: Registry, server: LocalServer, stub: api_grpc.RecommendationServiceStub
) -> None:
    """Unless the rule is about some kinds alone."""

    def lists() -> dict[str, list[str]]:
        similar = api.ListSimilarProductsRequest(product_id="filter", shopper=ANNA)
        together = api.ListBoughtTogetherRequest(product_ids=["tea"], shopper=ANNA)
        return {
            "recommend": ids(stub.Recommend(api.RecommendRequest(shopper=ANNA)).recommendations),
            "similar": ids(stub.ListSimilarProducts(similar).recommendations),
            "together": ids(stub.ListBoughtTogether(together).recommendations),
            "buy_again": again(stub),
        }

    before = lists()
    names = {name: before[name][0] for name in before}
    select = {"product_ids": sorted(set(names.values()))}
    rule = {"rule_id": "no", "action": "exclude", "select": select}
    put(registry, server, rule)
    assert all(before[name] for name in before)
    for name, found in lists().items():
        assert names[name] not in found
    put(registry, server, rule | {"when": {"surfaces": ["similar"]}})
    after = lists()
    assert names["similar"] not in after["similar"]
    assert after["buy_again"] == before["buy_again"]
