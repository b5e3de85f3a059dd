"""How many shoppers an experiment needs."""

import pytest

from training.experiments.power import click_variance, plan


def test_a_test_of_one_look_needs_what_the_textbook_says() -> None:
    """Two proportions, 10 % against 10.5 %: some 58,000 each; the logarithm says 3 % more."""
    assert plan(0.05, click_variance(0.10, 1)).n_fixed == pytest.approx(2 * 57_800, rel=0.04)


def test_looking_every_day_costs_shoppers() -> None:
    found = plan(0.05, 1.0)
    assert 1.4 < found.n_shoppers / found.n_fixed < 1.9


def test_half_the_lift_needs_four_times_the_shoppers() -> None:
    few, many = plan(0.04, 1.0), plan(0.02, 1.0)
    assert many.n_shoppers / few.n_shoppers == pytest.approx(4, rel=0.05)


def test_more_power_needs_more_shoppers() -> None:
    assert plan(0.05, 1.0, power=0.9).n_shoppers > plan(0.05, 1.0, power=0.8).n_shoppers


def test_a_small_variant_needs_more_shoppers_in_all() -> None:
    few, even = plan(0.05, 1.0, share=0.1), plan(0.05, 1.0)
    assert few.n_shoppers / even.n_shoppers == pytest.approx(0.25 / 0.09, rel=0.01)


def test_lists_of_one_shopper_say_less_than_lists_of_many() -> None:
    assert click_variance(0.1, 5) == pytest.approx(9 / 5)
    assert click_variance(0.1, 5, correlation=1.0) == pytest.approx(9)
