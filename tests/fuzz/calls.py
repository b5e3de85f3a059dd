"""Calls with given bytes, several under way at once, each judged when it has ended."""

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import grpc
from google.protobuf.message import DecodeError

from tests.fuzz.credentials import Credential
from tests.fuzz.methods import Method
from tests.fuzz.verdicts import (
    CALL_SECONDS,
    HANGS,
    LEFT_EARLY,
    UNHEARD,
    Verdict,
    fault_of,
    verdict_of,
)

_N_CHANNELS: Final = 4
_N_UNDER_WAY: Final = 16
_N_STREAMS: Final = 4
_SHORT_SECONDS: Final = (0.0005, 0.005, 0.05)
_SHARE_SHORT: Final = 0.01
_SHARE_PACKED: Final = 0.02
_GRACE_SECONDS: Final = CALL_SECONDS + 40.0
"""After which a call is said never to end; its deadline has passed long ago."""
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
_GIVEN: Final = {
    "next_page_token": "page_token",
    "consistency_token": "consistency_token",
    "recommendation_id": "recommendation_id",
}
"""Fields of responses that are sent back, and the fields that they are sent back in."""


@dataclass(frozen=True)
class Sent:
    """What was sent in one call.

    Attributes:
        method: of the API.
        messages: one, or those of a stream.
        credential: what was shown with it.
        n_steps: that the service had taken before.
    """

    method: Method
    messages: Sequence[bytes]
    credential: Credential
    n_steps: int = 0

    @property
    def n_bytes(self) -> int:
        """Of the largest message."""
        return max(map(len, self.messages), default=0)

    @property
    def bare(self) -> AbstractSet[grpc.StatusCode]:
        """Codes that it may end with and say no more: gRPC's own protocols know no details."""
        if self.method.is_ours:
            return frozenset()
        # grpcio says INTERNAL of what it cannot decode; reflection decodes by itself.
        is_read = all(is_readable(self.method, message) for message in self.messages)
        # That there is no such service, or no List, needs no more words.
        said = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED}
        return said if is_read or not self.method.asks_nobody else {grpc.StatusCode.INTERNAL}


Judge = Callable[[Sent, Verdict, Mapping[str, str]], None]
"""Is told what was sent, what came of it, and what the service gave out."""


class Calls:
    """Sends calls to one server.

    Args:
        target: ``HOST:PORT``.
        judge: is told of every call that has ended, by the thread that sends.
        chance: where chance comes from.

    Attributes:
        n_sent: messages that gRPC has taken, of calls that have ended; a stream that ends early
            leaves some behind.
    """

    def __init__(self, target: str, judge: Judge, chance: random.Random) -> None:
        self._channels = [grpc.insecure_channel(target, _OPTIONS) for _ in range(_N_CHANNELS)]
        self._judge = judge
        self._chance = chance
        self._under_way: deque[Callable[[], None]] = deque()
        self._streams = ThreadPoolExecutor(_N_STREAMS, "fuzz-streams")
        self.n_sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        if failure is None:  # after Ctrl-C, nobody knows what would be waited for
            self.wait()
        self._streams.shutdown()
        for channel in self._channels:
            channel.close()

    def send(self, sent: Sent) -> None:
        """Begin a call; while many are under way, wait for the oldest first."""
        while len(self._under_way) >= _N_UNDER_WAY:
            self._under_way.popleft()()
        if any(sent.method.is_streamed):
            self._under_way.append(self._stream(sent))
        else:
            self._under_way.append(self._one(sent))

    def wait(self) -> None:
        """Wait for all calls."""
        while self._under_way:
            self._under_way.popleft()()

    def _one(self, sent: Sent) -> Callable[[], None]:
        is_short = self._chance.random() < _SHARE_SHORT
        is_packed = self._chance.random() < _SHARE_PACKED
        channel = self._chance.choice(self._channels)
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(sent.method.path)
        call = method.future(
            sent.messages[0],
            timeout=self._chance.choice(_SHORT_SECONDS) if is_short else CALL_SECONDS,
            metadata=sent.credential.metadata,
            compression=grpc.Compression.Gzip if is_packed else None,
        )

        def end() -> None:
            self.n_sent += 1
            try:
                call.exception(_GRACE_SECONDS)  # waits; its class is of no interest
            except grpc.FutureTimeoutError:
                self._judge(sent, Verdict(HANGS, "it never ended", HANGS), {})
                return
            verdict = verdict_of(call, may_expire=is_short, n_bytes=sent.n_bytes, bare=sent.bare)
            if verdict.code == "OK":
                verdict, given = _looked_at(sent.method, call.result(), may_expire=is_short)
            else:
                given = {}
            self._judge(sent, admitted(sent, verdict), given)

        return end

    def _stream(self, sent: Sent) -> Callable[[], None]:
        channel = self._chance.choice(self._channels)
        # One more than these is read; what never ends may have no more.
        reads = self._chance.choice((0, 1, 1_000_000, 1_000_000) if sent.method.ends else (0,))
        messages = _Taken(sent.messages)
        future: Future[Verdict] = self._streams.submit(_streamed, channel, sent, messages, reads)

        def end() -> None:
            self._judge(sent, admitted(sent, future.result()), {})
            self.n_sent += messages.n_taken

        return end


class _Taken(Iterator[bytes]):
    """Messages of a stream, and how many of them have been taken."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self._messages = iter(messages)
        self.n_taken = 0

    def __next__(self) -> bytes:
        message = next(self._messages)
        self.n_taken += 1
        return message


def _streamed(channel: grpc.Channel, sent: Sent, messages: Iterator[bytes], reads: int) -> Verdict:
    """Make a call of a stream, and leave early after so many responses."""
    is_sent, is_read = sent.method.is_streamed
    metadata = sent.credential.metadata
    call: Any  # an iterator of responses, and a Call
    if is_sent and is_read:
        both: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(sent.method.path)
        call = both(messages, timeout=CALL_SECONDS, metadata=metadata)
    else:
        one: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(sent.method.path)
        call = one(next(messages), timeout=CALL_SECONDS, metadata=metadata)
    faults = []
    with suppress(grpc.RpcError):  # what it ended with is judged below
        for number, response in enumerate(call):
            if number >= reads:
                break
            faults.append(_looked_at(sent.method, response)[0].fault)
        else:
            reads = -1
    if reads >= 0 and call.is_active():
        call.cancel()
        return Verdict(LEFT_EARLY, next(filter(None, faults), ""), LEFT_EARLY)
    verdict = verdict_of(call, may_expire=False, n_bytes=sent.n_bytes, bare=sent.bare)
    fault = next(filter(None, faults), verdict.fault)
    return Verdict(verdict.code, fault, verdict.kind)


def admitted(sent: Sent, verdict: Verdict) -> Verdict:
    """The same, or what is wrong with who was let in and who was not."""
    is_refused = verdict.code == "UNAUTHENTICATED"
    is_good = True if sent.method.asks_nobody else sent.credential.is_good
    if is_good and is_refused:
        return replace(verdict, fault="the shop's own key was refused")
    # Who is turned away for want of room is asked for no credential.
    is_outside = is_refused or verdict.kind in {*UNHEARD, HANGS} or "OVERLOADED" in verdict.kind
    if is_good is False and not is_outside:
        return replace(verdict, fault=f"let in: {verdict.kind}, with {sent.credential.metadata}")
    return verdict


def is_readable(method: Method, message: bytes) -> bool:
    """Whether bytes are a message of a method."""
    try:
        method.request.FromString(message)
    except DecodeError:
        return False
    return True


def _looked_at(
    method: Method, data: bytes, *, may_expire: bool = False
) -> tuple[Verdict, Mapping[str, str]]:
    """Judge a response, the errors of its entries too, and find what it gives out."""
    try:
        response: Any = method.response.FromString(data)
    except DecodeError:
        return Verdict("OK", "OK with a response that cannot be read", "OK"), {}
    fields = response.DESCRIPTOR.fields_by_name
    given = {back: str(getattr(response, name)) for name, back in _GIVEN.items() if name in fields}
    results = response.results if "results" in fields else ()
    if "result" in fields and fields["result"].message_type is not None:
        results = (response.result,)
    for result in results:
        if "status" in result.DESCRIPTOR.fields_by_name and result.HasField("status"):
            fault = fault_of(result.status, may_expire=may_expire)
            if fault:
                return Verdict("OK", f"an entry's {fault}", "OK"), given
    return Verdict("OK", "", "OK"), given
