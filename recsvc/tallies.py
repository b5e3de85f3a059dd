"""Numbers that calls add to, written to their metrics together, now and then.

To write a number to the file that the supervisor's page adds up takes two microseconds, and a call
has seven of them: more than what it does to find its list. To leave a number behind takes a tenth.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

END_SECONDS = 0.5
"""So long at most the end waits for numbers to be written, as to a disk that hangs."""

LINGER_SECONDS = 0.1
"""A number waits so long at most, and is lost with a worker that is killed meanwhile."""


class Tallies:
    """All tallies of a process. Numbers wait only while somebody writes them."""

    def __init__(self) -> None:
        self.lingers = False
        self._tallies: list[Tally] = []
        self._writing = threading.Lock()
        self._stopping = threading.Event()

    def tally(self, write: Callable[[Sequence[float]], object]) -> "Tally":
        """A new tally.

        Args:
            write: takes numbers that were added, in order.
        """
        made = Tally(self, write)
        self._tallies.append(made)
        return made

    def total(self, increase: Callable[[float], object]) -> "Tally":
        """A new tally of which only the sum counts.

        Args:
            increase: of a counter or a gauge.
        """

        def write(numbers: Sequence[float]) -> None:
            if total := sum(numbers):
                increase(total)

        return self.tally(write)

    def flush(self) -> None:
        """Write what waits."""
        with self._writing:
            for tally in list(self._tallies):
                tally.write()

    @contextmanager
    def lingering(self, then: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Let numbers wait inside.

        Args:
            then: called at once, and each time that those that waited were written, whether there
                were any or not, by a thread of its own: no call waits for it.
        """
        self.flush()
        then()
        self._stopping.clear()
        thread = threading.Thread(target=self._linger, args=(then,), name="tallies", daemon=True)
        thread.start()
        self.lingers = True
        try:
            yield
        finally:
            self.lingers = False
            self._stopping.set()
            thread.join(END_SECONDS)
            self.flush()

    def _linger(self, then: Callable[[], object]) -> None:
        try:
            while not self._stopping.wait(LINGER_SECONDS):
                self.flush()
                then()
            self.flush()
            then()
        finally:
            self.lingers = False  # nothing waits for a thread that is no more


class Tally:
    """Numbers of one kind; safe to share between threads.

    Args:
        owner: tells whether they may wait.
        write: takes those that were added, in order.
    """

    __slots__ = ("_owner", "_waiting", "_write")

    def __init__(self, owner: Tallies, write: Callable[[Sequence[float]], object]) -> None:
        self._owner = owner
        self._write = write
        self._waiting: list[float] = []  # one step of the interpreter adds to it: no lock

    def add(self, number: float = 1) -> None:
        """Add a number."""
        self._waiting.append(number)
        if not self._owner.lingers:
            self._owner.flush()

    def write(self) -> None:
        """Write what waits; one thread at a time."""
        if self._waiting:
            numbers = self._waiting[:]
            del self._waiting[: len(numbers)]
            self._write(numbers)
