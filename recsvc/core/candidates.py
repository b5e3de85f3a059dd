"""Which products a list is made from, and what all sources say of them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsvc.core.allowed import allowed_by, on_this_page
from recsvc.core.assortment import Assortment
from recsvc.core.case import Case
from recsvc.core.due import needed_again
from recsvc.core.histories import NO_HISTORY, Profile
from recsvc.core.live import NO_ITEMS, Live, fold
from recsvc.core.model import Model
from recsvc.core.newcomers import ranked_newcomers
from recsvc.core.panel import Panel
from recsvc.core.query import Query
from recsvc.core.ranking import BESIDE_BASKET, Task
from recsvc.core.sources import Moment
from recsvc.core.sparse import distinct, top
from recsvc.core.vocabulary import MISSING

ONLY_NEW = 2
"""So many times the candidates for a list of new products, which cannot fill up with the
shopper's own."""

N_STAND_IN = 5
"""Learnt products that stand in for one that is new, where a shopper has looked at it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question whose candidates are still to be found.

    Attributes:
        query: the question.
        task: what it is asked for; ``None`` a list for the shopper.
        panel: the sources that are asked.
        moment: what they see of it.
        allowed: bool, shape ``(n_items,)``: what may be on the page.
        stand_ins: items of the profile that stand in for newcomers.
        undated: as :attr:`recsvc.core.live.Live.undated`.
    """

    query: Query
    task: Task | None
    panel: Panel
    moment: Moment
    allowed: NDArray[np.bool_]
    stand_ins: NDArray[np.int32]
    undated: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Gathers the candidates of one assortment; immutable, and shared by all threads.

    Attributes:
        model: what was learnt.
        assortment: the products.
        tie_rank: int32, shape ``(n_items,)``: the more popular, the lower.
        panel: the sources of lists for a shopper.
        beside: those of what goes with a basket.
    """

    model: Model
    assortment: Assortment
    tie_rank: NDArray[np.int32]
    panel: Panel
    beside: Panel

    def asked(self, task: Task) -> Panel:
        """The sources that a task asks."""
        return self.beside if task in BESIDE_BASKET else self.panel

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

    def allowed(self, query: Query, live: Live) -> NDArray[np.bool_]:
        """Bool, shape ``(n_items,)``: what may be on this page."""
        allowed = allowed_by(query, live, self.model.statistics, self.assortment)
        return on_this_page(allowed, query, self.assortment)

    def prepared(
        self, query: Query, live: Live, allowed: NDArray[np.bool_], task: Task | None = None
    ) -> Prepared:
        """A question as the sources see it.

        Args:
            query: the question.
            live: the shopper as of now.
            allowed: bool, shape ``(n_items,)``.
            task: what it is asked for; unless given, a list for the shopper.
        """
        customer = query.customer
        if task in BESIDE_BASKET:  # what else was put there is left out, and shapes nothing
            live = replace(live, basket=NO_ITEMS)
        if task is Task.TOGETHER_COLD:  # the same for all, whoever asks
            customer, live = MISSING, replace(live, profile=NO_HISTORY)
        # What was seen or put in the basket makes nothing else due.
        visit = (live.profile, NO_ITEMS) if task is Task.AGAIN else self.of_visit(query, live)
        profile, stand_ins = visit
        moment = self._moment(profile, query, allowed, customer)
        if task in BESIDE_BASKET:
            moment = replace(moment, basket=distinct(list(self._learnt(query.basket))))
        panel = self.panel if task is None else self.asked(task)
        return Prepared(query, task, panel, moment, allowed, stand_ins, live.undated)

    def of(self, prepared: Prepared) -> Case:
        """All sources' proposals with all sources' scores."""
        moment, stand_ins, undated = prepared.moment, prepared.stand_ins, prepared.undated
        if prepared.task is Task.AGAIN:
            case = self._again(moment)
        else:
            case = self._gathered(prepared.panel, moment, prepared.query, prepared.allowed)
        is_plain = not len(stand_ins) and not len(undated)
        return case if is_plain else replace(case, stand_ins=stand_ins, undated=undated)

    def of_nobody(self, query: Query) -> Case:
        """The same for an unknown shopper, whoever asks."""
        allowed = self.allowed(query, self.live(query))
        moment = self._moment(NO_HISTORY, query, allowed, MISSING)
        return self._gathered(self.panel, moment, query, allowed)

    def of_visit(self, query: Query, live: Live) -> tuple[Profile, NDArray[np.int32]]:
        """A profile with the visit, and the items in it that stand in for newcomers."""
        if not any(map(len, (query.session, query.basket, live.session, live.basket))):
            return live.profile, NO_ITEMS
        basket = np.union1d(query.basket, live.basket)
        session = np.union1d(np.union1d(query.session, live.session), basket)
        learnt, stand_ins = self._learnt(session.astype(np.int32))
        return live.profile.with_session(distinct([learnt, stand_ins])), stand_ins

    def _again(self, moment: Moment) -> Case:
        """What the shopper buys again and again, and nothing else."""
        own = needed_again(moment.profile)
        # Without times nobody can tell when anything is due.
        own = own[moment.allowed[own]] if self.model.data_end else NO_ITEMS
        return self.panel.case(moment, own)

    def _moment(
        self, profile: Profile, query: Query, allowed: NDArray[np.bool_], customer: int
    ) -> Moment:
        learnt = allowed[: self.assortment.n_learnt]
        return Moment(profile, query.place, learnt, query.now, customer, query.only_new)

    def _gathered(
        self, panel: Panel, moment: Moment, query: Query, allowed: NDArray[np.bool_]
    ) -> Case:
        limit = self.model.n_candidates * (ONLY_NEW if query.only_new else 1)
        limit = max(limit, query.size)
        n_learnt = self.assortment.n_learnt
        pinned = query.ruling.pinned(allowed, self.tie_rank)
        items = panel.propose(moment, limit)
        if len(pinned):
            items = distinct([items, pinned[pinned < n_learnt]])
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
