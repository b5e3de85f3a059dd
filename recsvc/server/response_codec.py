"""Lists as the bytes that are sent and kept in the cache, joined without being looked into."""

import struct
import threading
from collections.abc import Iterable
from functools import lru_cache, partial
from hashlib import blake2b
from zlib import crc32

from recsvc import __version__
from recsvc.errors import RecsvcError
from recsvc.server.errors import to_status
from recsvc.server.responses import (
    SERVED_FROM,
    deliver,
    serving_info,
    write_duration,
    write_item,
)
from recsvc.server.tokens import PageTokens
from recsvc.service.deliveries import Served
from recsvc.service.questions import Answer, KeptList
from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api

_LAYOUT = b"4"
"""Another whenever kept bytes lie otherwise: those of before must not be read as such."""

# The checksum of all that follows; where ``serving`` begins, and how many products are on the list.
_CHECKSUM = struct.Struct("<I")
_ABOUT = struct.Struct("<IH")
_HEAD_BYTES = _CHECKSUM.size + _ABOUT.size
_about = struct.Struct(f"<{_CHECKSUM.size}xIH").unpack_from


def _key(number: int) -> bytes:
    """What is before the length of a field, whose number is below 16."""
    return bytes((number << 3 | 2,))


_NAME = _key(api.RecommendResponse.RECOMMENDATION_ID_FIELD_NUMBER)
_SERVING = _key(api.RecommendResponse.SERVING_FIELD_NUMBER)
_RESPONSE = _key(api.RecommendResult.RESPONSE_FIELD_NUMBER)
_RESULTS = _key(api.BatchRecommendResponse.RESULTS_FIELD_NUMBER)
_CORRELATION_ID = _key(api.StreamBatchRecommendResponse.CORRELATION_ID_FIELD_NUMBER)
_RESULT = _key(api.StreamBatchRecommendResponse.RESULT_FIELD_NUMBER)


class ResponseCodec:
    """Writes answers as a ``RecommendResponse`` that lacks what differs by call.

    ``serving`` lies behind the others, so that what differs by call can be written into it: a
    message that comes in several pieces is one to protobuf, but not to all parsers of JavaScript,
    which keep the last piece alone.

    Args:
        pages: writes the token of the next page.
    """

    def __init__(self, pages: PageTokens) -> None:
        self._pages = pages
        files = (api.DESCRIPTOR, common.DESCRIPTOR, catalog.DESCRIPTOR)
        digest = blake2b(__version__.encode() + _LAYOUT, digest_size=8)
        for file in files:
            digest.update(file.serialized_pb)
        self._schema = digest.hexdigest()

    @property
    def schema(self) -> str:
        """Digest of the protos, of this version, and of how its bytes lie."""
        return self._schema

    def encode(self, answer: Answer) -> bytes:
        """Return a head, the response without ``serving``, and what is in that."""
        response = api.RecommendResponse(next_page_token=self._pages.write(answer.next_page))
        for item in answer.items:
            write_item(response.recommendations.add(), item)
        lists = response.SerializeToString()
        serving = serving_info(answer).SerializeToString()
        about = _ABOUT.pack(_HEAD_BYTES + len(lists), len(answer.items))
        body = about + lists + serving
        return _CHECKSUM.pack(crc32(body)) + body

    def kept(self, payload: bytes) -> KeptList | None:
        """Look at the head of bytes that were kept; None where they are damaged.

        The messages behind it are read for who wants the products alone: most lists are sent as
        they are, and to read one takes longer than to find it.
        """
        if len(payload) < _HEAD_BYTES:
            return None
        (checksum,) = _CHECKSUM.unpack_from(payload)
        if crc32(memoryview(payload)[_CHECKSUM.size :]) != checksum:
            return None
        _, n_items = _about(payload)
        return KeptList(n_items, partial(_product_ids, payload))


def _product_ids(payload: bytes) -> list[str]:
    end, _ = _about(payload)
    found = api.RecommendResponse.FromString(payload[_HEAD_BYTES:end])
    return [each.product_id for each in found.recommendations]


class ListWriter:
    """Writes answers that were kept and their deliveries; safe to share between threads."""

    def __init__(self) -> None:
        self._repeated = _Repeated()

    def response(self, served: Served) -> bytes:
        """Write a ``RecommendResponse``, each field once; its list is not looked into."""
        payload, delivery = served.payload, served.delivery
        age = delivery.cache_age_seconds
        if age is None or delivery.degraded_reason or delivery.warnings or delivery.experiment_id:
            serving = api.ServingInfo()
            deliver(delivery, serving)
        else:
            serving, compute_time, cache_age = self._repeated.messages
            serving.served_from = SERVED_FROM[delivery.served_from]
            write_duration(compute_time, delivery.compute_seconds)
            write_duration(cache_age, age)
        # Its fields are others than those that are kept, lists aside.
        delivered = serving.SerializeToString()
        name = delivery.recommendation_id.encode()
        end, _ = _about(payload)
        return b"".join(
            (
                payload[_HEAD_BYTES:end],
                _NAME,
                _length(len(name)),
                name,
                _SERVING,
                _length(len(payload) - end + len(delivered)),
                payload[end:],
                delivered,
            )
        )


class _Repeated(threading.local):
    """What is true of a list that was kept, in a message of each thread's own.

    To set the fields of a message that is written again takes a fifth of making one.
    """

    def __init__(self) -> None:
        serving = api.ServingInfo()
        serving.compute_time.SetInParent()
        serving.cache_age.SetInParent()
        self.messages = serving, serving.compute_time, serving.cache_age


def result_of(response: bytes) -> bytes:
    """Write a response as the ``RecommendResult`` of an entry of a batch."""
    return _field(_RESPONSE, response)


def failed_result(error: RecsvcError) -> bytes:
    """Write why an entry has no response."""
    return api.RecommendResult(status=to_status(error)).SerializeToString()


def batch_response(results: Iterable[bytes]) -> bytes:
    """Write a ``BatchRecommendResponse``, of which no list is looked into.

    Args:
        results: a ``RecommendResult`` for each entry.
    """
    return b"".join([_field(_RESULTS, result) for result in results])


def streamed_response(correlation_id: str, result: bytes) -> bytes:
    """Write a ``StreamBatchRecommendResponse``, whose list is not looked into.

    Args:
        correlation_id: the mark of its question.
        result: a ``RecommendResult``.
    """
    mark = correlation_id.encode()
    head = _field(_CORRELATION_ID, mark) if mark else b""
    return head + _field(_RESULT, result)


def _field(key: bytes, content: bytes) -> bytes:
    """A field as it is sent whose content has a length."""
    return key + _length(len(content)) + content


@lru_cache(4_096)  # lists are of much the same length
def _length(length: int) -> bytes:
    written = bytearray()
    while length > 127:  # noqa: PLR2004  # seven bits a byte, the last one without the eighth
        written.append(length & 127 | 128)
        length >>= 7
    written.append(length)
    return bytes(written)
