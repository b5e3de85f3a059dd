"""The end of several that work behind the callers' backs."""

from functools import partial

import pytest

from recsvc.service.stopping import STOP_SECONDS, stop_all


class Clock:
    """Goes on while somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.waits: list[tuple[str, float]] = []

    def wait(self, name: str, needed: float, at_most: float) -> None:
        """Be stopped, which takes so long from the first call on."""
        self.waits.append((name, at_most))
        self.now += min(at_most, max(0.0, needed - (self.now - 1_000.0)))


def test_all_are_told_before_any_is_waited_for() -> None:
    """Who takes a moment ends while another one is waited for, and costs nothing."""
    clock = Clock()
    stops = [partial(clock.wait, name, STOP_SECONDS / 2) for name in "abc"]
    stop_all(stops, monotonic=lambda: clock.now)
    assert clock.waits[:3] == [("a", 0), ("b", 0), ("c", 0)]
    assert [name for name, _ in clock.waits[3:]] == ["a", "b", "c"]
    assert clock.now == pytest.approx(1_000 + STOP_SECONDS / 2)


def test_however_many_hang_the_end_comes_in_time() -> None:
    """One deadline holds for all; those that come after it are only looked at."""
    clock = Clock()
    stop_all([partial(clock.wait, name, 60.0) for name in "abcdefgh"], monotonic=lambda: clock.now)
    assert clock.now == pytest.approx(1_000 + STOP_SECONDS)
    assert clock.waits[-1] == ("h", 0)
