"""The lot of an experiment."""

import numpy as np
import pytest

from recsvc.core.assignment import takes_part, variant_of

SHOPPERS = [f"{number:016x}" for number in range(20_000)]


def test_a_shopper_keeps_their_variant_for_ever() -> None:
    """Written down once: another hash would move everybody."""
    assert [variant_of("s", shopper, (1, 1)) for shopper in SHOPPERS[:8]] == [
        0,
        1,
        0,
        0,
        0,
        1,
        1,
        0,
    ]


def test_variants_get_their_shares() -> None:
    chosen = np.array([variant_of("salt", shopper, (0.5, 0.3, 0.2)) for shopper in SHOPPERS])
    shares = np.bincount(chosen, minlength=3) / len(SHOPPERS)
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.01)


def test_one_variant_is_everybodys() -> None:
    assert {variant_of("salt", shopper, (0.1,)) for shopper in SHOPPERS[:50]} == {0}


def test_two_experiments_divide_shoppers_independently() -> None:
    one, two = (
        np.array([variant_of(salt, shopper, (1, 1)) for shopper in SHOPPERS])
        for salt in ("one", "two")
    )
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02


def test_who_takes_part_says_nothing_of_the_variant() -> None:
    taking = [shopper for shopper in SHOPPERS if takes_part("salt", shopper, 0.3)]
    assert len(taking) / len(SHOPPERS) == pytest.approx(0.3, abs=0.01)
    assert np.mean([variant_of("salt", each, (1, 1)) for each in taking]) == pytest.approx(
        0.5, abs=0.02
    )


def test_a_raised_share_keeps_who_took_part() -> None:
    few, many = (
        {shopper for shopper in SHOPPERS if takes_part("salt", shopper, share)}
        for share in (0.1, 0.2)
    )
    assert few < many


def test_a_whole_share_is_everybody() -> None:
    assert all(takes_part("salt", shopper, 1.0) for shopper in SHOPPERS)


def test_salt_and_shopper_do_not_run_together() -> None:
    whole = [variant_of("ab", shopper, (1, 1)) for shopper in SHOPPERS[:200]]
    moved = [variant_of("a", f"b{shopper}", (1, 1)) for shopper in SHOPPERS[:200]]
    assert whole != moved
