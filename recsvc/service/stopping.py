"""The end of what works behind the callers' backs: told to all at once, waited for for a moment."""

import time
from collections.abc import Callable, Sequence

STOP_SECONDS = 2.0
"""So long at most an end waits for what is under way."""


def stop_all(
    stops: Sequence[Callable[[float], object]],
    wait_seconds: float = STOP_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Stop several, within one time for all together.

    Args:
        stops: each begins an end when it is first called, and waits for it so many seconds at most.
        wait_seconds: that time.
        monotonic: monotonic seconds.
    """
    for stop in stops:
        stop(0.0)
    end = monotonic() + wait_seconds
    for stop in stops:
        stop(max(0.0, end - monotonic()))
