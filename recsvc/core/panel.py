"""The sources that are asked for a list, and what the rankers read of their answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsvc.core.baskets import Baskets
from recsvc.core.case import Case
from recsvc.core.features import Features
from recsvc.core.model import Model
from recsvc.core.places import Level
from recsvc.core.ranking import standardise
from recsvc.core.sources import Moment, Shared, Source, Strategy
from recsvc.core.sparse import distinct

NO_NEWCOMERS = np.zeros(0, np.int32)


class Panel:
    """Some sources of one model; immutable, and shared by all threads.

    Args:
        model: what was learnt.
        baskets: the source of what goes with a basket, where it is asked too.
    """

    def __init__(self, model: Model, baskets: Baskets | None = None) -> None:
        self._model = model
        self.sources: Sequence[Source] = (
            model.sources
            if baskets is None
            else (
                *model.sources,
                baskets,
            )
        )
        self.scores = tuple(name for source in self.sources for name in source.features)
        """Names of the columns of :attr:`Case.scores`."""
        self.features = Features(model, self.scores, baskets)
        self._score_strategies = np.array(
            [s for source in self.sources for s in source.features.values()], np.int8
        )
        self._strategies = np.unique(self._score_strategies)
        # Found once: to compare an array with an enumeration takes as long as a hundred candidates.
        self._is_nearby = self._strategies == Strategy.POPULAR_NEARBY
        self._is_popular = self._strategies == Strategy.POPULAR
        self._says_nearby = self._score_strategies == Strategy.POPULAR_NEARBY
        self._lift = self.scores.index("place_lift") if self._is_nearby.any() else None
        # Sums the scores of one strategy: (n_scores, n_strategies) of 0 and 1.
        self._by_strategy = (self._score_strategies[:, None] == self._strategies[None, :]).astype(
            np.float32
        )

    def share(self, moments: Sequence[Moment]) -> None:
        """Let the sources compute for several moments what is dear for each alone."""
        apart: list[Moment] = []
        for moment in moments:
            # Questions of one shopper follow on each other, if they are among them.
            if apart and apart[-1].is_alike(moment):
                moment.share(apart[-1])
            else:
                apart.append(moment)
        for source in self.sources:
            if isinstance(source, Shared):
                source.share(apart)

    def propose(self, moment: Moment, limit: int) -> NDArray[np.int32]:
        """The union of what the sources propose, ascending."""
        return distinct([source.propose(moment, limit) for source in self.sources])

    def case(
        self,
        moment: Moment,
        items: NDArray[np.int32],
        newcomers: NDArray[np.int32] = NO_NEWCOMERS,
    ) -> Case:
        """Candidates with all sources' scores.

        Args:
            moment: who asks, and where.
            items: int32, distinct: the candidates that the model has learnt.
            newcomers: int32: which of the others are allowed, the latest first.
        """
        scores = np.empty((len(items), len(self.scores)), np.float32)
        columns = (column for source in self.sources for column in source.score(moment, items))
        for at, column in enumerate(columns):  # half the time of stacking them
            scores[:, at] = column
        return Case(self._model, self, moment, items, scores, standardise(scores), newcomers)

    def strategies(
        self,
        case: Case,
        positions: NDArray[np.intp],
        levels: NDArray[np.int8],
        weights: NDArray[np.float32],
    ) -> NDArray[np.int8]:
        """The strategy that put each product there: the largest contribution that is true.

        Standardised scores can credit a source with a product that it knows nothing of
        (all others scored lower still); such credit is taken away.

        Args:
            case: the candidates.
            positions: shape ``(n,)``: which of them are asked about.
            levels: int8, shape ``(n,)``: finest :class:`Level` that has sold each of these.
            weights: float32, of the fusion, one a score.
        """
        scores, terms = case.scores[positions], case.standardised[positions] * weights
        says = scores > 0
        # Shares are logarithms and never positive: a place speaks for what it has sold.
        says[:, self._says_nearby] = (levels < int(Level.EVERYWHERE))[:, None]
        speaks = (says & (weights > 0)).astype(np.float32)
        is_true = speaks @ self._by_strategy > 0
        # Whatever nothing else speaks for fills the list up by its popularity.
        is_true[:, self._is_popular] = True
        credit = np.where(is_true, terms @ self._by_strategy, -np.inf)
        if self._lift is not None:
            # What is popular everywhere and more so here is popular here: one reason, not two.
            here = scores[:, self._lift] > 0
            popular = credit[:, self._is_popular]
            credit[:, self._is_nearby] += np.where(here[:, None], np.maximum(popular, 0), 0)
        strategies: NDArray[np.int8] = self._strategies[credit.argmax(axis=1)]
        return strategies
