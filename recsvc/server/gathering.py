"""What a stream's caller has sent, taken together: what has come meanwhile is worked on at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Generic, Self, TypeVar

import grpc

Message = TypeVar("Message")

MAX_WAITING_BYTES = 1 << 20
"""A message is some hundred bytes; whoever sends more of larger ones waits until they are read. The
last one may go beyond."""


class Gathered(Generic[Message]):
    """An iterator over groups of messages, each of all that have come since the one before.

    A thread reads ahead, as far as there is room: gRPC can only be asked for one message, and to be
    waited for. Close it, or the thread stays until the stream has ended.

    Args:
        messages: of the stream.
        at_most: messages of a group.
        size: bytes of a message; with :data:`MAX_WAITING_BYTES` waiting no more are read.
        idle: is entered while there are none.
        idle_seconds: how long there may be none.
        too_idle: what is raised then.
    """

    def __init__(
        self,
        messages: Iterator[Message],
        at_most: int,
        size: Callable[[Message], int],
        idle: Callable[[], AbstractContextManager[None]],
        idle_seconds: float,
        too_idle: Callable[[], Exception],
    ) -> None:
        self._messages = messages
        self._at_most = at_most
        self._size = size
        self._idle = idle
        self._idle_seconds = idle_seconds
        self._too_idle = too_idle
        self._changed = threading.Condition()
        self._waiting: list[Message] = []
        self._n_bytes = 0
        self._is_over = False
        self._error: grpc.RpcError | None = None
        threading.Thread(target=self._read, name="stream-reader", daemon=True).start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[Message]:
        """What has come; waits for the first.

        Raises:
            grpc.RpcError: the stream has been broken off.
            Exception: what ``too_idle`` gives; nothing has come for too long.
        """
        with self._idle(), self._changed:
            if not self._changed.wait_for(
                lambda: self._waiting or self._is_over, self._idle_seconds
            ):
                raise self._too_idle()
            group, self._waiting, self._n_bytes = self._waiting, [], 0
            self._changed.notify_all()
        if group:
            return group
        raise self._error or StopIteration

    def close(self) -> None:
        """Read no further."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    @property
    def _has_room(self) -> bool:
        return len(self._waiting) < self._at_most and self._n_bytes < MAX_WAITING_BYTES

    def _read(self) -> None:
        try:
            for message in self._messages:
                with self._changed:
                    self._waiting.append(message)
                    self._n_bytes += self._size(message)
                    self._changed.notify_all()
                    # Before the next one is asked for, which may be as large as a message can be.
                    self._changed.wait_for(lambda: self._has_room or self._is_over)
                    if self._is_over:
                        return
                del message  # or it would stay here until the next one comes
        except grpc.RpcError as error:
            self._error = error
        finally:
            self.close()
