"""How long streams are waited for: whoever neither asks nor reads makes room for others."""

import math
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

import grpc

from recsvc.errors import StreamEndedError
from recsvc.metrics import Metrics, Totals
from recsvc.server.errors import code_of

SWEEPS = 8
"""A stream is ended an eighth later than it might be."""

UNREAD_SECONDS = 5.0
"""An answer that was not taken for so long holds up the end of a process no longer. Who reads takes
the 64 KiB that may lie before it in that time even over a line of 100 kbit/s."""


class UnreadError(StreamEndedError):
    """Nobody reads what is answered, and the caller has been told so already."""

    default_reason = "STREAM_UNREAD"


class Patience:
    """Ends streams whose callers do nothing; safe to share between threads.

    Args:
        seconds: how long they may.
        metrics: counts those that were ended.
        monotonic: monotonic seconds.

    Attributes:
        seconds: how long they may.
    """

    def __init__(
        self, seconds: float, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._ended = Totals(metrics.streams_ended, metrics.tallies)
        self._lock = threading.Lock()
        self._sendings: set[_Sending] = set()

    def idle(self) -> StreamEndedError:
        """What a stream is told on which nothing was asked for so long; it is counted."""
        self._ended["idle"].add()
        return StreamEndedError(
            f"nothing was asked on this stream for {self.seconds:g} s; end a stream when nothing "
            "is left to ask, and open another one when there is"
        )

    def taken(self, answers: Iterable[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """Give the answers of a stream, and be found by :meth:`sweep` while one is not taken.

        Args:
            answers: of any message; closed at the end, before what stands around this one ends.
            context: of the call.

        Raises:
            UnreadError: the stream was ended for that.
        """
        sending = _Sending(context)
        with self._lock:
            self._sendings.add(sending)
        try:
            with closing(_each(answers)) as given:
                for answer in given:
                    sending.since = self._monotonic()
                    try:
                        yield answer
                    except GeneratorExit:
                        # gRPC lets go of a call that has ended; this one has ended for a reason.
                        if sending.is_ended:
                            raise self._unread() from None
                        raise
                    sending.since = math.inf
                    if sending.is_ended:
                        raise self._unread()
        finally:
            with self._lock:
                self._sendings.discard(sending)

    @property
    def n_unread(self) -> int:
        """Streams of which an answer was not taken for :data:`UNREAD_SECONDS`."""
        return len(self._unread_since(self._monotonic() - UNREAD_SECONDS))

    def sweep(self) -> None:
        """End the streams whose callers have not read for too long."""
        for sending in self._unread_since(self._monotonic() - self.seconds):
            if not sending.is_ended:
                sending.is_ended = True
                self._ended["unread"].add()
                _end(sending.context, self._unread())

    def _unread_since(self, moment: float) -> "list[_Sending]":
        with self._lock:
            return [each for each in self._sendings if each.since <= moment]

    def _unread(self) -> UnreadError:
        return UnreadError(
            f"an answer was not read for {self.seconds:g} s; read answers as they come, and ask "
            "again on another stream for those that are missing"
        )


def _each(answers: Iterable[Any]) -> Generator[Any, None, None]:
    """The same, to be closed also where they are no generator."""
    yield from answers


class _Sending:
    """A stream, and since when its last answer waits to be taken, monotonic seconds."""

    __slots__ = ("context", "is_ended", "since")

    def __init__(self, context: grpc.ServicerContext) -> None:
        self.context = context
        self.is_ended = False
        self.since = math.inf


def _end(context: grpc.ServicerContext, error: StreamEndedError) -> None:
    """End a call from outside, whatever it waits for.

    A status of the usual kind would wait behind the answers that nobody reads. gRPC's own function
    for this says CANCELLED without a word, by which clients know a server that shuts down and ask
    again. The call beneath it takes a code and words; details it does not.
    """
    call = getattr(getattr(context, "_rpc_event", None), "call", None)
    if call is None:  # another release may keep it elsewhere
        context.cancel()
    else:
        call.cancel(code_of(error).value[0], str(error))
