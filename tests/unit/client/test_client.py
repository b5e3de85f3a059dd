"""The Python client against a server in this process."""

import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from rich.console import Console

from recsvc.client import AsyncClient, Client
from recsvc.client.errors import to_error
from recsvc.client.methods import BidiStream, ServerStream, Unary
from recsvc.client.table import print_list
from recsvc.errors import (
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    RecsvcError,
    UnavailableError,
)
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from tests.serving import LocalServer


def test_questions_take_plain_arguments(client: Client) -> None:
    """Typed in, typed out."""
    coffee = client.recommend(
        "anna", store_id="leeds-1", budget=(6, "GBP"), categories=["Drinks > Coffee"], strict=True
    )
    assert [item.product_id for item in coffee.recommendations] == ["filter"]
    similar = client.list_similar_products("espresso", page_size=1)
    assert similar.recommendations[0].product_id == "filter"


def test_whole_requests_are_sent_as_they_are(client: Client) -> None:
    """Plain arguments are short for these."""
    request = api.RecommendRequest(shopper=common.Shopper(customer_id="anna"), page_size=3)
    assert [item.product_id for item in client.recommend.send(request).recommendations] == [
        item.product_id for item in client.recommend("anna", page_size=3).recommendations
    ]


def test_a_whole_request_in_place_of_its_fields_is_told_where_it_belongs(client: Client) -> None:
    """As other libraries take it."""
    request = api.RecommendRequest(page_size=3)
    with pytest.raises(TypeError, match=r"RecommendRequest, or all of it to \.send"):
        client.recommend(request)  # type: ignore[arg-type]  # the mistake


def test_other_methods_take_the_fields_of_their_request(client: Client) -> None:
    """In their order, or by name."""
    assert len(client.batch_recommend([api.RecommendRequest()] * 2).results) == 2
    assert client.get_product("tea").product.title == "Green tea"
    assert len(client.list_products(page_size=3).products) == 3
    assert [model.version_id for model in client.list_models().models] == ["v1"]
    assert client.activate_model(version_id="v1").model.version_id == "v1"


def test_more_arguments_than_fields_are_refused(client: Client) -> None:
    """None is dropped without a word."""
    with pytest.raises(TypeError, match=r"GetCustomerRequest has 2 fields .* 4 were given"):
        client.get_customer("anna", "token", "extra", "more")  # type: ignore[call-arg]  # the point


def test_refusals_are_errors_of_our_own(client: Client) -> None:
    """With the reason that the server gave, and the field where there is one."""
    red = {"colour": common.AttributeValues(values=["red"])}  # nothing here has a colour
    with pytest.raises(InvalidRequestError) as invalid:
        client.recommend(product_filter=common.ProductFilter(attributes_any=red, strict=True))
    assert (invalid.value.field, invalid.value.reason) == (
        "filter.attributes_any",
        "FILTER_UNSUPPORTED",
    )
    assert str(invalid.value).count("filter.attributes_any") == 1
    with pytest.raises(NotFoundError) as missing:
        client.list_similar_products("nothing")
    assert missing.value.metadata == {"product_id": "nothing"}
    with pytest.raises(PreconditionError):
        client.rollback_model()


def test_a_deadline_is_kept() -> None:
    """And the error says how long it was, and how a program makes it longer."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,  # accepts, and never says a word
        Client(f"127.0.0.1:{silent.getsockname()[1]}", deadline_seconds=0.1) as client,
        pytest.raises(UnavailableError, match=r"did not answer within 0\.1 s") as caught,
    ):
        client.recommend("anna")
    assert caught.value.reason == "DEADLINE_EXCEEDED"
    assert str(caught.value).endswith("wait longer with deadline_seconds")


@contextmanager
def refusing_once(target: str) -> Iterator[str]:
    """An address that resets the first connection and hands the second on to ``target``."""
    host, port = target.split(":")
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(3) as pool:
        listener.settimeout(5)

        def copy(source: socket.socket, sink: socket.socket) -> None:
            with suppress(OSError):  # either side may hang up any time
                while data := source.recv(65_536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        def accept() -> None:
            first, _ = listener.accept()
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            first.close()
            caller, _ = listener.accept()
            with caller, socket.create_connection((host, int(port))) as server:
                back = pool.submit(copy, server, caller)
                copy(caller, server)
                back.result()

        accepted = pool.submit(accept)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        accepted.result(20)


def test_a_connection_that_fails_is_tried_again_in_time(server: LocalServer) -> None:
    """As when a worker stops listening in the moment in which a client connects to it."""
    with (
        refusing_once(server.target) as target,
        Client(target, deadline_seconds=20) as client,
    ):
        assert client.recommend("anna").recommendations


class Call:
    """A failed call that carries what a test gives it."""

    def __init__(self, code: grpc.StatusCode, status: Status | None = None) -> None:
        self._code = code
        self._status = status

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._status.message if self._status else ""

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        if self._status is None:
            return ()
        return (("grpc-status-details-bin", self._status.SerializeToString()),)


def error_of(code: grpc.StatusCode, status: Status | None = None) -> RecsvcError:
    return to_error(Call(code, status), "host:1", 1.0)  # type: ignore[arg-type]  # a fake


def test_a_server_of_another_kind_is_understood() -> None:
    """Without details the code's name stands for the reason."""
    error = error_of(grpc.StatusCode.UNIMPLEMENTED)
    assert (str(error), error.reason) == ("UNIMPLEMENTED", "UNIMPLEMENTED")


def test_a_deadline_is_the_same_whoever_notices() -> None:
    """The server's own words for it are those of one call's inside."""
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    status = Status(code=code.value[0], message="the deadline passed before the work began")
    status.details.add().Pack(ErrorInfo(reason=code.name, domain="recsvc"))
    assert str(error_of(code, status)) == str(error_of(code))


def test_details_of_other_kinds_are_passed_over() -> None:
    """The reason is found wherever it stands, and may be missing."""
    code = grpc.StatusCode.INTERNAL
    status = Status(code=code.value[0], message="broken", details=[AnyMessage()])
    assert error_of(code, status).reason == "INTERNAL"
    status.details.add().Pack(ErrorInfo(reason="ODD", domain="other"))
    assert (error_of(code, status).reason, type(error_of(code, status))) == ("ODD", RecsvcError)


def test_a_degraded_list_says_so_in_its_table() -> None:
    """Below the table, with the warnings; a product without a title is its id."""
    response = api.RecommendResponse(
        recommendations=[api.RecommendedProduct(product_id="[b]7", rank=1)],
        serving=api.ServingInfo(
            degraded=True, degraded_reason="STORE_UNAVAILABLE", warnings=["STALE_DATA"]
        ),
    )
    console = Console(width=120, record=True, file=None)
    with console.capture() as capture:
        print_list(response, console)
    assert "[b]7" in capture.get()
    assert "degraded: STORE_UNAVAILABLE; STALE_DATA" in capture.get()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_method_of_the_class_is_its_declaration(
    kind: type[Client] | type[AsyncClient],
) -> None:
    """``help``, and whatever else looks at a class, asks a descriptor without a client."""
    assert isinstance(kind.recommend, Unary)
    assert isinstance(kind.export_customer, ServerStream)
    assert isinstance(kind.stream_events, BidiStream)
