"""The trainer's knobs."""

from dataclasses import asdict, replace
from json import dumps

import pytest

from tests.purchases import SMALL, built, interactions_of
from training.settings import PRESETS, TrainingSettings


def test_balanced_is_the_default() -> None:
    """What is used unless asked otherwise is the plain settings."""
    assert PRESETS["balanced"] == TrainingSettings()


def test_presets_search_more_and_more() -> None:
    """From fast to best, more windows of more customers are looked at."""
    presets = list(PRESETS.values())

    assert list(PRESETS) == ["fast", "balanced", "best"]
    for name in ("n_windows", "untimed_lists", "judge_customers", "fusion_customers"):
        values = [getattr(preset, name) for preset in presets]
        assert values == sorted(set(values))
    taught = [preset.n_windows * preset.train_customers for preset in presets]
    assert taught == sorted(set(taught))


def test_the_long_memory_is_the_longer() -> None:
    """The short half-life is shorter than the long one, popularity's the shortest."""
    settings = TrainingSettings()

    assert settings.popularity_half_life_days < settings.short_half_life_days
    assert settings.short_half_life_days < settings.long_half_life_days
    assert dumps(asdict(settings) | {"without": []})  # the manifest holds them as JSON


def test_bpr_is_fitted_as_a_source_of_its_own() -> None:
    """Its factors stand beside those of collaborative, under its own name and seed."""
    interactions = interactions_of(
        *({"customer_id": f"c{c}", "product_id": f"p{(c + n) % 7}", "day": n}
          for c in range(20) for n in range(4))
    )  # fmt: skip
    first, again, other = (
        built(interactions, replace(SMALL, extra_sources=("bpr",), seed=seed)).source("bpr")
        for seed in (0, 0, 1)
    )

    assert first is not None
    assert again is not None
    assert other is not None
    assert list(first.features) == ["bpr"]
    arrays = [source.to_arrays("bpr") for source in (first, again, other)]
    changed = [name for name in arrays[0] if not (arrays[0][name] == arrays[2][name]).all()]
    assert changed
    assert all((arrays[0][name] == arrays[1][name]).all() for name in arrays[0])


@pytest.mark.parametrize("name", PRESETS)
def test_only_the_best_preset_takes_bpr(name: str) -> None:
    """BPR costs a fit a window, and never found more than the other factors."""
    assert PRESETS[name].extra_sources == (("bpr",) if name == "best" else ())
