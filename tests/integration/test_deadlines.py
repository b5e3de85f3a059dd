"""Callers who give a moment while Valkey says nothing: no thread waits for whom nobody waits."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
import redis
from google.protobuf.message import Message

from recsvc.service import catalogue as catalogue_module
from recsvc.service import live_catalogue
from recsvc.store.connection import connect
from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import catalog_service_pb2 as catalogue
from recsvc.v1 import catalog_service_pb2_grpc as catalogue_grpc
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import customer_service_pb2 as customers
from recsvc.v1 import customer_service_pb2_grpc as customers_grpc
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import event_service_pb2_grpc as events_grpc
from tests.serving import LocalServer, local_server, small_registry, wait_until
from tests.stores import running_valkey, stopped

SECONDS = 60.0
LEFT_SECONDS = 0.5
"""What these callers give."""

SOON_SECONDS = 8.0
"""A busy machine takes no longer, and Valkey is waited for much longer by who may."""

VALKEY_MS = 20_000
N_THREADS = 2


@dataclass(frozen=True)
class Bench:
    """A server of two threads over a Valkey, which it would wait for long."""

    server: LocalServer
    client: redis.Redis

    @contextmanager
    def silent(self) -> Iterator[None]:
        """A Valkey that says nothing; who follows it waits for it already."""
        with stopped(self.client):
            time.sleep(LEFT_SECONDS)
            yield

    def wait_for_ends(self, method: str, n_calls: int) -> None:
        """Until nobody works for so many calls of callers who have left."""

        def ended() -> list[str]:
            lines = self.server.log.lines("request")
            return [line["code"] for line in lines if line["method"] == method]

        wait_until(lambda: len(ended()) >= n_calls, SOON_SECONDS)
        assert set(ended()) == {"DEADLINE_EXCEEDED"}

    @property
    def customers(self) -> customers_grpc.CustomerServiceStub:
        return customers_grpc.CustomerServiceStub(self.server.channel)

    @property
    def catalogue(self) -> catalogue_grpc.CatalogServiceStub:
        return catalogue_grpc.CatalogServiceStub(self.server.channel)

    def begin(self, method: str, request: Message) -> Any:  # noqa: ANN401  # a call and a future in one
        """Call a method and give it a moment."""
        raw: Any = self.server.channel.unary_unary(f"/recsvc.v1.{method}")
        return raw.future(request.SerializeToString(), timeout=LEFT_SECONDS)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    registry = small_registry(tmp_path / "models")
    with (
        running_valkey(tmp_path / "valkey") as valkey,
        connect(valkey.url, socket_timeout_seconds=SECONDS) as client,
        local_server(
            registry.root,
            redis_url=valkey.url,
            redis_timeout_ms=VALKEY_MS,
            redis_write_timeout_ms=VALKEY_MS,
            max_threads=N_THREADS,
        ) as server,
    ):
        grpc.channel_ready_future(server.channel).result(SECONDS)
        bench = Bench(server, client)
        bench.catalogue.ListStores(catalogue.ListStoresRequest(), timeout=SECONDS)
        yield bench


EVENT = events.Event(
    event_id="e1",
    type=events.EVENT_TYPE_PURCHASE,
    shopper=common.Shopper(customer_id="anna"),
    items=[common.LineItem(product_id="tea")],
)
INGEST = "EventService/IngestEvents"
KEY = catalog.InventoryKey(store_id="leeds-1", product_id="tea")


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        (INGEST, events.IngestEventsRequest(events=[EVENT])),
        (INGEST, events.IngestEventsRequest(events=[EVENT], durable=True)),
        (INGEST, events.IngestEventsRequest(events=[EVENT], request_id=str(uuid4()))),
        ("CustomerService/GetCustomer", customers.GetCustomerRequest(customer_id="anna")),
        (
            "CatalogService/BatchGetInventory",
            catalogue.BatchGetInventoryRequest(keys=[KEY]),
        ),
    ],
)
def test_who_has_left_keeps_no_recall_waiting(bench: Bench, method: str, request_: Message) -> None:
    """Nor consent: the threads are free as soon as the callers have no time left."""
    with bench.silent():
        calls = [bench.begin(method, request_) for _ in range(3 * N_THREADS)]
        recall = catalogue.WithdrawProductsRequest(product_ids=["tea"])
        recalled = bench.catalogue.WithdrawProducts(recall, timeout=SOON_SECONDS)
        assert recalled.product_ids == ["tea"]
        assert {call.exception(SECONDS).code() for call in calls} == {
            grpc.StatusCode.DEADLINE_EXCEEDED
        }
        bench.wait_for_ends(method, N_THREADS)


def test_streams_end_with_the_time_of_their_callers(bench: Bench) -> None:
    """An export is not gone on with, nor are events on a stream taken."""
    stub = events_grpc.EventServiceStub(bench.server.channel)
    with bench.silent():
        export = customers.ExportCustomerRequest(customer_id="anna")
        streams = (
            bench.customers.ExportCustomer(export, timeout=LEFT_SECONDS),
            stub.StreamEvents(
                iter([events.StreamEventsRequest(event=EVENT)]), timeout=LEFT_SECONDS
            ),
        )
        for stream in streams:
            with pytest.raises(grpc.RpcError) as raised:
                next(stream)
            assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        bench.wait_for_ends("CustomerService/ExportCustomer", 1)
        bench.wait_for_ends("EventService/StreamEvents", 1)


def test_what_a_token_stands_for_is_waited_for_no_longer_than_the_caller_waits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it would be worth to wait for it."""
    monkeypatch.setattr(catalogue_module, "WAIT_SECONDS", SECONDS)
    monkeypatch.setattr(live_catalogue, "WAIT_SECONDS", SECONDS)
    product = catalog.Product(product_id="new", title="New")
    upsert = catalogue.BatchUpsertProductsRequest(products=[product])
    token = bench.catalogue.BatchUpsertProducts(upsert, timeout=SECONDS).consistency_token
    with bench.silent():
        asked = catalogue.GetProductRequest(product_id="new", consistency_token=token)
        call = bench.begin("CatalogService/GetProduct", asked)
        assert call.exception(SECONDS) is not None

        def ended() -> bool:
            lines = bench.server.log.lines("request")
            return any(line["method"] == "CatalogService/GetProduct" for line in lines)

        wait_until(ended, SOON_SECONDS)


def test_a_recall_under_a_request_id_waits_for_no_silent_store(bench: Bench) -> None:
    """To look for a first answer, and to keep this one, takes a part of its time."""
    with bench.silent():
        recall = catalogue.WithdrawProductsRequest(product_ids=["tea"], request_id=str(uuid4()))
        recalled = bench.catalogue.WithdrawProducts(recall, timeout=SOON_SECONDS)
        assert recalled.product_ids == ["tea"]


def test_what_has_begun_is_done_though_its_caller_has_left(bench: Bench) -> None:
    """Half of a change would help nobody: it waits for Valkey as long as it may."""
    customer = customers.Customer(customer_id="anna", segments=["vip"])
    request = customers.UpdateCustomerRequest(customer=customer, allow_missing=True)
    with bench.silent():
        call = bench.begin("CustomerService/UpdateCustomer", request)
        assert call.exception(SECONDS).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        time.sleep(2 * LEFT_SECONDS)
    bench.wait_for_ends("CustomerService/UpdateCustomer", 1)
    asked = customers.GetCustomerRequest(customer_id="anna")
    found = bench.customers.GetCustomer(asked, timeout=SECONDS).customer
    assert [*found.segments] == ["vip"]
