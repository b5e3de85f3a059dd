"""A lock that goes to whoever has waited longest."""

import threading
from collections import deque


class FairLock:
    """Handed on in the order of those who wait.

    A lock of the library is free between two owners, and whoever runs takes it again before those
    who wait have woken: a batch that makes a hundred lists would let nobody in between.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_held = False
        self._waiting: deque[threading.Lock] = deque()  # each is released when its turn has come

    def acquire(self, timeout: float) -> bool:
        """Wait for the lock.

        Args:
            timeout: seconds at most, 0 or more.

        Returns:
            Whether it is the caller's now.
        """
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # handed on as the time was up

    def release(self) -> None:
        """Hand the lock on; it is the caller's."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_held = False
