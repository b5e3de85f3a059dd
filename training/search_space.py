"""What ``tune`` searches: parts of the trainer, each by itself, and the ranges of their knobs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from recsvc.core.ranking import Task
from recsvc.core.sources import Memory
from training.settings import NEIGHBOURS_KINDS, TrainingSettings
from training.settings_file import as_document, changed

Range = FloatDistribution | IntDistribution | CategoricalDistribution
Values = Mapping[str, Any]
"""Values of settings by key, with a dot before a table's own, as in ``als.alpha``."""

RANKER = "ranker"
"""The part that is measured with all sources, by trees that learn from their candidates."""

DIGITS = 4
"""Of the numbers that are tried: more would only fill the file."""


@dataclass(frozen=True, slots=True)
class Part:
    """Knobs that are searched together, since one measure shows what they do.

    Attributes:
        name: of the part; also of a source, where it is measured by one of that name.
        knobs: what is searched, by the key of the setting.
        sources: fitted to measure it.
        measured: scores of those sources, each alone, and what it is asked for. The mean of
            their nDCG@10 is what the part is worth.
    """

    name: str
    knobs: Mapping[str, Range]
    sources: tuple[str, ...] = ()
    measured: tuple[tuple[str, Task], ...] = ()


def _between(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high)


def _scale(low: float, high: float) -> FloatDistribution:
    return FloatDistribution(low, high, log=True)


def _count(low: int, high: int) -> IntDistribution:
    return IntDistribution(low, high, log=True)


PARTS = (
    Part(
        "memory",
        {"short_half_life_days": _scale(5, 90), "long_half_life_days": _scale(30, 500)},
        ("own", "neighbours"),
        (("own_short", Task.ALL), ("own_long", Task.ALL), ("neighbours", Task.NEW)),
    ),
    Part(
        "popularity",
        {
            "popularity_half_life_days": _scale(1, 60),
            "popularity_first_half_life_days": _scale(2, 120),
        },
        (),
        (("popularity", Task.ALL), ("popularity", Task.NEW), ("popularity_first", Task.NEW)),
    ),
    Part(
        "place",
        {"place_half_life_days": _scale(7, 365), "place_shrinkage": _scale(5, 5_000)},
        ("place",),
        (("place", Task.ALL), ("place", Task.NEW)),
    ),
    Part(
        "collaborative",
        {
            "als.n_factors": _count(32, 256),
            "als.alpha": _scale(0.5, 300),
            "als.regularization": _scale(0.0003, 0.03),
            "als.exponent": _between(0, 1),
        },
        ("collaborative",),
        (("collaborative", Task.NEW),),
    ),
    Part(
        "bpr",
        {
            "bpr.n_factors": _count(16, 128),
            "bpr.iterations": _count(5, 40),
            "bpr.learning_rate": _scale(0.01, 0.2),
            "bpr.regularization": _scale(0.0002, 0.05),
            "bpr.fold_in_regularization": _scale(0.1, 10),
        },
        ("bpr",),
        (("bpr", Task.NEW),),
    ),
    Part(
        "neighbours",
        {
            "neighbours_kind": CategoricalDistribution(NEIGHBOURS_KINDS),
            "n_neighbours": _count(20, 400),
            "neighbours_k1": _scale(0.1, 20),
            "neighbours_b": _between(0, 1),
        },
        ("neighbours",),
        (("neighbours", Task.NEW),),
    ),
    Part(
        "ease",
        {"ease_regularization": _scale(10, 3_000)},
        ("ease",),
        (("ease", Task.NEW),),
    ),
    Part(
        "spectral",
        {"n_vectors": _count(32, 512)},
        ("spectral",),
        (("spectral", Task.NEW),),
    ),
    Part(
        "transitions",
        {"transition_days": _scale(5, 60), "transition_half_life_days": _scale(30, 700)},
        ("transitions",),
        (("transitions", Task.ALL), ("transitions", Task.NEW)),
    ),
    Part(
        "like_customers",
        {
            "basket_memory": CategoricalDistribution([memory.value for memory in Memory]),
            "n_like_customers": _count(20, 800),
            "own_share": _between(0, 1),
        },
        ("like_customers",),
        (("like_customers", Task.NEW), ("next_basket", Task.ALL)),
    ),
    Part(
        RANKER,
        {
            "n_candidates": _count(20, 80),
            "boosting.n_rounds": _count(40, 200),
            "boosting.learning_rate": _scale(0.02, 0.3),
            "boosting.n_leaves": _count(7, 32),
            "boosting.min_data_in_leaf": _count(20, 500),
        },
    ),
)


def parts_for(
    sources: Collection[str], settings: TrainingSettings, *, has_times: bool
) -> list[Part]:
    """The parts that these sources and this data leave to search, ranges holding ``settings``.

    Args:
        sources: those that suit the data. ``bpr`` is searched unless it is left out: only
            then can be told whether it is worth adding.
        settings: where the search starts, ``als`` included.
        has_times: whether the data tells when; without, nothing that is counted in days
            changes anything.
    """
    there = {*sources, "bpr"} - settings.without
    found = []
    for part in PARTS:
        if not there.issuperset(part.sources):
            continue
        if part.name == RANKER and "trees" in settings.without:
            continue
        knobs = {
            key: _holding(knob, value_of(settings, key))
            for key, knob in part.knobs.items()
            if has_times or not key.endswith("_days")
        }
        if knobs:
            found.append(replace(part, knobs=knobs))
    return found


def value_of(settings: TrainingSettings, key: str) -> Any:  # noqa: ANN401  # of any setting
    """The value of one setting."""
    value: Any = as_document(settings)
    for name in key.split("."):
        value = value[name]
    return value


def with_values(settings: TrainingSettings, values: Values) -> TrainingSettings:
    """The same with other values, rounded to :data:`DIGITS`.

    Raises:
        SettingsError: one of them is none that the setting can have.
    """
    document: dict[str, Any] = {}
    for key, value in values.items():
        table, _, inner = key.rpartition(".")
        place = document.setdefault(table, {}) if table else document
        place[inner] = float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
    return changed(settings, document)


def _holding(knob: Range, value: Any) -> Range:  # noqa: ANN401  # of any setting
    """The range widened to hold where the search starts."""
    if isinstance(knob, CategoricalDistribution):
        return knob
    return type(knob)(min(knob.low, value), max(knob.high, value), log=knob.log)
