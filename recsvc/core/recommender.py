"""The one ranking code: evaluation, batch and live calls all come through here.

The stages of a list::

    history and acts -> allowed -> candidates -> scores -> features -> ranker -> re-ranker -> list
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.allowed import allowed_by, on_this_page
from recsvc.core.assortment import Assortment
from recsvc.core.candidates import Candidates, Prepared
from recsvc.core.case import Case
from recsvc.core.diversity import Likeness
from recsvc.core.due import due_again
from recsvc.core.histories import Profile
from recsvc.core.journey import staged
from recsvc.core.lists import BuyAgain, Ranking
from recsvc.core.live import Live
from recsvc.core.model import Model
from recsvc.core.panel import Panel
from recsvc.core.places import ANYWHERE, Level, Location, Place
from recsvc.core.query import Query
from recsvc.core.ranking import Ranker, Task, plain_ranker
from recsvc.core.reranking import Form, Listed, Reranker
from recsvc.core.ruling import Ruling
from recsvc.core.scoring import scored, scored_with_newcomers
from recsvc.core.similarity import Similarity
from recsvc.core.sources import Moment, Strategy
from recsvc.core.tailoring import N_TAILORED, tailored
from recsvc.core.vocabulary import MISSING

MAX_TOGETHER = 32
SCORES_TOGETHER = 1 << 21
"""Questions that are prepared together, and scores of all products that each source keeps for them:
8 MiB. A pass over the factors costs each of 32 hardly more than each of 100."""


class Recommender:
    """Ranks products with one model; safe to share between threads.

    Args:
        model: the model to rank with.

    Raises:
        ValueError: trees of the model read another number of features than it has.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        panel = Panel(model)
        beside = panel if model.baskets is None else Panel(model, model.baskets)
        # Ties go to the more popular product: its place in the order of popularity.
        tie_rank = np.empty(len(model.catalogue), np.int32)
        tie_rank[model.popularity.order] = np.arange(len(model.catalogue), dtype=np.int32)
        self.assortment = Assortment.learnt(model.catalogue)
        self._similarity = Similarity.of(model)
        self._candidates = Candidates(model, self.assortment, tie_rank, panel, beside)
        self._reranker = self._reranking(self.assortment, tie_rank)
        self.scores = panel.scores
        """Names of the columns of :attr:`Case.scores` of lists for a shopper."""
        self.features = panel.features
        """What their trees read."""
        for task, ranker in model.rankers.items():
            n_features = len(self.panel(task).features.names)
            # Trees would read the wrong columns in silence.
            if ranker.trees is not None and ranker.trees.n_features != n_features:
                raise ValueError(
                    f"the trees of {task.value!r} read {ranker.trees.n_features} features, "
                    f"this model has {n_features}"
                )

    def selling(self, assortment: Assortment) -> Self:
        """A recommender with the same model that ranks another assortment.

        Args:
            assortment: whose learnt products are the model's.
        """
        other: Self = copy(self)
        # Of newcomers nobody has bought any: they come after all others.
        newcomers = np.arange(assortment.n_learnt, len(assortment), dtype=np.int32)
        tie_rank = np.append(self._reranker.tie_rank[: assortment.n_learnt], newcomers)
        other.assortment = assortment
        candidates = replace(self._candidates, assortment=assortment, tie_rank=tie_rank)
        other._candidates = candidates
        other._reranker = self._reranking(assortment, tie_rank)
        return other

    def _reranking(self, assortment: Assortment, tie_rank: NDArray[np.int32]) -> Reranker:
        known = self._similarity
        likeness = Likeness.of(assortment.catalogue, known.factors, known.norms)
        return Reranker(assortment, likeness, tie_rank)

    def panel(self, task: Task) -> Panel:
        """The sources that a task asks."""
        return self._candidates.asked(task)

    def ranker(self, task: Task) -> Ranker:
        """What orders the candidates of a task: what was learnt for it, else plain weights."""
        ranker = self.model.rankers.get(task)
        return plain_ranker(task, self.panel(task).scores) if ranker is None else ranker

    def live(self, query: Query) -> Live:
        """The shopper as of now: what the model learnt, and what came since."""
        return self._candidates.live(query)

    def place(self, customer: int, location: Location) -> Place:
        """Where the shopper is: the location given, else the customer's home."""
        if location:
            return self.model.places.resolve(location)
        if customer != MISSING:
            return Place(tuple(self.model.histories.homes[customer].tolist()))
        return ANYWHERE

    def recommend(self, query: Query) -> Ranking:
        """The best products for a shopper in a place."""
        return self.recommended(self.prepared(query))

    def recommend_all(self, queries: Iterable[Query]) -> Iterator[Ranking]:
        """The lists of :meth:`recommend`, with what they have in common done for all."""
        yield from map(self.recommended, self._sharing(map(self.prepared, queries)))

    def prepared(self, query: Query) -> Prepared:
        """A question with who asks, and what may be on the list: all but the ranking."""
        live = self.live(query)
        allowed = allowed_by(query, live, self.model.statistics, self.assortment)
        asked = staged(query, live, allowed, self.assortment, self.model.statistics)
        page = on_this_page(asked.allowed, query, self.assortment)
        return self._candidates.prepared(asked.query, live, page, asked.task)

    def recommended(self, prepared: Prepared) -> Ranking:
        """The list of a question, as :meth:`recommend`."""
        query, case = prepared.query, self._candidates.of(prepared)
        task = prepared.task or self.task(query, case.moment.profile)
        return self.rank(case, self.ranker(task), query.form)

    @property
    def n_together(self) -> int:
        """So many questions are worth preparing before the first of them is ranked, at most."""
        return max(1, min(MAX_TOGETHER, SCORES_TOGETHER // max(1, len(self.model.catalogue))))

    def share(self, prepared: Sequence[Prepared]) -> None:
        """Compute at once what several questions would compute each alone, and with equal bits.

        Args:
            prepared: at most :attr:`n_together`: what is computed is kept until each is ranked.
        """
        # Without baskets the two are one, which would do everything twice.
        for panel in dict.fromkeys((self._candidates.panel, self._candidates.beside)):
            panel.share([each.moment for each in prepared if each.panel is panel])

    def _sharing(self, prepared: Iterable[Prepared]) -> Iterator[Prepared]:
        prepared = iter(prepared)
        while group := deque(islice(prepared, self.n_together)):
            self.share(group)
            while group:  # its scores are let go of, once it is ranked
                yield group.popleft()

    def rank(self, case: Case, ranker: Ranker, form: Form) -> Ranking:
        """A list of the best candidates of a case."""
        place = case.moment.place
        items, scores = scored_with_newcomers(case, ranker, self.assortment)
        listed = self._reranker.listed(items, scores, form)
        best = listed.best
        is_learnt = best < len(case.items)
        learnt = best[is_learnt]
        levels = np.full(len(best), int(Level.EVERYWHERE), np.int8)
        levels[is_learnt] = self.model.places.evidence_levels(place, case.items[learnt])
        strategies = np.full(len(best), int(Strategy.SIMILAR), np.int8)
        strategies[is_learnt] = case.panel.strategies(
            case, learnt, levels[is_learnt], ranker.weights
        )
        return Ranking(
            items[best],
            scores[best],
            strategies,
            levels,
            place,
            case.moment.profile,
            case.stand_ins,
            case.undated,
            rules=listed.rules,
            picked=listed.picked,
            applied=listed.applied,
            basket=case.moment.basket,
        )

    def order(self, case: Case, ranker: Ranker, form: Form) -> NDArray[np.int32]:
        """The items of :meth:`rank` alone, for who compares many rankers."""
        return case.items[self._reranker.listed(case.items, scored(case, ranker), form).best]

    def candidates(self, query: Query, task: Task | None = None) -> Case:
        """All sources' proposals with all sources' scores.

        Args:
            query: the question.
            task: what it is asked for; unless given, a list for the shopper.
        """
        return next(self.candidates_all([(query, task)]))

    def candidates_all(self, asked: Iterable[tuple[Query, Task | None]]) -> Iterator[Case]:
        """:meth:`candidates` of each question, with what they have in common done for all.

        Args:
            asked: questions and tasks; those of one shopper cost the least one after another.
        """
        yield from map(self._candidates.of, self._sharing(self._prepared_all(asked)))

    def _prepared_all(self, asked: Iterable[tuple[Query, Task | None]]) -> Iterator[Prepared]:
        before, live = None, None
        for query, task in asked:
            if live is None or before is None or not query.is_of_same(before):
                live = self.live(query)
            before = query
            allowed = self._candidates.allowed(query, live)
            yield self._candidates.prepared(query, live, allowed, task)

    def popular(self, query: Query) -> Ranking:
        """What is bought at the place, whoever asks: the list of an unknown shopper.

        For a caller who cannot wait: it reads no history, beyond what the query excludes,
        and so costs a fraction of :meth:`recommend`.
        """
        case = self._candidates.of_nobody(query)
        if len(case.items):  # who is in a hurry is not asked to wait for what is new, pins aside
            new = case.newcomers
            is_pinned = query.ruling.pins_any(self.assortment.n_learnt + new)
            case = replace(case, newcomers=new[is_pinned])
        return self.rank(case, self.ranker(Task.COLD), query.form)

    def similar(self, item: int, query: Query) -> Ranking:
        """Products like ``item``: bought by its buyers, near it in the factors, or alike.

        Who asks changes the order of the most alike, and nothing else: the list of nobody in
        particular is the same for all.
        """
        live = self.live(query)
        allowed = self._candidates.allowed(query, live)
        # Who looks at one has its other sizes before them, and is after something else.
        allowed[self.assortment.with_variants(np.array([item], np.int32))] = False
        n_learnt = self.assortment.n_learnt
        scores = self._similarity.to(item, self.assortment)
        items = np.flatnonzero((scores > 0) & allowed).astype(np.int32)
        items = np.union1d(items, query.ruling.pinned(allowed, self._reranker.tie_rank))
        likeness = scores[items]
        profile, _ = self._candidates.of_visit(query, live)
        is_known = query.customer != MISSING or bool(len(query.acts))
        is_tailored = is_known and not profile.is_empty
        if is_tailored:
            moment = Moment(profile, query.place, allowed[:n_learnt], query.now, query.customer)
            likeness = self._tailored(items, likeness, moment)
        listed = self._reranker.listed(items, likeness, query.form)
        best = listed.best
        items = items[best]
        levels = np.full(len(items), Level.EVERYWHERE, np.int8)
        is_learnt = items < n_learnt
        levels[is_learnt] = self.model.places.evidence_levels(query.place, items[is_learnt])
        return Ranking(
            items,
            likeness[best],
            np.full(len(items), Strategy.SIMILAR, np.int8),
            levels,
            query.place,
            live.profile,
            is_placed=is_tailored,
            rules=listed.rules,
            picked=listed.picked,
            applied=listed.applied,
        )

    def _tailored(
        self, items: NDArray[np.int32], likeness: NDArray[np.float32], moment: Moment
    ) -> NDArray[np.float32]:
        """The likeness of items, which are ascending, and of the most alike the liking as well."""
        most = np.sort(self._reranker.listed(items, likeness, Form(size=N_TAILORED)).best)
        n_learnt = self.assortment.n_learnt
        alike = items[most]
        is_learnt = alike < n_learnt
        panel = self.panel(Task.NEW)
        case = panel.case(moment, alike[is_learnt], alike[~is_learnt] - n_learnt)
        _, liking = scored_with_newcomers(case, self.ranker(Task.NEW), self.assortment)
        kinds = self.assortment.catalogue.category[alike]
        likeness[most] = tailored(likeness[most], liking, kinds)
        return likeness

    def together(self, query: Query) -> Ranking:
        """Products that go into one basket with those of ``query.basket``."""
        is_known = bool(len(self.live(query).profile.purchased))
        task = Task.TOGETHER if is_known else Task.TOGETHER_COLD
        return self.rank(self.candidates(query, task), self.ranker(task), query.form)

    def again(self, query: Query) -> BuyAgain:
        """What the shopper needs again, the soonest due first."""
        case = self.candidates(query, Task.AGAIN)
        # Rules that move products have no say in what is due: those that keep some back have,
        # first in what is chosen, and once more in the order that is shown.
        keeping = Ruling(caps=query.ruling.caps, exclusions=query.ruling.exclusions)
        form = replace(query.form, ruling=keeping)
        ranking = self.rank(case, self.ranker(Task.AGAIN), form)
        due = due_again(
            ranking.profile,
            ranking.items,
            self.model.statistics,
            self.model.half_lives,
            query.now,
        )
        order = np.argsort(due.due_time, kind="stable")
        listed = self._kept(ranking.items[order], form)
        order = order[listed.best]
        ranking = replace(
            ranking.where(order),
            strategies=np.full(len(order), Strategy.BUY_AGAIN, np.int8),
            rules=listed.rules,
            applied=tuple(sorted({*ranking.applied, *listed.applied})),
        )
        return BuyAgain(
            ranking,
            due.due_time[order],
            due.interval_seconds[order],
            due.quantity[order],
        )

    def _kept(self, items: NDArray[np.int32], form: Form) -> Listed:
        """Those of ``items``, in their order, that the rules of ``form`` do not keep back."""
        if not form.ruling:
            return Listed(np.arange(len(items)))
        places = -np.arange(len(items), dtype=np.float32)
        return self._reranker.listed(items, places, form)

    def task(self, query: Query, profile: Profile) -> Task:
        """Which ranker suits a question."""
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
