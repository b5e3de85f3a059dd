"""The gRPC server on loopback, in this process: every method, and every refusal."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from recsvc.app.worker import build_worker
from recsvc.errors import SettingsError
from recsvc.server import server as server_module
from recsvc.server.address import reserved
from recsvc.service.cache_port import Claimed
from recsvc.settings.server import ServerSettings
from recsvc.store.memory_responses import InMemoryResponseCache
from recsvc.v1 import catalog_service_pb2, customer_service_pb2, event_service_pb2
from recsvc.v1 import catalog_service_pb2_grpc as catalog_service
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import customer_service_pb2_grpc as customer_service
from recsvc.v1 import event_service_pb2_grpc as event_service
from recsvc.v1 import model_service_pb2 as models
from recsvc.v1 import model_service_pb2_grpc as models_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import (
    LocalServer,
    Log,
    corrupt,
    local_server,
    refusal,
    small_registry,
    wait_until,
)

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
RED = {"colour": common.AttributeValues(values=["red"])}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    registry = small_registry(tmp_path_factory.mktemp("registry"))
    with local_server(registry.root) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: LocalServer) -> api_grpc.RecommendationServiceStub:
    return api_grpc.RecommendationServiceStub(server.channel)


def question(customer_id: str, store_id: str = "", **fields: object) -> api.RecommendRequest:
    location = common.Location(store_id=store_id) if store_id else None
    return api.RecommendRequest(
        shopper=common.Shopper(customer_id=customer_id),
        context=common.RecommendationContext(location=location),
        **fields,  # type: ignore[arg-type]  # the message checks them
    )


def ids(
    response: api.RecommendResponse
    | api.ListSimilarProductsResponse
    | api.ListBoughtTogetherResponse,
) -> list[str]:
    return [item.product_id for item in response.recommendations]


def test_it_listens_only_once_it_can_answer(tmp_path: Path) -> None:
    """Beside others on the port it would else take connections while its model loads."""
    with reserved("127.0.0.1:0") as address:
        given = {"registry": str(small_registry(tmp_path).root), "listen": address}
        worker = build_worker(ServerSettings.load(given), Log().logger, shares_port=True)
        host, port = address.split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
        worker.start()
        socket.create_connection((host, int(port))).close()
        worker.stop()


def test_a_known_customer_at_home_and_elsewhere(stub: api_grpc.RecommendationServiceStub) -> None:
    """Home is learnt, another store changes the list, and each line says why it is there."""
    home = stub.Recommend(question("anna", explain=True, include_products=True), timeout=10)
    away = stub.Recommend(question("anna", "porto-1", explain=True), timeout=10)
    assert home.serving.resolved_location.store_id == "leeds-1"
    assert away.serving.resolved_location.country_code == "PT"
    assert [item.score for item in home.recommendations] != [
        item.score for item in away.recommendations
    ]
    assert home.serving.location_level == common.LOCATION_LEVEL_STORE
    first = home.recommendations[0]
    assert first.explanation.text.startswith("You have bought this 3 times")
    assert first.product.title == "Espresso beans"
    assert not home.serving.degraded
    assert home.serving.served_from == api.SERVED_FROM_MODEL
    assert home.recommendation_id


def test_an_unknown_customer_gets_a_list(stub: api_grpc.RecommendationServiceStub) -> None:
    """A warning, no degradation, and never an empty list."""
    response = stub.Recommend(question("stranger", "york-1"), timeout=10)
    assert ids(response)
    assert "UNKNOWN_CUSTOMER" in response.serving.warnings
    assert not response.serving.degraded


def test_the_second_time_comes_from_the_cache(stub: api_grpc.RecommendationServiceStub) -> None:
    """The same list under another id."""
    first = stub.Recommend(question("ben", page_size=3), timeout=10)
    second = stub.Recommend(question("ben", page_size=3), timeout=10)
    assert second.serving.served_from == api.SERVED_FROM_CACHE
    assert second.serving.HasField("cache_age")
    assert second.recommendations == first.recommendations
    assert second.recommendation_id != first.recommendation_id


def test_a_batch_answers_each_for_itself(stub: api_grpc.RecommendationServiceStub) -> None:
    """A bad entry has a status with the details that Recommend would give."""
    request = api.BatchRecommendRequest(
        requests=[question("anna"), question("anna", page_size=-1), question("ben")]
    )
    good, bad, last = stub.BatchRecommend(request, timeout=10).results
    assert ids(good.response)
    assert ids(last.response)
    assert bad.status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    info = ErrorInfo()
    assert bad.status.details[0].Unpack(info)
    assert info.reason == "FIELD_INVALID"


@pytest.mark.parametrize(("n", "reason"), [(0, "FIELD_INVALID"), (101, "BATCH_TOO_LARGE")])
def test_a_batch_has_its_limits(
    stub: api_grpc.RecommendationServiceStub, n: int, reason: str
) -> None:
    """Beyond them the whole call fails."""
    request = api.BatchRecommendRequest(requests=[api.RecommendRequest()] * n)
    refused = refusal(stub.BatchRecommend, request)
    assert (refused.code, refused.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


def test_similar_products(stub: api_grpc.RecommendationServiceStub) -> None:
    """Without the product itself; an unknown one is not found."""
    request = api.ListSimilarProductsRequest(
        product_id="espresso",
        page_size=2,
        explain=True,
        context=common.RecommendationContext(location=common.Location(store_id="york-1")),
    )
    response = stub.ListSimilarProducts(request, timeout=10)
    assert ids(response)[0] == "filter"
    assert response.recommendations[0].explanation.evidence_product_ids == ["espresso"]
    # No place has shaped the list.
    assert {item.location_level for item in response.recommendations} == {
        common.LOCATION_LEVEL_UNSPECIFIED
    }
    assert response.serving.location_level == common.LOCATION_LEVEL_UNSPECIFIED
    assert not response.serving.HasField("resolved_location")
    # For a shopper the same products, at home.
    request.shopper.customer_id = "anna"
    request.context.ClearField("location")
    request.page_size = 0
    hers = stub.ListSimilarProducts(request, timeout=10)
    request.ClearField("shopper")
    everybodys = stub.ListSimilarProducts(request, timeout=10)
    assert set(ids(hers)) == set(ids(everybodys))
    assert hers.serving.resolved_location.store_id == "leeds-1"
    assert hers.serving.location_level == common.LOCATION_LEVEL_STORE
    refused = refusal(
        stub.ListSimilarProducts, api.ListSimilarProductsRequest(product_id="nothing")
    )
    assert refused.code is grpc.StatusCode.NOT_FOUND
    assert refused.info.reason == "PRODUCT_NOT_FOUND"


@pytest.mark.parametrize(
    ("request_", "field", "reason"),
    [
        (question("x" * 100_000), "shopper.customer_id", "FIELD_INVALID"),
        (question("anna", page_size=-1), "page_size", "FIELD_INVALID"),
        (question("anna", page_token="x"), "page_token", "PAGE_TOKEN_INVALID"),  # noqa: S106  # no secret
        (
            question("anna", filter=common.ProductFilter(attributes_any=RED, strict=True)),
            "filter.attributes_any",
            "FILTER_UNSUPPORTED",
        ),
        (
            question("anna", filter=common.ProductFilter.FromString(b"\xa8\x06\x01")),
            "filter",
            "FILTER_UNSUPPORTED",
        ),
    ],
)
def test_bad_input_is_invalid_argument(
    stub: api_grpc.RecommendationServiceStub,
    request_: api.RecommendRequest,
    field: str,
    reason: str,
) -> None:
    """With the field, the reason, one line, and no stack trace."""
    refused = refusal(stub.Recommend, request_)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.field, refused.info.reason) == (field, reason)
    assert "\n" not in refused.message
    assert "Traceback" not in refused.message


def test_bytes_that_are_no_message_are_invalid_argument(server: LocalServer) -> None:
    """A client from other protos is told so, and not of an internal error."""
    method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = server.channel.unary_unary(
        "/recsvc.v1.RecommendationService/Recommend"
    )
    with pytest.raises(grpc.RpcError) as caught:
        method(b"\xff\xff\xff", timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_bought_together(stub: api_grpc.RecommendationServiceStub) -> None:
    """What goes with products, where the shopper is; none that is known is not found."""
    request = api.ListBoughtTogetherRequest(
        product_ids=["espresso", "nothing"],
        shopper=common.Shopper(customer_id="anna"),
        context=common.RecommendationContext(basket=[common.LineItem(product_id="milk")]),
        page_size=2,
        explain=True,
        include_products=True,
    )
    response = stub.ListBoughtTogether(request, timeout=10)
    assert len(response.recommendations) == 2
    assert not {"espresso", "milk"} & set(ids(response))
    assert all(item.explanation.text for item in response.recommendations)
    assert response.recommendations[0].product.product_id == ids(response)[0]
    assert response.serving.resolved_location.store_id == "leeds-1"
    assert response.serving.served_from == api.SERVED_FROM_MODEL
    assert response.recommendation_id
    refused = refusal(
        stub.ListBoughtTogether, api.ListBoughtTogetherRequest(product_ids=["nothing"])
    )
    assert refused.code is grpc.StatusCode.NOT_FOUND
    assert refused.info.reason == "PRODUCT_NOT_FOUND"
    refused = refusal(stub.ListBoughtTogether, api.ListBoughtTogetherRequest())
    assert (refused.field, refused.info.reason) == ("product_ids", "FIELD_INVALID")


def test_buy_again(stub: api_grpc.RecommendationServiceStub) -> None:
    """The soonest due first; nobody in particular needs nothing again."""
    request = api.ListBuyAgainRequest(shopper=common.Shopper(customer_id="anna"), explain=True)
    response = stub.ListBuyAgain(request, timeout=10)
    lines = response.recommendations
    assert {line.recommended_product.product_id for line in lines} == {"espresso", "milk", "bread"}
    due = [line.due_time.ToSeconds() for line in lines]
    assert due == sorted(due)
    assert any(line.usual_interval.ToSeconds() > 0 for line in lines)
    assert all(line.recommended_product.explanation.text for line in lines)
    assert response.serving.model.version_id == "v1"
    stranger = api.ListBuyAgainRequest(shopper=common.Shopper(customer_id="stranger"))
    nothing = stub.ListBuyAgain(stranger, timeout=10)
    assert not nothing.recommendations
    assert "UNKNOWN_CUSTOMER" in nothing.serving.warnings
    refused = refusal(stub.ListBuyAgain, api.ListBuyAgainRequest())
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.field, refused.info.reason) == ("shopper", "FIELD_INVALID")


def test_the_next_page_is_of_the_question_as_it_was_asked(
    stub: api_grpc.RecommendationServiceStub,
) -> None:
    """Also where another that comes to the same was answered a moment ago."""
    open_one = question("ben", page_size=2)
    said = question("ben", page_size=2, filter=common.ProductFilter(in_stock_only=False))
    for request in (open_one, said):
        first = stub.Recommend(request, timeout=10)
        request.page_token = first.next_page_token
        second = stub.Recommend(request, timeout=10)
        assert not set(ids(first)) & set(ids(second))


def test_reflection_lists_everything(server: LocalServer) -> None:
    """So that grpcurl works without the protos."""
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (response,) = stub.ServerReflectionInfo(iter([request]), timeout=10)
    names = {service.name for service in response.list_services_response.service}
    assert names == {
        "recsvc.v1.RecommendationService",
        "recsvc.v1.EventService",
        "recsvc.v1.CatalogService",
        "recsvc.v1.CustomerService",
        "recsvc.v1.ModelService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


def test_a_call_is_one_line_without_a_name(
    server: LocalServer, stub: api_grpc.RecommendationServiceStub
) -> None:
    """The log has the customer's hash, the outcome and the time; never the id or the place."""
    place = common.Location(store_id="york-1")
    place.lat_lng.latitude, place.lat_lng.longitude = 53.9591, -1.0815
    request = question("a-very-particular-customer", page_size=2)
    request.context.location.CopyFrom(place)
    n_before = len(server.log.lines("request"))
    stub.Recommend(request, timeout=10)
    wait_until(lambda: len(server.log.lines("request")) > n_before)
    line = server.log.lines("request")[-1]
    assert line["method"] == "RecommendationService/Recommend"
    assert (line["code"], line["served_from"], line["n_items"]) == ("OK", "MODEL", 2)
    assert line["version_id"] == "v1"
    assert len(line["customer"]) == 16
    assert line.pop("duration_ms") > 0
    assert line.pop("timestamp")
    # Times may have the digits of a place by chance; nothing else may.
    for secret in ("53.95", "1.08"):
        assert secret not in str(line)
    for secret in ("a-very-particular-customer", "york-1"):
        assert secret not in server.log.text


def test_the_line_of_a_batch_counts_its_entries(
    server: LocalServer, stub: api_grpc.RecommendationServiceStub
) -> None:
    """How many there were, failed, and came from where; nothing of a single one."""
    good = question("batch-customer", page_size=2)
    batch = api.BatchRecommendRequest(requests=[good, good, question("", page_size=-1)])
    n_before = len(server.log.lines("request"))
    stub.BatchRecommend(batch, timeout=10)
    wait_until(lambda: len(server.log.lines("request")) > n_before)
    line = server.log.lines("request")[-1]
    counts = {name: value for name, value in line.items() if name.startswith("n_")}
    assert counts == {"n_requests": 3, "n_failed": 1, "n_degraded": 0, "n_model": 1, "n_cache": 1}
    assert line["version_id"] == "v1"
    assert "customer" not in line


def test_the_line_of_similar_products_is_like_any_other(
    server: LocalServer, stub: api_grpc.RecommendationServiceStub
) -> None:
    """It names the customer's hash and the version."""
    request = api.ListSimilarProductsRequest(
        product_id="espresso", shopper=common.Shopper(customer_id="anna")
    )
    n_before = len(server.log.lines("request"))
    stub.ListSimilarProducts(request, timeout=10)
    wait_until(lambda: len(server.log.lines("request")) > n_before)
    line = server.log.lines("request")[-1]
    assert line["version_id"] == "v1"
    assert len(line["customer"]) == 16


def test_health_follows_the_model(tmp_path: Path) -> None:
    """NOT_SERVING and WARMING_UP without a model; SERVING once one is promoted, by itself."""
    registry = small_registry(tmp_path, promote=False)
    with local_server(registry.root) as server:
        stub = api_grpc.RecommendationServiceStub(server.channel)
        health = health_pb2_grpc.HealthStub(server.channel)

        def status(service: str = "") -> int:
            request = health_pb2.HealthCheckRequest(service=service)
            return int(health.Check(request, timeout=10).status)

        assert status() == status("recsvc.v1.RecommendationService") == NOT_SERVING
        # What no model answers does not wait for one.
        assert status("recsvc.v1.EventService") == SERVING
        refused = refusal(stub.Recommend, api.RecommendRequest())
        assert refused.code is grpc.StatusCode.UNAVAILABLE
        assert refused.info.reason == "WARMING_UP"
        assert refused.has_retry
        admin = models_grpc.ModelServiceStub(server.channel)
        admin.ActivateModel(models.ActivateModelRequest(version_id="v1"), timeout=10)
        assert status() == status("recsvc.v1.RecommendationService") == SERVING
        assert ids(stub.Recommend(api.RecommendRequest(), timeout=10))


def test_the_live_services_refuse_with_reasons(tmp_path: Path) -> None:
    """Each with the one that the API lists, over the wire; a full log says when to come back."""
    with local_server(small_registry(tmp_path).root, event_log_max=64) as server:
        take = event_service.EventServiceStub(server.channel).IngestEvents
        customers = customer_service.CustomerServiceStub(server.channel)
        catalogue = catalog_service.CatalogServiceStub(server.channel)

        def events(n: int, **fields: object) -> event_service_pb2.IngestEventsRequest:
            sent = [
                event_service_pb2.Event(
                    event_id=str(number),
                    type=event_service_pb2.EVENT_TYPE_VIEW,
                    shopper=common.Shopper(visitor_id="guest"),
                    items=[common.LineItem(product_id="tea")],
                )
                for number in range(n)
            ]
            return event_service_pb2.IngestEventsRequest(events=sent, **fields)  # type: ignore[arg-type]

        cases = [
            (take, events(0), "FIELD_INVALID", False),
            (take, events(1_001), "BATCH_TOO_LARGE", False),
            (take, events(1, request_id="1"), "FIELD_INVALID", False),
            (take, events(1, durable=True), "DURABILITY_UNAVAILABLE", False),
            (take, events(65), "OVERLOADED", True),
            (
                customers.GetCustomer,
                customer_service_pb2.GetCustomerRequest(customer_id="?"),
                "CUSTOMER_NOT_FOUND",
                False,
            ),
            (
                customers.EraseCustomer,
                customer_service_pb2.EraseCustomerRequest(),
                "FIELD_INVALID",
                False,
            ),
            (
                catalogue.WithdrawProducts,
                catalog_service_pb2.WithdrawProductsRequest(),
                "FIELD_INVALID",
                False,
            ),
        ]
        refused = [refusal(method, request) for method, request, *_ in cases]
        found = [(one.info.reason, one.has_retry) for one in refused]
        assert found == [(reason, has_retry) for *_, reason, has_retry in cases]


def test_who_was_never_asked_may_be_left_alone(tmp_path: Path) -> None:
    """Where the law wants consent first, the server is told so."""
    registry = small_registry(tmp_path)
    with local_server(registry.root, consent_default="withdrawn") as server:
        stub = api_grpc.RecommendationServiceStub(server.channel)
        assert "NO_CONSENT" in stub.Recommend(question("anna"), timeout=10).serving.warnings


def test_an_erasure_outlives_the_process(tmp_path: Path) -> None:
    """The key of the hashes lies in the registry, and the ledger is read before any answer."""
    registry = small_registry(tmp_path)
    with local_server(registry.root) as server:
        customers = customer_service.CustomerServiceStub(server.channel)
        erase = customer_service_pb2.EraseCustomerRequest(customer_id="anna")
        customers.EraseCustomer(erase, timeout=10)
    # So seldom does it look that only the look before the start can have seen it.
    with local_server(registry.root, poll_interval_seconds=60) as server:
        stub = api_grpc.RecommendationServiceStub(server.channel)
        assert "UNKNOWN_CUSTOMER" in stub.Recommend(question("anna"), timeout=10).serving.warnings


def test_health_watchers_do_not_hold_up_the_end(tmp_path: Path) -> None:
    """A watcher hears NOT_SERVING and is let go long before the grace ends."""
    registry = small_registry(tmp_path)
    with local_server(registry.root, grace_seconds=60) as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=50)
        assert next(watch).status == SERVING
        stopping = threading.Thread(target=server.worker.stop)
        stopping.start()
        assert next(watch).status == NOT_SERVING
        stopping.join(30)
        assert not stopping.is_alive()
        with pytest.raises(grpc.RpcError):
            next(watch)


def test_a_call_that_waits_for_another_process_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with the grace: nobody makes a list for a caller who has been cut off."""
    registry, asked = small_registry(tmp_path), threading.Event()

    def claim(*_: object) -> Claimed:
        asked.set()
        return Claimed.HELD

    monkeypatch.setattr(InMemoryResponseCache, "claim", claim)
    with local_server(registry.root, grace_seconds=0.1) as server:
        stub = api_grpc.RecommendationServiceStub(server.channel)
        call = stub.Recommend.future(question("anna"), timeout=50)
        assert asked.wait(10)
        server.worker.stop()
        assert call.code() is not grpc.StatusCode.OK
    assert [line["served_from"] for line in server.log.lines("request")] == ["FALLBACK"]


def test_calls_that_hang_are_left_behind_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever threads they hold: one time for all, and one line of the log."""
    waits: list[float] = []
    gate = threading.Event()
    monkeypatch.setattr(server_module, "END_SECONDS", 0.2)
    with local_server(small_registry(tmp_path).root, grace_seconds=0.1) as server:
        running = server.worker.server
        reflection = running._reflection.pool
        pools = (running._executor, running._lane, running._patient, running._streams, reflection)
        for pool in pools:
            pool.submit(gate.wait)

            def stop(wait_seconds: float, stop: Callable[[float], None] = pool.stop) -> None:
                waits.append(wait_seconds)
                stop(wait_seconds)

            monkeypatch.setattr(pool, "stop", stop)
        try:
            server.worker.stop()
        finally:
            gate.set()  # or the threads would never end
        (line,) = server.log.lines("calls_left_behind")
    assert line["n_calls"] == len(pools)
    # All are told first; who comes later waits for what the ones before have left.
    told, waited = waits[: len(pools)], waits[len(pools) : 2 * len(pools)]
    assert told == [0.0] * len(pools)
    assert waited == sorted(waited, reverse=True)
    assert waited[-1] == 0.0


def test_models_are_listed_activated_and_rolled_back(tmp_path: Path) -> None:
    """Over the API, with its refusals; a corrupt model never replaces a good one."""
    registry = small_registry(tmp_path, 3)
    corrupt(registry, "v3")
    with local_server(registry.root) as server:
        stub = api_grpc.RecommendationServiceStub(server.channel)
        admin = models_grpc.ModelServiceStub(server.channel)
        page = admin.ListModels(models.ListModelsRequest(page_size=2), timeout=10)
        rest = admin.ListModels(
            models.ListModelsRequest(page_size=2, page_token=page.next_page_token), timeout=10
        )
        listed = [*page.models, *rest.models]
        assert [model.version_id for model in listed] == ["v3", "v2", "v1"]
        assert listed[2].state == models.MODEL_STATE_CURRENT
        assert rest.next_page_token == ""
        current = admin.GetModel(models.GetModelRequest(version_id="current"), timeout=10).model
        assert (current.version_id, current.n_interactions) == ("v1", 19)

        changed = admin.ActivateModel(models.ActivateModelRequest(version_id="v2"), timeout=10)
        assert (changed.model.version_id, changed.previous_version_id) == ("v2", "v1")
        assert ids(stub.Recommend(question("anna"), timeout=10))[0] == "b-espresso"
        back = admin.RollbackModel(models.RollbackModelRequest(), timeout=10)
        assert (back.model.version_id, back.previous_version_id) == ("v1", "v2")
        assert ids(stub.Recommend(question("anna"), timeout=10))[0] == "espresso"

        refusals = [
            (admin.ActivateModel, models.ActivateModelRequest(version_id="v3")),
            (admin.ActivateModel, models.ActivateModelRequest(version_id="nothing")),
            (admin.ActivateModel, models.ActivateModelRequest()),
            (admin.ActivateModel, models.ActivateModelRequest(version_id="v2", request_id="1")),
            (admin.RollbackModel, models.RollbackModelRequest()),
            (admin.GetModel, models.GetModelRequest(version_id="nothing")),
            (admin.ListModels, models.ListModelsRequest(page_token="x")),  # noqa: S106  # no secret
            (admin.ListModels, models.ListModelsRequest(page_token="AAAAAAAAAAAAAA==")),  # noqa: S106  # no secret
        ]
        assert [refusal(method, request).info.reason for method, request in refusals] == [
            "MODEL_NOT_ACTIVATABLE",
            "MODEL_NOT_FOUND",
            "FIELD_INVALID",
            "NOT_YET_AVAILABLE",
            "NO_PREVIOUS_MODEL",
            "MODEL_NOT_FOUND",
            "PAGE_TOKEN_INVALID",
            "PAGE_TOKEN_INVALID",
        ]
        assert ids(stub.Recommend(question("anna"), timeout=10))[0] == "espresso"


def test_a_fault_of_ours_is_a_fixed_message(tmp_path: Path) -> None:
    """The caller hears nothing of the cause, and the log has all of it in one line."""
    registry = small_registry(tmp_path)
    with local_server(registry.root) as server:
        admin = models_grpc.ModelServiceStub(server.channel)
        registry.root.rename(registry.root.with_name("away"))
        refused = refusal(admin.ListModels, models.ListModelsRequest())
        assert refused.code is grpc.StatusCode.INTERNAL
        assert refused.info.reason == "INTERNAL"
        assert str(tmp_path) not in refused.message
        wait_until(lambda: bool(server.log.lines("request")))
        (line,) = server.log.lines("request")
        assert line["level"] == "error"
        assert "RegistryError" in line["exception"]


def test_too_many_calls_are_turned_away(tmp_path: Path) -> None:
    """With a reason and a time to come back, while the others are answered."""
    registry = small_registry(tmp_path)
    with local_server(registry.root, max_threads=1, max_concurrent=2) as server:
        stub = api_grpc.RecommendationServiceStub(server.channel)
        batch = api.BatchRecommendRequest(
            requests=[question(f"c{n}", page_size=50) for n in range(100)]
        )
        calls = [stub.BatchRecommend.future(batch, timeout=60) for _ in range(12)]
        codes = [call.code() for call in calls]  # waits
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        reasons = {line.get("reason") for line in server.log.lines("request")}
        assert "OVERLOADED" in reasons


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """Also where no supervisor has looked before."""
    registry = small_registry(tmp_path)
    with (
        local_server(registry.root) as server,
        pytest.raises(SettingsError, match=f"cannot listen on {server.target}"),
        local_server(registry.root, listen=server.target),
    ):
        pass  # pragma: no cover  # never reached


def test_what_unpacks_to_more_than_a_message_may_be_is_turned_away(tmp_path: Path) -> None:
    """Packed it is small; and what may be packed is answered."""
    options = [("grpc.max_send_message_length", -1)]
    with (
        local_server(small_registry(tmp_path).root) as server,
        grpc.insecure_channel(server.target, options) as channel,
    ):
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/recsvc.v1.RecommendationService/Recommend"
        )
        with pytest.raises(grpc.RpcError) as raised:
            ask(bytes(100 << 20), timeout=60, compression=grpc.Compression.Gzip)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        asked = question("anna").SerializeToString()
        data = ask(asked, timeout=60, compression=grpc.Compression.Gzip)
        assert api.RecommendResponse.FromString(data).recommendations
