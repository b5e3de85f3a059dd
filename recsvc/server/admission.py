"""Who is worked for: calls that would wait too long are turned away at once.

A queue that always has somebody in it makes everybody late and nothing more: a process gets as much
done with four who wait as with four hundred. So one that comes and goes may be long, and one that
stays must be short (CoDel; Maurer, "Fail at Scale", ACM Queue 13, 2015).
"""

import random
from collections.abc import Callable

from recsvc.errors import OverloadedError, RecsvcError
from recsvc.metrics import Metrics, Totals
from recsvc.server.allowance import Allowance
from recsvc.server.backlog import Backlog
from recsvc.server.deadlines import Deadlines

LASTING_SHARE = 0.5
"""Of the longest wait, what is allowed once there has been a queue for as long as callers wait.
With a fifth, 20 ms, a process turned away the callers of 64 lists from Redis, whom it answers in
21."""

USUAL_SETTINGS = 2.5
"""So many times the longest wait is what callers are taken to give, before it is known. The rest is
for the list, and for having guessed the wait too short by half."""

WAITING_SHARE = 0.7
"""Of what they give beyond that, so much may be waited for as well: whose time runs out at last is
given what sells, and that is better than nothing."""

MAX_SETTINGS = 8.0
"""So many times the setting at most: who waits for ever does not make a queue useful."""

MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.1, 5.0


class ExpiredError(RecsvcError):
    """The caller has stopped waiting, and never reads this."""

    default_reason = "DEADLINE_EXCEEDED"


class Admission:
    """Says whether a call may wait, and what else it is told.

    Args:
        backlog: what the threads hold.
        max_held: calls held at once, of whatever kind.
        max_wait_seconds: how long who asks for a list may have to wait, whatever time they give;
            beyond :data:`USUAL_SETTINGS` as long who gives more may wait for :data:`WAITING_SHARE`
            of it as well, :data:`MAX_SETTINGS` as long at most.
        metrics: counts those turned away.
        draw: random numbers between 0 and 1.
        n_beside: calls that other threads hold, which count among those held at once.

    Attributes:
        deadlines: learns what time the callers of lists give.
        allowance: what may be spent on those who may not wait.
    """

    def __init__(
        self,
        backlog: Backlog,
        *,
        max_held: int,
        max_wait_seconds: float,
        metrics: Metrics,
        draw: Callable[[], float] = random.random,
        n_beside: Callable[[], int] = lambda: 0,
    ) -> None:
        self._backlog = backlog
        self._max_held = max_held
        self._max_wait_seconds = max_wait_seconds
        usual = USUAL_SETTINGS * max_wait_seconds
        most = usual + (MAX_SETTINGS - 1) * max_wait_seconds / WAITING_SHARE
        self.deadlines = Deadlines(usual, most)
        self.allowance = Allowance()
        self._draw = draw
        self._n_beside = n_beside
        self._turned_away = Totals(metrics.turned_away, metrics.tallies)

    @property
    def is_full(self) -> bool:
        """Whether there is no room, for nobody."""
        return self._backlog.n_held + self._n_beside() >= self._max_held

    @property
    def is_slow(self) -> bool:
        """Whether who comes now would wait too long."""
        if not self._backlog.n_waiting:
            return False
        given, usual = self.deadlines.seconds, USUAL_SETTINGS * self._max_wait_seconds
        longest = self._max_wait_seconds + WAITING_SHARE * (given - usual)
        if self._backlog.jam_seconds > given:  # it has outlasted its callers
            longest *= LASTING_SHARE
        return self._backlog.wait_seconds > longest

    def begins(self, seconds_left: float) -> None:
        """Begin with a call.

        Args:
            seconds_left: until its deadline.

        Raises:
            ExpiredError: it has passed; that is counted.
        """
        if seconds_left <= 0:
            self._turned_away["expired"].add()
            raise ExpiredError("the deadline passed before the work began")

    def refused(self) -> OverloadedError:
        """What a call is told that may not wait; it is counted."""
        if self.is_full:
            return self._told("full", f"this process holds {self._max_held} calls already")
        return self._told("wait", "this process would answer too late")

    def streams_refused(self, max_streams: int) -> OverloadedError:
        """What a stream too many is told; it is counted."""
        return self._told("streams", f"this process holds {max_streams} streams already")

    def _told(self, reason: str, what: str) -> OverloadedError:
        self._turned_away[reason].add()
        # Nobody knows when it will end; of what has lasted so long it is a fair guess that it is
        # half over. All who are told at the same moment must not come back at the same moment.
        lasted = min(max(self._backlog.jam_seconds, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)
        return OverloadedError(
            f"{what}; try again after the delay in RetryInfo, or send less",
            retry_seconds=lasted * (0.5 + self._draw()),
        )
