"""The rungs of the ladder, one after another, down and up: each is taken, said and counted."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from recsvc.client import Client
from recsvc.errors import UnavailableError
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import recommendation_service_pb2 as api
from tests.serving import Service, running_service, small_registry, wait_until
from tests.stampede import grow_old, slow_service
from tests.stores import stopped, valkey_client

pytestmark = pytest.mark.usefixtures("unmeasured")

LIST_SECONDS = 1.5
"""Far more than anything else that a call does."""

HURRY_SECONDS = 0.75
"""Less than twice what lists are thought to take once five were made."""

TTL_SECONDS = 300.0
POPULAR = {api.STRATEGY_POPULAR, api.STRATEGY_POPULAR_NEARBY}


def rung(response: api.RecommendResponse) -> tuple[str, str]:
    """How a list came about, and why it is less than it should be."""
    assert response.recommendations
    serving = response.serving
    assert serving.degraded == bool(serving.degraded_reason)
    name = api.ServedFrom.Name(serving.served_from).removeprefix("SERVED_FROM_")
    return name, serving.degraded_reason


def counts(service: Service) -> Counter[str]:
    """Lists by how they came about, and degraded ones by why."""
    names = {"recsvc_answers", "recsvc_degraded_answers"}
    return Counter(
        {
            value: int(sample.value)
            for family in text_string_to_metric_families(service.metrics())
            if family.name in names
            for sample in family.samples
            if sample.name.endswith("_total")
            for value in sample.labels.values()
        }
    )


def in_a_hurry(shop: Client) -> api.RecommendResponse:
    """A list for who has less time than it takes: on a busy machine even what sells may be late."""
    for _ in range(20):
        try:
            return shop.within(HURRY_SECONDS).recommend("anna", page_size=3)
        except UnavailableError as error:
            assert error.reason == "DEADLINE_EXCEEDED"  # noqa: PT017  # of twenty, one is enough
    raise AssertionError("nothing came in time")


def purchase(customer_id: str) -> events.Event:
    return events.Event(
        type=events.EVENT_TYPE_PURCHASE,
        shopper=common.Shopper(customer_id=customer_id),
        items=[common.LineItem(product_id="tea")],
    )


def test_writes_that_wait_for_the_store_hold_up_no_list(tmp_path: Path) -> None:
    """There are more of them than threads, and they wait for as long as writes may."""
    registry = small_registry(tmp_path / "models").root
    with (
        valkey_client(tmp_path / "valkey") as client,
        running_service(
            registry,
            tmp_path / "service",
            *("--redis", f"unix://{client.connection_pool.connection_kwargs['path']}"),
            RECSVC_REDIS_WRITE_TIMEOUT_MS="30000",
            RECSVC_MAX_THREADS="2",
        ) as service,
        Client(service.target, deadline_seconds=20) as shop,
        ThreadPoolExecutor() as pool,
    ):

        def write(number: int) -> events.IngestEventsResponse:
            return shop.within(60).ingest_events(events=[purchase(f"c{number}")])

        with stopped(client):
            writes = [pool.submit(write, number) for number in range(4)]
            wait_until(lambda: "recsvc_requests_in_flight 2.0" in service.metrics())
            assert rung(shop.recommend("anna")) == ("MODEL", "STORE_UNAVAILABLE")
            assert not any(each.done() for each in writes)
        outcomes = {each.result().results[0].outcome for each in writes}
        assert outcomes == {events.EVENT_OUTCOME_ACCEPTED}


def test_each_rung_is_taken_said_and_counted(tmp_path: Path) -> None:
    registry = small_registry(tmp_path / "models").root
    # Seconds of patience: a busy machine is not a dead Valkey.
    env = {"RECSVC_PROCESS_CACHE_MIB": "0", "RECSVC_REDIS_TIMEOUT_MS": "3000"}
    with (
        valkey_client(tmp_path / "valkey") as client,
        slow_service(
            registry,
            tmp_path / "service",
            f"unix://{client.connection_pool.connection_kwargs['path']}",
            LIST_SECONDS,
            n_workers=1,  # each learns for itself what lists take
            **env,
        ) as service,
        Client(service.target, deadline_seconds=30) as shop,
    ):
        said: Counter[str] = Counter()

        def take(response: api.RecommendResponse) -> tuple[str, str]:
            served_from, reason = rung(response)
            said.update(filter(None, (served_from, reason)))
            return served_from, reason

        # A fresh list: made now, and then from the cache.
        assert take(shop.recommend("anna")) == ("MODEL", "")
        assert take(shop.recommend("anna")) == ("CACHE", "")
        # A stale one, while it is made again.
        assert grow_old(client, TTL_SECONDS + 1) == 1
        assert take(shop.recommend("anna")) == ("STALE_CACHE", "")
        # One of the model alone: what a newcomer has just done is known while the store answers.
        shop.ingest_events(events=[purchase("newcomer")])
        known = shop.recommend("newcomer")
        assert take(known) == ("MODEL", "")
        assert "UNKNOWN_CUSTOMER" not in known.serving.warnings
        # The last resort: the only product that is allowed has just been bought, and rests.
        assert "tea" not in [item.product_id for item in known.recommendations]
        last = shop.recommend("newcomer", categories=["Drinks > Tea"])
        assert take(last) == ("MODEL", "")
        assert [item.product_id for item in last.recommendations] == ["tea"]
        assert "ONLY_RESTING" in last.serving.warnings
        assert "ONLY_RESTING" not in known.serving.warnings
        wait_until(lambda: "recsvc_last_resort_answers_total 0.0" not in service.metrics())
        with stopped(client):
            blind = shop.recommend("newcomer", page_size=3)
            assert take(blind) == ("MODEL", "STORE_UNAVAILABLE")
            assert "UNKNOWN_CUSTOMER" in blind.serving.warnings
            # What sells at the place, for who cannot wait for more.
            hurried = in_a_hurry(shop)
            assert take(hurried) == ("FALLBACK", "DEADLINE")
            assert {item.strategy for item in hurried.recommendations} <= POPULAR
        # And up again.
        wait_until(lambda: not take(shop.recommend("newcomer"))[1])
        exact = said.keys() - {"FALLBACK", "DEADLINE"}  # of those some came too late to be seen

        def counted() -> dict[str, int]:
            found = counts(service)
            return {name: found[name] for name in exact}

        wait_until(lambda: counted() == {name: said[name] for name in exact})
        assert counts(service)["FALLBACK"] >= said["FALLBACK"] > 0
