"""What a rule of who gets which variant would have been worth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsvc.errors import InputError, PreconditionError
from tests.experiments import CONTROL, OTHER, experiment
from tests.histories import crowd, read, write
from training.experiments.journeys import Journeys, follow, summed
from training.experiments.off_policy import Rule, estimate

RATIO = "click_through"
THREE = experiment(
    variants=[
        {**CONTROL, "weight": 0.5},
        {**OTHER, "weight": 0.3},
        {**OTHER, "variant_id": "third", "weight": 0.2},
    ]
)


@pytest.fixture(scope="module")
def journeys(tmp_path_factory: pytest.TempPathFactory) -> Journeys:
    """Variant 1 is clicked twice as often as the others."""
    history = write(crowd(4_000, 1.0, of=THREE), tmp_path_factory.mktemp("crowd"))
    return follow(read(history), THREE)


def test_showing_one_variant_to_all_is_worth_what_it_was_worth(journeys: Journeys) -> None:
    found = estimate(THREE, journeys, Rule({}, "other"), RATIO)
    deeds, is_other = journeys.deeds, journeys.variant == 1
    clicked = is_other[deeds["clicked"].shopper].sum()
    assert found.value == pytest.approx(clicked / is_other[deeds["shown"].shopper].sum())
    assert found.n_shoppers == is_other.sum()
    assert found.n_effective == pytest.approx(found.n_shoppers)
    assert found.max_weight == pytest.approx(1 / 0.3)
    assert found.low < 1.0 < found.high


def test_a_rule_by_place_is_the_mean_of_its_places(journeys: Journeys) -> None:
    """Half of the shoppers get what doubles clicks, half of them get what does not."""
    found = estimate(THREE, journeys, Rule({("store", "york-1"): "other"}, "third"), RATIO)
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.3
    assert found.n_effective < found.n_shoppers


def test_the_control_for_all_is_no_lift(journeys: Journeys) -> None:
    """The same shoppers on both sides cancel out."""
    found = estimate(THREE, journeys, Rule({}, "control"), RATIO)
    assert (found.lift, found.low, found.high) == (0, 0, 0)


def test_intervals_hold_what_is_true(journeys: Journeys) -> None:
    """Shoppers drawn anew, a hundred times: the interval holds the lift in most of them."""
    rule = Rule({("store", "york-1"): "other"}, "control")
    held = 0
    for seed in range(100):
        drawn = np.random.default_rng(seed).integers(0, 4_000, 4_000)
        found = estimate(THREE, _resampled(journeys, drawn), rule, RATIO)
        whole = estimate(THREE, journeys, rule, RATIO)
        held += found.low <= whole.lift <= found.high
    assert 88 <= held <= 100


def _resampled(journeys: Journeys, drawn: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Journeys:
    deeds = {}
    for name in ("clicked", "shown"):
        each = journeys.deeds[name]
        sums = summed(each.shopper, each.value, len(journeys.variant))
        everybody = np.arange(len(drawn))
        deeds[name] = replace(each, shopper=everybody, day=everybody * 0, value=sums[drawn])
    places = {kind: names[drawn] for kind, names in journeys.places.items()}
    return replace(journeys, variant=journeys.variant[drawn], places=places, deeds=deeds)


def test_what_is_no_variant_is_refused(journeys: Journeys) -> None:
    with pytest.raises(InputError, match="'best' is no variant of it; there are control, other"):
        estimate(THREE, journeys, Rule({("store", "york-1"): "best"}, "control"), RATIO)


def test_a_place_where_nobody_is_is_refused(journeys: Journeys) -> None:
    """A slip of the pen would be a rule that changes nothing."""
    with pytest.raises(InputError, match=r"--show country:gb: no shopper .* there is GB"):
        estimate(THREE, journeys, Rule({("country", "gb"): "other"}, "control"), RATIO)
    many = replace(journeys, places={"store": np.array([f"s{n}" for n in range(4_000)], object)})
    with pytest.raises(InputError, match=r"there is s0, s1, .*, …"):
        estimate(THREE, many, Rule({("store", "x"): "other"}, "control"), RATIO)


def test_too_few_shoppers_are_refused(tmp_path: Path) -> None:
    few = follow(read(write(crowd(150, 0.0, of=THREE), tmp_path)), THREE)
    with pytest.raises(PreconditionError, match="shoppers' worth of what the rule would show"):
        estimate(THREE, few, Rule({}, "third"), RATIO)


def test_what_nobody_was_shown_is_refused(tmp_path: Path) -> None:
    two = experiment()
    few = follow(read(write(crowd(300, 0.0, of=two), tmp_path)), two)
    only_control = replace(few, variant=few.variant * 0)
    with pytest.raises(PreconditionError, match="only 0 shoppers' worth"):
        estimate(two, only_control, Rule({}, "other"), RATIO)


def test_without_a_single_click_nothing_is_estimated(journeys: Journeys) -> None:
    clicked = journeys.deeds["clicked"]
    silent = {**journeys.deeds, "clicked": replace(clicked, value=clicked.value * 0)}
    with pytest.raises(PreconditionError, match="nothing of click_through was seen yet"):
        estimate(THREE, replace(journeys, deeds=silent), Rule({}, "other"), RATIO)
