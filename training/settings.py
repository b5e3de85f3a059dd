"""Every knob of the trainer, with the value that was found to work and why."""

from dataclasses import dataclass, field, replace

from training.models.als import AlsSettings
from training.models.boosting import BoostingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Settings of one run of ``recsvc-train fit``.

    Attributes:
        seed: seed of everything that draws at random.
        without: sources or feature groups to leave out, of :data:`REMOVABLE`.
        window_days: length of each window, days.
        n_windows: windows that the trees learn from; one more decides whether they serve,
            and the last one is reported. Purchases of one month alone teach its accidents.
        separate_guard: whether the window that decides is another than the reported one.
            One window for both saves a fit of all sources, and flatters the report by the
            choice of one of three rankers.
        train_customers: customers of each window that the trees learn from.
        judge_customers: customers that decide, and that are reported.
        fusion_customers: customers that the weights of the fusion are tuned on, drawn at
            random; the weights' noise falls with more.
        negatives: share of the candidates not bought that the trees learn from: all of them
            cost six times as much and are no better.
        boosting: of the trees.
        short_half_life_days: decay of the short memory of a customer's purchases.
        long_half_life_days: decay of the long memory, which also weighs the
            interactions that neighbours and regressions are fitted on.
        popularity_half_life_days: decay of popularity everywhere; the last week says
            far more than the last year.
        popularity_long_half_life_days: decay of its second score.
        place_half_life_days: decay of popularity by place, longer since a place has
            fewer purchases.
        recent_days: window of the "recent" purchase counts that reasons quote.
        als: of the matrix factors; ``None`` for what suits the data (see
            :func:`training.sources.als_settings`).
        als_factors: their dimensions where there are times, and where there are none.
        n_neighbours: neighbours kept of each product.
        neighbours_kind: how customers' purchases are weighed in them: bm25, tfidf or cosine.
        neighbours_k1, neighbours_b: BM25's saturation and length normalisation.
        ease_regularization: of the regression among products; its scale is that of a
            product's summed squared weights.
        ease_max_items: products in it, the most bought; its time grows with their cube.
        ease_weights: weights kept of each product.
        transition_days: stretch of time from one purchase to the next.
        transition_half_life_days: decay of those pairs.
        n_vectors: dimensions of the spectral method.
        basket_memory: how baskets of customers are weighed for their likeness.
        n_like_customers: neighbours among customers.
        own_share: what the own basket counts beside theirs.
        place_shrinkage: purchases that the wider place's shares count for.
        n_candidates: products that each source proposes; twice as many for lists of new ones.
    """

    seed: int = 0
    without: frozenset[str] = frozenset()
    window_days: float = 28.0
    n_windows: int = 3
    separate_guard: bool = True
    train_customers: int = 2_000
    judge_customers: int = 3_000
    fusion_customers: int = 800
    negatives: float = 0.15
    boosting: BoostingSettings = field(default_factory=BoostingSettings)
    short_half_life_days: float = 30.0
    long_half_life_days: float = 120.0
    popularity_half_life_days: float = 7.0
    popularity_long_half_life_days: float = 30.0
    place_half_life_days: float = 45.0
    recent_days: float = 28.0
    als: AlsSettings | None = None
    als_factors: tuple[int, int] = (64, 256)
    n_neighbours: int = 100
    neighbours_kind: str = "bm25"
    neighbours_k1: float = 1.2
    neighbours_b: float = 0.5
    ease_regularization: float = 200.0
    ease_max_items: int = 8_000
    ease_weights: int = 300
    transition_days: float = 28.0
    transition_half_life_days: float = 180.0
    n_vectors: int = 256
    basket_memory: str = "long"
    n_like_customers: int = 200
    own_share: float = 0.7
    place_shrinkage: float = 500.0
    n_candidates: int = 40


SOURCES = (
    "own",
    "collaborative",
    "neighbours",
    "ease",
    "spectral",
    "transitions",
    "like_customers",
    "place",
)
FEATURE_GROUPS = ("ranks", "own_history", "gaps", "trend", "distance", "affinity", "price")
REMOVABLE = (*SOURCES, *FEATURE_GROUPS, "trees")
"""What ``--without`` may leave out. Popularity stays: it fills every list up. ``trees`` leaves
the fusion; ``place`` is the source, its lifts and the distances."""

_BALANCED = TrainingSettings()
PRESETS: dict[str, TrainingSettings] = {
    "fast": replace(
        _BALANCED,
        n_windows=1,
        separate_guard=False,
        train_customers=700,
        judge_customers=500,
        fusion_customers=300,
        als_factors=(64, 128),
        ease_max_items=2_500,
        boosting=BoostingSettings(n_rounds=80),
    ),
    "balanced": _BALANCED,
    "best": replace(
        _BALANCED, n_windows=5, train_customers=6_000, judge_customers=10_000, fusion_customers=3000
    ),
}
"""How much is searched: ``fast`` takes the values that work on most data as they are."""
