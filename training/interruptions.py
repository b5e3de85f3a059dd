"""Ctrl-C in the midst of C: what a callback of a library raises is printed there, and lost."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptions() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C interrupt as ever, and remember it; for the main thread.

    Yields:
        What raises KeyboardInterrupt if there was one that nobody has heeded, to be called now and
        then.
    """
    previous = signal.getsignal(signal.SIGINT)
    if previous is not signal.default_int_handler:  # somebody heeds it in another way, or nobody
        yield lambda: None
        return
    came = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.default_int_handler(number, frame)

    def heed() -> None:
        if came:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield heed
    finally:
        signal.signal(signal.SIGINT, previous)
