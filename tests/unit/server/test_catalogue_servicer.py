"""The recall switch over the API, without a network."""

from typing import Any
from uuid import UUID

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.errors import InvalidRequestError
from recsvc.logs import collected_facts
from recsvc.server.catalogue_servicer import CatalogueServicer, CatalogueUses
from recsvc.server.replays import Replays, RequestIdReusedError
from recsvc.server.tokens import Tokens
from recsvc.service.catalogue import Catalogue
from recsvc.service.models import ModelSlot
from recsvc.service.recalls import Recalls
from recsvc.store.memory import InMemoryAnswerStore
from recsvc.v1 import catalog_service_pb2 as api
from tests.calls import Context
from tests.serving import NOW, Log, new_circumstances, new_metrics, new_standing
from tests.shoppers import KEY

CALLER: Any = Context()
"""The context of a call with ten seconds left."""
REQUEST_ID = str(UUID(int=0xABCDEF, version=4))


class Bench:
    """The servicer over memory."""

    def __init__(self, registry: Registry) -> None:
        self.standing = new_standing(registry)
        tokens = Tokens.of(KEY)
        self.tokens = tokens.consistency
        # No model: recalls need none.
        slot = ModelSlot(registry, logger=Log().logger, metrics=new_metrics()[0])
        now = new_circumstances(self.standing, slot)
        uses = CatalogueUses(
            Catalogue(slot, self.standing, now.live), now.live, now.stock, Recalls(self.standing)
        )
        self.servicer = CatalogueServicer(uses, tokens, Replays(InMemoryAnswerStore(), KEY))

    def withdraw(self, *product_ids: str, request_id: str = "") -> api.WithdrawProductsResponse:
        request = api.WithdrawProductsRequest(product_ids=product_ids, request_id=request_id)
        return self.servicer.WithdrawProducts(request, CALLER)

    def restore(self, *product_ids: str, request_id: str = "") -> api.RestoreProductsResponse:
        request = api.RestoreProductsRequest(product_ids=product_ids, request_id=request_id)
        return self.servicer.RestoreProducts(request, CALLER)


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Registry(tmp_path_factory.mktemp("registry")))


def test_products_are_withdrawn_and_restored(bench: Bench) -> None:
    """Each once, also those that no model knows, with the time and a token that has it."""
    withdrawn = bench.withdraw("milk", "unheard-of", "milk")
    assert withdrawn.product_ids == ["milk", "unheard-of"]
    assert withdrawn.withdraw_time.ToDatetime(NOW.tzinfo) == NOW
    assert bench.tokens.read(withdrawn.consistency_token).ledger == bench.standing.position
    assert bench.standing.withdrawn.keys() == {"milk", "unheard-of"}
    with collected_facts() as facts:
        restored = bench.restore("milk", "never-withdrawn")
    assert facts == {"n_products": 2}
    assert restored.product_ids == ["milk", "never-withdrawn"]
    assert restored.restore_time.ToDatetime(NOW.tzinfo) == NOW
    assert bench.tokens.read(restored.consistency_token).ledger == bench.standing.position
    assert bench.standing.withdrawn.keys() == {"unheard-of"}


@pytest.mark.parametrize("method", ["withdraw", "restore"])
@pytest.mark.parametrize(
    ("product_ids", "field", "reason"),
    [
        ([], "product_ids", "FIELD_INVALID"),
        (["x"] * 1_001, "product_ids", "BATCH_TOO_LARGE"),
        (["x", ""], "product_ids[1]", "FIELD_INVALID"),
        (["x" * 257], "product_ids[0]", "FIELD_INVALID"),
    ],
)
def test_a_recall_has_its_limits(
    bench: Bench, method: str, product_ids: list[str], field: str, reason: str
) -> None:
    """Beyond them nothing is recorded; up to them everything is."""
    with pytest.raises(InvalidRequestError) as caught:
        getattr(bench, method)(*product_ids)
    assert (caught.value.field, caught.value.reason) == (field, reason)
    assert bench.standing.position == 0
    assert len(getattr(bench, method)(*(f"p{n}" for n in range(1_000))).product_ids) == 1_000


def test_a_repetition_undoes_nothing(bench: Bench) -> None:
    """A withdrawal that is repeated late, after its undoing, gets its first answer alone."""
    first = bench.withdraw("milk", request_id=REQUEST_ID)
    bench.restore("milk")
    assert bench.withdraw("milk", request_id=REQUEST_ID) == first
    assert not bench.standing.withdrawn


def test_a_request_id_is_of_one_method(bench: Bench) -> None:
    """Though the two requests look alike."""
    bench.withdraw("milk", request_id=REQUEST_ID)
    with pytest.raises(RequestIdReusedError):
        bench.restore("milk", request_id=REQUEST_ID)
    assert bench.standing.withdrawn
