"""Which candidate sources suit the data, and the fitting of them all."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from recsvc.core.factors import Factors
from recsvc.core.histories import Histories
from recsvc.core.places import Places
from recsvc.core.sources import (
    Collaborative,
    OwnPurchases,
    Popularity,
    PopularityByPlace,
    Source,
)
from training.interactions import Interactions
from training.models.als import AlsSettings, fit_als
from training.models.bpr import fit_bpr
from training.models.ease import fit_ease
from training.models.inverted import with_inverted_file
from training.models.item_neighbours import fit_neighbours
from training.models.like_customers import fit_like_customers
from training.models.spectral import fit_spectral
from training.models.transitions import fit_transitions
from training.settings import SOURCES, TrainingSettings

HEAD, MIN_COVERAGE = 8_000, 0.6
"""Share of all purchases that so many products must make up for EASE: below, the catalogue is too
flat for a Gram matrix of its head, and the spectral method takes its place. Without times it
stands beside: what is left to say of who bought what differs from method to method (nDCG@10 of
new check-ins .102 with both, .099 with EASE alone)."""


def suitable(interactions: Interactions, settings: TrainingSettings) -> tuple[str, ...]:
    """Names of the sources to fit, in the order of a model's."""
    names = ["collaborative", "neighbours"]
    if interactions.lines.select(pl.struct("customer", "item").is_duplicated().any()).item():
        names.insert(0, "own")
    bought = np.sort(np.bincount(interactions.lines["item"].to_numpy()))[::-1]
    is_steep = bought[:HEAD].sum() >= MIN_COVERAGE * bought.sum()
    if is_steep:
        names.append("ease")
    if interactions.has_times:
        names.append("transitions")
    if not (is_steep and interactions.has_times):
        names.append("spectral")
    names.append("like_customers")
    if any(len(level) for level in interactions.locations.keys):
        names.append("place")
    wanted = ({*names} | {*settings.extra_sources}) - settings.without
    return tuple(name for name in SOURCES if name in wanted)


def als_settings(interactions: Interactions, settings: TrainingSettings) -> AlsSettings:
    """Those of the run, or what suits the data.

    Purchases over time are many and noisy, and their decayed weights small: what was not bought
    weighs half of what was. A list of pairs without times says only who ever bought what: there
    the pairs weigh a hundred times as much, and more dimensions can be told apart (recall@20 of
    check-ins .178 with 128, .200 with 256).
    """
    if settings.als is not None:
        chosen = settings.als
    elif interactions.has_times:
        chosen = AlsSettings(n_factors=settings.als_factors[0])
    else:
        chosen = AlsSettings(
            n_factors=settings.als_factors[1], alpha=100.0, regularization=0.0015, exponent=1.0
        )
    # Profiles decay with this half-life: what is folded in must be what was fitted.
    return replace(chosen, half_life_days=settings.long_half_life_days, seed=settings.seed)


def fit_sources(
    interactions: Interactions,
    names: tuple[str, ...],
    histories: Histories,
    places: Places,
    popularity: Popularity,
    settings: TrainingSettings,
) -> tuple[Source, ...]:
    """Fit the sources of ``names``; popularity comes last, and always."""

    def by_factors(factors: Factors, name: str) -> Source:
        source = Collaborative(factors, name)
        return with_inverted_file(source, histories, settings.n_candidates, settings.seed)

    fits: Mapping[str, Callable[[], Source]] = {
        "own": OwnPurchases,
        "collaborative": lambda: by_factors(
            fit_als(interactions, als_settings(interactions, settings)), "collaborative"
        ),
        "bpr": lambda: by_factors(
            fit_bpr(interactions, replace(settings.bpr, seed=settings.seed)), "bpr"
        ),
        "neighbours": lambda: fit_neighbours(interactions, settings),
        "ease": lambda: fit_ease(interactions, settings),
        "spectral": lambda: fit_spectral(interactions, settings),
        "transitions": lambda: fit_transitions(interactions, settings),
        "like_customers": lambda: fit_like_customers(histories, len(interactions.items), settings),
        "place": lambda: PopularityByPlace(places),
    }
    return (*(fits[name]() for name in names), popularity)
