"""The one ranking code: evaluation, batch and live calls all come through here.

The stages of a list::

    history -> allowed -> candidates -> scores -> blend -> list
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.catalogue_index import CatalogueIndex
from recsvc.core.histories import NO_HISTORY, Profile
from recsvc.core.model import Model
from recsvc.core.places import ANYWHERE, Level, Location, Place
from recsvc.core.ranking import Task, best_first, standardise
from recsvc.core.sources import Moment, OwnPurchases, PopularityByPlace, Source, Strategy
from recsvc.core.sparse import distinct, top
from recsvc.core.vocabulary import MISSING

NO_ITEMS = np.zeros(0, np.int32)
NO_SCORES = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question, in the model's indices.

    Attributes:
        customer: customer index, :data:`MISSING` for one that the model does not know.
        place: where the shopper is.
        size: how many products at most.
        now: the moment of the question, seconds since 1970, UTC.
        only_new: leave out what the customer has bought.
        catalogue_filter: what the caller allows, ``None`` everything.
        excluded: item indices that must not be on the list.
        session: item indices seen or put into the basket just now; they shape the list.
    """

    customer: int = MISSING
    place: Place = ANYWHERE
    size: int = 20
    now: float
    only_new: bool = False
    catalogue_filter: CatalogueFilter | None = None
    excluded: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)
    session: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A finished list, best first; all arrays have shape ``(n,)``.

    Attributes:
        items: int32, item indices, distinct.
        scores: float32, not rising; comparable within this list alone.
        strategies: int8, :class:`Strategy` that contributed most.
        levels: int8, finest :class:`Level` of the place that has sold the product.
        place: the place that the list is for.
        profile: the purchases that it was made from.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    strategies: NDArray[np.int8]
    levels: NDArray[np.int8]
    place: Place
    profile: Profile


@dataclass(frozen=True, slots=True)
class Candidates:
    """Products that may be on the list, with every feature of the blend.

    Attributes:
        items: int32, shape ``(n,)``, ascending.
        scores: float32, shape ``(n, n_features)``, as the sources gave them.
        features: float32, of the same shape: the scores standardised.
        moment: what they were scored for.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    features: NDArray[np.float32]
    moment: Moment


class Recommender:
    """Ranks products with one model; safe to share between threads.

    Args:
        model: the model to rank with.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.catalogue_index = CatalogueIndex.of(model.catalogue)
        optional: list[Source | None] = [
            OwnPurchases() if model.uses_own else None,
            model.collaborative,
            model.neighbours,
            model.popularity,
            PopularityByPlace(model.places) if model.uses_place else None,
        ]
        self._sources: list[Source] = [s for s in optional if s is not None]
        self._feature_strategies = np.array(
            [s for source in self._sources for s in source.features.values()], np.int8
        )
        self._strategies = np.unique(self._feature_strategies)
        # Sums the features of one strategy: (n_features, n_strategies) of 0 and 1.
        self._by_strategy = (self._feature_strategies[:, None] == self._strategies[None, :]).astype(
            np.float32
        )
        # Ties go to the more popular product: its place in the order of popularity.
        self._popularity_rank = np.empty(len(model.catalogue), np.int32)
        self._popularity_rank[model.popularity.order] = np.arange(
            len(model.catalogue), dtype=np.int32
        )
        self._factor_norms = (
            NO_SCORES if model.collaborative is None else model.collaborative.factors.norms()
        )
        self._sold_always = model.catalogue.is_always_available

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns of :attr:`Candidates.scores`."""
        return tuple(name for source in self._sources for name in source.features)

    def place(self, customer: int, location: Location) -> Place:
        """Where the shopper is: the location given, else the customer's home."""
        if location:
            return self.model.places.resolve(location)
        if customer != MISSING:
            return Place(tuple(self.model.histories.homes[customer].tolist()))
        return ANYWHERE

    def recommend(self, query: Query) -> Ranking:
        """The best products for a shopper in a place."""
        candidates = self.candidates(query)
        task = self.task(query, candidates.moment.profile)
        return self.rank(candidates, self.model.blend.weights[task], query.size)

    def rank(self, candidates: Candidates, weights: NDArray[np.float32], size: int) -> Ranking:
        """The best ``size`` of ``candidates`` under ``weights``, float32 ``(n_features,)``."""
        moment = candidates.moment
        terms = candidates.features * weights
        scores = candidates.features @ weights
        best = self._best(candidates.items, scores, size)
        items = candidates.items[best]
        levels = self.model.places.evidence_levels(moment.place, items)
        return Ranking(
            items,
            scores[best],
            self._strategy(levels, weights, candidates.scores[best], terms[best]),
            levels,
            moment.place,
            moment.profile,
        )

    def candidates(self, query: Query) -> Candidates:
        """All sources' proposals with all sources' scores."""
        profile = self.model.histories.profile(query.customer).with_session(query.session)
        allowed = self._allowed(query, profile)
        return self._candidates(Moment(profile, query.place, allowed), query.size)

    def _candidates(self, moment: Moment, size: int) -> Candidates:
        limit = max(self.model.n_candidates, size)
        proposals = [source.propose(moment, limit) for source in self._sources]
        items = distinct(proposals)
        columns = [column for source in self._sources for column in source.score(moment, items)]
        scores = np.stack(columns, axis=1)
        return Candidates(items, scores, standardise(scores), moment)

    def popular(self, query: Query) -> Ranking:
        """What is bought at the place, whoever asks: the list of an unknown shopper.

        For a caller who cannot wait: it reads no history, beyond what the query excludes,
        and so costs a fraction of :meth:`recommend`.
        """
        allowed = self._allowed(query, self.model.histories.profile(query.customer))
        candidates = self._candidates(Moment(NO_HISTORY, query.place, allowed), query.size)
        return self.rank(candidates, self.model.blend.weights[Task.COLD], query.size)

    def similar(self, item: int, query: Query) -> Ranking:
        """Products like ``item``: bought by its buyers, or near it in the factors."""
        profile = self.model.histories.profile(query.customer)
        allowed = self._allowed(query, profile)
        allowed[item] = False
        scores = np.zeros(len(self.model.catalogue), np.float32)
        if self.model.collaborative is not None:
            scores += self.model.collaborative.factors.cosine(item, self._factor_norms)
        if self.model.neighbours is not None:
            items, similarity = self.model.neighbours.similarity.row(item)
            if len(items):
                scores[items] += similarity / similarity.max()
        items = top(scores, query.size, allowed)
        items = items[self._best(items, scores[items], query.size)]
        return Ranking(
            items,
            scores[items],
            np.full(len(items), Strategy.SIMILAR, np.int8),
            self.model.places.evidence_levels(query.place, items),
            query.place,
            profile,
        )

    def order(
        self, candidates: Candidates, weights: NDArray[np.float32], size: int
    ) -> NDArray[np.int32]:
        """The items of :meth:`rank` alone, for who compares many weightings."""
        scores = candidates.features @ weights
        return candidates.items[self._best(candidates.items, scores, size)]

    def task(self, query: Query, profile: Profile) -> Task:
        """Which weights suit a question."""
        if profile.is_empty:
            return Task.COLD
        if query.only_new:
            return Task.NEW
        return Task.AWAY if self.is_away(query.customer, query.place) else Task.ALL

    def is_away(self, customer: int, place: Place) -> bool:
        """Whether ``place``, at its finest level, is another than the customer's home."""
        level = place.level
        if customer == MISSING or level == Level.EVERYWHERE:
            return False
        return bool(self.model.histories.homes[customer, level] != place.indices[level])

    def _allowed(self, query: Query, profile: Profile) -> NDArray[np.bool_]:
        """Bool, shape ``(n_items,)``: what the rules and the caller leave."""
        allowed = (
            np.ones(len(self.model.catalogue), np.bool_)
            if self._sold_always
            else self.model.catalogue.available(query.now)
        )
        if query.catalogue_filter:
            allowed &= self.catalogue_index.matching(query.catalogue_filter)
        allowed[query.excluded] = False
        if query.only_new:
            allowed[profile.purchased] = False
        return allowed

    def _best(
        self, items: NDArray[np.int32], scores: NDArray[np.float32], size: int
    ) -> NDArray[np.intp]:
        return best_first(scores, [self._popularity_rank[items]])[:size]

    def _strategy(
        self,
        levels: NDArray[np.int8],
        weights: NDArray[np.float32],
        scores: NDArray[np.float32],
        terms: NDArray[np.float32],
    ) -> NDArray[np.int8]:
        """The strategy that put each product there: the largest contribution that is true.

        Standardised scores can credit a source with a product that it knows nothing of
        (all others scored lower still); such credit is taken away.
        """
        speaks = (scores > 0) & (weights > 0)
        # Shares are logarithms and never positive: a place speaks for what it has sold.
        nearby = self._feature_strategies == Strategy.POPULAR_NEARBY
        speaks[:, nearby] = (levels < Level.EVERYWHERE)[:, None] & (weights > 0)[nearby]
        is_true = speaks @ self._by_strategy > 0
        # Whatever nothing else speaks for fills the list up by its popularity.
        is_true[:, self._strategies == Strategy.POPULAR] = True
        credit = np.where(is_true, terms @ self._by_strategy, -np.inf)
        if nearby.any():
            # What is popular everywhere and more so here is popular here: one reason, not two.
            here = scores[:, self.features.index("place_lift")] > 0
            popular = credit[:, self._strategies == Strategy.POPULAR]
            credit[:, self._strategies == Strategy.POPULAR_NEARBY] += np.where(
                here[:, None], np.maximum(popular, 0), 0
            )
        strategies: NDArray[np.int8] = self._strategies[credit.argmax(axis=1)]
        return strategies
