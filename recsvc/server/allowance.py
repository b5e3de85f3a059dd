"""What may be spent on those whom there is no room for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_SECONDS = 0.06
"""Some dozens of lists of what sells: what a queue that comes and goes turns away."""

SHARE = 0.005
"""So much of the time is saved up. Where a queue stays, no more is given: who is turned away must
cost nearly nothing."""

LEAST_SECONDS = 0.001
"""So much at least is each time counted: for what surrounds it, as what gRPC and the log take."""


class Allowance:
    """CPU time that is saved up, a little at a time, and spent when there is none.

    For one thread that spends; others may look whether anything is left.

    Args:
        monotonic: monotonic seconds.
        thread_time: seconds of CPU that the calling thread has had.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        thread_time: Callable[[], float] = time.thread_time,
    ) -> None:
        self._monotonic = monotonic
        self._thread_time = thread_time
        self._spent_by = monotonic() - MOST_SECONDS / SHARE
        """Saved up since then, as if nothing had been spent."""

    @property
    def is_left(self) -> bool:
        """Whether there is any; what is begun may take more."""
        return self._monotonic() > self._spent_by

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count what the calling thread takes meanwhile, and :data:`LEAST_SECONDS` at least."""
        began = self._thread_time()
        try:
            yield
        finally:
            spent = max(self._thread_time() - began, LEAST_SECONDS)
            saved_since = max(self._spent_by, self._monotonic() - MOST_SECONDS / SHARE)
            self._spent_by = saved_since + spent / SHARE
