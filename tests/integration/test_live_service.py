"""The live service as a shop runs it: two workers, a real Valkey, and what must never be lost."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
import redis

from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey
from recsvc.tallies import LINGER_SECONDS
from recsvc.v1 import catalog_service_pb2 as catalogue
from recsvc.v1 import catalog_service_pb2_grpc as catalogue_grpc
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import customer_service_pb2 as customers
from recsvc.v1 import customer_service_pb2_grpc as customers_grpc
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import event_service_pb2_grpc as events_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import (
    Service,
    refusal,
    running_service,
    small_registry,
    two_workers,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("unmeasured")

N_CHANNELS = 8
"""So many connections that both workers have some of them: the kernel deals them out."""
SECONDS = 20.0
FRESHNESS_SECONDS = 1.0
CUSTOMER, VISITOR = "a-very-particular-customer", "a-very-particular-visitor"


@dataclass(frozen=True)
class Line:
    """One connection of its own, and every method over it."""

    recommendations: Any
    events: Any
    customers: Any
    catalogue: Any

    def ask(self, customer_id: str, token: str = "") -> api.RecommendResponse:
        request = api.RecommendRequest(
            shopper=common.Shopper(customer_id=customer_id), consistency_token=token
        )
        response: api.RecommendResponse = self.recommendations.Recommend(request, timeout=SECONDS)
        assert response.recommendations
        return response

    def ingest(self, *sent: events.Event, **fields: Any) -> list[int]:
        request = events.IngestEventsRequest(events=sent, **fields)
        results = self.events.IngestEvents(request, timeout=SECONDS).results
        return [result.outcome for result in results]


@contextmanager
def lines_to(service: Service, n: int = N_CHANNELS) -> Iterator[list[Line]]:
    """Open connections; channels would otherwise share one."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with ExitStack() as stack:
        channels = [
            stack.enter_context(grpc.insecure_channel(service.target, options)) for _ in range(n)
        ]
        yield [
            Line(
                api_grpc.RecommendationServiceStub(channel),
                events_grpc.EventServiceStub(channel),
                customers_grpc.CustomerServiceStub(channel),
                catalogue_grpc.CatalogServiceStub(channel),
            )
            for channel in channels
        ]


def did(
    event_id: str, shopper: common.Shopper, kind: int = events.EVENT_TYPE_PURCHASE
) -> events.Event:
    return events.Event(
        event_id=event_id,
        type=kind,  # type: ignore[arg-type]  # an int
        shopper=shopper,
        items=[common.LineItem(product_id="filter")],
        order_id=f"order-{event_id}",
    )


def bought(event_id: str, customer_id: str) -> events.Event:
    return did(event_id, common.Shopper(customer_id=customer_id))


def ids(response: api.RecommendResponse) -> set[str]:
    return {item.product_id for item in response.recommendations}


def warnings(response: api.RecommendResponse) -> set[str]:
    """Those of the question: the sample's data has ended long before this clock's today."""
    return set(response.serving.warnings) - {"STALE_DATA"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_registry(tmp_path_factory.mktemp("live") / "models").root


@pytest.fixture(scope="module")
def service(registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with two_workers(registry, tmp_path_factory.mktemp("run")) as service:
        yield service


@pytest.fixture(scope="module")
def lines(service: Service) -> Iterator[list[Line]]:
    with lines_to(service) as lines:
        yield lines


def test_an_event_is_seen_by_the_very_next_call_with_its_token(lines: list[Line]) -> None:
    """Whichever worker took it and whichever is asked, though each had cached a list."""
    for number, line in enumerate(lines):
        stranger = f"stranger-{number}"
        before = [other.ask(stranger) for other in lines]
        assert all("filter" in ids(response) for response in before)
        assert all(warnings(response) == {"UNKNOWN_CUSTOMER"} for response in before)
        request = events.IngestEventsRequest(events=[bought("e1", stranger)])
        taken = line.events.IngestEvents(request, timeout=SECONDS)
        assert [each.outcome for each in taken.results] == [events.EVENT_OUTCOME_ACCEPTED]
        for other in reversed(lines):
            response = other.ask(stranger, taken.consistency_token)
            assert "filter" not in ids(response)
            assert not warnings(response)
            assert not response.serving.degraded


def n_hits(service: Service) -> float:
    """How many lists were given from a process, so far as every worker has said so."""
    time.sleep(2 * LINGER_SECONDS)  # counts are written that late
    wanted = r'^recsvc_process_cache_operations_total\{outcome="hit"\} (\S+)'
    found = re.search(wanted, service.metrics(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def set_home(line: Line, customer_id: str) -> None:
    """At a store that sells what no other does."""
    customer = customers.Customer(
        customer_id=customer_id, home_location=common.Location(store_id="porto-1")
    )
    request = customers.UpdateCustomerRequest(customer=customer, allow_missing=True)
    line.customers.UpdateCustomer(request, timeout=SECONDS)


def buy(line: Line, customer_id: str) -> None:
    line.ingest(bought(f"of-{customer_id}", customer_id))


def link_buyer(line: Line, customer_id: str) -> None:
    """To a visitor who has bought something."""
    visitor_id = f"guest-{customer_id}"
    line.ingest(did(f"of-{visitor_id}", common.Shopper(visitor_id=visitor_id)))
    request = customers.LinkVisitorRequest(visitor_id=visitor_id, customer_id=customer_id)
    assert line.customers.LinkVisitor(request, timeout=SECONDS).n_events_moved == 1


@pytest.mark.parametrize("write", [buy, set_home, link_buyer])
def test_what_one_process_learns_all_others_know_within_a_second(
    registry: Path, service: Service, tmp_path: Path, write: Callable[[Line, str], None]
) -> None:
    """A second service on the same Valkey takes it; the first had the list in its processes."""
    url = EmbeddedValkey(service.data_dir).url
    customer_id = f"told-of-{write.__name__}"
    with (
        running_service(registry, tmp_path / "other", "--redis", url) as other,
        lines_to(service) as here,
        lines_to(other, 1) as (there,),
    ):
        before = n_hits(service)
        lists = [line.ask(customer_id) for line in here]
        # A busy machine may be deaf for a moment, and then gives nothing from a process.
        wait_until(
            lambda: bool([line.ask(customer_id) for line in here]) and n_hits(service) > before
        )
        assert len({tuple(r.product_id for r in each.recommendations) for each in lists}) == 1
        write(there, customer_id)
        time.sleep(FRESHNESS_SECONDS)  # what is promised without a token
        for line in here:
            after = line.ask(customer_id)
            assert [*after.recommendations] != [*lists[0].recommendations]
            assert not after.serving.degraded


def test_while_valkey_is_silent_no_process_gives_old_lists(registry: Path, tmp_path: Path) -> None:
    """Nobody hung up, but what others write cannot be heard: lists are made anew, and say so."""
    with two_workers(registry, tmp_path / "run") as service, lines_to(service, 1) as (line,):
        wait_until(lambda: bool(line.ask("eve")) and n_hits(service) > 0)
        valkey = int(service.lines("valkey_started")[-1]["pid"])
        os.kill(valkey, signal.SIGSTOP)
        try:
            wait_until(lambda: line.ask("eve").serving.degraded)
            n_before = n_hits(service)
            assert all(line.ask("eve").serving.degraded for _ in range(3))
            assert n_hits(service) == n_before
        finally:
            os.kill(valkey, signal.SIGCONT)
        wait_until(lambda: bool(line.ask("eve")) and n_hits(service) > n_before)


def test_without_valkey_no_process_gives_old_lists(registry: Path, tmp_path: Path) -> None:
    """What others wrote meanwhile could not be heard; once it is back, lists are kept again."""
    with two_workers(registry, tmp_path / "run") as service, lines_to(service, 1) as (line,):
        wait_until(lambda: bool(line.ask("eve")) and n_hits(service) > 0)
        os.kill(int(service.lines("valkey_started")[-1]["pid"]), signal.SIGKILL)
        wait_until(lambda: bool(service.lines("changes_not_heard")))
        wait_until(lambda: bool(service.lines("changes_heard_again")))
        lost = 'recsvc_process_cache_drops_total{reason="lost"}'
        wait_until(lambda: lost in service.metrics())
        before = n_hits(service)
        wait_until(lambda: bool(line.ask("eve")) and n_hits(service) > before)


def test_an_event_is_taken_once(lines: list[Line]) -> None:
    """By whichever workers, in one call or several; a request gets its first answer."""
    event, request_id = bought("once", "ben"), str(uuid4())
    outcomes = [line.ingest(event, event, request_id=request_id) for line in lines]
    first = [events.EVENT_OUTCOME_ACCEPTED, events.EVENT_OUTCOME_DUPLICATE]
    assert outcomes == [first] * N_CHANNELS
    assert {line.ingest(event)[0] for line in lines} == {events.EVENT_OUTCOME_DUPLICATE}
    other = events.IngestEventsRequest(events=[bought("other", "ben")], request_id=request_id)
    refused = refusal(lines[1].events.IngestEvents, other)
    assert refused.code is grpc.StatusCode.ALREADY_EXISTS
    assert refused.info.reason == "REQUEST_ID_REUSED"


def test_every_visitor_of_a_customer_is_known(lines: list[Line]) -> None:
    """Though all of them are linked at once, over both workers: an erasure must find them."""

    def link(number: int) -> None:
        request = customers.LinkVisitorRequest(visitor_id=f"v{number}", customer_id="dora")
        lines[number].customers.LinkVisitor(request, timeout=SECONDS)

    with ThreadPoolExecutor(N_CHANNELS) as pool:
        list(pool.map(link, range(N_CHANNELS)))
    get = customers.GetCustomerRequest(customer_id="dora")
    found = lines[0].customers.GetCustomer(get, timeout=SECONDS).customer.visitor_ids
    assert sorted(found) == [f"v{number}" for number in range(N_CHANNELS)]


def test_consent_counts_everywhere(lines: list[Line]) -> None:
    """At once for who carries the token, and for everybody within a second."""

    def withdraw(customer_id: str) -> str:
        change = customers.UpdateCustomerRequest(
            customer=customers.Customer(
                customer_id=customer_id, consent=customers.CONSENT_WITHDRAWN
            )
        )
        return str(lines[0].customers.UpdateCustomer(change, timeout=SECONDS).consistency_token)

    assert not any(warnings(line.ask("clara")) for line in lines)
    withdraw("clara")
    time.sleep(FRESHNESS_SECONDS)  # what is promised without a token
    for number, line in enumerate(lines):
        assert warnings(line.ask("clara")) == {"NO_CONSENT"}
        dropped = [events.EVENT_OUTCOME_DROPPED_NO_CONSENT]
        assert line.ingest(bought(f"c{number}", "clara")) == dropped
    token = withdraw("emil")
    assert all(warnings(line.ask("emil", token)) == {"NO_CONSENT"} for line in lines)


def test_a_recall_counts_everywhere_and_for_good(registry: Path, tmp_path: Path) -> None:
    """Seen by both workers within a second, and by those of the next start."""

    def withdraw(line: Line, product_id: str) -> str:
        request = catalogue.WithdrawProductsRequest(product_ids=[product_id])
        response = line.catalogue.WithdrawProducts(request, timeout=SECONDS)
        return str(response.consistency_token)

    def shown(lines: list[Line], token: str = "") -> set[str]:
        # Each asks for another shopper: one worker's list must not do for all.
        answers = [line.ask(f"shopper-{number}", token) for number, line in enumerate(lines)]
        return set.union(*map(ids, answers))

    with two_workers(registry, tmp_path / "run") as service, lines_to(service) as lines:
        assert {"espresso", "soap"} <= shown(lines)
        withdraw(lines[0], "espresso")
        time.sleep(FRESHNESS_SECONDS)  # what is promised without a token
        assert "espresso" not in shown(lines)
        token = withdraw(lines[0], "soap")
        assert "soap" not in shown(lines, token)
    # Another Valkey: nothing of a recall lies in one.
    with two_workers(registry, tmp_path / "again") as service, lines_to(service) as lines:
        assert not {"espresso", "soap"} & shown(lines)
        restore = catalogue.RestoreProductsRequest(product_ids=["espresso"])
        token = lines[0].catalogue.RestoreProducts(restore, timeout=SECONDS).consistency_token
        assert all("espresso" in ids(line.ask("anna", token)) for line in lines)


def everything_in(client: redis.Redis) -> Iterator[bytes]:
    """Every key, and every value as far as it can be read."""
    found: Any = client.scan_iter(count=1_000)
    for key in found:
        yield bytes(key)
        kind: Any = client.type(key)
        readers: dict[bytes, Callable[[bytes], object]] = {
            b"string": client.get,
            b"stream": client.xrange,
            b"hash": client.hgetall,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": client.smembers,
            b"zset": lambda key: client.zrange(key, 0, -1),
            b"none": lambda _: b"",  # it has just expired
        }
        yield repr(readers[kind](key)).encode()


def names(content: bytes) -> bool:
    return b"very-particular" in content


def test_an_erasure_leaves_nothing(service: Service, registry: Path, lines: list[Line]) -> None:
    """Neither in Valkey nor in the registry, the log or the metrics; the hash alone is kept."""
    line, other = lines[0], lines[-1]
    as_customer = common.Shopper(customer_id=CUSTOMER)
    as_visitor = common.Shopper(visitor_id=VISITOR, session_id="session-of-" + VISITOR)
    line.ingest(did("v1-" + VISITOR, as_visitor, events.EVENT_TYPE_VIEW), request_id=str(uuid4()))
    line.ingest(did("p1-" + CUSTOMER, as_customer), request_id=str(uuid4()))
    update = customers.UpdateCustomerRequest(
        customer=customers.Customer(
            customer_id=CUSTOMER,
            consent=customers.CONSENT_GRANTED,
            home_location=common.Location(country_code="PT"),
            segments=["segment-of-" + CUSTOMER],
        ),
        request_id=str(uuid4()),
    )
    line.customers.UpdateCustomer(update, timeout=SECONDS)
    link = customers.LinkVisitorRequest(
        visitor_id=VISITOR, customer_id=CUSTOMER, request_id=str(uuid4())
    )
    assert other.customers.LinkVisitor(link, timeout=SECONDS).n_events_moved == 1
    other.ingest(did("v2-" + VISITOR, as_visitor, events.EVENT_TYPE_VIEW))
    for asked in (line, other):
        asked.ask(CUSTOMER)
    with connect(EmbeddedValkey(service.data_dir).url, socket_timeout_seconds=5.0) as client:
        assert any(map(names, everything_in(client)))

        erase = customers.EraseCustomerRequest(customer_id=CUSTOMER, request_id=str(uuid4()))
        response = other.customers.EraseCustomer(erase, timeout=SECONDS)
        assert response.receipt.n_visitors_erased == 1
        assert not [content for content in everything_in(client) if names(content)]

    get = customers.GetCustomerRequest(
        customer_id=CUSTOMER, consistency_token=response.consistency_token
    )
    assert refusal(line.customers.GetCustomer, get).info.reason == "CUSTOMER_NOT_FOUND"
    assert warnings(line.ask(CUSTOMER, response.consistency_token)) == {"UNKNOWN_CUSTOMER"}
    files = [path for path in registry.rglob("*") if path.is_file()]
    assert not [path for path in files if names(path.read_bytes())]
    assert response.receipt.customer_hash in (registry / "ledger.jsonl").read_text()
    assert not names(service.log.encode())
    assert not names(service.metrics().encode())


def test_valkey_killed(registry: Path, tmp_path: Path) -> None:
    """Lists go on, writes are refused with a time to come back, and what was durable is kept."""
    with two_workers(registry, tmp_path / "run") as service, lines_to(service, 1) as (line,):
        durable = line.ingest(bought("durable", CUSTOMER), durable=True)
        assert durable == [events.EVENT_OUTCOME_ACCEPTED]
        ingest = events.IngestEventsRequest(events=[bought("later", CUSTOMER)])
        os.kill(int(service.lines("valkey_started")[-1]["pid"]), signal.SIGKILL)
        degraded: set[str] = set()
        refused = None
        deadline = time.monotonic() + SECONDS
        while refused is None or not degraded:
            assert time.monotonic() < deadline
            # It is back within a second: whoever asks at once meets neither or both.
            if refused is None:
                try:
                    line.events.IngestEvents(ingest, timeout=SECONDS)
                except grpc.RpcError:
                    refused = refusal(line.events.IngestEvents, ingest)
            serving_info = line.ask(CUSTOMER).serving
            if serving_info.degraded:
                degraded.add(serving_info.degraded_reason)
        assert degraded == {"STORE_UNAVAILABLE"}
        assert refused.code is grpc.StatusCode.UNAVAILABLE
        assert refused.info.reason == "STORE_UNAVAILABLE"
        assert refused.has_retry
        assert str(tmp_path) not in refused.message

        def is_well() -> bool:
            try:
                line.events.IngestEvents(ingest, timeout=SECONDS)
            except grpc.RpcError:
                return False
            return not line.ask(CUSTOMER).serving.degraded

        wait_until(is_well)
        get = customers.GetCustomerRequest(customer_id=CUSTOMER)
        held = line.customers.GetCustomer(get, timeout=SECONDS).customer
        assert held.n_live_events == 2
        assert "filter" not in ids(line.ask(CUSTOMER))
