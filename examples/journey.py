"""A year of one household, told through the API: what happens, and what the next list makes of it.

    python examples/journey.py HOST:PORT STORE OTHER_STORE

The two stores are those of the server's model. Every step checks what must, and what must not, be
on the list; the first thing that is not so ends the story. Times are the story's own: each call
says when it is (``event_time``, ``as_of_time``).
"""

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import grpc

from recsvc.v1 import catalog_pb2 as products
from recsvc.v1 import catalog_service_pb2 as catalogue
from recsvc.v1 import catalog_service_pb2_grpc as catalogue_grpc
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import customer_service_pb2 as customers
from recsvc.v1 import customer_service_pb2_grpc as customers_grpc
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import event_service_pb2_grpc as events_grpc
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc

SECONDS = 5.0
N_LISTED = 20
N_LOOKS = 2
N_ARGUMENTS = 4


class StoryError(Exception):
    """Something is not as the story says."""


@dataclass
class Household:
    """Tells the story: a shopper, a clock, and the last write's token."""

    channel: grpc.Channel
    store: str
    other_store: str
    name: str = field(default_factory=lambda: f"household-{uuid.uuid4().hex[:8]}")
    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=365))
    token: str = ""

    def __post_init__(self) -> None:
        self.recommendations = api_grpc.RecommendationServiceStub(self.channel)
        self.events = events_grpc.EventServiceStub(self.channel)
        self.customers = customers_grpc.CustomerServiceStub(self.channel)
        self.catalogue = catalogue_grpc.CatalogServiceStub(self.channel)

    @contextmanager
    def chapter(self, title: str, **later: float) -> Iterator[None]:
        """Some time later."""
        self.now += timedelta(**later)
        sys.stdout.write(f"\n{self.now:%d %B %Y}: {title}\n")
        yield

    def does(
        self,
        kind: str,
        *products: str,
        store: str = "",
        order: str = "",
        visitor: str = "",
    ) -> None:
        """Send one event, and check that it was taken."""
        shopper = common.Shopper(visitor_id=visitor) if visitor else self.shopper
        event = events.Event(
            event_id=uuid.uuid4().hex,
            type=f"EVENT_TYPE_{kind}",
            shopper=shopper,
            items=[common.LineItem(product_id=product) for product in products],
            location=common.Location(store_id=store),
            order_id=order,
        )
        event.event_time.FromDatetime(self.now)
        request = events.IngestEventsRequest(events=[event])
        response = self.events.IngestEvents(request, timeout=SECONDS)
        self.token = response.consistency_token
        outcome = events.EventOutcome.Name(response.results[0].outcome)
        sys.stdout.write(f"  {kind.lower()} {', '.join(products)}: {outcome[14:].lower()}\n")

    @property
    def shopper(self) -> common.Shopper:
        """The household as a customer."""
        return common.Shopper(customer_id=self.name)

    def asks(
        self, visitor: str = "", store: str = "", *, in_stock_only: bool = False
    ) -> api.RecommendResponse:
        """What is recommended now."""
        request = api.RecommendRequest(
            shopper=common.Shopper(visitor_id=visitor) if visitor else self.shopper,
            context=common.RecommendationContext(location=common.Location(store_id=store)),
            page_size=N_LISTED,
            filter=common.ProductFilter(in_stock_only=in_stock_only),
            explain=True,
            consistency_token=self.token,
        )
        request.context.as_of_time.FromDatetime(self.now)
        response: api.RecommendResponse = self.recommendations.Recommend(request, timeout=SECONDS)
        return response

    def products(self, visitor: str = "", store: str = "") -> list[str]:
        """The products of the list."""
        found = [one.product_id for one in self.asks(visitor, store).recommendations]
        sys.stdout.write(f"  listed: {', '.join(found[:6])}, …\n")
        return found

    def goes_with(self, product: str) -> list[str]:
        """What is bought together with a product."""
        request = api.ListBoughtTogetherRequest(
            product_ids=[product], shopper=self.shopper, consistency_token=self.token
        )
        request.context.as_of_time.FromDatetime(self.now)
        response = self.recommendations.ListBoughtTogether(request, timeout=SECONDS)
        found = [one.product_id for one in response.recommendations]
        sys.stdout.write(f"  goes with {product}: {', '.join(found[:3])}, …\n")
        return found

    def needs(self) -> api.ListBuyAgainResponse:
        """What is needed again, and when."""
        request = api.ListBuyAgainRequest(shopper=self.shopper, consistency_token=self.token)
        request.context.as_of_time.FromDatetime(self.now)
        response: api.ListBuyAgainResponse = self.recommendations.ListBuyAgain(
            request, timeout=SECONDS
        )
        for one in response.recommendations:
            name, due = one.recommended_product.product_id, one.due_time.ToDatetime(UTC)
            sys.stdout.write(f"  needed again: {name}, on {due:%d %B %Y}\n")
        return response


def check(is_so: bool, what: str) -> None:  # noqa: FBT001  # the first argument is what is checked
    """End the story where something is not so."""
    if not is_so:
        raise StoryError(f"this should hold and does not: {what}")
    sys.stdout.write(f"  ok: {what}\n")


def tell(home: Household) -> None:
    """The year."""
    first, second, third = looks_around(home)
    signs_in(home, second, third)
    returns(home, third)
    rebuys(home, second)
    moves(home, second)
    recall(home, second)
    finds_something_new(home, second)
    withdraws_consent(home, first)
    is_forgotten(home)


def looks_around(home: Household) -> tuple[str, str, str]:
    """A visitor without a name: what is looked at counts at once."""
    with home.chapter("a visitor looks around"):
        everybody = home.products(visitor="a-phone")
        first, second, third = everybody[:3]
        home.does("VIEW", first, visitor="a-phone")
        home.does("ADD_TO_CART", second, visitor="a-phone")
        listed = home.products(visitor="a-phone")
        check(second not in listed, "what lies in the basket is not recommended")
        check(listed != everybody, "looking around shapes the list")
    return first, second, third


def signs_in(home: Household, second: str, third: str) -> None:
    """The visitor turns out to be a customer, whom the model has never seen."""
    with home.chapter("the visitor signs in and buys", minutes=20):
        link = customers.LinkVisitorRequest(visitor_id="a-phone", customer_id=home.name)
        linked = home.customers.LinkVisitor(link, timeout=SECONDS)
        again = home.customers.LinkVisitor(link, timeout=SECONDS)
        check(linked.n_events_moved == N_LOOKS, "the visitor's two events came along")
        check(again.n_events_moved == 0, "linking once more moves nothing")
        check(second not in home.products(), "the basket came along")
        home.does("PURCHASE", second, third, order="order-1")
        listed = home.products()
        check(second not in listed, "what was bought a second ago is not pushed")
        check("UNKNOWN_CUSTOMER" not in home.asks().serving.warnings, "the service knows us")
        beside = home.goes_with(second)
        check(bool(beside) and second not in beside, "something else goes with what was bought")


def returns(home: Household, third: str) -> None:
    """What comes back was never bought."""
    with home.chapter("one of the two goes back", days=3):
        home.does("RETURN", third, order="order-1")
        known = home.customers.GetCustomer(
            customers.GetCustomerRequest(customer_id=home.name), timeout=SECONDS
        )
        check(known.customer.n_purchases == 1, "one purchase is left")


def rebuys(home: Household, second: str) -> None:
    """What is bought every week is needed again after a week, and not the day after."""
    with home.chapter("the weekly shop becomes a habit", days=7):
        for week in range(4):
            home.does("PURCHASE", second, store=home.store, order=f"week-{week}")
            check(second not in home.products(), "bought just now, it rests")
            home.now += timedelta(days=7)
        listed = home.products()
        check(second in listed[:5], "a week later it is needed again, and high on the list")
        needed = [one.recommended_product.product_id for one in home.needs().recommendations]
        check(second in needed, "the shop knows when")


def moves(home: Household, second: str) -> None:
    """Home is where the household shops."""
    with home.chapter("the family moves", days=14):
        before = home.asks().serving.resolved_location.store_id
        for week in range(3):
            home.does("PURCHASE", second, store=home.other_store, order=f"move-{week}")
            home.now += timedelta(days=7)
        after = home.asks().serving.resolved_location.store_id
        check(
            (before, after) == (home.store, home.other_store), "home is where the household shops"
        )


def recall(home: Household, second: str) -> None:
    """What is withdrawn leaves every list, until it is restored."""
    with home.chapter("a product is recalled", days=2):
        recall = catalogue.WithdrawProductsRequest(product_ids=[second])
        home.token = home.catalogue.WithdrawProducts(recall, timeout=SECONDS).consistency_token
        check(second not in home.products(), "it is gone at once")
        restore = catalogue.RestoreProductsRequest(product_ids=[second])
        home.token = home.catalogue.RestoreProducts(restore, timeout=SECONDS).consistency_token
        check(second in home.products(), "and back when it is restored")


def finds_something_new(home: Household, second: str) -> None:
    """A product that no model has seen is listed where it is there, and nowhere else."""
    with home.chapter("something new is on the shelf", days=5):
        like = home.catalogue.GetProduct(
            catalogue.GetProductRequest(product_id=second), timeout=SECONDS
        ).product
        novelty = f"new-{uuid.uuid4().hex[:8]}"
        like.product_id, like.title = novelty, f"New {like.title}"
        home.catalogue.BatchUpsertProducts(
            catalogue.BatchUpsertProductsRequest(products=[like]), timeout=SECONDS
        )
        try:
            for kind, is_there in (("IN_STOCK", True), ("OUT_OF_STOCK", False)):
                stocks(home, novelty, kind)
                found = home.asks(store=home.other_store, in_stock_only=True).recommendations
                said = kind.lower().replace("_", " ")
                check(
                    (novelty in {one.product_id for one in found}) == is_there,
                    f"{said}: the list says so at once, though nobody has bought it",
                )
                for one in found:
                    if one.product_id == novelty:
                        sys.stdout.write(f"  it says: {one.explanation.text}\n")
        finally:
            home.catalogue.WithdrawProducts(
                catalogue.WithdrawProductsRequest(product_ids=[novelty]), timeout=SECONDS
            )


def stocks(home: Household, product: str, kind: str) -> None:
    """Say whether a product is there, at the other store."""
    record = products.InventoryRecord(
        key=products.InventoryKey(store_id=home.other_store, product_id=product),
        availability=f"AVAILABILITY_{kind}",
    )
    record.effective_time.GetCurrentTime()
    request = catalogue.BatchSetInventoryRequest(records=[record])
    home.token = home.catalogue.BatchSetInventory(request, timeout=SECONDS).consistency_token


def withdraws_consent(home: Household, first: str) -> None:
    """Without consent nobody reads or writes what the household does."""
    with home.chapter("consent is withdrawn, and given again", days=30):
        stranger = api.RecommendRequest(page_size=N_LISTED)
        stranger.context.as_of_time.FromDatetime(home.now)
        anybody = home.recommendations.Recommend(stranger, timeout=SECONDS)
        personal = home.products()
        home.token = consent(home, customers.CONSENT_WITHDRAWN)
        response = home.asks()
        check("NO_CONSENT" in response.serving.warnings, "the list says that it is not personal")
        check(
            [one.product_id for one in response.recommendations]
            == [one.product_id for one in anybody.recommendations],
            "it is what anybody gets",
        )
        check(not home.needs().recommendations, "nobody says what the household needs again")
        home.does("PURCHASE", first, order="unseen")
        home.token = consent(home, customers.CONSENT_GRANTED)
        check(home.products() == personal, "what was known is read again, and nothing was added")


def is_forgotten(home: Household) -> None:
    """Erased, with a receipt, the household is a stranger."""
    with home.chapter("the household asks to be forgotten", days=90):
        pieces = list(
            home.customers.ExportCustomer(
                customers.ExportCustomerRequest(customer_id=home.name), timeout=SECONDS
            )
        )
        check(len(pieces) > 1, f"first it asks for what is held: {len(pieces)} records")
        erase = customers.EraseCustomerRequest(customer_id=home.name)
        erased = home.customers.EraseCustomer(erase, timeout=SECONDS)
        home.token = erased.consistency_token
        check(bool(erased.receipt.receipt_id), "there is a receipt")
        check(erased.receipt.n_visitors_erased == 1, "the phone is forgotten as well")
        check("UNKNOWN_CUSTOMER" in home.asks().serving.warnings, "nobody knows the household now")


def consent(home: Household, said: "customers.Consent") -> str:
    """Say whether the household consents, and return the write's token."""
    request = customers.UpdateCustomerRequest(
        customer=customers.Customer(customer_id=home.name, consent=said), allow_missing=True
    )
    return str(home.customers.UpdateCustomer(request, timeout=SECONDS).consistency_token)


def main(target: str, store: str, other_store: str) -> None:
    """Tell the story to a server."""
    with grpc.insecure_channel(target) as channel:
        tell(Household(channel, store, other_store))
    sys.stdout.write("\nThe end.\n")


if __name__ == "__main__":
    if len(sys.argv) != N_ARGUMENTS:
        sys.exit("usage: python examples/journey.py HOST:PORT STORE OTHER_STORE")
    try:
        main(*sys.argv[1:])
    except (StoryError, grpc.RpcError) as error:
        sys.exit(str(error))
