"""``recsvc.v1.CatalogService``: convert, call the use case, convert back."""

from collections.abc import Sequence
from hashlib import blake2b

import grpc

from recsvc.errors import InvalidRequestError
from recsvc.server.replays import Replays
from recsvc.server.requests import check_id
from recsvc.server.responses import location_message, product_message, timestamp
from recsvc.server.tokens import Tokens
from recsvc.service.catalogue import Catalogue, Shop
from recsvc.service.recalls import Recalls
from recsvc.telemetry import note
from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import catalog_service_pb2 as api
from recsvc.v1 import catalog_service_pb2_grpc as api_grpc

MAX_PRODUCTS = 1_000


class CatalogueServicer(api_grpc.CatalogServiceServicer):
    """The methods of the service; those that are not here come in a later version.

    Args:
        catalogue: reads products and stores.
        recalls: the recall switch.
        tokens: reads and writes tokens.
        replays: gives the first answer to a repeated request.
    """

    def __init__(
        self, catalogue: Catalogue, recalls: Recalls, tokens: Tokens, replays: Replays
    ) -> None:
        self._catalogue = catalogue
        self._recalls = recalls
        self._tokens = tokens.consistency
        self._pages = tokens.pages
        self._replays = replays

    def GetProduct(  # noqa: N802  # the API's name
        self,
        request: api.GetProductRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
    ) -> api.GetProductResponse:
        """Describe one product."""
        check_id("product_id", request.product_id, required=True)
        must_see = self._tokens.read(request.consistency_token)
        found = self._catalogue.product(request.product_id, must_see)
        return api.GetProductResponse(
            product=product_message(found.product, is_withdrawn=found.is_withdrawn)
        )

    def ListProducts(  # noqa: N802  # the API's name
        self,
        request: api.ListProductsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
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
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
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
        )
        return api.ListStoresResponse(
            stores=[_store(shop) for shop in page.stores],
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
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
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

        return self._replays.answer(request, api.WithdrawProductsResponse, withdraw)

    def RestoreProducts(  # noqa: N802  # the API's name
        self,
        request: api.RestoreProductsRequest,
        context: grpc.ServicerContext,  # noqa: ARG002  # the signature is grpc's
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

        return self._replays.answer(request, api.RestoreProductsResponse, restore)


def _asked(kind: str, asked: Sequence[str]) -> bytes:
    return blake2b("\x1f".join((kind, *asked)).encode(), digest_size=16).digest()


def _store(shop: Shop) -> catalog.Store:
    location = location_message(shop.location)
    return catalog.Store(
        store_id=shop.location.store_id,
        name=shop.name,
        country_code=location.country_code,
        subdivision_code=location.subdivision_code,
        postal_code=location.postal_code,
        lat_lng=location.lat_lng if location.HasField("lat_lng") else None,
    )


def _check(product_ids: Sequence[str]) -> None:
    if not product_ids:
        raise InvalidRequestError("product_ids", f"is empty; give 1 to {MAX_PRODUCTS}")
    if len(product_ids) > MAX_PRODUCTS:
        raise InvalidRequestError(
            "product_ids",
            f"has {len(product_ids)} entries; split it into batches of at most {MAX_PRODUCTS}",
            reason="BATCH_TOO_LARGE",
        )
    for index, product_id in enumerate(product_ids):
        check_id(f"product_ids[{index}]", product_id, required=True)
    note(n_products=len(product_ids))
