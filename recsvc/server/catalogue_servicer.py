"""``recsvc.v1.CatalogService``: convert, call the use case, convert back."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import grpc

from recsvc.core.catalogue import Product
from recsvc.errors import InvalidRequestError
from recsvc.logs import note
from recsvc.server.catalogue_requests import (
    MAX_BATCH,
    read_entries,
    read_inventory,
    read_inventory_key,
    read_product,
    read_store,
)
from recsvc.server.context import deadline_of
from recsvc.server.errors import to_status
from recsvc.server.fields import check_batch, check_id
from recsvc.server.messages import inventory_message, product_message, store_message, timestamp
from recsvc.server.replays import Replays
from recsvc.server.tokens import Tokens
from recsvc.service.catalogue import Catalogue
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.recalls import Recalls
from recsvc.service.selling import Shop, StockRecord
from recsvc.service.stock import Stock
from recsvc.v1 import catalog_service_pb2 as api
from recsvc.v1 import catalog_service_pb2_grpc as api_grpc


@dataclass(frozen=True, slots=True)
class CatalogueUses:
    """The use cases of the catalogue.

    Attributes:
        reads: products and stores.
        live: writes both.
        stock: reads and writes stock.
        recalls: the recall switch.
    """

    reads: Catalogue
    live: LiveCatalogue
    stock: Stock
    recalls: Recalls


class CatalogueServicer(api_grpc.CatalogServiceServicer):
    """The methods of the service.

    Args:
        uses: the use cases.
        tokens: reads and writes tokens.
        replays: gives the first answer to a repeated request.
        now: unix seconds.
    """

    def __init__(
        self,
        uses: CatalogueUses,
        tokens: Tokens,
        replays: Replays,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._catalogue = uses.reads
        self._live = uses.live
        self._stock = uses.stock
        self._recalls = uses.recalls
        self._tokens = tokens.consistency
        self._pages = tokens.pages
        self._replays = replays

    def BatchUpsertProducts(  # noqa: N802  # the API's name
        self,
        request: api.BatchUpsertProductsRequest,
        context: grpc.ServicerContext,
    ) -> api.BatchUpsertProductsResponse:
        """Add products, and replace those that exist."""
        check_batch("products", len(request.products), MAX_BATCH)
        note(n_products=len(request.products))

        def upsert() -> api.BatchUpsertProductsResponse:
            read = read_entries(
                request.products, read_product, "product_id", lambda one: one.product_id
            )
            valid = [one for one in read if isinstance(one, Product)]
            written_at = self._live.upsert_products(valid) if valid else 0
            withdrawn = self._catalogue.withdrawn
            return api.BatchUpsertProductsResponse(
                results=[
                    api.UpsertProductResult(
                        product=product_message(one, is_withdrawn=one.product_id in withdrawn)
                    )
                    if isinstance(one, Product)
                    else api.UpsertProductResult(status=to_status(one))
                    for one in read
                ],
                consistency_token=self._tokens.write(catalogue=written_at),
            )

        return self._replays.answer(
            request, deadline_of(context), api.BatchUpsertProductsResponse, upsert
        )

    def BatchUpsertStores(  # noqa: N802  # the API's name
        self,
        request: api.BatchUpsertStoresRequest,
        context: grpc.ServicerContext,
    ) -> api.BatchUpsertStoresResponse:
        """Add stores, and replace those that exist."""
        check_batch("stores", len(request.stores), MAX_BATCH)
        note(n_stores=len(request.stores))

        def upsert() -> api.BatchUpsertStoresResponse:
            read = read_entries(
                request.stores, read_store, "store_id", lambda one: one.location.store_id
            )
            valid = [one for one in read if isinstance(one, Shop)]
            written_at = self._live.upsert_stores(valid) if valid else 0
            return api.BatchUpsertStoresResponse(
                results=[
                    api.UpsertStoreResult(store=store_message(one))
                    if isinstance(one, Shop)
                    else api.UpsertStoreResult(status=to_status(one))
                    for one in read
                ],
                consistency_token=self._tokens.write(catalogue=written_at),
            )

        return self._replays.answer(
            request, deadline_of(context), api.BatchUpsertStoresResponse, upsert
        )

    def BatchSetInventory(  # noqa: N802  # the API's name
        self,
        request: api.BatchSetInventoryRequest,
        context: grpc.ServicerContext,
    ) -> api.BatchSetInventoryResponse:
        """Set stock and store prices."""
        check_batch("records", len(request.records), MAX_BATCH)
        note(n_records=len(request.records))
        return self._replays.answer(
            request,
            deadline_of(context),
            api.BatchSetInventoryResponse,
            lambda: self._set_inventory(request),
        )

    def _set_inventory(
        self, request: api.BatchSetInventoryRequest
    ) -> api.BatchSetInventoryResponse:
        results = [api.SetInventoryResult() for _ in request.records]
        by_store: dict[str, list[tuple[api.SetInventoryResult, StockRecord]]] = defaultdict(list)
        for result, message in zip(results, request.records, strict=True):
            try:
                store_id, record = read_inventory(message, self._now())
                by_store[store_id].append((result, record))
            except InvalidRequestError as error:
                result.outcome = api.INVENTORY_OUTCOME_REJECTED
                result.status.CopyFrom(to_status(error))
        latest = 0
        for store_id, asked in by_store.items():
            applied, written_at = self._stock.put(store_id, [record for _, record in asked])
            latest = max(latest, written_at)
            for (result, _), is_applied in zip(asked, applied, strict=True):
                result.outcome = (
                    api.INVENTORY_OUTCOME_APPLIED
                    if is_applied
                    else api.INVENTORY_OUTCOME_SUPERSEDED
                )
        return api.BatchSetInventoryResponse(
            results=results, consistency_token=self._tokens.write(catalogue=latest)
        )

    def BatchGetInventory(  # noqa: N802  # the API's name
        self,
        request: api.BatchGetInventoryRequest,
        context: grpc.ServicerContext,
    ) -> api.BatchGetInventoryResponse:
        """Read stock and store prices, from where they are written: no token is needed."""
        check_batch("keys", len(request.keys), MAX_BATCH)
        self._tokens.read(request.consistency_token)
        deadline = deadline_of(context)
        results = [api.GetInventoryResult() for _ in request.keys]
        by_store: dict[str, list[tuple[api.GetInventoryResult, str]]] = defaultdict(list)
        for result, message in zip(results, request.keys, strict=True):
            try:
                store_id, product_id = read_inventory_key(message)
                by_store[store_id].append((result, product_id))
            except InvalidRequestError as error:
                result.status.CopyFrom(to_status(error))
        for store_id, asked in by_store.items():
            records = self._stock.get(store_id, [product_id for _, product_id in asked], deadline)
            for (result, product_id), record in zip(asked, records, strict=True):
                result.record.CopyFrom(inventory_message(store_id, product_id, record))
        return api.BatchGetInventoryResponse(results=results)

    def GetProduct(  # noqa: N802  # the API's name
        self,
        request: api.GetProductRequest,
        context: grpc.ServicerContext,
    ) -> api.GetProductResponse:
        """Describe one product."""
        check_id("product_id", request.product_id, required=True)
        must_see = self._tokens.read(request.consistency_token)
        found = self._catalogue.product(request.product_id, must_see, deadline_of(context))
        return api.GetProductResponse(
            product=product_message(found.product, is_withdrawn=found.is_withdrawn)
        )

    def ListProducts(  # noqa: N802  # the API's name
        self,
        request: api.ListProductsRequest,
        context: grpc.ServicerContext,
    ) -> api.ListProductsResponse:
        """List products by product_id."""
        asked = (
            str(self._catalogue.generation),
            request.category_path,
            str(request.withdrawn_only),
            str(request.page_size),
        )
        page = self._catalogue.products(
            request.page_size,
            after=self._after("products", asked, request.page_token),
            category_path=request.category_path,
            withdrawn_only=request.withdrawn_only,
            must_see=self._tokens.read(request.consistency_token),
            deadline=deadline_of(context),
        )
        note(n_products=len(page.products))
        return api.ListProductsResponse(
            products=[
                product_message(one.product, is_withdrawn=one.is_withdrawn) for one in page.products
            ],
            next_page_token=self._next("products", asked, page.last_id),
        )

    def ListStores(  # noqa: N802  # the API's name
        self,
        request: api.ListStoresRequest,
        context: grpc.ServicerContext,
    ) -> api.ListStoresResponse:
        """List stores by store_id."""
        asked = (
            str(self._catalogue.generation),
            request.country_code,
            str(request.page_size),
        )
        page = self._catalogue.stores(
            request.page_size,
            after=self._after("stores", asked, request.page_token),
            country_code=request.country_code,
            must_see=self._tokens.read(request.consistency_token),
            deadline=deadline_of(context),
        )
        return api.ListStoresResponse(
            stores=[store_message(shop) for shop in page.stores],
            next_page_token=self._next("stores", asked, page.last_id),
        )

    def _next(self, kind: str, asked: Sequence[str], last_id: str) -> str:
        """The token of the page after an id."""
        return self._pages.write(_asked(kind, asked) + last_id.encode()) if last_id else ""

    def _after(self, kind: str, asked: Sequence[str], token: str) -> str:
        if not token:
            return ""
        content, head = self._pages.read(token), _asked(kind, asked)
        if not content.startswith(head):
            raise InvalidRequestError(
                "page_token",
                "belongs to another request or model; ask without one",
                reason="PAGE_TOKEN_MISMATCH",
            )
        return content.removeprefix(head).decode()

    def WithdrawProducts(  # noqa: N802  # the API's name
        self,
        request: api.WithdrawProductsRequest,
        context: grpc.ServicerContext,
    ) -> api.WithdrawProductsResponse:
        """Take products out of every list."""
        _check(request.product_ids)

        def withdraw() -> api.WithdrawProductsResponse:
            recalled = self._recalls.withdraw(request.product_ids)
            return api.WithdrawProductsResponse(
                product_ids=recalled.product_ids,
                withdraw_time=timestamp(recalled.time),
                consistency_token=self._tokens.write(recalled.position),
            )

        return self._replays.answer(
            request, deadline_of(context), api.WithdrawProductsResponse, withdraw
        )

    def RestoreProducts(  # noqa: N802  # the API's name
        self,
        request: api.RestoreProductsRequest,
        context: grpc.ServicerContext,
    ) -> api.RestoreProductsResponse:
        """Undo ``WithdrawProducts``."""
        _check(request.product_ids)

        def restore() -> api.RestoreProductsResponse:
            recalled = self._recalls.restore(request.product_ids)
            return api.RestoreProductsResponse(
                product_ids=recalled.product_ids,
                restore_time=timestamp(recalled.time),
                consistency_token=self._tokens.write(recalled.position),
            )

        return self._replays.answer(
            request, deadline_of(context), api.RestoreProductsResponse, restore
        )


def _asked(kind: str, asked: Sequence[str]) -> bytes:
    return blake2b("\x1f".join((kind, *asked)).encode(), digest_size=16).digest()


def _check(product_ids: Sequence[str]) -> None:
    check_batch("product_ids", len(product_ids), MAX_BATCH)
    for index, product_id in enumerate(product_ids):
        check_id(f"product_ids[{index}]", product_id, required=True)
    note(n_products=len(product_ids))
