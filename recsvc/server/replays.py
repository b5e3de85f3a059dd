"""A write that is repeated under one request_id gets its first answer again."""

import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from typing import Any, TypeVar

from google.protobuf.message import Message

from recsvc.errors import InvalidRequestError, RecsvcError, StoreUnavailableError
from recsvc.server.admission import ExpiredError
from recsvc.service.ports import AnswerStore

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_DIGEST_BYTES = 16

Response = TypeVar("Response", bound=Message)


class RequestIdReusedError(RecsvcError):
    """Another request has been answered under this request_id."""

    default_reason = "REQUEST_ID_REUSED"


class Replays:
    """Remembers answers by request_id, as long as the store keeps them, and begins no write late.

    Writes are safe to repeat by themselves; what is remembered is what was answered. Without the
    store a repetition is answered anew. An erasure does not reach what is remembered: nothing in
    it names or betrays a person.

    A write for whom nobody waits any more is not begun. One that has begun is done to its end,
    whoever waits: half of it would help nobody. To look for a first answer, and to keep one, takes
    half of what is left at most: a recall must not wait for a store that it does not need.

    Args:
        answers: where they are kept.
        key: secret that requests are hashed with.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    def __init__(
        self,
        answers: AnswerStore,
        key: bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answers = answers
        self._key = key
        self._monotonic = monotonic

    def answer(
        self,
        request: Any,  # noqa: ANN401  # messages with a request_id share no class
        deadline: float,
        kind: type[Response],
        compute: Callable[[], Response],
        complete: Callable[[Response], object] = lambda _: None,
    ) -> Response:
        """Return the first answer to this request, or compute it.

        Args:
            request: a message with a ``request_id``.
            deadline: monotonic seconds when the caller stops waiting.
            kind: of the answer.
            compute: makes it, but for what names people.
            complete: adds that, each time.

        Raises:
            ExpiredError: no time was left to begin; nothing was done.
            InvalidRequestError: the request_id is no UUID4.
            RequestIdReusedError: it was another request's.
        """

        def begin() -> Response:
            if self._monotonic() >= deadline:
                raise ExpiredError("the deadline passed before the work began")
            return compute()

        answer = self._first(request, deadline, kind, begin) if request.request_id else begin()
        complete(answer)
        return answer

    def _first(
        self,
        request: Any,  # noqa: ANN401  # messages with a request_id share no class
        deadline: float,
        kind: type[Response],
        compute: Callable[[], Response],
    ) -> Response:
        request_id = request.request_id.lower()
        if _UUID4.fullmatch(request_id) is None:
            raise InvalidRequestError("request_id", "is no UUID4; leave it out or give one")
        body = type(request)()
        body.CopyFrom(request)
        body.ClearField("request_id")
        asked = f"{type(request).__name__}|".encode() + body.SerializeToString(deterministic=True)
        digest = blake2b(asked, key=self._key, digest_size=_DIGEST_BYTES).digest()
        try:
            known = self._answers.get(request_id, self._halfway(deadline))
        except StoreUnavailableError:
            return compute()
        if known is not None:
            if known[:_DIGEST_BYTES] != digest:
                raise RequestIdReusedError(
                    "request_id: another request was answered under it; give each its own"
                )
            return kind.FromString(known[_DIGEST_BYTES:])
        made = compute()
        with suppress(StoreUnavailableError):  # then a repetition is answered anew
            kept = digest + made.SerializeToString()
            # Who has left may ask again, and is told the same.
            has_left = self._monotonic() >= deadline
            self._answers.put(request_id, kept, math.inf if has_left else self._halfway(deadline))
        return made

    def _halfway(self, deadline: float) -> float:
        """When half of the time that is left is over."""
        return (self._monotonic() + deadline) / 2
