"""Lists as the bytes that are sent and kept in the cache, joined without being looked into."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

from google.protobuf.message import DecodeError

from recsvc import __version__
from recsvc.errors import RecsvcError
from recsvc.server.errors import to_status
from recsvc.server.responses import deliver, item_message, serving_info, set_duration
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


def recommend_response(served: Served) -> bytes:
    """Join the two pieces of a ``RecommendResponse``, neither of which is looked into."""
    piece = api.RecommendResponse(recommendation_id=served.delivery.recommendation_id)
    deliver(served.delivery, piece.serving)
    return served.payload + piece.SerializeToString()


def recommend_responses(lists: Iterable[Served]) -> Iterator[bytes]:
    """Write several, of which most differ in their names and ages alone.

    To set two fields of a message that is written again takes a fifth of making one.
    """
    piece, likewise = api.RecommendResponse(), None
    for served in lists:
        delivery = served.delivery
        age = delivery.cache_age_seconds
        if age is None:
            yield recommend_response(served)
            continue
        rest = delivery._replace(recommendation_id="", cache_age_seconds=0.0)
        if rest != likewise:
            piece.Clear()
            deliver(delivery, piece.serving)
            likewise, aged = rest, piece.serving.cache_age
        piece.recommendation_id = delivery.recommendation_id
        set_duration(aged, age)
        yield served.payload + piece.SerializeToString()


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
