"""Every knob of the trainer, with the value that was found to work and why."""

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from recsvc.core.sources import Memory
from training.models.als import AlsSettings
from training.models.boosting import BoostingSettings
from training.models.bpr import BprSettings
from training.ranges import OneOf, PositiveShare, Share

SOURCES = (
    "own",
    "collaborative",
    "bpr",
    "neighbours",
    "ease",
    "spectral",
    "transitions",
    "like_customers",
    "place",
)
EXTRA_SOURCES = ("bpr", "ease", "spectral")
FEATURE_GROUPS = ("levels", "own_history", "gaps", "trend", "distance", "affinity", "price")
REMOVABLE = (*SOURCES, *FEATURE_GROUPS, "trees")
"""What ``--without`` may leave out. Popularity stays: it fills every list up. ``trees`` leaves
the fusion; ``place`` is the source, its lifts and the distances."""

NEIGHBOURS_KINDS = ("bm25", "tfidf", "cosine")
SPLITS = ("temporal", "last-basket")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Settings of one run of ``recsvc-train fit``.

    Attributes:
        seed: seed of everything that draws at random.
        without: sources or feature groups to leave out.
        extra_sources: sources to add to those that suit the data. ``bpr`` never found more
            than ``collaborative`` beside it; of ``ease`` and ``spectral`` one suits,
            and both where there are no times.
        split: how the purchases that decide and that are reported are cut off: the last days,
            or each customer's last order, which looks into the future of the others.
        window_days: length of each window, days.
        n_windows: windows that the trees learn from; one more decides whether they serve,
            and the last one is reported. Purchases of one month alone teach its accidents.
        separate_guard: whether the window that decides is another than the reported one.
            One window for both saves a fit of all sources, and flatters the report by the
            choice of one of three rankers.
        train_customers: customers of each window that the trees learn from, at most.
        untimed_lists: lists of each window that teaches where there are no times, at most: one of
            each customer, or two where things are bought again.
        judge_customers: customers that decide, and that are reported.
        surface_questions: baskets of a window that teach what goes together, and as many that
            judge; of customers, for what they need again, twice as many.
        fusion_customers: customers that the weights of the fusion are tuned on, drawn at
            random; the weights' noise falls with more.
        negatives: share of the candidates not bought that the trees learn from: all of them
            cost six times as much and are no better.
        boosting: of the trees that rank.
        short_half_life_days: decay of the short memory of a customer's purchases.
        long_half_life_days: decay of the long memory, which also weighs the
            interactions that neighbours and regressions are fitted on.
        popularity_half_life_days: decay of popularity everywhere; the last week says
            far more than the last year.
        popularity_long_half_life_days: decay of the second score of popularity.
        popularity_first_half_life_days: decay of its third, of first purchases alone.
        place_half_life_days: decay of popularity by place, longer since a place has
            fewer purchases.
        recent_days: window of the "recent" purchase counts that reasons quote.
        als: of the matrix factors of ``collaborative``; where it is left out, what suits the
            data: other values with times than without.
        als_factors: dimensions of those factors where ``als`` is left out: with times, and
            without.
        bpr: of the matrix factors that ``bpr`` adds.
        n_neighbours: neighbours kept of each product.
        neighbours_kind: how purchases are weighed where neighbours are looked for.
        neighbours_k1: BM25's saturation.
        neighbours_b: BM25's length normalisation.
        ease_regularization: of the regression among products (EASE); its scale is that of a
            product's summed squared weights.
        ease_max_items: products in the regression, the most bought; its time grows with
            their cube.
        ease_weights: weights of the regression kept of each product.
        transition_days: stretch of time from one purchase to the next.
        transition_half_life_days: decay of transitions, pairs of such purchases.
        n_vectors: dimensions of the spectral method.
        basket_memory: how baskets of customers are weighed for their likeness.
        n_like_customers: neighbours kept among customers.
        basket_partners: products kept of those that each was in one basket with.
        own_share: what a customer's own basket counts beside the neighbours'.
        place_shrinkage: purchases that the wider place's shares count for.
        n_candidates: products that each source proposes; twice as many for lists of new ones.
            LambdaMART takes lists of 10,000 candidates at most.
        n_sifted: candidates of a list of all purchases that the trees look at, the best by the
            fusion; 0 all of them. What the fusion has below the 60th of 280 is not among the
            first ten; for lists of new products, where it is poorer, they look at all.
    """

    # What a file of settings says is checked against the types, and against nothing else.
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    seed: NonNegativeInt = 0
    without: frozenset[Annotated[str, OneOf(REMOVABLE)]] = frozenset()
    extra_sources: tuple[Annotated[str, OneOf(EXTRA_SOURCES)], ...] = ()
    split: Annotated[str, OneOf(SPLITS)] = "temporal"
    window_days: PositiveFloat = 28.0
    n_windows: PositiveInt = 6
    separate_guard: bool = True
    train_customers: PositiveInt = 2_000
    untimed_lists: PositiveInt = 16_000
    judge_customers: PositiveInt = 3_000
    fusion_customers: PositiveInt = 800
    surface_questions: PositiveInt = 500
    negatives: PositiveShare = 0.3
    boosting: BoostingSettings = field(default_factory=BoostingSettings)
    short_half_life_days: PositiveFloat = 30.0
    long_half_life_days: PositiveFloat = 120.0
    popularity_half_life_days: PositiveFloat = 7.0
    popularity_long_half_life_days: PositiveFloat = 30.0
    popularity_first_half_life_days: PositiveFloat = 14.0
    place_half_life_days: PositiveFloat = 45.0
    recent_days: PositiveFloat = 28.0
    als: AlsSettings | None = None
    als_factors: tuple[PositiveInt, PositiveInt] = (64, 256)
    bpr: BprSettings = field(default_factory=BprSettings)
    n_neighbours: PositiveInt = 100
    neighbours_kind: Annotated[str, OneOf(NEIGHBOURS_KINDS)] = "bm25"
    neighbours_k1: NonNegativeFloat = 1.2
    neighbours_b: Share = 0.5
    ease_regularization: PositiveFloat = 200.0
    ease_max_items: PositiveInt = 8_000
    ease_weights: PositiveInt = 300
    transition_days: PositiveFloat = 28.0
    transition_half_life_days: PositiveFloat = 180.0
    n_vectors: PositiveInt = 256
    basket_memory: Annotated[str, OneOf(tuple(Memory))] = "long"
    n_like_customers: PositiveInt = 200
    basket_partners: PositiveInt = 300
    own_share: Share = 0.7
    place_shrinkage: PositiveFloat = 500.0
    n_candidates: Annotated[int, Field(ge=1, le=400)] = 40
    n_sifted: NonNegativeInt = 96


_BALANCED = TrainingSettings()
PRESETS: dict[str, TrainingSettings] = {
    "fast": replace(
        _BALANCED,
        n_windows=1,
        separate_guard=False,
        untimed_lists=2_000,
        judge_customers=200,
        fusion_customers=150,
        surface_questions=120,
        negatives=0.15,
        als_factors=(64, 128),
        ease_max_items=3_000,
        n_vectors=128,
        boosting=BoostingSettings(min_data_in_leaf=400, pairwise=False),
    ),
    "balanced": _BALANCED,
    "best": replace(
        _BALANCED,
        n_windows=9,
        train_customers=6_000,
        untimed_lists=72_000,
        judge_customers=10_000,
        fusion_customers=3000,
        surface_questions=2_000,
        extra_sources=("bpr",),
    ),
}
"""How much is searched: ``fast`` takes the values that work on most data as they are."""
