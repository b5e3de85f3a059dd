"""How long callers wait: who gives a second is not turned away as who gives a quarter of one."""

import time
from collections.abc import Callable

_FALL = 0.8
"""For each who gives less: from a second to a quarter of one in seven calls."""

_DOUBLING_SECONDS = 60.0
"""So slowly it rises again where all give more, however many they are: four in a hurry a minute,
the pages of a shop whose nightly job asks for all its lists, are reckoned with."""

_MOST_DOUBLINGS = 32.0
"""Beyond all bounds. After a weekend without a call the power would be no number any more."""

_NEVER_SECONDS = 365 * 86_400.0
"""Who gives longer has no deadline: gRPC has a number for that."""


class Deadlines:
    """What the callers of late give, nearly all of them.

    It falls for each who gives less, and rises slowly while nobody does. Who has no deadline says
    nothing of it. Threads may share it: one that overwrites what another has just learnt loses a
    call's worth.

    Args:
        least, most: bounds of what is reckoned with, seconds; ``least`` before anybody came.
        monotonic: monotonic seconds.

    Attributes:
        seconds: what they give.
    """

    def __init__(
        self, least: float, most: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._least, self._most = least, most
        self._monotonic = monotonic
        self._learnt_at: float | None = None
        self.seconds = least

    def learn(self, given: float) -> None:
        """Take in how long somebody waits in all, seconds."""
        if given > _NEVER_SECONDS:
            return
        now, since = self._monotonic(), self._learnt_at
        self._learnt_at = now
        if since is None:
            seconds = given
        elif given < self.seconds:
            seconds = max(given, self.seconds * _FALL)
        else:
            doublings = min((now - since) / _DOUBLING_SECONDS, _MOST_DOUBLINGS)
            seconds = min(given, self.seconds * 2**doublings)
        self.seconds = min(max(seconds, self._least), self._most)
