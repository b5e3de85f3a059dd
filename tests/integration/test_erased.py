"""A person who asks to be forgotten, from the live profile to the model of the next night."""

import time
from pathlib import Path

import grpc
import pytest
from rich.console import Console

from recsvc.artifacts.registry import Registry
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import customer_service_pb2 as customers
from recsvc.v1 import customer_service_pb2_grpc as customers_grpc
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import event_service_pb2_grpc as events_grpc
from tests.purchases import SMALL
from tests.quick import quick_fit
from tests.serving import Service, running_service, small_registry
from training.cli_collect import drained
from training.progress import ConsoleReporter
from training.purchases import FitInput
from training.purge import purge

pytestmark = pytest.mark.usefixtures("unmeasured")

NAME = "the-person-who-asked"


def buy(service: Service, customer: str, number: int) -> None:
    with grpc.insecure_channel(service.target) as channel:
        stub = events_grpc.EventServiceStub(channel)
        event = events.Event(
            event_id=f"{customer}-{number}",
            type=events.EVENT_TYPE_PURCHASE,
            shopper=common.Shopper(customer_id=customer),
            items=[common.LineItem(product_id="tea" if number % 2 else "milk")],
            order_id=str(number),
        )
        stub.IngestEvents(events.IngestEventsRequest(events=[event]), timeout=10)


def holding(folder: Path) -> list[Path]:
    """Files of a folder that hold the person's id."""
    return [
        path for path in folder.rglob("*") if path.is_file() and NAME.encode() in path.read_bytes()
    ]


def test_nothing_of_the_night_after_holds_the_person(tmp_path: Path) -> None:
    """Collected before or after the erasure, no row and no array names who was erased."""
    registry = small_registry(tmp_path / "models")
    history = tmp_path / "live"
    with running_service(registry.root, tmp_path / "service") as service:
        url = f"unix://{tmp_path / 'service' / 'valkey' / 'valkey.sock'}"
        for number in range(4):
            for customer in (NAME, "somebody", "another"):
                buy(service, customer, number)
        time.sleep(1.2)
        drained(url, "recsvc", history)
        buy(service, NAME, 9)
        assert holding(history)
        with grpc.insecure_channel(service.target) as channel:
            stub = customers_grpc.CustomerServiceStub(channel)
            stub.EraseCustomer(customers.EraseCustomerRequest(customer_id=NAME), timeout=10)
        time.sleep(1.2)
        drained(url, "recsvc", history)
    assert purge(history, registry) == 4
    assert holding(history) == []

    with ConsoleReporter(Console(quiet=True)) as reporter:
        source = FitInput(events=[history], registry=registry)
        manifest = quick_fit(source, SMALL, registry, reporter)

    assert holding(registry.root) == []
    _, arrays = Registry(registry.root).load(manifest.version_id)
    ids = b"".join(a.tobytes() for name, a in arrays.items() if name.startswith("customers"))
    assert b"somebody" in ids
    assert NAME.encode() not in ids
