"""How the client is connected: keys, channels, tokens, encryption, deadlines, asyncio."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from recsvc.client import AsyncClient, Client
from recsvc.client.api import Methods
from recsvc.client.methods import retried
from recsvc.errors import (
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from recsvc.v1 import (
    catalog_pb2,
    catalog_service_pb2,
    common_pb2,
    customer_service_pb2,
    event_service_pb2,
    model_service_pb2,
)
from recsvc.v1 import recommendation_service_pb2 as api
from tests.serving import LocalServer
from tests.unit.client.recorder import Recorder, recording

FILES = (
    api,
    event_service_pb2,
    catalog_service_pb2,
    customer_service_pb2,
    model_service_pb2,
)


def self_signed() -> tuple[bytes, bytes]:
    """A key and a certificate for 127.0.0.1, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "recsvc")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def test_every_rpc_of_the_api_is_a_method() -> None:
    """By its name in snake case; only what no key protects is never asked again."""
    rpcs = {
        (service.full_name, method.name)
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    declared = {
        name: method.rpc for name, method in vars(Methods).items() if hasattr(method, "rpc")
    }
    assert {(rpc.service, rpc.method) for rpc in declared.values()} == rpcs
    assert all(name.replace("_", "") == rpc.method.lower() for name, rpc in declared.items())
    models = "recsvc.v1.ModelService"
    assert rpcs - set(retried(Methods)) == {(models, "ActivateModel"), (models, "RollbackModel")}


def test_a_write_is_given_a_request_id_and_keeps_it(client: Client) -> None:
    """The same object sent again is the same write: it gets the first answer."""
    request = catalog_service_pb2.WithdrawProductsRequest(product_ids=["jam"])
    first = client.withdraw_products.send(request)
    assert UUID(request.request_id).version == 4
    assert client.withdraw_products.send(request) == first
    assert client.withdraw_products(["jam"]) != first
    client.restore_products(["jam"])


def test_an_event_without_an_id_is_given_one(client: Client) -> None:
    """So that an event that was sent twice counts once; one's own id stays."""
    tea = common_pb2.LineItem(product_id="tea")
    event = event_service_pb2.Event(
        type=event_service_pb2.EVENT_TYPE_VIEW,
        shopper=common_pb2.Shopper(visitor_id="v"),
        items=[tea],
    )
    named = event_service_pb2.Event()
    named.CopyFrom(event)
    named.event_id = "mine"
    request = event_service_pb2.IngestEventsRequest(events=[event, named])
    outcomes = [
        [result.outcome for result in client.ingest_events.send(request).results] for _ in range(2)
    ]
    accepted = event_service_pb2.EVENT_OUTCOME_ACCEPTED
    duplicate = event_service_pb2.EVENT_OUTCOME_DUPLICATE
    assert outcomes == [[accepted] * 2, [duplicate] * 2]
    assert UUID(request.events[0].event_id).version == 4
    assert request.events[1].event_id == "mine"
    streamed = event_service_pb2.StreamEventsRequest(event=event)
    (answer,) = client.stream_events([streamed])
    assert answer.result.event_id == streamed.event.event_id != ""


def test_streams_are_read_as_they_come(client: Client) -> None:
    """Who stops reading ends the call; a failure comes while reading."""
    pieces = client.export_customer("anna")
    assert next(pieces).customer.customer_id == "anna"
    assert next(pieces).HasField("learnt")
    with pytest.raises(NotFoundError):
        list(client.export_customer("nobody"))


def test_questions_are_streamed_both_ways() -> None:
    """Each answer has the mark of its question."""
    with recording(Recorder()) as target, Client(target, deadline_seconds=20) as client:
        questions = [api.StreamBatchRecommendRequest(correlation_id=name) for name in "ab"]
        answers = client.stream_batch_recommend(questions)
        assert [answer.correlation_id for answer in answers] == ["a", "b"]


def test_several_channels_are_used_in_turn() -> None:
    """Each is a connection of its own, so that each may meet another server process."""
    recorder = Recorder()
    with recording(recorder) as target, Client(target, deadline_seconds=20, channels=3) as client:
        for _ in range(6):
            client.recommend()
    assert len(set(recorder.peers)) == 3
    assert recorder.peers[:3] == recorder.peers[3:]
    with pytest.raises(ValueError, match="channels: 0 are too few"):
        Client(target, channels=0)


@pytest.mark.parametrize("token", ["secret", lambda: "secret"])
def test_a_token_goes_along_with_every_call(token: str | Callable[[], str]) -> None:
    """As a bearer token; without one nothing is sent."""
    recorder = Recorder()
    with recording(recorder) as target:
        with Client(target, deadline_seconds=20, token=token) as client:
            client.recommend()
        with Client(target, deadline_seconds=20) as client:
            client.recommend()
    assert recorder.authorizations == ["Bearer secret", ""]


def test_calls_are_encrypted_with_credentials() -> None:
    """And a server that the credentials do not vouch for is not spoken to."""
    key, certificate = self_signed()
    of_server = grpc.ssl_server_credentials([(key, certificate)])
    trusted = grpc.ssl_channel_credentials(certificate)
    stranger = grpc.ssl_channel_credentials(self_signed()[1])
    with recording(Recorder(), of_server) as target:
        with Client(target, deadline_seconds=20, credentials=trusted) as client:
            assert client.recommend().recommendation_id == "answered"
        with (
            Client(target, deadline_seconds=20, credentials=stranger) as client,
            pytest.raises(UnavailableError),
        ):
            client.recommend()

        async def ask() -> str:
            async with AsyncClient(target, deadline_seconds=20, credentials=trusted) as client:
                return (await client.recommend()).recommendation_id

        assert asyncio.run(ask()) == "answered"


def test_a_deadline_is_the_calls_the_clients_or_the_methods() -> None:
    """The nearest one holds."""
    recorder = Recorder()
    with recording(recorder) as target:
        with Client(target) as client:
            client.recommend()
        with Client(target, deadline_seconds=50) as client:
            client.recommend()
            client.within(20).recommend()
    assert [round(seconds, -1) for seconds in recorder.seconds] == [0, 50, 20]


def test_asyncio_has_the_same_methods(server: LocalServer) -> None:
    """Awaited, with the same arguments, answers and errors."""

    async def events() -> AsyncIterator[event_service_pb2.StreamEventsRequest]:
        for name in "ab":
            yield event_service_pb2.StreamEventsRequest(
                event=event_service_pb2.Event(
                    event_id=f"async-{name}",
                    type=event_service_pb2.EVENT_TYPE_VIEW,
                    shopper=common_pb2.Shopper(visitor_id="async"),
                    items=[common_pb2.LineItem(product_id="tea")],
                )
            )

    async def ask() -> None:
        async with AsyncClient(server.target, deadline_seconds=20, channels=2) as client:
            lists = await asyncio.gather(*(client.recommend("anna", page_size=3) for _ in "abc"))
            assert {answer.recommendations[0].product_id for answer in lists} == {"espresso"}
            product = (
                await client.within(10).get_product.send(
                    catalog_service_pb2.GetProductRequest(product_id="tea")
                )
            ).product
            assert isinstance(product, catalog_pb2.Product)
            with pytest.raises(InvalidRequestError, match="page_size"):
                await client.recommend(page_size=-1)
            names = [answer.result.event_id async for answer in client.stream_events(events())]
            assert names == ["async-a", "async-b"]
            again = [request async for request in events()]
            results = [answer.result.outcome async for answer in client.stream_events(again)]
            assert results == [event_service_pb2.EVENT_OUTCOME_DUPLICATE] * 2
            pieces = [piece async for piece in client.export_customer("anna")]
            assert pieces[0].customer.customer_id == "anna"
            with pytest.raises(NotFoundError):
                _ = [piece async for piece in client.export_customer("nobody")]

    asyncio.run(ask())
