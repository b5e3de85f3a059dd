import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from recsvc.v1 import common_pb2 as _common_pb2
from recsvc.v1 import event_service_pb2 as _event_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Consent(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSENT_UNSPECIFIED: _ClassVar[Consent]
    CONSENT_GRANTED: _ClassVar[Consent]
    CONSENT_WITHDRAWN: _ClassVar[Consent]
    CONSENT_UNKNOWN: _ClassVar[Consent]
CONSENT_UNSPECIFIED: Consent
CONSENT_GRANTED: Consent
CONSENT_WITHDRAWN: Consent
CONSENT_UNKNOWN: Consent

class Customer(_message.Message):
    __slots__ = ("customer_id", "consent", "home_location", "home_location_learnt", "segments", "n_purchases", "n_products", "n_live_events", "first_purchase_time", "last_purchase_time", "visitor_ids", "update_time")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    HOME_LOCATION_FIELD_NUMBER: _ClassVar[int]
    HOME_LOCATION_LEARNT_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    N_PURCHASES_FIELD_NUMBER: _ClassVar[int]
    N_PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    N_LIVE_EVENTS_FIELD_NUMBER: _ClassVar[int]
    FIRST_PURCHASE_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_PURCHASE_TIME_FIELD_NUMBER: _ClassVar[int]
    VISITOR_IDS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    consent: Consent
    home_location: _common_pb2.Location
    home_location_learnt: bool
    segments: _containers.RepeatedScalarFieldContainer[str]
    n_purchases: int
    n_products: int
    n_live_events: int
    first_purchase_time: _timestamp_pb2.Timestamp
    last_purchase_time: _timestamp_pb2.Timestamp
    visitor_ids: _containers.RepeatedScalarFieldContainer[str]
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, customer_id: _Optional[str] = ..., consent: _Optional[_Union[Consent, str]] = ..., home_location: _Optional[_Union[_common_pb2.Location, _Mapping]] = ..., home_location_learnt: _Optional[bool] = ..., segments: _Optional[_Iterable[str]] = ..., n_purchases: _Optional[int] = ..., n_products: _Optional[int] = ..., n_live_events: _Optional[int] = ..., first_purchase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_purchase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., visitor_ids: _Optional[_Iterable[str]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetCustomerRequest(_message.Message):
    __slots__ = ("customer_id", "consistency_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    consistency_token: str
    def __init__(self, customer_id: _Optional[str] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class GetCustomerResponse(_message.Message):
    __slots__ = ("customer",)
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    customer: Customer
    def __init__(self, customer: _Optional[_Union[Customer, _Mapping]] = ...) -> None: ...

class UpdateCustomerRequest(_message.Message):
    __slots__ = ("customer", "update_mask", "allow_missing", "request_id")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    customer: Customer
    update_mask: _field_mask_pb2.FieldMask
    allow_missing: bool
    request_id: str
    def __init__(self, customer: _Optional[_Union[Customer, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., allow_missing: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateCustomerResponse(_message.Message):
    __slots__ = ("customer", "consistency_token")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer: Customer
    consistency_token: str
    def __init__(self, customer: _Optional[_Union[Customer, _Mapping]] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class LinkVisitorRequest(_message.Message):
    __slots__ = ("visitor_id", "customer_id", "request_id")
    VISITOR_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    visitor_id: str
    customer_id: str
    request_id: str
    def __init__(self, visitor_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class LinkVisitorResponse(_message.Message):
    __slots__ = ("customer", "n_events_moved", "consistency_token")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    N_EVENTS_MOVED_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer: Customer
    n_events_moved: int
    consistency_token: str
    def __init__(self, customer: _Optional[_Union[Customer, _Mapping]] = ..., n_events_moved: _Optional[int] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class EraseCustomerRequest(_message.Message):
    __slots__ = ("customer_id", "request_id")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    request_id: str
    def __init__(self, customer_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ErasureReceipt(_message.Message):
    __slots__ = ("receipt_id", "erase_time", "customer_hash", "n_events_erased", "n_visitors_erased")
    RECEIPT_ID_FIELD_NUMBER: _ClassVar[int]
    ERASE_TIME_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_HASH_FIELD_NUMBER: _ClassVar[int]
    N_EVENTS_ERASED_FIELD_NUMBER: _ClassVar[int]
    N_VISITORS_ERASED_FIELD_NUMBER: _ClassVar[int]
    receipt_id: str
    erase_time: _timestamp_pb2.Timestamp
    customer_hash: str
    n_events_erased: int
    n_visitors_erased: int
    def __init__(self, receipt_id: _Optional[str] = ..., erase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., customer_hash: _Optional[str] = ..., n_events_erased: _Optional[int] = ..., n_visitors_erased: _Optional[int] = ...) -> None: ...

class EraseCustomerResponse(_message.Message):
    __slots__ = ("receipt", "consistency_token")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    receipt: ErasureReceipt
    consistency_token: str
    def __init__(self, receipt: _Optional[_Union[ErasureReceipt, _Mapping]] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class ExportCustomerRequest(_message.Message):
    __slots__ = ("customer_id",)
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    def __init__(self, customer_id: _Optional[str] = ...) -> None: ...

class ExportCustomerResponse(_message.Message):
    __slots__ = ("customer", "event", "learnt", "served")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    LEARNT_FIELD_NUMBER: _ClassVar[int]
    SERVED_FIELD_NUMBER: _ClassVar[int]
    customer: Customer
    event: _event_service_pb2.Event
    learnt: LearntPurchases
    served: ServedList
    def __init__(self, customer: _Optional[_Union[Customer, _Mapping]] = ..., event: _Optional[_Union[_event_service_pb2.Event, _Mapping]] = ..., learnt: _Optional[_Union[LearntPurchases, _Mapping]] = ..., served: _Optional[_Union[ServedList, _Mapping]] = ...) -> None: ...

class ServedList(_message.Message):
    __slots__ = ("recommendation_id", "serve_time", "product_ids")
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVE_TIME_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    recommendation_id: str
    serve_time: _timestamp_pb2.Timestamp
    product_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, recommendation_id: _Optional[str] = ..., serve_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., product_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class LearntPurchases(_message.Message):
    __slots__ = ("product_id", "purchase_count", "first_time", "last_time", "usual_quantity")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    PURCHASE_COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    USUAL_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    purchase_count: int
    first_time: _timestamp_pb2.Timestamp
    last_time: _timestamp_pb2.Timestamp
    usual_quantity: float
    def __init__(self, product_id: _Optional[str] = ..., purchase_count: _Optional[int] = ..., first_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., usual_quantity: _Optional[float] = ...) -> None: ...
