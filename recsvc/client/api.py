"""The API as a list of methods, which both clients share."""

from recsvc.client import ask
from recsvc.client.methods import BidiStream, ServerStream, Unary
from recsvc.client.rpc import (
    WRITE_SECONDS,
    with_event_ids,
    with_request_id,
    with_streamed_event_id,
)
from recsvc.v1 import catalog_service_pb2 as catalogue
from recsvc.v1 import customer_service_pb2 as customers
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import model_service_pb2 as models
from recsvc.v1 import recommendation_service_pb2 as api

BATCH_SECONDS = 10.0
EXPORT_SECONDS = 60.0


class Methods:
    """Every RPC, by its name in the API.

    A method takes the fields of its request, in their order or by name; ``METHOD.send(request)``
    takes a whole request. The four questions take friendlier arguments, see ``recsvc.client.ask``.
    """

    recommend = Unary(ask.recommend, api.RecommendResponse)
    batch_recommend = Unary(
        api.BatchRecommendRequest, api.BatchRecommendResponse, seconds=BATCH_SECONDS
    )
    stream_batch_recommend = BidiStream(
        api.StreamBatchRecommendRequest, api.StreamBatchRecommendResponse
    )
    list_similar_products = Unary(ask.list_similar_products, api.ListSimilarProductsResponse)
    list_bought_together = Unary(ask.list_bought_together, api.ListBoughtTogetherResponse)
    list_buy_again = Unary(ask.list_buy_again, api.ListBuyAgainResponse)

    ingest_events = Unary(
        events.IngestEventsRequest,
        events.IngestEventsResponse,
        seconds=WRITE_SECONDS,
        prepare=with_event_ids,
    )
    stream_events = BidiStream(
        events.StreamEventsRequest, events.StreamEventsResponse, prepare=with_streamed_event_id
    )

    batch_upsert_products = Unary(
        catalogue.BatchUpsertProductsRequest,
        catalogue.BatchUpsertProductsResponse,
        seconds=WRITE_SECONDS,
        prepare=with_request_id,
    )
    get_product = Unary(catalogue.GetProductRequest, catalogue.GetProductResponse)
    list_products = Unary(
        catalogue.ListProductsRequest, catalogue.ListProductsResponse, seconds=BATCH_SECONDS
    )
    batch_upsert_stores = Unary(
        catalogue.BatchUpsertStoresRequest,
        catalogue.BatchUpsertStoresResponse,
        seconds=WRITE_SECONDS,
        prepare=with_request_id,
    )
    list_stores = Unary(
        catalogue.ListStoresRequest, catalogue.ListStoresResponse, seconds=BATCH_SECONDS
    )
    batch_set_inventory = Unary(
        catalogue.BatchSetInventoryRequest,
        catalogue.BatchSetInventoryResponse,
        seconds=WRITE_SECONDS,
        prepare=with_request_id,
    )
    batch_get_inventory = Unary(
        catalogue.BatchGetInventoryRequest, catalogue.BatchGetInventoryResponse
    )
    withdraw_products = Unary(
        catalogue.WithdrawProductsRequest,
        catalogue.WithdrawProductsResponse,
        seconds=WRITE_SECONDS,
        prepare=with_request_id,
    )
    restore_products = Unary(
        catalogue.RestoreProductsRequest,
        catalogue.RestoreProductsResponse,
        seconds=WRITE_SECONDS,
        prepare=with_request_id,
    )

    get_customer = Unary(customers.GetCustomerRequest, customers.GetCustomerResponse)
    update_customer = Unary(
        customers.UpdateCustomerRequest,
        customers.UpdateCustomerResponse,
        seconds=WRITE_SECONDS,
        prepare=with_request_id,
    )
    link_visitor = Unary(
        customers.LinkVisitorRequest,
        customers.LinkVisitorResponse,
        seconds=WRITE_SECONDS,
        prepare=with_request_id,
    )
    erase_customer = Unary(
        customers.EraseCustomerRequest,
        customers.EraseCustomerResponse,
        seconds=WRITE_SECONDS,
        prepare=with_request_id,
    )
    export_customer = ServerStream(
        customers.ExportCustomerRequest, customers.ExportCustomerResponse, seconds=EXPORT_SECONDS
    )

    list_models = Unary(models.ListModelsRequest, models.ListModelsResponse)
    get_model = Unary(models.GetModelRequest, models.GetModelResponse)
    # Not asked again: the service recognises no repetition of them, and a second rollback goes
    # one version further back.
    activate_model = Unary(
        models.ActivateModelRequest,
        models.ActivateModelResponse,
        seconds=WRITE_SECONDS,
        is_retried=False,
    )
    rollback_model = Unary(
        models.RollbackModelRequest,
        models.RollbackModelResponse,
        seconds=WRITE_SECONDS,
        is_retried=False,
    )
