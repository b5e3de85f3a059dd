import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from recsvc.v1 import catalog_pb2 as _catalog_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InventoryOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INVENTORY_OUTCOME_UNSPECIFIED: _ClassVar[InventoryOutcome]
    INVENTORY_OUTCOME_APPLIED: _ClassVar[InventoryOutcome]
    INVENTORY_OUTCOME_SUPERSEDED: _ClassVar[InventoryOutcome]
    INVENTORY_OUTCOME_REJECTED: _ClassVar[InventoryOutcome]
INVENTORY_OUTCOME_UNSPECIFIED: InventoryOutcome
INVENTORY_OUTCOME_APPLIED: InventoryOutcome
INVENTORY_OUTCOME_SUPERSEDED: InventoryOutcome
INVENTORY_OUTCOME_REJECTED: InventoryOutcome

class BatchUpsertProductsRequest(_message.Message):
    __slots__ = ("products", "request_id")
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.Product]
    request_id: str
    def __init__(self, products: _Optional[_Iterable[_Union[_catalog_pb2.Product, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpsertProductResult(_message.Message):
    __slots__ = ("product", "status")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    product: _catalog_pb2.Product
    status: _status_pb2.Status
    def __init__(self, product: _Optional[_Union[_catalog_pb2.Product, _Mapping]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class BatchUpsertProductsResponse(_message.Message):
    __slots__ = ("results", "consistency_token")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[UpsertProductResult]
    consistency_token: str
    def __init__(self, results: _Optional[_Iterable[_Union[UpsertProductResult, _Mapping]]] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class GetProductRequest(_message.Message):
    __slots__ = ("product_id", "consistency_token")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    consistency_token: str
    def __init__(self, product_id: _Optional[str] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class GetProductResponse(_message.Message):
    __slots__ = ("product",)
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    product: _catalog_pb2.Product
    def __init__(self, product: _Optional[_Union[_catalog_pb2.Product, _Mapping]] = ...) -> None: ...

class ListProductsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "category_path", "withdrawn_only", "consistency_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_PATH_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_ONLY_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    category_path: str
    withdrawn_only: bool
    consistency_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., category_path: _Optional[str] = ..., withdrawn_only: _Optional[bool] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class ListProductsResponse(_message.Message):
    __slots__ = ("products", "next_page_token")
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    products: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.Product]
    next_page_token: str
    def __init__(self, products: _Optional[_Iterable[_Union[_catalog_pb2.Product, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class BatchUpsertStoresRequest(_message.Message):
    __slots__ = ("stores", "request_id")
    STORES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    stores: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.Store]
    request_id: str
    def __init__(self, stores: _Optional[_Iterable[_Union[_catalog_pb2.Store, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpsertStoreResult(_message.Message):
    __slots__ = ("store", "status")
    STORE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    store: _catalog_pb2.Store
    status: _status_pb2.Status
    def __init__(self, store: _Optional[_Union[_catalog_pb2.Store, _Mapping]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class BatchUpsertStoresResponse(_message.Message):
    __slots__ = ("results", "consistency_token")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[UpsertStoreResult]
    consistency_token: str
    def __init__(self, results: _Optional[_Iterable[_Union[UpsertStoreResult, _Mapping]]] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class ListStoresRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "country_code", "consistency_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_CODE_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    country_code: str
    consistency_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., country_code: _Optional[str] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class ListStoresResponse(_message.Message):
    __slots__ = ("stores", "next_page_token")
    STORES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    stores: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.Store]
    next_page_token: str
    def __init__(self, stores: _Optional[_Iterable[_Union[_catalog_pb2.Store, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class BatchSetInventoryRequest(_message.Message):
    __slots__ = ("records", "request_id")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.InventoryRecord]
    request_id: str
    def __init__(self, records: _Optional[_Iterable[_Union[_catalog_pb2.InventoryRecord, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class SetInventoryResult(_message.Message):
    __slots__ = ("outcome", "status")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    outcome: InventoryOutcome
    status: _status_pb2.Status
    def __init__(self, outcome: _Optional[_Union[InventoryOutcome, str]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class BatchSetInventoryResponse(_message.Message):
    __slots__ = ("results", "consistency_token")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[SetInventoryResult]
    consistency_token: str
    def __init__(self, results: _Optional[_Iterable[_Union[SetInventoryResult, _Mapping]]] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class BatchGetInventoryRequest(_message.Message):
    __slots__ = ("keys", "consistency_token")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.InventoryKey]
    consistency_token: str
    def __init__(self, keys: _Optional[_Iterable[_Union[_catalog_pb2.InventoryKey, _Mapping]]] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class GetInventoryResult(_message.Message):
    __slots__ = ("record", "status")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    record: _catalog_pb2.InventoryRecord
    status: _status_pb2.Status
    def __init__(self, record: _Optional[_Union[_catalog_pb2.InventoryRecord, _Mapping]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class BatchGetInventoryResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[GetInventoryResult]
    def __init__(self, results: _Optional[_Iterable[_Union[GetInventoryResult, _Mapping]]] = ...) -> None: ...

class WithdrawProductsRequest(_message.Message):
    __slots__ = ("product_ids", "request_id")
    PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    product_ids: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, product_ids: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class WithdrawProductsResponse(_message.Message):
    __slots__ = ("product_ids", "withdraw_time", "consistency_token")
    PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAW_TIME_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    product_ids: _containers.RepeatedScalarFieldContainer[str]
    withdraw_time: _timestamp_pb2.Timestamp
    consistency_token: str
    def __init__(self, product_ids: _Optional[_Iterable[str]] = ..., withdraw_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class RestoreProductsRequest(_message.Message):
    __slots__ = ("product_ids", "request_id")
    PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    product_ids: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, product_ids: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class RestoreProductsResponse(_message.Message):
    __slots__ = ("product_ids", "restore_time", "consistency_token")
    PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    RESTORE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    product_ids: _containers.RepeatedScalarFieldContainer[str]
    restore_time: _timestamp_pb2.Timestamp
    consistency_token: str
    def __init__(self, product_ids: _Optional[_Iterable[str]] = ..., restore_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., consistency_token: _Optional[str] = ...) -> None: ...
