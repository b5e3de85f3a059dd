"""The one ranking code: evaluation, batch and live calls all come through here.

The stages of a list::

    history and acts -> allowed -> candidates -> scores -> features -> ranker -> re-ranker -> list
"""

from copy import copy
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.allowed import allowed_by, on_this_page
from recsvc.core.assortment import Assortment
from recsvc.core.diversity import Likeness
from recsvc.core.due import due_again, needed_again
from recsvc.core.features import Case
from recsvc.core.histories import NO_HISTORY, Profile
from recsvc.core.journey import staged
from recsvc.core.lists import BuyAgain, Ranking
from recsvc.core.live import NO_ITEMS, Live, fold
from recsvc.core.model import Model
from recsvc.core.newcomers import placed, ranked_newcomers
from recsvc.core.panel import Panel
from recsvc.core.places import ANYWHERE, Level, Location, Place
from recsvc.core.query import Query
from recsvc.core.ranking import BESIDE_BASKET, Ranker, Task, plain_ranker
from recsvc.core.reranking import Form, Listed, Reranker
from recsvc.core.ruling import Ruling
from recsvc.core.sources import Collaborative, ItemToItem, Moment, Strategy
from recsvc.core.sparse import distinct, top
from recsvc.core.tailoring import N_TAILORED, tailored
from recsvc.core.vocabulary import MISSING

NO_SCORES = np.zeros(0, np.float32)

N_STAND_IN = 5
"""Learnt products that stand in for one that is new, where a shopper has looked at it."""


class Recommender:
    """Ranks products with one model; safe to share between threads.

    Args:
        model: the model to rank with.

    Raises:
        ValueError: trees of the model read another number of features than it has.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.assortment = Assortment.learnt(model.catalogue)
        self._panel = Panel(model)
        self.scores = self._panel.scores
        """Names of the columns of :attr:`Case.scores` of lists for a shopper."""
        self.features = self._panel.features
        """What their trees read."""
        self._beside = self._panel if model.baskets is None else Panel(model, model.baskets)
        for task, ranker in model.rankers.items():
            n_features = len(self.panel(task).features.names)
            # Trees would read the wrong columns in silence.
            if ranker.trees is not None and ranker.trees.n_features != n_features:
                raise ValueError(
                    f"the trees of {task.value!r} read {ranker.trees.n_features} features, "
                    f"this model has {n_features}"
                )
        # Ties go to the more popular product: its place in the order of popularity.
        tie_rank = np.empty(len(model.catalogue), np.int32)
        tie_rank[model.popularity.order] = np.arange(len(model.catalogue), dtype=np.int32)
        collaborative = model.source("collaborative")
        self._factors = collaborative.factors if isinstance(collaborative, Collaborative) else None
        self._factor_norms = NO_SCORES if self._factors is None else self._factors.norms()
        likeness = Likeness.of(model.catalogue, self._factors, self._factor_norms)
        self._reranker = Reranker(self.assortment, likeness, tie_rank)
        neighbours = model.source("neighbours")
        self._neighbours = neighbours.weights if isinstance(neighbours, ItemToItem) else None

    def selling(self, assortment: Assortment) -> Self:
        """A recommender with the same model that ranks another assortment.

        Args:
            assortment: whose learnt products are the model's.
        """
        other = copy(self)
        other.assortment = assortment
        # Of newcomers nobody has bought any: they come after all others.
        newcomers = np.arange(assortment.n_learnt, len(assortment), dtype=np.int32)
        tie_rank = np.concatenate([self._reranker.tie_rank[: assortment.n_learnt], newcomers])
        likeness = Likeness.of(assortment.catalogue, self._factors, self._factor_norms)
        other._reranker = Reranker(assortment, likeness, tie_rank)  # noqa: SLF001  # one of its own kind
        return other

    def panel(self, task: Task) -> Panel:
        """The sources that a task asks."""
        return self._beside if task in BESIDE_BASKET else self._panel

    def ranker(self, task: Task) -> Ranker:
        """What orders the candidates of a task: what was learnt for it, else plain weights."""
        ranker = self.model.rankers.get(task)
        return plain_ranker(task, self.panel(task).scores) if ranker is None else ranker

    def place(self, customer: int, location: Location) -> Place:
        """Where the shopper is: the location given, else the customer's home."""
        if location:
            return self.model.places.resolve(location)
        if customer != MISSING:
            return Place(tuple(self.model.histories.homes[customer].tolist()))
        return ANYWHERE

    def recommend(self, query: Query) -> Ranking:
        """The best products for a shopper in a place."""
        live = self.live(query)
        allowed = allowed_by(query, live, self.model.statistics, self.assortment)
        asked = staged(query, live, allowed, self.assortment, self.model.statistics)
        page = on_this_page(asked.allowed, query, self.assortment)
        case = self._candidates(asked.query, live, page, asked.task)
        task = asked.task or self.task(asked.query, case.moment.profile)
        return self.rank(case, self.ranker(task), asked.query.form)

    def rank(self, case: Case, ranker: Ranker, form: Form) -> Ranking:
        """A list of the best candidates of a case."""
        place = case.moment.place
        items, scores = self._scored(case, ranker)
        listed = self._reranker.listed(items, scores, form)
        best = listed.best
        is_learnt = best < len(case.items)
        learnt = best[is_learnt]
        levels = np.full(len(best), Level.EVERYWHERE, np.int8)
        levels[is_learnt] = self.model.places.evidence_levels(place, case.items[learnt])
        strategies = np.full(len(best), Strategy.SIMILAR, np.int8)
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
        return case.items[self._reranker.listed(case.items, self._ranked(case, ranker), form).best]

    def _scored(self, case: Case, ranker: Ranker) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """A case's items, its newcomers last, and what the ranker makes of them."""
        items, scores = case.items, self._ranked(case, ranker)
        if len(case.newcomers):
            near = self.assortment.near
            scores = np.append(scores, placed(case, case.panel.sources, near, ranker, scores))
            items = np.append(items, self.assortment.n_learnt + case.newcomers)
        return items, scores

    def _ranked(self, case: Case, ranker: Ranker) -> NDArray[np.float32]:
        if ranker.trees is None:
            return self._fused(case, ranker)
        features = case.panel.features.of(case)
        learnt = ranker.trees.predict(features)
        if ranker.logistic is not None:
            learnt += ranker.logistic.predict(features)
        if ranker.fusion and len(case.items):
            fusion = self._fused(case, ranker)
            learnt += np.float32(ranker.fusion) * fusion / max(fusion.std(), np.float32(1e-6))
        return learnt

    @staticmethod
    def _fused(case: Case, ranker: Ranker) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = case.standardised @ ranker.weights
        return scores

    def candidates(self, query: Query, task: Task | None = None) -> Case:
        """All sources' proposals with all sources' scores.

        Args:
            query: the question.
            task: what it is asked for; unless given, a list for the shopper.
        """
        live = self.live(query)
        return self._candidates(query, live, self._allowed(query, live), task)

    def _allowed(self, query: Query, live: Live) -> NDArray[np.bool_]:
        allowed = allowed_by(query, live, self.model.statistics, self.assortment)
        return on_this_page(allowed, query, self.assortment)

    def _candidates(
        self, query: Query, live: Live, allowed: NDArray[np.bool_], task: Task | None
    ) -> Case:
        if task is Task.AGAIN:
            return self._again(live, query, allowed)
        customer = query.customer
        if task in BESIDE_BASKET:  # what else was put there is left out, and shapes nothing
            live = replace(live, basket=NO_ITEMS)
        if task is Task.TOGETHER_COLD:  # the same for all, whoever asks
            customer, live = MISSING, replace(live, profile=NO_HISTORY)
        profile, stand_ins = self._of_moment(query, live)
        moment = self._moment(profile, query, allowed, customer)
        if task in BESIDE_BASKET:
            moment = replace(moment, basket=distinct(list(self._learnt(query.basket))))
        case = self._case(moment, query, allowed, task)
        is_plain = not len(stand_ins) and not len(live.undated)
        return case if is_plain else replace(case, stand_ins=stand_ins, undated=live.undated)

    def _again(self, live: Live, query: Query, allowed: NDArray[np.bool_]) -> Case:
        """What the shopper buys again and again, and nothing else."""
        moment = self._moment(live.profile, query, allowed, query.customer)
        own = needed_again(live.profile)
        # Without times nobody can tell when anything is due.
        own = own[moment.allowed[own]] if self.model.data_end else NO_ITEMS
        return replace(self._panel.case(moment, own), undated=live.undated)

    def _of_moment(self, query: Query, live: Live) -> tuple[Profile, NDArray[np.int32]]:
        """A profile with the visit, and the items in it that stand in for newcomers."""
        basket = np.union1d(query.basket, live.basket)
        session = np.union1d(np.union1d(query.session, live.session), basket)
        learnt, stand_ins = self._learnt(session.astype(np.int32))
        return live.profile.with_session(distinct([learnt, stand_ins])), stand_ins

    def live(self, query: Query) -> Live:
        """The shopper as of now: what the model learnt, and what came since."""
        return fold(
            self.model.histories.profile(query.customer),
            query.acts,
            n_learnt=self.assortment.n_learnt,
            learnt_until=self.model.data_end,
            now=query.now,
            half_lives=self.model.half_lives,
        )

    def _moment(
        self, profile: Profile, query: Query, allowed: NDArray[np.bool_], customer: int = MISSING
    ) -> Moment:
        learnt = allowed[: self.assortment.n_learnt]
        return Moment(profile, query.place, learnt, query.now, customer, query.only_new)

    def _case(
        self,
        moment: Moment,
        query: Query,
        allowed: NDArray[np.bool_],
        task: Task | None = None,
    ) -> Case:
        # A list of new products cannot fill up with the shopper's own.
        limit = self.model.n_candidates * (2 if query.only_new else 1)
        limit = max(limit, query.size)
        panel = self._panel if task is None else self.panel(task)
        n_learnt = self.assortment.n_learnt
        pinned = query.ruling.pinned(allowed, self._reranker.tie_rank)
        items = distinct([panel.propose(moment, limit), pinned[pinned < n_learnt]])
        newcomers = ranked_newcomers(allowed[n_learnt:], pinned[pinned >= n_learnt] - n_learnt)
        return panel.case(moment, items, newcomers)

    def _learnt(self, items: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Those of ``items`` that are learnt, and what stands in for the others: the most alike."""
        n_learnt = self.assortment.n_learnt
        is_new = items >= n_learnt
        if not is_new.any():
            return items, NO_ITEMS
        near = [self.assortment.near.row(item - n_learnt) for item in items[is_new].tolist()]
        most_like = [found[top(likeness, N_STAND_IN)] for found, likeness in near]
        stand_ins = np.setdiff1d(np.concatenate(most_like), items)
        return items[~is_new], stand_ins

    def popular(self, query: Query) -> Ranking:
        """What is bought at the place, whoever asks: the list of an unknown shopper.

        For a caller who cannot wait: it reads no history, beyond what the query excludes,
        and so costs a fraction of :meth:`recommend`.
        """
        allowed = self._allowed(query, self.live(query))
        case = self._case(self._moment(NO_HISTORY, query, allowed), query, allowed)
        if len(case.items):  # who is in a hurry is not asked to wait for what is new
            case = replace(case, newcomers=NO_ITEMS)
        return self.rank(case, self.ranker(Task.COLD), query.form)

    def similar(self, item: int, query: Query) -> Ranking:
        """Products like ``item``: bought by its buyers, near it in the factors, or alike.

        Who asks changes the order of the most alike, and nothing else: the list of nobody in
        particular is the same for all.
        """
        live = self.live(query)
        allowed = self._allowed(query, live)
        allowed[item] = False
        n_learnt = self.assortment.n_learnt
        if item < n_learnt:
            learnt = self._similar(item)
            learnt[item] = max(learnt.max(), 1.0)  # nothing is more like it
        else:  # like what it is like
            near, likeness = self.assortment.near.row(item - n_learnt)
            learnt = np.zeros(n_learnt, np.float32)
            for other, share in zip(near.tolist(), likeness.tolist(), strict=True):
                learnt += np.float32(share) * self._similar(other)
            learnt /= max(float(likeness.sum()), 1.0)
            learnt[near] += likeness
        scores = np.append(learnt, self.assortment.near.means(learnt))
        items = np.flatnonzero((scores > 0) & allowed).astype(np.int32)
        items = np.union1d(items, query.ruling.pinned(allowed, self._reranker.tie_rank))
        likeness = scores[items]
        profile, _ = self._of_moment(query, live)
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
        case = self._panel.case(moment, alike[is_learnt], alike[~is_learnt] - n_learnt)
        _, liking = self._scored(case, self.ranker(Task.NEW))
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

    def _similar(self, item: int) -> NDArray[np.float32]:
        """float32, shape ``(n_learnt,)``: how like a learnt product each of them is."""
        scores = np.zeros(self.assortment.n_learnt, np.float32)
        if self._factors is not None:
            scores += self._factors.cosine(item, self._factor_norms)
        if self._neighbours is not None:
            items, similarity = self._neighbours.row(item)
            if len(items):
                scores[items] += similarity / similarity.max()
        return scores

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
