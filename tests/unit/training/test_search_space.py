"""What tune may change, on what data, and within which ranges."""

from dataclasses import replace

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tests.purchases import SMALL
from training.models.als import AlsSettings
from training.search_space import PARTS, RANKER, Part, parts_for, value_of, with_values
from training.settings import PRESETS, SOURCES, TrainingSettings

START = replace(TrainingSettings(), als=AlsSettings())
ALL = ("own", "collaborative", "neighbours", "ease", "transitions", "like_customers", "place")


def names(parts: list[Part]) -> list[str]:
    return [part.name for part in parts]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_both_ends_of_every_range_are_settings(part: Part) -> None:
    """Whatever the search tries is a value that the setting may have."""
    for end in ("low", "high"):
        values = {
            key: knob.choices[0 if end == "low" else -1]
            if isinstance(knob, CategoricalDistribution)
            else getattr(knob, end)
            for key, knob in part.knobs.items()
        }
        settings = with_values(START, values)

        assert {key: value_of(settings, key) for key in part.knobs} == values
    assert {*part.sources} <= {*SOURCES}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_the_search_can_start_from_every_preset(preset: TrainingSettings) -> None:
    """The ranges hold where the search starts, also where that is outside the usual."""
    for settings in (preset, replace(SMALL, n_vectors=3, place_shrinkage=9_000.0)):
        start = replace(settings, als=SMALL.als)
        for part in parts_for((*SOURCES,), start, has_times=True):
            for key, knob in part.knobs.items():
                value = value_of(start, key)
                if isinstance(knob, CategoricalDistribution):
                    assert value in knob.choices
                else:
                    assert isinstance(knob, FloatDistribution | IntDistribution)
                    assert knob.low <= value <= knob.high


def test_parts_are_those_that_the_data_has() -> None:
    """A source that does not suit the data is not searched; bpr is, to tell its worth."""
    parts = parts_for(ALL, START, has_times=True)

    assert "spectral" not in names(parts)
    assert {"memory", "bpr", "ease", "place", RANKER} <= {*names(parts)}


def test_what_is_left_out_is_not_searched() -> None:
    """Neither sources nor trees that a run does without."""
    settings = replace(START, without=frozenset({"bpr", "trees", "own"}))

    parts = parts_for([name for name in ALL if name != "own"], settings, has_times=True)

    assert not {"bpr", RANKER, "memory"} & {*names(parts)}


def test_days_are_not_searched_without_times() -> None:
    """Where nothing is dated, half-lives change nothing."""
    parts = parts_for([n for n in ALL if n != "transitions"], START, has_times=False)

    assert "memory" not in names(parts)
    assert "popularity" not in names(parts)
    assert next(part for part in parts if part.name == "place").knobs.keys() == {"place_shrinkage"}


def test_numbers_are_rounded() -> None:
    """What is tried is what a person could write."""
    settings = with_values(START, {"als.alpha": 2.345678, "n_vectors": 99})

    assert settings.als == replace(AlsSettings(), alpha=2.346)
    assert settings.n_vectors == 99
