"""What holds where a question leaves it open."""

import pytest

from recsvc.core.diversity import Diversity
from recsvc.service.defaults import Defaults
from recsvc.service.questions import Question


@pytest.mark.parametrize(
    ("asked", "shop", "settled"),
    [
        (None, Diversity.LOW, Diversity.LOW),
        (Diversity.NONE, Diversity.LOW, Diversity.NONE),
        (Diversity.HIGH, Diversity.NONE, Diversity.HIGH),
    ],
)
def test_who_asks_decides_before_the_shop(
    asked: Diversity | None, shop: Diversity, settled: Diversity
) -> None:
    """NONE is asked for as well; only what is not said is the shop's."""
    assert Defaults(diversity=shop).settled(Question(diversity=asked)) == Question(
        diversity=settled
    )
