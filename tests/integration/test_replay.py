"""Lists that a real service has served, made again afterwards by ``recsvc-train replay``."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from recsvc.artifacts.registry import Registry
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.served_lists import RedisServedLists
from recsvc.terminal import run
from recsvc.v1 import catalog_pb2, catalog_service_pb2, catalog_service_pb2_grpc
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import customer_service_pb2 as customers
from recsvc.v1 import customer_service_pb2_grpc as customers_grpc
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import event_service_pb2_grpc as events_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.samples import tiny_artifact, tiny_model
from tests.serving import Service, running_service, small_registry, wait_until
from training.cli import app

pytestmark = pytest.mark.usefixtures("unmeasured")

SECONDS = 20.0
CUSTOMERS = ("anna", "ben", "clara", "filipa", "a-stranger", "")
STAGES = tuple(common.JourneyStage.values())
N_LISTS = 500


class Shop:
    """A service that keeps every list, and who talks to it."""

    def __init__(self, registry: Registry, service: Service, channel: grpc.Channel) -> None:
        self.registry = registry
        self.url = f"unix://{service.data_dir}/valkey.sock"
        self.lists: Any = api_grpc.RecommendationServiceStub(channel)
        self.events: Any = events_grpc.EventServiceStub(channel)
        self.customers: Any = customers_grpc.CustomerServiceStub(channel)
        self.catalogue: Any = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        self.names: list[str] = []

    def kept(self) -> RedisServedLists:
        return RedisServedLists(
            GuardedRedis(connect(self.url, socket_timeout_seconds=5.0), CircuitBreaker()),
            KeySchema(),
        )

    def n_kept(self) -> int:
        return sum(1 for _ in self.kept().every())

    def recommend(self, customer_id: str = "anna", **fields: Any) -> api.RecommendResponse:
        request = api.RecommendRequest(shopper=common.Shopper(customer_id=customer_id), **fields)
        response: api.RecommendResponse = self.lists.Recommend(request, timeout=SECONDS)
        self.names.append(response.recommendation_id)
        return response

    def ask(self, number: int) -> None:
        """One of many different questions."""
        customer = CUSTOMERS[number % len(CUSTOMERS)]
        shopper = common.Shopper(customer_id=customer)
        kind = number // len(CUSTOMERS) % 8
        match kind:
            case 5:
                method = self.lists.ListSimilarProducts
                request: Any = api.ListSimilarProductsRequest(product_id="milk", shopper=shopper)
            case 6:
                method = self.lists.ListBoughtTogether
                request = api.ListBoughtTogetherRequest(product_ids=["milk"], shopper=shopper)
            case 7 if customer:
                method = self.lists.ListBuyAgain
                request = api.ListBuyAgainRequest(shopper=shopper)
            case _:
                method = self.lists.Recommend
                context = common.RecommendationContext(
                    journey_stage=STAGES[number % len(STAGES)],  # type: ignore[arg-type]  # an int
                    basket=[common.LineItem(product_id="tea")] * (number % 3 == 0),
                )
                request = api.RecommendRequest(
                    shopper=shopper,
                    context=context,
                    page_size=3 + number % 11,
                    diversity=number % 5,  # type: ignore[arg-type]  # an int
                    explain=bool(number % 2),
                )
        self.names.append(method(request, timeout=SECONDS).recommendation_id)

    def buys(self, customer_id: str, product_id: str, number: int) -> None:
        event = events.Event(
            event_id=f"event-{number}",
            type=events.EVENT_TYPE_PURCHASE,
            shopper=common.Shopper(customer_id=customer_id),
            items=[common.LineItem(product_id=product_id)],
        )
        self.events.IngestEvents(events.IngestEventsRequest(events=[event]), timeout=SECONDS)

    def collect(self, into: Path) -> int:
        given = ["--redis", self.url, "--registry", str(self.registry.root), "--json"]
        return run(app, ["collect", "--into", str(into), *given])

    def replay(self, *arguments: str) -> int:
        given = [*arguments, "--redis", self.url, "--registry", str(self.registry.root), "--json"]
        return run(app, ["replay", *given])


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    registry = small_registry(tmp_path / "models")
    tiny_artifact(registry, tiny_model(leave_out=("collaborative",)), "v2")
    with (
        running_service(
            registry.root,
            tmp_path / "run",
            RECSVC_SERVED_SAMPLE="1",
            RECSVC_REDIS_TIMEOUT_MS="1000",
        ) as service,
        grpc.insecure_channel(service.target) as channel,
    ):
        yield Shop(registry, service, channel)


def test_500_lists_are_identical_over_two_models_and_two_sets_of_rules(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of every kind, with live events, a recall and stock in between, from the cache or not."""
    products = [item.product_id for item in shop.recommend().recommendations]

    def model_is(version_id: str) -> Callable[[], bool]:
        return lambda: shop.recommend().serving.model.version_id == version_id

    def rules_are(version_id: str) -> Callable[[], bool]:
        return lambda: shop.recommend().serving.rules_version_id == version_id

    for number in range(N_LISTS):
        if number == 150:
            shop.registry.promote("v2", datetime.now(UTC))
            wait_until(model_is("v2"))
        if number == 250:
            shelf, now = shop.registry.documents("rules"), datetime.now(UTC)
            first = {"rule_id": "first", "action": "pin", "position": 1}
            pin = first | {"select": {"product_ids": [products[-1]]}}
            version_id = shelf.publish(json.dumps({"rules": [pin]}), now)
            shelf.activate(version_id, now)
            wait_until(rules_are(version_id))
        if number == 350:
            shop.catalogue.WithdrawProducts(
                catalog_service_pb2.WithdrawProductsRequest(product_ids=[products[1]]),
                timeout=SECONDS,
            )
        if number % 20 == 10:
            shop.buys(CUSTOMERS[number // 20 % 4], products[number % len(products)], number)
        shop.ask(number)
    wait_until(lambda: shop.n_kept() == len(shop.names))
    capsys.readouterr()
    code = shop.replay("--all")
    found = json.loads(capsys.readouterr().out)
    assert found["lists"] == len(shop.names) >= N_LISTS
    assert found["different"] == []
    assert code == 0


def test_stock_and_new_prices_do_not_change_what_was_served(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was there then is told by the list; that the catalogue has changed is said."""
    served = shop.recommend()
    sold_out = served.recommendations[0].product_id
    shop.catalogue.BatchUpsertProducts(
        catalog_service_pb2.BatchUpsertProductsRequest(
            products=[
                catalog_pb2.Product(
                    product_id=sold_out,
                    title="Gone",
                    available_to=Timestamp(seconds=1),
                )
            ]
        ),
        timeout=SECONDS,
    )
    wait_until(lambda: sold_out not in {p.product_id for p in shop.recommend().recommendations})
    wait_until(lambda: shop.n_kept() == len(shop.names))
    capsys.readouterr()
    assert shop.replay(served.recommendation_id) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["identical"]
    assert found["products"][0]["product_id"] == sold_out
    assert found["products"][0]["reason"]
    assert any("catalogue has changed" in doubt for doubt in found["doubts"])


def test_nothing_is_left_of_who_was_erased(shop: Shop) -> None:
    """Their lists are given out before, and are not found any more afterwards."""
    anna, ben = shop.recommend("anna"), shop.recommend("ben")
    wait_until(lambda: shop.n_kept() == 2)
    request = customers.ExportCustomerRequest(customer_id="anna")
    exported = list(shop.customers.ExportCustomer(request, timeout=SECONDS))
    (served,) = (each.served for each in exported if each.HasField("served"))
    assert served.recommendation_id == anna.recommendation_id
    assert list(served.product_ids) == [item.product_id for item in anna.recommendations]
    shop.customers.EraseCustomer(
        customers.EraseCustomerRequest(customer_id="anna"), timeout=SECONDS
    )
    assert shop.kept().find(anna.recommendation_id) is None
    assert shop.kept().find(ben.recommendation_id) is not None
    assert shop.replay(anna.recommendation_id) == 1


def test_lists_of_models_that_are_gone_are_passed_over(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """And counted, by reason; where nothing else is left, nothing was checked."""
    shop.recommend("anna")
    shop.recommend("ben")
    shop.registry.promote("v2", datetime.now(UTC))
    wait_until(lambda: shop.recommend("clara").serving.model.version_id == "v2")
    wait_until(lambda: shop.n_kept() == len(shop.names))
    versions = shop.registry.root / "versions"
    shutil.rmtree(versions / "v1")
    capsys.readouterr()
    assert shop.replay("--all") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["lists"] == found["identical"] >= 1
    ((reason, n_gone),) = found["impossible"].items()
    assert "v1" in reason
    assert n_gone + found["lists"] == len(shop.names)
    shutil.rmtree(versions / "v2")
    assert shop.replay("--all") == 1


def test_what_was_collected_is_made_again_when_redis_has_forgotten_it(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As long as nobody who was served it has been erased."""
    anna, ben = shop.recommend("anna"), shop.recommend("ben")
    wait_until(lambda: shop.n_kept() == 2)
    into = tmp_path / "history"
    time.sleep(1.2)  # what is younger is left for the next collection
    assert shop.collect(into) == 0
    assert json.loads(capsys.readouterr().out)["n_lists"] == 2
    served = ("--served", str(into / "_served"))
    assert shop.replay("--all", *served) == 0
    assert json.loads(capsys.readouterr().out)["lists"] == 2

    client = connect(shop.url, socket_timeout_seconds=5.0)
    client.delete(*client.scan_iter("*:served:*"))
    assert shop.replay(anna.recommendation_id) == 1
    assert shop.replay(anna.recommendation_id, *served) == 0
    capsys.readouterr()

    shop.customers.EraseCustomer(
        customers.EraseCustomerRequest(customer_id="anna"), timeout=SECONDS
    )
    assert shop.replay(anna.recommendation_id, *served) == 1
    assert "no such list is kept" in capsys.readouterr().err
    assert shop.collect(into) == 0
    assert json.loads(capsys.readouterr().out)["n_lists_erased"] == 1
    assert shop.replay(ben.recommendation_id, *served) == 0
    kept = (into / "_served" / "live-00000001.parquet").read_bytes()
    assert (b"anna" in kept, b"ben" in kept) == (False, True)


def test_one_list_is_named_or_all_are(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is an error in one line."""
    assert shop.replay() == 1
    assert "give either the id of a list, or --all" in capsys.readouterr().err
    assert shop.replay("nonsense") == 1
    assert "nonsense: no such list is kept" in capsys.readouterr().err


def test_who_does_not_consent_is_in_no_record(shop: Shop) -> None:
    """Their list is not kept, that of somebody else is; what was kept before is not made again."""
    before = shop.recommend("anna")
    wait_until(lambda: shop.n_kept() == 1)
    shop.customers.UpdateCustomer(
        customers.UpdateCustomerRequest(
            customer=customers.Customer(customer_id="anna", consent=customers.CONSENT_WITHDRAWN),
            allow_missing=True,
        ),
        timeout=SECONDS,
    )
    after = shop.recommend("anna")
    shop.recommend("ben")
    wait_until(lambda: shop.n_kept() == 2)
    assert shop.kept().find(after.recommendation_id) is None
    assert shop.replay(before.recommendation_id) == 1
