import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import latlng_pb2 as _latlng_pb2
from google.type import money_pb2 as _money_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LocationLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOCATION_LEVEL_UNSPECIFIED: _ClassVar[LocationLevel]
    LOCATION_LEVEL_STORE: _ClassVar[LocationLevel]
    LOCATION_LEVEL_POSTAL_CODE: _ClassVar[LocationLevel]
    LOCATION_LEVEL_CELL: _ClassVar[LocationLevel]
    LOCATION_LEVEL_SUBDIVISION: _ClassVar[LocationLevel]
    LOCATION_LEVEL_COUNTRY: _ClassVar[LocationLevel]
    LOCATION_LEVEL_EVERYWHERE: _ClassVar[LocationLevel]

class Channel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANNEL_UNSPECIFIED: _ClassVar[Channel]
    CHANNEL_WEB: _ClassVar[Channel]
    CHANNEL_APP: _ClassVar[Channel]
    CHANNEL_STORE: _ClassVar[Channel]
    CHANNEL_EMAIL: _ClassVar[Channel]
    CHANNEL_CHAT: _ClassVar[Channel]
    CHANNEL_AGENT: _ClassVar[Channel]

class JourneyStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOURNEY_STAGE_UNSPECIFIED: _ClassVar[JourneyStage]
    JOURNEY_STAGE_DISCOVER: _ClassVar[JourneyStage]
    JOURNEY_STAGE_CONSIDER: _ClassVar[JourneyStage]
    JOURNEY_STAGE_CART: _ClassVar[JourneyStage]
    JOURNEY_STAGE_CHECKOUT: _ClassVar[JourneyStage]
    JOURNEY_STAGE_POST_PURCHASE: _ClassVar[JourneyStage]
LOCATION_LEVEL_UNSPECIFIED: LocationLevel
LOCATION_LEVEL_STORE: LocationLevel
LOCATION_LEVEL_POSTAL_CODE: LocationLevel
LOCATION_LEVEL_CELL: LocationLevel
LOCATION_LEVEL_SUBDIVISION: LocationLevel
LOCATION_LEVEL_COUNTRY: LocationLevel
LOCATION_LEVEL_EVERYWHERE: LocationLevel
CHANNEL_UNSPECIFIED: Channel
CHANNEL_WEB: Channel
CHANNEL_APP: Channel
CHANNEL_STORE: Channel
CHANNEL_EMAIL: Channel
CHANNEL_CHAT: Channel
CHANNEL_AGENT: Channel
JOURNEY_STAGE_UNSPECIFIED: JourneyStage
JOURNEY_STAGE_DISCOVER: JourneyStage
JOURNEY_STAGE_CONSIDER: JourneyStage
JOURNEY_STAGE_CART: JourneyStage
JOURNEY_STAGE_CHECKOUT: JourneyStage
JOURNEY_STAGE_POST_PURCHASE: JourneyStage

class Shopper(_message.Message):
    __slots__ = ("customer_id", "visitor_id", "session_id")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    VISITOR_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    visitor_id: str
    session_id: str
    def __init__(self, customer_id: _Optional[str] = ..., visitor_id: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class Location(_message.Message):
    __slots__ = ("country_code", "subdivision_code", "postal_code", "store_id", "lat_lng")
    COUNTRY_CODE_FIELD_NUMBER: _ClassVar[int]
    SUBDIVISION_CODE_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    LAT_LNG_FIELD_NUMBER: _ClassVar[int]
    country_code: str
    subdivision_code: str
    postal_code: str
    store_id: str
    lat_lng: _latlng_pb2.LatLng
    def __init__(self, country_code: _Optional[str] = ..., subdivision_code: _Optional[str] = ..., postal_code: _Optional[str] = ..., store_id: _Optional[str] = ..., lat_lng: _Optional[_Union[_latlng_pb2.LatLng, _Mapping]] = ...) -> None: ...

class LineItem(_message.Message):
    __slots__ = ("product_id", "quantity", "unit_price")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    quantity: float
    unit_price: _money_pb2.Money
    def __init__(self, product_id: _Optional[str] = ..., quantity: _Optional[float] = ..., unit_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class RecommendationContext(_message.Message):
    __slots__ = ("location", "channel", "placement_id", "journey_stage", "basket", "recent_product_ids", "currency_code", "as_of_time", "language_code")
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    JOURNEY_STAGE_FIELD_NUMBER: _ClassVar[int]
    BASKET_FIELD_NUMBER: _ClassVar[int]
    RECENT_PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    location: Location
    channel: Channel
    placement_id: str
    journey_stage: JourneyStage
    basket: _containers.RepeatedCompositeFieldContainer[LineItem]
    recent_product_ids: _containers.RepeatedScalarFieldContainer[str]
    currency_code: str
    as_of_time: _timestamp_pb2.Timestamp
    language_code: str
    def __init__(self, location: _Optional[_Union[Location, _Mapping]] = ..., channel: _Optional[_Union[Channel, str]] = ..., placement_id: _Optional[str] = ..., journey_stage: _Optional[_Union[JourneyStage, str]] = ..., basket: _Optional[_Iterable[_Union[LineItem, _Mapping]]] = ..., recent_product_ids: _Optional[_Iterable[str]] = ..., currency_code: _Optional[str] = ..., as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., language_code: _Optional[str] = ...) -> None: ...

class AttributeValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class PriceRange(_message.Message):
    __slots__ = ("min", "max")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    min: _money_pb2.Money
    max: _money_pb2.Money
    def __init__(self, min: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., max: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class ProductFilter(_message.Message):
    __slots__ = ("category_paths", "brands", "price_range", "attributes_any", "exclude_product_ids", "in_stock_only", "exclude_purchased", "strict")
    class AttributesAnyEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: AttributeValues
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AttributeValues, _Mapping]] = ...) -> None: ...
    CATEGORY_PATHS_FIELD_NUMBER: _ClassVar[int]
    BRANDS_FIELD_NUMBER: _ClassVar[int]
    PRICE_RANGE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_ANY_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    IN_STOCK_ONLY_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_PURCHASED_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    category_paths: _containers.RepeatedScalarFieldContainer[str]
    brands: _containers.RepeatedScalarFieldContainer[str]
    price_range: PriceRange
    attributes_any: _containers.MessageMap[str, AttributeValues]
    exclude_product_ids: _containers.RepeatedScalarFieldContainer[str]
    in_stock_only: bool
    exclude_purchased: bool
    strict: bool
    def __init__(self, category_paths: _Optional[_Iterable[str]] = ..., brands: _Optional[_Iterable[str]] = ..., price_range: _Optional[_Union[PriceRange, _Mapping]] = ..., attributes_any: _Optional[_Mapping[str, AttributeValues]] = ..., exclude_product_ids: _Optional[_Iterable[str]] = ..., in_stock_only: _Optional[bool] = ..., exclude_purchased: _Optional[bool] = ..., strict: _Optional[bool] = ...) -> None: ...
