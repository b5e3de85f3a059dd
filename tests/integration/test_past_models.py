"""Models that earlier commits have trained, served by this one."""

import zipfile
from pathlib import Path

import pytest

from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import local_server

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.zip"))
"""Registries, by the day. When a model comes to have something more, put one beside them: ``fit
--preset fast --promote`` on the shop of ``tests.purchases``, its pointer and its version packed."""

ANNA = common.Shopper(customer_id="c125")
HERE = common.RecommendationContext(location=common.Location(store_id="faro-1"))


@pytest.mark.parametrize("packed", GOLDEN, ids=lambda path: path.stem)
def test_a_model_of_an_earlier_commit_is_served(packed: Path, tmp_path: Path) -> None:
    """By every method that answers from it, for who is known and who is not."""
    with zipfile.ZipFile(packed) as file:
        file.extractall(tmp_path)
    with local_server(tmp_path) as server:
        stub = api_grpc.RecommendationServiceStub(server.channel)
        for shopper in (ANNA, common.Shopper()):
            asked = api.RecommendRequest(shopper=shopper, context=HERE, explain=True)
            answer = stub.Recommend(asked, timeout=20)
            assert answer.serving.served_from == api.SERVED_FROM_MODEL
            assert len(answer.recommendations) == 20
            assert all(each.explanation.reason_code for each in answer.recommendations)
        product_id = answer.recommendations[0].product_id
        similar = api.ListSimilarProductsRequest(product_id=product_id)
        assert stub.ListSimilarProducts(similar, timeout=20).recommendations
        together = api.ListBoughtTogetherRequest(product_ids=[product_id])
        assert stub.ListBoughtTogether(together, timeout=20).recommendations
        again = api.ListBuyAgainRequest(shopper=ANNA)
        assert stub.ListBuyAgain(again, timeout=20).recommendations
