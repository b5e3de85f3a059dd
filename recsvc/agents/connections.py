"""Connections over HTTP: how many there may be, and how long one may stand still."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MAX_CALLS = 256
"""From so many connections on, calls are answered 503: a worker of gRPC holds as many calls."""

MAX_CONNECTIONS = 2 * MAX_CALLS
"""Beyond so many, none is kept: of the 1,024 files that a process may usually have open, half are
left to the shop's own."""

REQUEST_SECONDS = 20.0
"""How long a connection may take to send a request, and then to be answered: as long as one of gRPC
may take to begin, and more than any call takes."""


class Connection(H11Protocol):
    """Closes what stands still: uvicorn times only who is idle after an answer."""

    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # none before the first request
    _timer: asyncio.TimerHandle | None = None
    _is_asked = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it so
        """Keep a connection while there is room."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch it no more."""
        super().connection_lost(exc)
        self._unwatch()

    def data_received(self, data: bytes) -> None:
        """See whether a request is whole; a piece of one buys no time."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is there, and for this answer to be taken."""
        super().on_response_complete()
        self._unwatch()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Say that a request cannot be read, unless it has been answered already."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:  # as where the path is unknown, before the rest is read
            self.transport.abort()

    def shutdown(self) -> None:
        """End well; the other half of a request is not waited for."""
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body:
            self.transport.abort()
            return
        super().shutdown()

    def _watch(self) -> None:
        cycle = self.cycle
        is_asked = cycle is not None and not cycle.response_complete and not cycle.more_body
        if is_asked != self._is_asked:
            self._is_asked = is_asked
            self._unwatch()
        if self._timer is None:
            # Not closed: that would wait until what was answered is taken.
            self._timer = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
