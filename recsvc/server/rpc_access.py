"""What each RPC asks of its caller: a scope, and that a shopper's token is shown for its subject.

A service's key may act for anybody, as far as its scopes go. A shopper's token never may: not by
another customer's id, and not by what leads to other people either. So a visitor's id is refused,
for whoever learns one would read what was done under it, and so is ``LinkVisitor``, which would
hand it over for good. A session's id is let through: it ties events together, and nothing is found
by it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from recsvc.access.scopes import Scope
from recsvc.server.requests import recommend_request
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import customer_service_pb2 as customers

IsOwn = Callable[[Any, str], bool]
"""Whether a request is about nobody but a customer; requests share no class."""


@dataclass(frozen=True, slots=True)
class RpcAccess:
    """What an RPC asks.

    Attributes:
        scope: what the credential must allow.
        is_own: whether a shopper may ask this; None, no shopper may ask anything here.
    """

    scope: Scope
    is_own: IsOwn | None


def _shopper_is(shopper: common.Shopper, customer_id: str) -> bool:
    # At most one of the two is set.
    return shopper.customer_id in {"", customer_id} and not shopper.visitor_id


def _asked_for(request: Any, customer_id: str) -> bool:  # noqa: ANN401  # any question
    return _shopper_is(request.shopper, customer_id)


def _written_for(request: bytes, customer_id: str) -> bool:
    return _shopper_is(recommend_request(request).shopper, customer_id)


def _all_asked_for(request: Any, customer_id: str) -> bool:  # noqa: ANN401  # a batch
    return _all_of(request.requests, customer_id)


def _all_done_by(request: Any, customer_id: str) -> bool:  # noqa: ANN401  # events
    return _all_of(request.events, customer_id)


def _all_of(entries: Iterable[Any], customer_id: str) -> bool:
    return all(_shopper_is(entry.shopper, customer_id) for entry in entries)


def _names(request: Any, customer_id: str) -> bool:  # noqa: ANN401  # of the customers' service
    return bool(request.customer_id == customer_id)


def _changes(request: customers.UpdateCustomerRequest, customer_id: str) -> bool:
    return request.customer.customer_id == customer_id and not (
        # What the shop thinks of a customer, and has rules for.
        request.customer.segments or "segments" in request.update_mask.paths
    )


def _nobodys(_request: object, _customer_id: str) -> bool:
    return True


RPCS = {
    "RecommendationService/Recommend": RpcAccess(Scope.RECOMMEND, _written_for),
    "RecommendationService/BatchRecommend": RpcAccess(Scope.RECOMMEND, _all_asked_for),
    "RecommendationService/StreamBatchRecommend": RpcAccess(
        Scope.RECOMMEND, lambda request, customer_id: _asked_for(request.request, customer_id)
    ),
    "RecommendationService/ListSimilarProducts": RpcAccess(Scope.RECOMMEND, _asked_for),
    "RecommendationService/ListBoughtTogether": RpcAccess(Scope.RECOMMEND, _asked_for),
    "RecommendationService/ListBuyAgain": RpcAccess(Scope.RECOMMEND, _asked_for),
    "EventService/IngestEvents": RpcAccess(Scope.EVENTS, _all_done_by),
    "EventService/StreamEvents": RpcAccess(
        Scope.EVENTS, lambda request, customer_id: _asked_for(request.event, customer_id)
    ),
    "CatalogService/BatchUpsertProducts": RpcAccess(Scope.CATALOG, None),
    "CatalogService/GetProduct": RpcAccess(Scope.CATALOG, _nobodys),
    "CatalogService/ListProducts": RpcAccess(Scope.CATALOG, _nobodys),
    "CatalogService/BatchUpsertStores": RpcAccess(Scope.CATALOG, None),
    "CatalogService/ListStores": RpcAccess(Scope.CATALOG, _nobodys),
    "CatalogService/BatchSetInventory": RpcAccess(Scope.CATALOG, None),
    "CatalogService/BatchGetInventory": RpcAccess(Scope.CATALOG, _nobodys),
    "CatalogService/WithdrawProducts": RpcAccess(Scope.CATALOG, None),
    "CatalogService/RestoreProducts": RpcAccess(Scope.CATALOG, None),
    "CustomerService/GetCustomer": RpcAccess(Scope.CUSTOMERS, _names),
    "CustomerService/UpdateCustomer": RpcAccess(Scope.CUSTOMERS, _changes),
    "CustomerService/LinkVisitor": RpcAccess(Scope.CUSTOMERS, None),
    "CustomerService/EraseCustomer": RpcAccess(Scope.CUSTOMERS, _names),
    "CustomerService/ExportCustomer": RpcAccess(Scope.CUSTOMERS, _names),
    "ModelService/ListModels": RpcAccess(Scope.MODELS, None),
    "ModelService/GetModel": RpcAccess(Scope.MODELS, None),
    "ModelService/ActivateModel": RpcAccess(Scope.MODELS, None),
    "ModelService/RollbackModel": RpcAccess(Scope.MODELS, None),
}
"""By ``Service/Method``; an RPC that is not here answers nobody where credentials are asked for."""
