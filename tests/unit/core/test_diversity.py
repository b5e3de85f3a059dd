"""How alike products are."""

from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.diversity import Likeness, traits_of
from recsvc.core.sources import Collaborative
from recsvc.core.vocabulary import MISSING
from tests.distance import mean_distance
from tests.samples import item_indices, tiny_model


def likeness(*, factors: bool = True) -> Likeness:
    """The small model's, with factors or without."""
    model = tiny_model()
    source = model.source("collaborative")
    assert isinstance(source, Collaborative)
    nothing = np.zeros(len(model.catalogue), np.float32)
    return Likeness.of(
        model.catalogue,
        source.factors if factors else None,
        source.factors.norms() if factors else nothing,
    )


def alike(of: Likeness, one: str, other: str) -> float:
    """How alike two products are, the same from both sides."""
    pair = of.among(item_indices(tiny_model(), one, other))
    matrix = pair.matrix()
    assert matrix[0, 1] == pytest.approx(matrix[1, 0])
    return float(matrix[0, 1])


def test_traits_are_the_levels_of_the_category_and_the_brand() -> None:
    """Equal codes in a column mean equal names down to that level."""
    traits = traits_of(tiny_model().catalogue)
    espresso, filter_, tea, bag = traits[
        item_indices(tiny_model(), "espresso", "filter", "tea", "bag")
    ]
    assert espresso.tolist() == filter_.tolist()
    assert (espresso == tea).tolist() == [True, False, False]
    assert bag.tolist()[1:] == [MISSING, MISSING]


def test_without_factors_likeness_is_what_products_have_in_common() -> None:
    """The Jaccard index of category levels and brand; 1 for the same, 0 for nothing shared."""
    of = likeness(factors=False)
    assert alike(of, "espresso", "filter") == 1
    assert alike(of, "espresso", "tea") == pytest.approx(1 / 5)
    assert alike(of, "espresso", "soap") == pytest.approx(1 / 5)
    assert alike(of, "espresso", "jam") == 0


def test_factors_count_as_much_as_the_catalogue() -> None:
    """The mean of both; what points the other way is unlike, not less than that."""
    of = likeness()
    cosine = (0.9 * 0.8 + 0.2 * 0.3) / np.hypot(0.9, 0.2) / np.hypot(0.8, 0.3)
    assert alike(of, "espresso", "filter") == pytest.approx((1 + cosine) / 2, abs=1e-5)


def test_one_of_the_two_is_enough() -> None:
    """Without factors the catalogue speaks alone; without a catalogue the factors do."""
    of = likeness()
    assert alike(of, "bag", "soap") == pytest.approx(1 / 3)  # a bag has no factors
    bare = replace(of, traits=np.full_like(of.traits, MISSING), n_traits=np.zeros_like(of.n_traits))
    assert 0.9 < alike(bare, "espresso", "filter") < 1
    assert alike(bare, "espresso", "bag") == 0


def test_newcomers_have_no_factors() -> None:
    """A product that the model has not learnt is compared by the catalogue alone."""
    of = likeness()
    new = replace(of, norms=of.norms[:-1])
    last = len(of.norms) - 1
    assert not new.among(np.array([0, last], np.int32)).has_direction[1]


def test_distance_is_the_mean_over_pairs() -> None:
    """1 minus the likeness of each pair; a list of one has none."""
    of = likeness(factors=False)
    items = item_indices(tiny_model(), "espresso", "filter", "jam")
    assert mean_distance(of.among(items)) == pytest.approx((0 + 1 + 1) / 3)
    assert mean_distance(of.among(items[:1])) == 0
