"""How long callers wait: who gives a second is not turned away as who gives a quarter of one."""

import math

_BELOW_SHARE = 0.01
"""Of the callers so many may give less than is reckoned with: the pages of a shop whose nightly job
asks for all its lists are few."""

_LEARNING_RATE = 0.2
"""From those who give a second to those who give a quarter of one in seven calls; back in 700."""


class Deadlines:
    """What nearly all callers of late have left, as learnt from one after another.

    It rises by little for each who gives more and falls by much for each who gives less, so that it
    rests where the few give less (a quantile by stochastic approximation; Robbins and Monro, Ann.
    Math. Statist. 22, 1951). Who has no deadline says nothing of it. Threads may share it: one that
    overwrites what another has just learnt loses a call's worth.

    Args:
        least, most: bounds of what is reckoned with, seconds; ``least`` before anybody came.

    Attributes:
        seconds: what they have left.
    """

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most
        self._is_new = True
        self.seconds = least

    def learn(self, left: float) -> None:
        """Take in how long somebody still waits, seconds, whose turn it is."""
        if math.isinf(left):
            return
        if self._is_new:
            self._is_new, seconds = False, left
        elif left < self.seconds:
            seconds = self.seconds * (1 - _LEARNING_RATE * (1 - _BELOW_SHARE))
        else:
            seconds = self.seconds * (1 + _LEARNING_RATE * _BELOW_SHARE)
        self.seconds = min(max(seconds, self._least), self._most)
