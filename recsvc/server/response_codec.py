"""Lists as the bytes that are sent and kept in the cache, joined without being looked into."""

import threading
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

from google.protobuf.message import DecodeError

from recsvc import __version__
from recsvc.errors import RecsvcError
from recsvc.server.errors import to_status
from recsvc.server.responses import (
    SERVED_FROM,
    deliver,
    item_message,
    serving_info,
    set_duration,
)
from recsvc.server.tokens import PageTokens
from recsvc.service.deliveries import Served
from recsvc.service.questions import Answer, KeptList
from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api


class ResponseCodec:
    """Writes answers as a ``RecommendResponse`` without what differs by call.

    The rest follows as a second piece of the same message: protobuf merges the two.

    Args:
        pages: writes the token of the next page.
    """

    def __init__(self, pages: PageTokens) -> None:
        self._pages = pages
        files = (api.DESCRIPTOR, common.DESCRIPTOR, catalog.DESCRIPTOR)
        digest = blake2b(__version__.encode(), digest_size=8)
        for file in files:
            digest.update(file.serialized_pb)
        self._schema = digest.hexdigest()

    @property
    def schema(self) -> str:
        """Digest of the protos and of this version."""
        return self._schema

    def encode(self, answer: Answer) -> bytes:
        """Return the answer as it is sent."""
        response = api.RecommendResponse(
            recommendations=[item_message(item) for item in answer.items],
            next_page_token=self._pages.write(answer.next_page),
            serving=serving_info(answer),
        )
        return response.SerializeToString()

    def kept(self, payload: bytes) -> KeptList | None:
        """Look into bytes that were kept; None where they are no response of a model."""
        try:
            found = api.RecommendResponse.FromString(payload)
        except DecodeError:
            return None
        if not found.serving.HasField("model"):
            return None
        return KeptList(
            len(found.recommendations), lambda: [each.product_id for each in found.recommendations]
        )


class ListWriter:
    """Joins the two pieces of a ``RecommendResponse``; safe to share between threads."""

    def __init__(self) -> None:
        self._repeated = _Repeated()

    def response(self, served: Served) -> bytes:
        """Write a delivery behind its list, which is not looked into."""
        delivery = served.delivery
        age = delivery.cache_age_seconds
        if age is None or delivery.degraded_reason or delivery.warnings or delivery.experiment_id:
            piece = api.RecommendResponse(recommendation_id=delivery.recommendation_id)
            deliver(delivery, piece.serving)
            return served.payload + piece.SerializeToString()
        mine = self._repeated
        piece = mine.piece
        piece.recommendation_id = delivery.recommendation_id
        mine.serving.served_from = SERVED_FROM[delivery.served_from]
        set_duration(mine.compute_time, delivery.compute_seconds)
        set_duration(mine.cache_age, age)
        return served.payload + piece.SerializeToString()


class _Repeated(threading.local):
    """What is behind a list that was kept, in a message of each thread's own.

    To set the fields of a message that is written again takes a fifth of making one.
    """

    def __init__(self) -> None:
        self.piece = api.RecommendResponse()
        self.serving = self.piece.serving
        self.compute_time, self.cache_age = self.serving.compute_time, self.serving.cache_age


def result_of(response: bytes) -> bytes:
    """Write a response as the ``RecommendResult`` of an entry of a batch."""
    return _field(api.RecommendResult.RESPONSE_FIELD_NUMBER, response)


def failed_result(error: RecsvcError) -> bytes:
    """Write why an entry has no response."""
    return api.RecommendResult(status=to_status(error)).SerializeToString()


def batch_response(results: Iterable[bytes]) -> bytes:
    """Write a ``BatchRecommendResponse``, of which no list is looked into.

    Args:
        results: a ``RecommendResult`` for each entry.
    """
    number = api.BatchRecommendResponse.RESULTS_FIELD_NUMBER
    return b"".join([_field(number, result) for result in results])


def streamed_response(correlation_id: str, result: bytes) -> bytes:
    """Write a ``StreamBatchRecommendResponse``, whose list is not looked into.

    Args:
        correlation_id: the mark of its question.
        result: a ``RecommendResult``.
    """
    response = api.StreamBatchRecommendResponse
    mark = correlation_id.encode()
    head = _field(response.CORRELATION_ID_FIELD_NUMBER, mark) if mark else b""
    return head + _field(response.RESULT_FIELD_NUMBER, result)


def _field(number: int, content: bytes) -> bytes:
    """A field as it is sent whose content has a length: its key, the length, and the content."""
    return _head(number, len(content)) + content


@lru_cache(4_096)  # lists are of much the same length
def _head(number: int, length: int) -> bytes:
    head = bytearray((number << 3 | 2,))
    while length > 127:  # noqa: PLR2004  # seven bits a byte, the last one without the eighth
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head)
