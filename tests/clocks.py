"""Clocks for tests."""


class SetClock:
    """A clock that stands still until it is set.

    Args:
        now: what it says at first, seconds.
    """

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
