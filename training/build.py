"""A model of purchases: all that is fitted before the rankers are learnt."""

from dataclasses import replace

import polars as pl

from recsvc.core.histories import HalfLives
from recsvc.core.model import Model
from recsvc.core.recommender import Recommender
from training.fusion import starting_rankers
from training.interactions import Interactions
from training.models.baskets import fit_baskets
from training.models.catalogue import fit_catalogue
from training.models.histories import fit_histories
from training.models.item_statistics import fit_item_statistics
from training.models.place_popularity import fit_places
from training.models.popularity import fit_popularity
from training.models.visits import fit_visits
from training.settings import TrainingSettings
from training.sources import fit_sources


def build(
    interactions: Interactions,
    products: pl.DataFrame | None,
    sources: tuple[str, ...],
    settings: TrainingSettings,
) -> Model:
    """Fit all but the rankers, which are the plain ones, and the baskets on ``interactions``."""
    histories = fit_histories(interactions, settings)
    places = fit_places(interactions, settings)
    popularity = fit_popularity(interactions, settings)
    model = Model(
        customers=interactions.customers,
        histories=histories,
        catalogue=fit_catalogue(interactions, products),
        statistics=fit_item_statistics(interactions),
        places=places,
        visits=fit_visits(interactions, settings),
        sources=fit_sources(interactions, sources, histories, places, popularity, settings),
        rankers={},
        without=settings.without,
        data_end=interactions.end,
        half_lives=HalfLives(settings.short_half_life_days, settings.long_half_life_days),
        recent_days=settings.recent_days,
        n_candidates=settings.n_candidates,
        buys_again=interactions.buys_again,
    )
    return replace(model, rankers=starting_rankers(Recommender(model).scores))


def build_whole(
    interactions: Interactions,
    products: pl.DataFrame | None,
    sources: tuple[str, ...],
    settings: TrainingSettings,
) -> Model:
    """:func:`build`, and the baskets, which take a while and which few windows need."""
    model = build(interactions, products, sources, settings)
    return replace(model, baskets=fit_baskets(interactions, model.catalogue, settings))
