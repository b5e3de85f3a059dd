"""When another answer is made in the place of one that is kept."""

import pytest

from recsvc.service.found import is_due


@pytest.mark.parametrize(
    ("left", "cost", "drawn", "due"),
    [
        (0.0, 0.0, 0.0, True),  # over
        (-1.0, 0.0, 0.0, True),
        (60.0, 1.0, 0.5, False),  # e^-60 of all who ask
        (1.0, 1.0, 0.63, False),  # 1 - 1/e of them, a cost before the end
        (1.0, 1.0, 0.64, True),
        (1.0, 0.1, 0.64, False),  # what costs less is made later
        (1e-9, 0.0, 1 - 1e-16, False),  # what costs nothing only when it is over
    ],
)
def test_the_chance_grows_with_the_cost_and_towards_the_end(
    left: float, cost: float, drawn: float, *, due: bool
) -> None:
    """As e to the power of minus so many costs as there are until then."""
    assert is_due(left, cost, drawn) is due
