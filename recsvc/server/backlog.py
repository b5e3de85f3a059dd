"""The calls that a pool of threads holds, and how long that will take."""

import math
import time
from collections.abc import Callable

LEARNING_RATE = 0.1


class Backlog:
    """How many calls a pool of threads holds, and at what pace it gets rid of them.

    Numbers of one lock: whoever owns it calls :meth:`begin` and :meth:`end` under it. They are read
    without, and may then be of a moment ago.

    Args:
        n_threads: calls beyond so many wait.
        monotonic: monotonic seconds.
    """

    def __init__(self, n_threads: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.n_held = 0
        self._n_threads = n_threads
        self._monotonic = monotonic
        self._pace_seconds = 0.0
        self._n_learnt = 0
        self._ended_at = -math.inf
        self._since = self._busy_since = math.inf

    def begin(self) -> None:
        """Hold one call more."""
        self.n_held += 1
        if self.n_held == self._n_threads:
            self._busy_since = self._monotonic()
        elif self.n_held == self._n_threads + 1:
            self._since = self._monotonic()

    def end(self) -> None:
        """Hold one call less, since it has ended."""
        now = self._monotonic()
        # Between two ends no thread had nothing to do, and so that is the pace: also of threads
        # that hold each other up, or share their core. That nobody waited is no matter: of a slow
        # pace nobody is let in to wait, and it must be seen that it has passed.
        if self._busy_since < self._ended_at:
            self.learn(now - self._ended_at)
        self._ended_at = now
        self.n_held -= 1
        if self.n_held == self._n_threads:
            self._since = math.inf
        elif self.n_held == self._n_threads - 1:
            self._busy_since = math.inf

    def learn(self, seconds: float) -> None:
        """Take in how long after the one before a call has ended, with all threads busy."""
        self._n_learnt += 1
        rate = max(LEARNING_RATE, 1 / self._n_learnt)
        self._pace_seconds += rate * (seconds - self._pace_seconds)

    @property
    def n_waiting(self) -> int:
        """Calls that wait for a thread."""
        return max(0, self.n_held - self._n_threads)

    @property
    def wait_seconds(self) -> float:
        """How long all that is held now will take to end, and who comes now may wait.

        What has a thread is in it: lists wait there for their turn to be made, and with slow ones
        that is the longer wait.

        Nothing is known of it before every thread may have ended a call: those that have waited
        for the same thing, as a store that halts, all end with it, and none for a while before.
        """
        if self._n_learnt < self._n_threads:
            return 0.0
        return self.n_held * self._pace_seconds

    @property
    def jam_seconds(self) -> float:
        """How long there has always been a call that waits; 0 where none does."""
        return max(0.0, self._monotonic() - self._since)
