import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import latlng_pb2 as _latlng_pb2
from google.type import money_pb2 as _money_pb2
from recsvc.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Availability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AVAILABILITY_UNSPECIFIED: _ClassVar[Availability]
    AVAILABILITY_IN_STOCK: _ClassVar[Availability]
    AVAILABILITY_OUT_OF_STOCK: _ClassVar[Availability]
AVAILABILITY_UNSPECIFIED: Availability
AVAILABILITY_IN_STOCK: Availability
AVAILABILITY_OUT_OF_STOCK: Availability

class Product(_message.Message):
    __slots__ = ("product_id", "group_id", "title", "titles", "category_path", "brand", "price", "attributes", "available_from", "available_to", "uri", "image_uri", "sensitive", "withdrawn")
    class TitlesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _common_pb2.AttributeValues
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_common_pb2.AttributeValues, _Mapping]] = ...) -> None: ...
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TITLES_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_PATH_FIELD_NUMBER: _ClassVar[int]
    BRAND_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FROM_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_TO_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URI_FIELD_NUMBER: _ClassVar[int]
    SENSITIVE_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    group_id: str
    title: str
    titles: _containers.ScalarMap[str, str]
    category_path: str
    brand: str
    price: _money_pb2.Money
    attributes: _containers.MessageMap[str, _common_pb2.AttributeValues]
    available_from: _timestamp_pb2.Timestamp
    available_to: _timestamp_pb2.Timestamp
    uri: str
    image_uri: str
    sensitive: bool
    withdrawn: bool
    def __init__(self, product_id: _Optional[str] = ..., group_id: _Optional[str] = ..., title: _Optional[str] = ..., titles: _Optional[_Mapping[str, str]] = ..., category_path: _Optional[str] = ..., brand: _Optional[str] = ..., price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., attributes: _Optional[_Mapping[str, _common_pb2.AttributeValues]] = ..., available_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., available_to: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., uri: _Optional[str] = ..., image_uri: _Optional[str] = ..., sensitive: _Optional[bool] = ..., withdrawn: _Optional[bool] = ...) -> None: ...

class Store(_message.Message):
    __slots__ = ("store_id", "name", "country_code", "subdivision_code", "postal_code", "lat_lng", "time_zone")
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_CODE_FIELD_NUMBER: _ClassVar[int]
    SUBDIVISION_CODE_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    LAT_LNG_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    store_id: str
    name: str
    country_code: str
    subdivision_code: str
    postal_code: str
    lat_lng: _latlng_pb2.LatLng
    time_zone: str
    def __init__(self, store_id: _Optional[str] = ..., name: _Optional[str] = ..., country_code: _Optional[str] = ..., subdivision_code: _Optional[str] = ..., postal_code: _Optional[str] = ..., lat_lng: _Optional[_Union[_latlng_pb2.LatLng, _Mapping]] = ..., time_zone: _Optional[str] = ...) -> None: ...

class InventoryKey(_message.Message):
    __slots__ = ("store_id", "product_id")
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    store_id: str
    product_id: str
    def __init__(self, store_id: _Optional[str] = ..., product_id: _Optional[str] = ...) -> None: ...

class InventoryRecord(_message.Message):
    __slots__ = ("key", "availability", "quantity", "price", "effective_time")
    KEY_FIELD_NUMBER: _ClassVar[int]
    AVAILABILITY_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    key: InventoryKey
    availability: Availability
    quantity: float
    price: _money_pb2.Money
    effective_time: _timestamp_pb2.Timestamp
    def __init__(self, key: _Optional[_Union[InventoryKey, _Mapping]] = ..., availability: _Optional[_Union[Availability, str]] = ..., quantity: _Optional[float] = ..., price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
