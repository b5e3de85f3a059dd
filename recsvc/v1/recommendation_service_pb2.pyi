import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from recsvc.v1 import catalog_pb2 as _catalog_pb2
from recsvc.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Diversity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIVERSITY_UNSPECIFIED: _ClassVar[Diversity]
    DIVERSITY_NONE: _ClassVar[Diversity]
    DIVERSITY_LOW: _ClassVar[Diversity]
    DIVERSITY_MEDIUM: _ClassVar[Diversity]
    DIVERSITY_HIGH: _ClassVar[Diversity]

class Strategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STRATEGY_UNSPECIFIED: _ClassVar[Strategy]
    STRATEGY_COLLABORATIVE: _ClassVar[Strategy]
    STRATEGY_SIMILAR: _ClassVar[Strategy]
    STRATEGY_BOUGHT_TOGETHER: _ClassVar[Strategy]
    STRATEGY_BUY_AGAIN: _ClassVar[Strategy]
    STRATEGY_POPULAR_NEARBY: _ClassVar[Strategy]
    STRATEGY_POPULAR: _ClassVar[Strategy]

class ServedFrom(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERVED_FROM_UNSPECIFIED: _ClassVar[ServedFrom]
    SERVED_FROM_MODEL: _ClassVar[ServedFrom]
    SERVED_FROM_CACHE: _ClassVar[ServedFrom]
    SERVED_FROM_STALE_CACHE: _ClassVar[ServedFrom]
    SERVED_FROM_FALLBACK: _ClassVar[ServedFrom]
DIVERSITY_UNSPECIFIED: Diversity
DIVERSITY_NONE: Diversity
DIVERSITY_LOW: Diversity
DIVERSITY_MEDIUM: Diversity
DIVERSITY_HIGH: Diversity
STRATEGY_UNSPECIFIED: Strategy
STRATEGY_COLLABORATIVE: Strategy
STRATEGY_SIMILAR: Strategy
STRATEGY_BOUGHT_TOGETHER: Strategy
STRATEGY_BUY_AGAIN: Strategy
STRATEGY_POPULAR_NEARBY: Strategy
STRATEGY_POPULAR: Strategy
SERVED_FROM_UNSPECIFIED: ServedFrom
SERVED_FROM_MODEL: ServedFrom
SERVED_FROM_CACHE: ServedFrom
SERVED_FROM_STALE_CACHE: ServedFrom
SERVED_FROM_FALLBACK: ServedFrom

class RecommendRequest(_message.Message):
    __slots__ = ("shopper", "context", "page_size", "page_token", "filter", "diversity", "explain", "include_products", "experiment_id", "consistency_token")
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shopper: _common_pb2.Shopper
    context: _common_pb2.RecommendationContext
    page_size: int
    page_token: str
    filter: _common_pb2.ProductFilter
    diversity: Diversity
    explain: bool
    include_products: bool
    experiment_id: str
    consistency_token: str
    def __init__(self, shopper: _Optional[_Union[_common_pb2.Shopper, _Mapping]] = ..., context: _Optional[_Union[_common_pb2.RecommendationContext, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[_common_pb2.ProductFilter, _Mapping]] = ..., diversity: _Optional[_Union[Diversity, str]] = ..., explain: _Optional[bool] = ..., include_products: _Optional[bool] = ..., experiment_id: _Optional[str] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("recommendations", "next_page_token", "recommendation_id", "serving")
    RECOMMENDATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    recommendations: _containers.RepeatedCompositeFieldContainer[RecommendedProduct]
    next_page_token: str
    recommendation_id: str
    serving: ServingInfo
    def __init__(self, recommendations: _Optional[_Iterable[_Union[RecommendedProduct, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., recommendation_id: _Optional[str] = ..., serving: _Optional[_Union[ServingInfo, _Mapping]] = ...) -> None: ...

class RecommendedProduct(_message.Message):
    __slots__ = ("product_id", "rank", "score", "strategy", "location_level", "explanation", "product", "rule_ids")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    LOCATION_LEVEL_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    RULE_IDS_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    rank: int
    score: float
    strategy: Strategy
    location_level: _common_pb2.LocationLevel
    explanation: Explanation
    product: _catalog_pb2.Product
    rule_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, product_id: _Optional[str] = ..., rank: _Optional[int] = ..., score: _Optional[float] = ..., strategy: _Optional[_Union[Strategy, str]] = ..., location_level: _Optional[_Union[_common_pb2.LocationLevel, str]] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ..., product: _Optional[_Union[_catalog_pb2.Product, _Mapping]] = ..., rule_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("reason_code", "text", "evidence_product_ids", "language_code", "facts")
    REASON_CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    reason_code: str
    text: str
    evidence_product_ids: _containers.RepeatedScalarFieldContainer[str]
    language_code: str
    facts: ReasonFacts
    def __init__(self, reason_code: _Optional[str] = ..., text: _Optional[str] = ..., evidence_product_ids: _Optional[_Iterable[str]] = ..., language_code: _Optional[str] = ..., facts: _Optional[_Union[ReasonFacts, _Mapping]] = ...) -> None: ...

class ReasonFacts(_message.Message):
    __slots__ = ("n_purchases", "last_purchase_time", "lift", "window_start_time", "window_end_time", "location_level", "rule_id", "mean_interval")
    N_PURCHASES_FIELD_NUMBER: _ClassVar[int]
    LAST_PURCHASE_TIME_FIELD_NUMBER: _ClassVar[int]
    LIFT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_TIME_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_TIME_FIELD_NUMBER: _ClassVar[int]
    LOCATION_LEVEL_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    MEAN_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    n_purchases: int
    last_purchase_time: _timestamp_pb2.Timestamp
    lift: float
    window_start_time: _timestamp_pb2.Timestamp
    window_end_time: _timestamp_pb2.Timestamp
    location_level: _common_pb2.LocationLevel
    rule_id: str
    mean_interval: _duration_pb2.Duration
    def __init__(self, n_purchases: _Optional[int] = ..., last_purchase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lift: _Optional[float] = ..., window_start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., window_end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., location_level: _Optional[_Union[_common_pb2.LocationLevel, str]] = ..., rule_id: _Optional[str] = ..., mean_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ServingModel(_message.Message):
    __slots__ = ("model_id", "version_id", "train_time")
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    TRAIN_TIME_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    version_id: str
    train_time: _timestamp_pb2.Timestamp
    def __init__(self, model_id: _Optional[str] = ..., version_id: _Optional[str] = ..., train_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ServingInfo(_message.Message):
    __slots__ = ("model", "served_from", "compute_time", "cache_age", "experiment_id", "variant_id", "degraded", "degraded_reason", "warnings", "resolved_location", "location_level", "rules_version_id", "applied_rule_ids", "store_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SERVED_FROM_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_TIME_FIELD_NUMBER: _ClassVar[int]
    CACHE_AGE_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_REASON_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_LOCATION_FIELD_NUMBER: _ClassVar[int]
    LOCATION_LEVEL_FIELD_NUMBER: _ClassVar[int]
    RULES_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    APPLIED_RULE_IDS_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    model: ServingModel
    served_from: ServedFrom
    compute_time: _duration_pb2.Duration
    cache_age: _duration_pb2.Duration
    experiment_id: str
    variant_id: str
    degraded: bool
    degraded_reason: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    resolved_location: _common_pb2.Location
    location_level: _common_pb2.LocationLevel
    rules_version_id: str
    applied_rule_ids: _containers.RepeatedScalarFieldContainer[str]
    store_id: str
    def __init__(self, model: _Optional[_Union[ServingModel, _Mapping]] = ..., served_from: _Optional[_Union[ServedFrom, str]] = ..., compute_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cache_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., experiment_id: _Optional[str] = ..., variant_id: _Optional[str] = ..., degraded: _Optional[bool] = ..., degraded_reason: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ..., resolved_location: _Optional[_Union[_common_pb2.Location, _Mapping]] = ..., location_level: _Optional[_Union[_common_pb2.LocationLevel, str]] = ..., rules_version_id: _Optional[str] = ..., applied_rule_ids: _Optional[_Iterable[str]] = ..., store_id: _Optional[str] = ...) -> None: ...

class BatchRecommendRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RecommendRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[RecommendRequest, _Mapping]]] = ...) -> None: ...

class RecommendResult(_message.Message):
    __slots__ = ("response", "status")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    response: RecommendResponse
    status: _status_pb2.Status
    def __init__(self, response: _Optional[_Union[RecommendResponse, _Mapping]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class BatchRecommendResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[RecommendResult]
    def __init__(self, results: _Optional[_Iterable[_Union[RecommendResult, _Mapping]]] = ...) -> None: ...

class StreamBatchRecommendRequest(_message.Message):
    __slots__ = ("correlation_id", "request")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    request: RecommendRequest
    def __init__(self, correlation_id: _Optional[str] = ..., request: _Optional[_Union[RecommendRequest, _Mapping]] = ...) -> None: ...

class StreamBatchRecommendResponse(_message.Message):
    __slots__ = ("correlation_id", "result")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    result: RecommendResult
    def __init__(self, correlation_id: _Optional[str] = ..., result: _Optional[_Union[RecommendResult, _Mapping]] = ...) -> None: ...

class ListSimilarProductsRequest(_message.Message):
    __slots__ = ("product_id", "shopper", "context", "filter", "page_size", "explain", "include_products", "consistency_token")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    shopper: _common_pb2.Shopper
    context: _common_pb2.RecommendationContext
    filter: _common_pb2.ProductFilter
    page_size: int
    explain: bool
    include_products: bool
    consistency_token: str
    def __init__(self, product_id: _Optional[str] = ..., shopper: _Optional[_Union[_common_pb2.Shopper, _Mapping]] = ..., context: _Optional[_Union[_common_pb2.RecommendationContext, _Mapping]] = ..., filter: _Optional[_Union[_common_pb2.ProductFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., explain: _Optional[bool] = ..., include_products: _Optional[bool] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class ListSimilarProductsResponse(_message.Message):
    __slots__ = ("recommendations", "recommendation_id", "serving")
    RECOMMENDATIONS_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    recommendations: _containers.RepeatedCompositeFieldContainer[RecommendedProduct]
    recommendation_id: str
    serving: ServingInfo
    def __init__(self, recommendations: _Optional[_Iterable[_Union[RecommendedProduct, _Mapping]]] = ..., recommendation_id: _Optional[str] = ..., serving: _Optional[_Union[ServingInfo, _Mapping]] = ...) -> None: ...

class ListBoughtTogetherRequest(_message.Message):
    __slots__ = ("product_ids", "shopper", "context", "filter", "page_size", "explain", "include_products", "consistency_token")
    PRODUCT_IDS_FIELD_NUMBER: _ClassVar[int]
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    product_ids: _containers.RepeatedScalarFieldContainer[str]
    shopper: _common_pb2.Shopper
    context: _common_pb2.RecommendationContext
    filter: _common_pb2.ProductFilter
    page_size: int
    explain: bool
    include_products: bool
    consistency_token: str
    def __init__(self, product_ids: _Optional[_Iterable[str]] = ..., shopper: _Optional[_Union[_common_pb2.Shopper, _Mapping]] = ..., context: _Optional[_Union[_common_pb2.RecommendationContext, _Mapping]] = ..., filter: _Optional[_Union[_common_pb2.ProductFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., explain: _Optional[bool] = ..., include_products: _Optional[bool] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class ListBoughtTogetherResponse(_message.Message):
    __slots__ = ("recommendations", "recommendation_id", "serving")
    RECOMMENDATIONS_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    recommendations: _containers.RepeatedCompositeFieldContainer[RecommendedProduct]
    recommendation_id: str
    serving: ServingInfo
    def __init__(self, recommendations: _Optional[_Iterable[_Union[RecommendedProduct, _Mapping]]] = ..., recommendation_id: _Optional[str] = ..., serving: _Optional[_Union[ServingInfo, _Mapping]] = ...) -> None: ...

class ListBuyAgainRequest(_message.Message):
    __slots__ = ("shopper", "context", "filter", "page_size", "explain", "include_products", "consistency_token")
    SHOPPER_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shopper: _common_pb2.Shopper
    context: _common_pb2.RecommendationContext
    filter: _common_pb2.ProductFilter
    page_size: int
    explain: bool
    include_products: bool
    consistency_token: str
    def __init__(self, shopper: _Optional[_Union[_common_pb2.Shopper, _Mapping]] = ..., context: _Optional[_Union[_common_pb2.RecommendationContext, _Mapping]] = ..., filter: _Optional[_Union[_common_pb2.ProductFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., explain: _Optional[bool] = ..., include_products: _Optional[bool] = ..., consistency_token: _Optional[str] = ...) -> None: ...

class BuyAgainRecommendation(_message.Message):
    __slots__ = ("recommended_product", "due_time", "usual_interval", "usual_quantity")
    RECOMMENDED_PRODUCT_FIELD_NUMBER: _ClassVar[int]
    DUE_TIME_FIELD_NUMBER: _ClassVar[int]
    USUAL_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    USUAL_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    recommended_product: RecommendedProduct
    due_time: _timestamp_pb2.Timestamp
    usual_interval: _duration_pb2.Duration
    usual_quantity: float
    def __init__(self, recommended_product: _Optional[_Union[RecommendedProduct, _Mapping]] = ..., due_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., usual_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., usual_quantity: _Optional[float] = ...) -> None: ...

class ListBuyAgainResponse(_message.Message):
    __slots__ = ("recommendations", "recommendation_id", "serving")
    RECOMMENDATIONS_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    recommendations: _containers.RepeatedCompositeFieldContainer[BuyAgainRecommendation]
    recommendation_id: str
    serving: ServingInfo
    def __init__(self, recommendations: _Optional[_Iterable[_Union[BuyAgainRecommendation, _Mapping]]] = ..., recommendation_id: _Optional[str] = ..., serving: _Optional[_Union[ServingInfo, _Mapping]] = ...) -> None: ...
