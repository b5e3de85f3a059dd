"""What every list begins with: who asks, which model answers, and what is true just now.

::

    question -> inquiry (who, model) -> what the shopper did of late -> situation -> ranking
                                                  stock of the store ----'
"""

import time
from collections.abc import Callable, KeysView, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from recsvc.core.recommendation_id import Surface
from recsvc.identity import customer_hash, session_hash, visitor_hash
from recsvc.logs import note
from recsvc.service.defaults import Defaults
from recsvc.service.experiments import UNKNOWN_EXPERIMENT, Assignment, Experiments
from recsvc.service.inquiry import CONSISTENCY_UNMET, Inquiry
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.questions import Question
from recsvc.service.shop_rules import ShopRules
from recsvc.service.shopping import LiveProfile
from recsvc.service.situations import Asker, Situation
from recsvc.service.standing import Heeded, Standing
from recsvc.service.stock import NOT_ASKED, Stock, Stocked

NO_CONSENT = "NO_CONSENT"


Moment = tuple[object, ...]
"""What everybody's lists depend on, see :meth:`Inquiries.moment`."""

_Hidden = dict[int, tuple[LoadedModel, NDArray[np.int32]]]
_MAX_HIDDEN = 8
"""So many models, each with the catalogue of a moment, are known to lack what was withdrawn."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is true now, whatever the model has learnt.

    Attributes:
        standing: what people decided.
        live: what the shop has said of products and stores.
        stock: what is there.
        experiments: those that run.
        rules: the shop's rules.
        defaults: what holds where a question leaves it open.
    """

    standing: Standing
    live: LiveCatalogue
    stock: Stock
    experiments: Experiments
    rules: ShopRules
    defaults: Defaults = field(default_factory=Defaults)


class Inquiries:
    """Prepares questions for the use cases; safe to share between threads.

    Args:
        slot: the current model.
        circumstances: what is true beside it.
        hash_key: secret that shoppers' ids are hashed with.
        now: unix seconds.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    def __init__(
        self,
        slot: ModelSlot,
        circumstances: Circumstances,
        *,
        hash_key: bytes,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._standing = circumstances.standing
        self._live = circumstances.live
        self._stock = circumstances.stock
        self._defaults = circumstances.defaults
        self._experiments = circumstances.experiments
        self._rules = circumstances.rules
        self._hash_key = hash_key
        self._now = now
        self._monotonic = monotonic
        self._hidden: tuple[dict[str, datetime], _Hidden] = ({}, {})

    def open(
        self,
        question: Question,
        deadline: float,
        loaded: LoadedModel | None = None,
        surface: Surface = Surface.RECOMMEND,
    ) -> Inquiry:
        """Begin to work on a question.

        Args:
            question: what is asked.
            deadline: monotonic seconds when the caller stops waiting.
            loaded: the model to answer with, as it was loaded; the current one unless given.
                The variant of an experiment may have another.
            surface: the kind of list.

        Raises:
            UnavailableError: no model is loaded yet (WARMING_UP).
        """
        started = self._monotonic()
        heeds = self._standing.position
        loaded = loaded or self._slot.current()
        asker = self._known(question)
        assignment = self._assigned(question, asker, loaded)
        if assignment is not None and assignment.loaded is not None:
            loaded = assignment.loaded
        asker = self._asker(question, asker, loaded)
        if not self._live.sees(question.must_see.catalogue, deadline):
            asker = asker.warned(CONSISTENCY_UNMET)
        loaded = self._live.dressed(loaded)
        rules = self._rules.prepared(loaded.assortment, assignment.book if assignment else None)
        shaped = assignment.shaped(question) if assignment else question
        settled = self._defaults.settled(
            shaped, rules.book, surface, buys_again=loaded.model.buys_again
        )
        return Inquiry(settled, asker, loaded, started, deadline, rules, surface, assignment, heeds)

    def moment(self) -> Moment:
        """What everybody's lists depend on: each of it another object once it has changed.

        What people decided of themselves, stock, what shoppers do and the clock are left aside.
        """
        standing = self._standing
        return (
            self._slot.loaded,
            self._live.revision,
            self._experiments.moment,
            self._rules.current,
            standing.withdrawn,
            standing.restored_at,
        )

    def heeded(self, question: Question) -> Heeded:
        """What was decided of who asks, as of now."""
        person = ""
        if question.visitor_id:
            person = visitor_hash(self._hash_key, question.visitor_id)
        elif question.customer_id:
            person = customer_hash(self._hash_key, question.customer_id)
        return self._standing.heeded(person, is_visitor=bool(question.visitor_id))

    def still(self, heeded: Heeded) -> bool:
        """Whether nothing else has been decided of who asked."""
        return self._standing.still(heeded)

    def unchanged_until(self, inquiry: Inquiry, now: float) -> float:
        """A moment until which the clock alone changes nothing of an answer of ``now``.

        Both are unix seconds.
        """
        return min(
            inquiry.loaded.assortment.unchanged_until(now),
            inquiry.rules.book.conditions.unchanged_until(now),
            self._experiments.unchanged_until(now),
        )

    def stocked(self, inquiry: Inquiry, store_id: str) -> Stocked:
        """The stock of a store, where the answer depends on any."""
        question = inquiry.question
        if not question.looks_at_shelf:
            return NOT_ASKED
        must_see = question.must_see.catalogue
        return self._stock.at(store_id, inquiry.loaded.assortment, inquiry.deadline, must_see)

    def situation(
        self, inquiry: Inquiry, live: LiveProfile, shown: Sequence[int] = ()
    ) -> Situation:
        """A question in the terms of its model, its stock aside.

        Args:
            inquiry: the question.
            live: what the shopper did of late.
            shown: item indices of the pages before.

        Raises:
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        return inquiry.situation(live, self._now(), self.withdrawn(inquiry.loaded), shown)

    def withdrawn(self, loaded: LoadedModel) -> NDArray[np.int32]:
        """Item indices of what was withdrawn, looked up once for each model and recall."""
        withdrawn = self._standing.withdrawn
        known, found = self._hidden
        if known is not withdrawn or len(found) > _MAX_HIDDEN:
            found = {}
            self._hidden = (withdrawn, found)
        # Kept with its model, whose id would else be given to another one.
        entry = found.get(id(loaded))
        if entry is None:
            items = loaded.assortment.catalogue.items.indices(withdrawn)
            entry = found[id(loaded)] = (loaded, items)
        return entry[1]

    @property
    def withdrawn_ids(self) -> KeysView[str]:
        """The products that must not be shown."""
        return self._standing.withdrawn.keys()

    def state(self, inquiry: Inquiry) -> str:
        """Differs whenever a list that was kept may no longer be given, stock and recalls aside.

        Of who was erased nothing is known that was known before, though the same person may have
        come back. What was restored is missing on the lists from before.
        """
        asker, assigned = inquiry.asker, inquiry.assignment
        erased = self._standing.erased_at(asker.shopper) if asker.shopper else 0
        restored = self._standing.restored_at
        warnings = ",".join(asker.warnings)
        variant = f"{assigned.experiment.number}.{assigned.index}" if assigned else ""
        rules = inquiry.rules.state(lambda: inquiry.occasion(self._now()))
        return f"{erased}|{restored}|{inquiry.loaded.revision}|{warnings}|{variant}|{rules}"

    def _known(self, question: Question) -> Asker:
        """Who asks, as far as they have agreed to be known; notes what stands for them.

        Of who has not agreed the log line says nothing: it names the list as well.
        """
        standing = self._standing
        warnings = () if standing.sees(question.must_see.ledger) else (CONSISTENCY_UNMET,)
        if question.visitor_id:
            shopper = visitor_hash(self._hash_key, question.visitor_id)
            kind, is_allowed = "visitor", standing.allows_visitor(shopper)
        elif question.customer_id:
            shopper = customer_hash(self._hash_key, question.customer_id)
            kind, is_allowed = "customer", standing.allows(shopper)
        else:
            return Asker(warnings=warnings)
        if not is_allowed:
            return Asker(warnings=(*warnings, NO_CONSENT))
        note(**{kind: shopper})
        return Asker(customer_id=question.customer_id, shopper=shopper, warnings=warnings)

    def _assigned(
        self, question: Question, asker: Asker, current: LoadedModel
    ) -> Assignment | None:
        """The variant that the lot gives the shopper.

        By the session where nobody in particular asks; who has not consented is no part of any
        experiment.
        """
        if not self._experiments.are_known:
            return None
        unit = asker.shopper
        if not question.is_by_somebody and question.session_id:
            unit = session_hash(self._hash_key, question.session_id)

        def segments() -> frozenset[str]:
            known = self._asker(question, asker, current)
            return current.model.segments.of(known.index_in(current.model.customers))

        return self._experiments.assign(question, unit, self._now(), segments)

    def _asker(self, question: Question, asker: Asker, loaded: LoadedModel) -> Asker:
        """Who asks, as one model knows them: not at all, where it lacks that they were erased."""
        asked = question.experiment_id
        if asked and not self._experiments.knows(asked, self._now()):
            asker = asker.warned(UNKNOWN_EXPERIMENT)
        if asker.customer_id and not self._standing.is_heeded(asker.shopper, loaded.learnt.ledger):
            return asker._replace(customer_id="")
        return asker
