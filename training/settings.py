"""Every knob of the trainer, with the value that was found to work and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Settings of one run of ``recsvc-train fit``.

    Attributes:
        seed: seed of everything that draws at random.
        without: sources or feature groups to leave out, of :data:`REMOVABLE`.
        window_days: length of the validation window and of the test window, days.
        short_half_life_days: decay of the short memory of a customer's purchases.
        long_half_life_days: decay of the long memory, which also weighs the
            interactions that factors and neighbours are fitted on.
        popularity_half_life_days: decay of popularity everywhere; the last week says
            far more than the last year.
        place_half_life_days: decay of popularity by place, longer since a place has
            fewer purchases.
        recent_days: window of the "recent" purchase counts that reasons quote.
        n_factors: dimensions of the matrix factors.
        als_iterations: sweeps; more find no more new purchases (four lose some).
        als_regularization: tried on the validation window. Large, since purchases are
            noisy and implicit's .01 overfits them.
        als_alpha: confidence of one unit of interaction weight.
        n_neighbours: neighbours kept of each product.
        neighbours_k1, neighbours_b: BM25's saturation and length normalisation.
        place_shrinkage: purchases that the wider place's shares count for.
        n_candidates: products that each source proposes.
        max_validation_customers: customers that the blend is tuned on, drawn at random;
            the weights' noise falls with more.
    """

    seed: int = 0
    without: frozenset[str] = frozenset()
    window_days: float = 28.0
    short_half_life_days: float = 30.0
    long_half_life_days: float = 120.0
    popularity_half_life_days: float = 7.0
    popularity_long_half_life_days: float = 30.0
    place_half_life_days: float = 45.0
    recent_days: float = 28.0
    n_factors: int = 64
    als_iterations: int = 6
    als_regularization: tuple[float, ...] = (5.0, 50.0)
    als_alpha: float = 5.0
    n_neighbours: int = 100
    neighbours_k1: float = 1.2
    neighbours_b: float = 0.5
    place_shrinkage: float = 500.0
    ease_regularization: float = 200.0
    ease_max_items: int = 8_000
    ease_weights: int = 300
    transition_days: float = 28.0
    transition_half_life_days: float = 180.0
    n_vectors: int = 256
    basket_memory: str = "long"
    n_like_customers: int = 200
    own_share: float = 0.7
    n_candidates: int = 40
    max_validation_customers: int = 1_200


REMOVABLE = ("own", "collaborative", "neighbours", "place")
"""What ``--without`` may leave out. Popularity stays: it fills every list up."""

PRESETS: dict[str, TrainingSettings] = {
    "fast": TrainingSettings(als_regularization=(50.0,), max_validation_customers=400),
    "balanced": TrainingSettings(),
    "best": TrainingSettings(
        als_regularization=(5.0, 20.0, 50.0, 100.0), max_validation_customers=5_000
    ),
}
"""How much is searched: ``fast`` takes the values that work on most data as they are."""
