"""A shop behind gRPC, through the client."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC

from recsvc.agents.shop import Branch, Due, Goods, Offer, Offers, OnShelf, Opinion, Wish
from recsvc.client import Client
from recsvc.client.ask import Asked
from recsvc.errors import InvalidRequestError
from recsvc.v1 import catalog_pb2 as catalogue
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import recommendation_service_pb2 as api

_NANOS = 1_000_000_000
_MAX_STORES = 1_000
_CHANNELS = {"AGENT": common.CHANNEL_AGENT, "CHAT": common.CHANNEL_CHAT}
_IN_STOCK = {
    catalogue.AVAILABILITY_UNSPECIFIED: None,
    catalogue.AVAILABILITY_IN_STOCK: True,
    catalogue.AVAILABILITY_OUT_OF_STOCK: False,
}


class RemoteShop:
    """Asks a running service.

    Args:
        client: to be closed by whoever made it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def recommend(self, wish: Wish) -> Offers:
        """List products for a customer and a place."""
        return _offers(self._client.recommend(wish.customer_id, **_asked(wish)))

    def similar(self, product_id: str, wish: Wish) -> Offers:
        """List products like one."""
        answer = self._client.list_similar_products(product_id, wish.customer_id, **_asked(wish))
        return _offers(answer)

    def together(self, product_ids: Sequence[str], wish: Wish) -> Offers:
        """List what goes with products."""
        answer = self._client.list_bought_together(product_ids, wish.customer_id, **_asked(wish))
        return _offers(answer)

    def again(self, wish: Wish) -> Offers:
        """List what the customer needs again."""
        answer = self._client.list_buy_again(wish.customer_id, **_asked(wish))
        return Offers(
            recommendation_id=answer.recommendation_id,
            offers=tuple(
                _offer(
                    item.recommended_product,
                    Due(
                        time=item.due_time.ToDatetime(UTC),
                        interval_days=item.usual_interval.seconds / 86_400,
                        quantity=item.usual_quantity,
                    ),
                )
                for item in answer.recommendations
            ),
            store_id=answer.serving.store_id,
            warnings=tuple(answer.serving.warnings),
            degraded_reason=answer.serving.degraded_reason,
        )

    def product(self, product_id: str) -> Goods:
        """Describe a product."""
        return _goods(self._client.get_product(product_id).product)

    def shelf(self, store_id: str, product_ids: Sequence[str]) -> list[OnShelf]:
        """What is there of each at a store."""
        keys = [
            catalogue.InventoryKey(store_id=store_id, product_id=product_id)
            for product_id in product_ids
        ]
        results = self._client.batch_get_inventory(keys).results
        return [_on_shelf(result.record) for result in results]

    def stores(self, country_code: str) -> Iterator[Branch]:
        """Every store of a country, or of all."""
        token = ""
        while True:
            page = self._client.list_stores(_MAX_STORES, token, country_code)
            for store in page.stores:
                has_point = store.HasField("lat_lng")
                yield Branch(
                    store_id=store.store_id,
                    name=store.name,
                    country_code=store.country_code,
                    subdivision_code=store.subdivision_code,
                    postal_code=store.postal_code,
                    latitude=store.lat_lng.latitude if has_point else None,
                    longitude=store.lat_lng.longitude if has_point else None,
                    time_zone=store.time_zone,
                )
            token = page.next_page_token
            if not token:
                return

    def record(self, opinion: Opinion) -> str:
        """Store an opinion."""
        event = events.Event(
            event_id=opinion.event_id,
            type=events.EVENT_TYPE_FEEDBACK,
            shopper=common.Shopper(customer_id=opinion.customer_id),
            items=[common.LineItem(product_id=opinion.product_id)],
            channel=_CHANNELS[opinion.channel],
            recommendation_id=opinion.recommendation_id,
            rating=opinion.rating,
        )
        result = self._client.ingest_events([event]).results[0]
        if result.HasField("status"):
            field, _, why = result.status.message.partition(": ")
            raise InvalidRequestError(field, why)
        return events.EventOutcome.Name(result.outcome).removeprefix("EVENT_OUTCOME_")


def _asked(wish: Wish) -> Asked:
    return Asked(
        store_id=wish.store_id,
        channel=_CHANNELS[wish.channel],
        basket=wish.basket,
        language_code=wish.language,
        budget=None if wish.budget is None else (wish.budget, wish.currency),
        categories=wish.categories,
        brands=wish.brands,
        exclude=wish.excluded,
        in_stock_only=wish.in_stock_only or None,
        exclude_purchased=wish.only_new or None,
        page_size=wish.size,
        explain=True,
        include_products=True,
    )


def _offers(
    answer: api.RecommendResponse
    | api.ListSimilarProductsResponse
    | api.ListBoughtTogetherResponse,
) -> Offers:
    products: Iterable[api.RecommendedProduct] = answer.recommendations
    return Offers(
        recommendation_id=answer.recommendation_id,
        offers=tuple(map(_offer, products)),
        store_id=answer.serving.store_id,
        warnings=tuple(answer.serving.warnings),
        degraded_reason=answer.serving.degraded_reason,
    )


def _offer(item: api.RecommendedProduct, due: Due | None = None) -> Offer:
    product = item.product if item.HasField("product") else None
    goods = Goods(product_id=item.product_id) if product is None else _goods(product)
    return Offer(goods=goods, reason=item.explanation.text, due=due)


def _goods(product: catalogue.Product) -> Goods:
    has = product.HasField
    price = product.price if has("price") else None
    return Goods(
        product_id=product.product_id,
        title=product.title,
        titles=tuple(product.titles.items()),
        category_path=product.category_path,
        brand=product.brand,
        price=None if price is None else price.units + price.nanos / _NANOS,
        currency="" if price is None else price.currency_code,
        uri=product.uri,
        image_uri=product.image_uri,
        is_sensitive=product.sensitive,
        is_withdrawn=product.withdrawn,
        available_from=product.available_from.seconds if has("available_from") else None,
        available_to=product.available_to.seconds if has("available_to") else None,
    )


def _on_shelf(record: catalogue.InventoryRecord) -> OnShelf:
    price = record.price if record.HasField("price") else None
    return OnShelf(
        is_in_stock=_IN_STOCK[record.availability],
        quantity=record.quantity if record.HasField("quantity") else None,
        price=None if price is None else price.units + price.nanos / _NANOS,
        currency="" if price is None else price.currency_code,
    )
