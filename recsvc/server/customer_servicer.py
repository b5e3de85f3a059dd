"""``recsvc.v1.CustomerService``: convert, call the use case, convert back."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import grpc

from recsvc.errors import InvalidRequestError
from recsvc.logs import note
from recsvc.server.context import deadline_of
from recsvc.server.event_responses import event_message
from recsvc.server.fields import check_id, read_location
from recsvc.server.messages import location_message, timestamp
from recsvc.server.replays import Replays
from recsvc.server.tokens import ConsistencyTokens
from recsvc.service.customer_records import Customer
from recsvc.service.customers import Customers
from recsvc.service.ledger_state import Consent
from recsvc.v1 import customer_service_pb2 as api
from recsvc.v1 import customer_service_pb2_grpc as api_grpc

MAX_SEGMENTS = 100
_FIELDS = ("consent", "home_location", "segments")


class CustomerServicer(api_grpc.CustomerServiceServicer):
    """The methods of the service.

    Args:
        customers: the use cases.
        tokens: reads and writes consistency tokens.
        replays: gives the first answer to a repeated request.
        now: the time, with a zone.
    """

    def __init__(
        self,
        customers: Customers,
        tokens: ConsistencyTokens,
        replays: Replays,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._customers = customers
        self._tokens = tokens
        self._replays = replays
        self._now = now

    def GetCustomer(  # noqa: N802  # the API's name
        self,
        request: api.GetCustomerRequest,
        context: grpc.ServicerContext,
    ) -> api.GetCustomerResponse:
        """Describe one customer."""
        check_id("customer_id", request.customer_id, required=True)
        must_see = self._tokens.read(request.consistency_token)
        found = self._customers.get(request.customer_id, must_see, deadline_of(context))
        return api.GetCustomerResponse(customer=_customer(found))

    def UpdateCustomer(  # noqa: N802  # the API's name
        self,
        request: api.UpdateCustomerRequest,
        context: grpc.ServicerContext,
    ) -> api.UpdateCustomerResponse:
        """Change the fields that the mask names."""
        check_id("customer.customer_id", request.customer.customer_id, required=True)
        deadline = deadline_of(context)
        return self._replays.answer(
            request,
            deadline,
            api.UpdateCustomerResponse,
            lambda: self._update(request),
            lambda response: self._describe(request.customer.customer_id, response, deadline),
        )

    def LinkVisitor(  # noqa: N802  # the API's name
        self,
        request: api.LinkVisitorRequest,
        context: grpc.ServicerContext,
    ) -> api.LinkVisitorResponse:
        """Hand a visitor's live events to a customer."""
        check_id("visitor_id", request.visitor_id, required=True)
        check_id("customer_id", request.customer_id, required=True)

        def link() -> api.LinkVisitorResponse:
            linked = self._customers.link(
                request.visitor_id, request.customer_id, self._now().timestamp()
            )
            note(n_events=linked.n_events_moved)
            return api.LinkVisitorResponse(
                n_events_moved=linked.n_events_moved,
                consistency_token=self._tokens.write(linked.position),
            )

        deadline = deadline_of(context)
        return self._replays.answer(
            request,
            deadline,
            api.LinkVisitorResponse,
            link,
            lambda response: self._describe(request.customer_id, response, deadline),
        )

    def EraseCustomer(  # noqa: N802  # the API's name
        self,
        request: api.EraseCustomerRequest,
        context: grpc.ServicerContext,
    ) -> api.EraseCustomerResponse:
        """Erase a customer."""
        check_id("customer_id", request.customer_id, required=True)

        def erase() -> api.EraseCustomerResponse:
            receipt = self._customers.erase(request.customer_id)
            note(
                n_events=receipt.n_events,
                n_visitors=receipt.n_visitors,
                is_on_disk=receipt.is_on_disk,
            )
            return api.EraseCustomerResponse(
                receipt=api.ErasureReceipt(
                    receipt_id=receipt.receipt_id,
                    erase_time=timestamp(receipt.time),
                    customer_hash=receipt.customer_hash,
                    n_events_erased=receipt.n_events,
                    n_visitors_erased=receipt.n_visitors,
                ),
                consistency_token=self._tokens.write(receipt.position),
            )

        return self._replays.answer(request, deadline_of(context), api.EraseCustomerResponse, erase)

    def ExportCustomer(  # noqa: N802  # the API's name
        self,
        request: api.ExportCustomerRequest,
        context: grpc.ServicerContext,
    ) -> Iterator[api.ExportCustomerResponse]:
        """Stream everything that the service holds about a customer."""
        check_id("customer_id", request.customer_id, required=True)
        deadline = deadline_of(context)
        customer, learnt, events = self._customers.export(request.customer_id, deadline)
        yield api.ExportCustomerResponse(customer=_customer(customer))
        for one in learnt:
            yield api.ExportCustomerResponse(
                learnt=api.LearntPurchases(
                    product_id=one.product_id,
                    purchase_count=one.n_purchases,
                    first_time=timestamp(one.first),
                    last_time=timestamp(one.last),
                    usual_quantity=one.usual_quantity,
                )
            )
        for event in events:
            yield api.ExportCustomerResponse(event=event_message(event))
        if not context.is_active():
            return  # who has left is looked up nothing more
        for served in self._customers.served(request.customer_id, deadline):
            yield api.ExportCustomerResponse(
                served=api.ServedList(
                    recommendation_id=served.recommendation_id,
                    serve_time=timestamp(datetime.fromtimestamp(served.served_time, UTC)),
                    product_ids=served.product_ids,
                )
            )

    def _update(self, request: api.UpdateCustomerRequest) -> api.UpdateCustomerResponse:
        wanted = _mask(request)
        customer = request.customer
        consent = home = segments = None
        if "consent" in wanted:
            if customer.consent not in _CONSENTS:
                raise InvalidRequestError("customer.consent", "is required; give one of Consent")
            consent = _CONSENTS[customer.consent]
        if "home_location" in wanted:
            home = read_location("customer.home_location", customer.home_location)
        if "segments" in wanted:
            segments = _segments(customer)
        position = self._customers.update(
            customer.customer_id,
            consent=consent,
            home=home,
            segments=segments,
            now=self._now(),
            allow_missing=request.allow_missing,
        )
        return api.UpdateCustomerResponse(consistency_token=self._tokens.write(position))

    def _describe(
        self,
        customer_id: str,
        response: api.UpdateCustomerResponse | api.LinkVisitorResponse,
        deadline: float,
    ) -> None:
        """Add the customer as of now."""
        response.customer.CopyFrom(_customer(self._customers.describe(customer_id, deadline)))


def _mask(request: api.UpdateCustomerRequest) -> set[str]:
    """The fields to change: those named, or without a mask those that are set."""
    paths = set(request.update_mask.paths)
    unknown = sorted(paths - set(_FIELDS))
    if unknown:
        raise InvalidRequestError(
            "update_mask", f"{unknown[0][:80]!r} cannot be changed; name {', '.join(_FIELDS)}"
        )
    customer = request.customer
    given = {
        "consent": bool(customer.consent),
        "home_location": customer.HasField("home_location"),
        "segments": bool(customer.segments),
    }
    return paths or {name for name, is_given in given.items() if is_given}


def _segments(customer: api.Customer) -> tuple[str, ...]:
    if len(customer.segments) > MAX_SEGMENTS:
        raise InvalidRequestError(
            "customer.segments",
            f"has {len(customer.segments)} entries; at most {MAX_SEGMENTS} are allowed",
        )
    return tuple(
        check_id(f"customer.segments[{index}]", segment, required=True)
        for index, segment in enumerate(customer.segments)
    )


_CONSENTS = {
    api.CONSENT_GRANTED: Consent.GRANTED,
    api.CONSENT_WITHDRAWN: Consent.WITHDRAWN,
    api.CONSENT_UNKNOWN: Consent.UNKNOWN,
}


def _customer(customer: Customer) -> api.Customer:
    return api.Customer(
        customer_id=customer.customer_id,
        consent=f"CONSENT_{customer.consent.name}",
        home_location=location_message(customer.home) if customer.home else None,
        home_location_learnt=customer.home_is_learnt,
        segments=customer.segments,
        n_purchases=customer.n_purchases,
        n_products=customer.n_products,
        n_live_events=customer.n_live_events,
        first_purchase_time=timestamp(customer.first_purchase),
        last_purchase_time=timestamp(customer.last_purchase),
        visitor_ids=customer.visitor_ids,
        update_time=timestamp(customer.update_time),
    )
