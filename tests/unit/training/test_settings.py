"""The trainer's knobs."""

from dataclasses import asdict
from json import dumps

from training.settings import PRESETS, TrainingSettings


def test_balanced_is_the_default() -> None:
    """What is used unless asked otherwise is the plain settings."""
    assert PRESETS["balanced"] == TrainingSettings()


def test_presets_search_more_and_more() -> None:
    """From fast to best, more is tried, on more customers; all else is the same."""
    fast, balanced, best = (PRESETS[name] for name in ("fast", "balanced", "best"))

    assert list(PRESETS) == ["fast", "balanced", "best"]
    tried = [len(preset.als_regularization) for preset in (fast, balanced, best)]
    assert tried == sorted(set(tried))
    customers = [preset.max_validation_customers for preset in (fast, balanced, best)]
    assert customers == sorted(set(customers))
    searched = {"als_regularization", "max_validation_customers"}
    others = [
        {name: value for name, value in asdict(preset).items() if name not in searched}
        for preset in (fast, balanced, best)
    ]
    assert others[0] == others[1] == others[2]


def test_the_long_memory_is_the_longer() -> None:
    """The short half-life is shorter than the long one, popularity's the shortest."""
    settings = TrainingSettings()

    assert settings.popularity_half_life_days < settings.short_half_life_days
    assert settings.short_half_life_days < settings.long_half_life_days
    assert dumps(asdict(settings) | {"without": []})  # the manifest holds them as JSON
