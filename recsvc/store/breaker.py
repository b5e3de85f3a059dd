"""A circuit breaker: a store that is down costs its callers microseconds, not timeouts."""

import math
import random
import threading
import time
from collections.abc import Callable

_JITTER = 0.5
"""The share of a cool-down that the lot may take away: workers and machines that lost one store at
the same moment must not all come back to it at the same moment."""

TELLING_SECONDS = 0.05
"""Who gives up sooner has learnt nothing of the store."""


class CircuitBreaker:
    """Opens after consecutive failures, then lets one caller a cool-down probe.

    Whoever is allowed through reports back with ``record_success``, ``record_failure`` or
    ``record_given_up``. A probe that never reports only delays the next one by a cool-down.
    Thread-safe.

    Args:
        clock: returns monotonic seconds.
        failure_threshold: consecutive failures that open the breaker.
        cool_down_seconds: wait before the first probe; each failed probe doubles it.
        max_cool_down_seconds: its ceiling, so also how late a store's return may be noticed.
        draw: the lot, from 0 to 1; each wait is a cool-down at 0, half of one at 1.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        failure_threshold: int = 3,
        cool_down_seconds: float = 0.25,
        max_cool_down_seconds: float = 1.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._failure_threshold = failure_threshold
        self._first_cool_down = cool_down_seconds
        self._max_cool_down = max_cool_down_seconds
        self._lock = threading.Lock()
        self._n_failures = 0
        self._silent_since = math.inf
        self._cool_down = cool_down_seconds
        self._probe_at = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether callers are turned away, but for the probes."""
        return self._n_failures >= self._failure_threshold

    def allow(self) -> bool:
        """Return whether the caller may try the store now."""
        if not self.is_open:
            return True
        with self._lock:
            now = self._clock()
            if now < self._probe_at:
                return False
            # This caller is the probe; the next one waits for a whole cool-down.
            self._probing = True
            self._probe_at = now + self._wait()
            return True

    def record_success(self) -> None:
        """Close the breaker: the store answered."""
        if self._n_failures == 0 and self._silent_since == math.inf:
            return  # the common case takes no lock
        with self._lock:
            self._n_failures = 0
            self._silent_since = math.inf
            self._cool_down = self._first_cool_down
            self._probing = False

    def record_failure(self) -> None:
        """Count a failure: it may open the breaker, or lengthen the cool-down after a probe."""
        with self._lock:
            was_open = self.is_open
            self._n_failures += 1
            if was_open and not self._probing:
                return  # a straggler that started before the breaker opened says nothing new
            if was_open:
                self._cool_down = min(2 * self._cool_down, self._max_cool_down)
                self._probing = False
            self._probe_at = self._clock() + self._wait()

    def record_given_up(self, began: float, usual_seconds: float) -> None:
        """Report a caller who would not wait as long as others do.

        That is a failure only where nobody has been answered for so long: those in a hurry must
        not turn away those who are not, nor wait for the dead one after another.

        Args:
            began: when it did.
            usual_seconds: how long others wait.
        """
        now = self._clock()
        if now - began < TELLING_SECONDS:
            return
        with self._lock:
            self._silent_since = min(self._silent_since, began)
            is_down = now - self._silent_since >= usual_seconds
        if is_down:
            self.record_failure()

    def _wait(self) -> float:
        """How long the next probe is waited for, seconds."""
        return self._cool_down * (1 - _JITTER * self._draw())
