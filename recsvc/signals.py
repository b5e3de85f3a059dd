"""What processes say to each other: signals, and exit codes."""

import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

EXIT_CONFIGURATION = 2
"""Exit code of a worker whose configuration cannot work; starting it again would not help."""

STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
"""What ends a supervisor, and what ends its workers."""


ROLL_SIGNAL = signal.SIGHUP
"""What has a supervisor replace its workers, one after another."""


def has_terminal() -> bool:
    """Whether there is a terminal that Ctrl-C would come from."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def signals_within(
    seconds: float | None, signals: int, words: Sequence[int] = ()
) -> frozenset[int]:
    """Return the signals that come within ``seconds``; none if a word comes first."""
    readable, _, _ = select.select([signals, *words], [], [], seconds)
    return frozenset(os.read(signals, 256)) if signals in readable else frozenset()


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Unwind on SIGTERM, as on Ctrl-C, so that what was started is ended too.

    Raises:
        SystemExit: with 128 and the signal's number, as a shell says it.
    """
    previous = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def held_roll() -> Iterator[None]:
    """Have SIGHUP wait for :func:`signal_pipe`, which may be a moment away: it would end us.

    What comes after that goes nowhere. Not where there is a terminal: whether that was closed
    meanwhile nobody could tell later.
    """
    if has_terminal():
        yield
        return
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {ROLL_SIGNAL})
    try:
        yield
    finally:
        previous = signal.signal(ROLL_SIGNAL, signal.SIG_IGN)  # which lets go of what waits
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        signal.signal(ROLL_SIGNAL, previous)


@contextmanager
def signal_pipe() -> Iterator[int]:
    """Turn the stop signals, SIGHUP and SIGCHLD into bytes on a pipe; yields its read end.

    What was held before comes as well, and is held again afterwards.

    A handler in Python would not do: it waits for the main thread, which nothing wakes where the
    kernel gave the signal to another thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handled = (*STOP_SIGNALS, ROLL_SIGNAL, signal.SIGCHLD)
    # The handlers do nothing: what matters is the byte that the interpreter writes for them.
    previous = {number: signal.signal(number, lambda *_: None) for number in handled}
    previous_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    held = signal.pthread_sigmask(signal.SIG_UNBLOCK, handled)
    try:
        yield reader
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        signal.set_wakeup_fd(previous_fd)
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
