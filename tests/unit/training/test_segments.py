"""Who is in which segment."""

from dataclasses import replace

import pytest

from recsvc.core.segments import Segments
from tests.counting import DATA_END, Purchase, Shopping, model_of
from tests.samples import PRODUCTS, STORES
from training.models.segments import fit_segments

PURCHASES = [
    *(Purchase("often", "tea", "", day) for day in (5, 40, 80, 120, 200)),
    *(Purchase("seldom", "tea", "", day) for day in (50, 100)),
    *(Purchase("rarely", "tea", "", day) for day in (60, 110)),
    *(Purchase("once", "tea", "", day) for day in (70,)),
    Purchase("fresh", "tea", "", 3),
    *(Purchase("gone", "tea", "", day) for day in (91, 300)),
]


def fitted(data_end: float = DATA_END, **given: str) -> dict[str, set[str]]:
    model = model_of(Shopping(list(PRODUCTS), list(STORES), PURCHASES, []))
    found = fit_segments(model.customers, model.histories, data_end, given)
    return {name: set(found.of(i)) for i, name in enumerate(model.customers.ids)}


def test_segments_follow_from_what_was_bought_and_when() -> None:
    """New, lapsed, and of the others the quarter with the most purchases."""
    assert fitted() == {
        "often": {"loyal"},
        "seldom": set(),
        "rarely": set(),
        "once": set(),
        "fresh": {"new"},
        "gone": {"lapsed"},
    }


def test_the_shops_own_come_beside_them() -> None:
    """A customer without one is in none of them."""
    found = fitted(often="gold", gone=" gold ", once="", stranger="gold")
    assert (found["often"], found["gone"], found["once"]) == (
        {"gold", "loyal"},
        {"gold", "lapsed"},
        set(),
    )


@pytest.mark.parametrize("data_end", [0.0, -1.0])
def test_without_times_nobody_is_new(data_end: float) -> None:
    """Nor lapsed, nor loyal: nothing tells."""
    assert set().union(*fitted(data_end).values()) == set()
    assert fitted(data_end, often="gold")["often"] == {"gold"}


def test_a_model_keeps_its_segments() -> None:
    """Through the artifact."""
    model = model_of(Shopping(list(PRODUCTS), list(STORES), PURCHASES, []))
    segments = Segments.of_names([["gold"]] * len(model.customers))
    kept = replace(model, segments=segments)
    restored = type(model).from_arrays(kept.to_arrays(), kept.to_parameters())
    assert restored.segments.of(0) == {"gold"}
    assert type(model).from_arrays(model.to_arrays(), model.to_parameters()).segments.of(0) == set()
