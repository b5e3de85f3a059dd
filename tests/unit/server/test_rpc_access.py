"""What each RPC asks of its caller: none is forgotten, and no field that names a person."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from recsvc.server.rpc_access import RPCS
from recsvc.v1 import customer_service_pb2 as customers

FILES = ("recommendation", "event", "catalog", "customer", "model")
METHODS: dict[str, MethodDescriptor] = {
    f"{service.name}/{method.name}": method
    for file in FILES
    for service in import_module(
        f"recsvc.v1.{file}_service_pb2"
    ).DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
Path = tuple[FieldDescriptor, ...]


def person_fields(message: Descriptor, before: Path = ()) -> Iterator[Path]:
    """Every way to a field that names a customer or a visitor."""
    for field in message.fields:
        path = (*before, field)
        if field.name in {"customer_id", "visitor_id"}:
            yield path
        inner = field.message_type
        if inner is not None and inner.full_name.startswith("recsvc.") and field not in before:
            yield from person_fields(inner, path)


def asked(method: str, path: Path, value: str) -> Any:  # noqa: ANN401  # as the RPC gets it
    """A request that names one person, in one place."""
    request: Message = GetMessageClass(METHODS[method].input_type)()
    place: Any = request
    for field in path[:-1]:
        inner = getattr(place, field.name)
        place = inner.add() if field.is_repeated else inner
    setattr(place, path[-1].name, value)
    return request.SerializeToString() if method.endswith("/Recommend") else request


OWN = [
    pytest.param(method, path, id=f"{method}:{'.'.join(field.name for field in path)}")
    for method, access in RPCS.items()
    if access.is_own is not None
    for path in person_fields(METHODS[method].input_type)
]


def test_every_rpc_asks_for_a_scope() -> None:
    """One that is new must be thought about."""
    assert set(RPCS) == set(METHODS)


def test_there_are_fields_that_name_people() -> None:
    """Or the tests below would hold of nothing."""
    assert len(OWN) == 20


@pytest.mark.parametrize(("method", "path"), OWN)
def test_a_shopper_names_nobody_else(method: str, path: Path) -> None:
    """By whatever field of whatever message; a visitor may be anybody, even one of that name."""
    is_own = RPCS[method].is_own
    assert is_own is not None
    assert not is_own(asked(method, path, "berta"), "anna")
    assert is_own(asked(method, path, "anna"), "anna") is (path[-1].name == "customer_id")


@pytest.mark.parametrize("method", [name for name, access in RPCS.items() if access.is_own])
def test_only_what_is_nobodys_may_name_nobody(method: str) -> None:
    """The list of a place is for all; a customer who is not named is not the token's."""
    is_own = RPCS[method].is_own
    assert is_own is not None
    request: Any = GetMessageClass(METHODS[method].input_type)()
    bare = request.SerializeToString() if method.endswith("/Recommend") else request
    assert is_own(bare, "anna") is not method.startswith("CustomerService")


def test_a_batch_is_refused_for_one_entry() -> None:
    """Wherever it stands."""
    for method, field in (
        ("RecommendationService/BatchRecommend", "requests"),
        ("EventService/IngestEvents", "events"),
    ):
        request: Any = GetMessageClass(METHODS[method].input_type)()
        for name in ("anna", "berta", "anna"):
            getattr(request, field).add().shopper.customer_id = name
        is_own = RPCS[method].is_own
        assert is_own is not None
        assert not is_own(request, "anna")


@pytest.mark.parametrize(
    ("segments", "mask"), [(["vip"], []), ([], ["segments"]), ([], ["consent", "segments"])]
)
def test_what_the_shop_thinks_of_a_shopper_is_not_theirs_to_say(
    segments: list[str], mask: list[str]
) -> None:
    """Rules are made for segments; consent and home are the shopper's own."""
    request = customers.UpdateCustomerRequest(
        customer=customers.Customer(customer_id="anna", segments=segments)
    )
    is_own = RPCS["CustomerService/UpdateCustomer"].is_own
    assert is_own is not None
    request.update_mask.paths.extend(mask)
    assert not is_own(request, "anna")
    request.customer.ClearField("segments")
    request.update_mask.paths[:] = ["consent", "home_location"]
    assert is_own(request, "anna")
