"""Lists that are made again behind their callers' backs, by a few threads of their own.

A caller who finds a list that is due gives it as it is, and leaves the question here. So nobody
waits for a list that everybody could be given, and a call has its thread back at once; what making
costs is bounded, and what there is no room for is brought by the next caller again.
"""

import threading
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from enum import StrEnum
from typing import Protocol

from recsvc.errors import RecsvcError
from recsvc.logs import Logger
from recsvc.metrics import Metrics, Totals
from recsvc.service.stopping import STOP_SECONDS

N_THREADS = 2
"""One goes on where the other waits for the store; more would only be in the way of the calls."""

MAX_WAITING = 64
WAITING_SECONDS = 1.0
"""A question that has waited so long is let go of: whoever asks next brings it again."""

REST_SECONDS = 0.25
"""So long a list is not tried again that another process is at, or that could not be made."""


class Refreshed(StrEnum):
    """What came of making a list again."""

    DONE = "done"
    ELSEWHERE = "elsewhere"
    """Another process is at it."""
    OUTDATED = "outdated"
    """The list has been replaced, or nobody would be given it any more."""
    FAILED = "failed"
    DROPPED = "dropped"
    """There was no room for it, or no thread soon."""


class Refresher(Protocol):
    """Makes lists again, some time soon."""

    def offer(self, name: Hashable, work: Callable[[], Refreshed]) -> None:
        """Do some work, unless it is under way already or there is no room for it.

        Args:
            name: of the work.
            work: says what came of it.
        """
        ...


class Refreshes:
    """A few threads, which begin when they are needed.

    Args:
        metrics: counts what came of each.
        logger: told of what could not be made.
        monotonic: monotonic seconds.
    """

    def __init__(
        self, metrics: Metrics, logger: Logger, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._counts = Totals(metrics.refreshes, metrics.tallies)
        self._logger = logger
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._waiting: dict[Hashable, tuple[Callable[[], Refreshed], float]] = {}
        self._busy: set[Hashable] = set()
        self._resting: dict[Hashable, float] = {}
        self._threads: list[threading.Thread] = []
        self._is_stopping = False

    def offer(self, name: Hashable, work: Callable[[], Refreshed]) -> None:
        """Do some work, unless it is under way already or there is no room for it."""
        now = self._monotonic()
        with self._changed:
            is_known = name in self._waiting or name in self._busy
            if is_known or self._is_stopping or now < self._resting.get(name, now):
                return
            n_wanted = len(self._waiting) + len(self._busy) + 1
            if len(self._threads) < min(n_wanted, N_THREADS):
                self._begin_thread()
            is_taken = bool(self._threads) and len(self._waiting) < MAX_WAITING
            if is_taken:
                self._waiting[name] = work, now
                self._changed.notify()
        if not is_taken:
            self._counts[Refreshed.DROPPED].add()

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """Begin nothing more; what is being made is waited for so long."""
        with self._changed:
            self._is_stopping = True
            self._waiting.clear()
            self._changed.notify_all()
        end = self._monotonic() + wait_seconds
        for thread in self._threads:
            thread.join(max(0.0, end - self._monotonic()))

    def _begin_thread(self) -> None:
        thread = threading.Thread(target=self._run, name="refreshes", daemon=True)
        # Where the process may have no more threads, that is no fault of the call that brings this.
        with suppress(RuntimeError):
            thread.start()
            self._threads.append(thread)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_stopping:
                    self._changed.wait()
                if self._is_stopping:
                    return
                name, (work, since) = next(iter(self._waiting.items()))
                del self._waiting[name]
                self._busy.add(name)
            is_old = self._monotonic() - since > WAITING_SECONDS
            outcome = Refreshed.DROPPED if is_old else self._outcome(work)
            # Or it would hold on to the last question while it waits for the next one.
            del work
            self._counts[outcome].add()
            with self._changed:
                self._busy.discard(name)
                self._rest(name, outcome)

    def _rest(self, name: Hashable, outcome: Refreshed) -> None:
        now = self._monotonic()
        if len(self._resting) >= MAX_WAITING:
            self._resting = {name: end for name, end in self._resting.items() if now < end}
        if outcome in {Refreshed.ELSEWHERE, Refreshed.FAILED}:
            self._resting[name] = now + REST_SECONDS

    def _outcome(self, work: Callable[[], Refreshed]) -> Refreshed:
        try:
            return work()
        except RecsvcError as error:
            self._logger.warning("refresh_failed", error=str(error))
        except Exception as error:  # a thread that ended would leave the lists to grow old
            self._logger.exception("refresh_failed", error=str(error))
        return Refreshed.FAILED
