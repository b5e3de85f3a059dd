"""How a shopper's liking changes the order of what is alike."""

import numpy as np
import pytest

from recsvc.core.tailoring import SHARE, SHARE_OF_UNKNOWN, tailored
from recsvc.core.vocabulary import MISSING

LIKENESS = np.array([1.0, 0.9, 0.8, 0.7], np.float32)
MILK, TEA = 0, 1


def kinds(*of: int) -> np.ndarray:
    return np.array(of, np.int32)


def test_of_a_kind_what_the_shopper_likes_moves_up() -> None:
    """By so many deviations of the likeness, times its share."""
    liking = np.array([-1.0, 1.0, -1.0, 1.0], np.float32)
    found = tailored(LIKENESS, liking, kinds(MILK, MILK, MILK, MILK))
    moved = SHARE * LIKENESS.std()
    assert found == pytest.approx(LIKENESS + liking * moved)
    assert found.dtype == np.float32


def test_which_kinds_belong_there_is_not_the_shoppers_say() -> None:
    """A kind that is liked more than another stays where its likeness has put it."""
    liking = np.array([0.0, 50.0, 0.0, 52.0], np.float32)
    found = tailored(LIKENESS, liking, kinds(MILK, TEA, MILK, TEA))
    assert (found[0], found[2]) == (pytest.approx(1.0), pytest.approx(0.8))
    assert found[1] + found[3] == pytest.approx(0.9 + 0.7)
    assert found[3] > found[1]


def test_of_products_of_no_known_kind_the_shopper_has_less_say() -> None:
    """They may be anything."""
    liking = np.array([-1.0, 1.0, -1.0, 1.0], np.float32)
    found = tailored(LIKENESS, liking, kinds(MISSING, MISSING, MISSING, MISSING))
    assert 0 < SHARE_OF_UNKNOWN < SHARE
    assert found == pytest.approx(LIKENESS + liking * SHARE_OF_UNKNOWN * LIKENESS.std())


@pytest.mark.parametrize("liking", [[0.0] * 4, [3e5] * 4, [1.0, 1.0 + 1e-7, 1.0, 1.0]])
def test_a_shopper_who_likes_all_the_same_changes_nothing(liking: list[float]) -> None:
    """Rounding is no liking; nor is there any among products each of its own kind."""
    same = np.array(liking, np.float32)
    assert tailored(LIKENESS, same, kinds(MILK, MILK, MILK, MILK)) is LIKENESS
    apart = np.array([4.0, 3.0, 2.0, 1.0], np.float32)
    assert tailored(LIKENESS, apart, kinds(0, 1, 2, 3)) is LIKENESS


def test_nothing_alike_is_nothing() -> None:
    """An empty list stays one."""
    nothing = np.zeros(0, np.float32)
    assert len(tailored(nothing, nothing, kinds())) == 0
