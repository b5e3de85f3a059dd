"""Connections that wait no longer than who asks: redis-py knows one wait for all that it is asked.

A connection learns how much time is left when a thread takes it up, which is before each command or
pipeline, and again before each answer; what it was told for one caller it forgets for the next.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.utils import SENTINEL

LEAST_SECONDS = 0.001
"""None would be a wait of another kind."""


class _Asking(threading.local):
    """Until when the caller waits for whom a thread asks, monotonic seconds."""

    deadline = math.inf


_ASKING = _Asking()


@contextmanager
def waiting_until(deadline: float) -> Iterator[None]:
    """Let what this thread asks Redis in here wait so long at most, and never longer than usual.

    Args:
        deadline: monotonic seconds.
    """
    before, _ASKING.deadline = _ASKING.deadline, deadline
    try:
        yield
    finally:
        _ASKING.deadline = before


class _InTime(AbstractConnection):
    """Waits as long as it is made to, or as its caller does."""

    _usual: tuple[float | None, float | None] | None = None
    """What it was made with, while it has something else."""

    def connect(self) -> None:
        """Connect where that is not done; a pool calls this whenever it lends a connection."""
        deadline, usual = _ASKING.deadline, self._usual
        if deadline == math.inf and usual is None:
            super().connect()  # type: ignore[no-untyped-call]  # redis-py's
            return
        reply, connection = usual or (self.socket_timeout, self.socket_connect_timeout)
        left = _left(deadline)
        self._usual = None if deadline == math.inf else (reply, connection)
        self.socket_timeout = _shorter(reply, left)
        self.socket_connect_timeout = _shorter(connection, left)
        super().connect()  # type: ignore[no-untyped-call]  # likewise
        self.update_current_socket_timeout(-1)  # as was set just now

    def read_response(self, *args: Any, timeout: Any = SENTINEL, **options: Any) -> Any:  # noqa: ANN401  # redis-py's
        """Wait for each answer of several, and for each step of a handshake, as long as is left."""
        deadline = _ASKING.deadline
        if deadline != math.inf and timeout is SENTINEL:
            timeout = _shorter(self.socket_timeout, _left(deadline))
        return super().read_response(*args, timeout=timeout, **options)


class _Tcp(_InTime, Connection):
    pass


class _Tls(_InTime, SSLConnection):
    pass


class _Unix(_InTime, UnixDomainSocketConnection):
    pass


IN_TIME: dict[type, type] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}
"""For each kind of connection, the one that waits so."""


def _left(deadline: float) -> float:
    return max(LEAST_SECONDS, deadline - time.monotonic())


def _shorter(usual: float | None, left: float) -> float | None:
    if left == math.inf:
        return usual
    return left if usual is None else min(usual, left)
