"""The estimate of what a list costs."""

import pytest

from recsvc.service.cost import CostEstimate


def test_it_follows_what_is_measured() -> None:
    """Many measurements outweigh the first guess; a single one does not."""
    cost = CostEstimate(0.01)
    cost.learn(1.0)
    assert cost.seconds < 0.2
    for _ in range(100):
        cost.learn(1.0)
    assert cost.seconds == pytest.approx(1.0, abs=0.01)


def test_a_bad_moment_is_forgotten() -> None:
    """When everything is answered in the cheap way, the dear one gets another chance."""
    cost = CostEstimate(2.0)
    for _ in range(300):
        cost.relax()
    assert cost.seconds < 0.01
