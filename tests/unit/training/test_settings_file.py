"""Settings in a file: what is said counts, what cannot be is one line, and all can be printed."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest

from recsvc.errors import InputError
from training.models.als import AlsSettings
from training.models.boosting import BoostingSettings
from training.models.bpr import BprSettings
from training.settings import PRESETS, REMOVABLE, TrainingSettings
from training.settings_file import differences, preset_of, read_settings
from training.settings_text import brief, complete, descriptions

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "configuration.md"


def written(folder: Path, text: str) -> Path:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_balanced_preset_counts() -> None:
    """Nothing needs to be said."""
    assert read_settings() == PRESETS["balanced"] == TrainingSettings()
    assert preset_of() == "balanced"


def test_a_file_changes_its_preset(tmp_path: Path) -> None:
    """Keys and tables of a file replace those of the preset that it names, and no others."""
    path = written(
        tmp_path,
        'preset = "fast"\nwithout = ["price", "own"]\nextra_sources = ["bpr"]\n'
        "window_days = 14\nals_factors = [8, 16]\n[boosting]\nn_leaves = 15\n[als]\nalpha = 7.5\n",
    )

    assert read_settings(path) == replace(
        PRESETS["fast"],
        without=frozenset({"own", "price"}),
        extra_sources=("bpr",),
        window_days=14.0,
        als_factors=(8, 16),
        boosting=replace(PRESETS["fast"].boosting, n_leaves=15),
        als=AlsSettings(alpha=7.5),
    )
    assert preset_of(path) == "fast"


def test_flags_win_over_a_file(tmp_path: Path) -> None:
    """What a command line says counts, and what it does not say is left to the file."""
    path = written(tmp_path, 'preset = "fast"\nseed = 3\nwithout = ["own"]\nn_vectors = 9\n')

    settings = read_settings(path, "best", seed=4, without=["ease"], split=None)

    assert settings == replace(PRESETS["best"], seed=4, without=frozenset({"ease"}), n_vectors=9)
    assert preset_of(path, "best") == "best"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n_windws = 3", "n_windws: there is no such setting; did you mean n_windows?"),
        ("als.alfa = 3", "als.alfa: there is no such setting; did you mean als.alpha?"),
        ("zzz = 3", "zzz: there is no such setting; recsvc-train settings prints all"),
        ("als.seed = 3", "als.seed: follows seed; set that"),
        ("als.half_life_days = 3", "als.half_life_days: follows long_half_life_days; set that"),
        ("n_windows = 0", "n_windows = 0: should be greater than 0"),
        ('n_windows = "3"', 'n_windows = "3": should be a valid integer'),
        ("n_windows = 2.5", "n_windows = 2.5: should be a valid integer"),
        ("n_windows = true", "n_windows = true: should be a valid integer"),
        ("window_days = inf", "window_days = Infinity: should be a finite number"),
        ("window_days = 2024-01-01", 'window_days = "2024-01-01": should be a valid number'),
        ("separate_guard = 1", "separate_guard = 1: should be a valid boolean"),
        ("own_share = 1.5", "own_share = 1.5: should be less than or equal to 1"),
        ("boosting.n_leaves = 65", "boosting.n_leaves = 65: should be less than or equal to 64"),
        ("boosting = 3", "boosting = 3: should be a table"),
        ("als_factors = [3]", "als_factors = [3]: too few values"),
        ('without = "own"', 'without = "own": should be a list'),
        ('without = ["owns"]', "without = \"owns\": should be 'own', 'collaborative'"),
        ('neighbours_kind = "bm"', "neighbours_kind = \"bm\": should be 'bm25', 'tfidf' or"),
        ('split = "random"', "split = \"random\": should be 'temporal' or 'last-basket'"),
        ('preset = "slow"', "preset = slow: there is no such preset; use fast, balanced, best"),
        ("preset = [1]", "preset = [1]: there is no such preset"),
        ("n_windows =", "is not TOML"),
    ],
)
def test_what_a_file_cannot_say_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    """A key or a value that cannot be is named with its file and with what is allowed."""
    path = written(tmp_path, text)

    with pytest.raises(InputError) as raised:
        read_settings(path)

    message = str(raised.value)
    assert message.startswith(f"--config {path}: {said}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = { a = 1 }", "seed = "),
        (f"seed = {'[' * 2_000}{']' * 2_000}", "is not TOML"),
        (f"seed = {'9' * 5_000}", "is not TOML"),
        (f"seed = 0x{'f' * 5_000}", "is not TOML .a whole number is beyond the 64 bits"),
        (f"als.{'.'.join('a' * 5_000)} = 1", "a key has more than 100 steps"),
        (f"als.n_factors.{'.'.join('a' * 5_000)} = 1", "a key has more than 100 steps"),
        (f"seed = {'[' * 250}{']' * 250}", "a value is nested too deeply"),
    ],
)
def test_depths_and_lengths_without_sense_are_one_line(
    tmp_path: Path, text: str, said: str
) -> None:
    """Neither the parser nor what is behind it ends in a stack trace."""
    with pytest.raises(InputError, match=said):
        read_settings(written(tmp_path, text))


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """No file, a folder and what is no text are refused by name."""
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, said in (
        ("no.toml", "no such file"),
        ("", "cannot be read"),
        ("binary.toml", "TOML"),
    ):
        with pytest.raises(InputError, match=said):
            read_settings(tmp_path / name)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"seed": -1}, "--seed -1: should be greater than or equal to 0"),
        ({"split": "given"}, "--split \"given\": should be 'temporal' or 'last-basket'"),
    ],
)
def test_flags_are_checked_alike(flags: dict[str, object], said: str) -> None:
    """A flag is held to the ranges that hold in a file."""
    with pytest.raises(InputError) as raised:
        read_settings(**flags)  # type: ignore[arg-type]  # wrong on purpose

    assert str(raised.value) == said


@pytest.mark.parametrize("preset", PRESETS)
def test_all_settings_can_be_printed_and_read_again(tmp_path: Path, preset: str) -> None:
    """The printed settings are those of the preset, each with what it is for."""
    text = complete(PRESETS[preset], preset)

    assert read_settings(written(tmp_path, text)) == PRESETS[preset]
    assert "# Seed of everything that draws at random.\nseed = 0\n" in text
    assert "# [als]\n" in text
    assert f"({', '.join(REMOVABLE[:3])}" in text
    assert all(len(line) <= 100 for line in text.splitlines() if line.startswith("#"))


def test_factors_of_ones_own_are_printed_as_a_table(tmp_path: Path) -> None:
    """Where the factors are set they are no comment."""
    settings = replace(TrainingSettings(), als=AlsSettings(alpha=3.5), without=frozenset({"own"}))

    text = complete(settings, "balanced")

    assert tomllib.loads(text)["als"]["alpha"] == 3.5
    assert read_settings(written(tmp_path, text)) == settings


@pytest.mark.parametrize("settings", [TrainingSettings, AlsSettings, BprSettings, BoostingSettings])
def test_every_setting_says_what_it_is_for(settings: type) -> None:
    """A setting without a line in its class's docstring could not be printed."""
    assert set(descriptions(settings)) == {field.name for field in fields(settings)}


def test_a_file_of_differences_gives_the_settings_back(tmp_path: Path) -> None:
    """What differs from a preset, and that alone, is enough to make the settings again."""
    settings = replace(
        PRESETS["fast"],
        n_vectors=3,
        without=frozenset({"own"}),
        extra_sources=("bpr",),
        boosting=replace(PRESETS["fast"].boosting, n_leaves=9),
        als=AlsSettings(alpha=5),
    )

    changes = differences(PRESETS["fast"], settings)
    path = written(tmp_path, brief(changes, "fast", ["Why:", "", "tests"]))

    assert read_settings(path) == settings
    own = {"without", "extra_sources", "n_vectors", "boosting.n_leaves"}
    assert {key for key in changes if not key.startswith("als.")} == own
    assert "als.seed" not in changes
    assert path.read_text(encoding="utf-8").startswith("# Why:\n#\n# tests\npreset = ")


def test_the_documentation_shows_the_settings_as_they_are() -> None:
    """docs/configuration.md holds what ``recsvc-train settings`` prints."""
    shown = DOCUMENTATION.read_text(encoding="utf-8")

    is_true = complete(TrainingSettings(), "balanced") in shown
    assert is_true, "put what recsvc-train settings prints between the fences"
