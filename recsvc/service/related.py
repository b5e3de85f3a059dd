"""Lists about products rather than for a moment: computed for each call, and not cached."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recsvc.core.lists import Ranking
from recsvc.core.recommendation_id import Surface
from recsvc.core.related_reasons import explain_again, explain_similar, explain_together
from recsvc.errors import InvalidRequestError, NotFoundError
from recsvc.logs import note
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.answers import Answers, Explain
from recsvc.service.basis import basis_of
from recsvc.service.deliveries import Computed, Deliveries, Needed, degraded
from recsvc.service.inquiries import Inquiries
from recsvc.service.inquiry import Inquiry, with_shelf
from recsvc.service.models import LoadedModel
from recsvc.service.questions import Need, Question, ServedFrom
from recsvc.service.situations import Situation


class Related:
    """Answers what is like a product, what goes with products, and what is needed again.

    Args:
        inquiries: prepares questions.
        answers: turns rankings into answers.
        cache: tells what the shopper did of late.
        deliveries: says what is true of each.
    """

    def __init__(
        self, inquiries: Inquiries, answers: Answers, cache: AnswerCache, deliveries: Deliveries
    ) -> None:
        self._inquiries = inquiries
        self._answers = answers
        self._cache = cache
        self._deliveries = deliveries

    def similar(self, product_id: str, question: Question, deadline: float) -> Computed:
        """List products like one.

        Args:
            product_id: which.
            question: who asks, and for what.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            NotFoundError: the catalogue has no such product (PRODUCT_NOT_FOUND).
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        inquiry = self._open(question, deadline, Surface.SIMILAR)
        item = int(_known(inquiry.loaded, [product_id])[0])
        situation, reason = self._situation(inquiry)
        ranking = inquiry.loaded.recommender.similar(item, situation.query)
        why = partial(explain_similar, item)
        return self._computed(inquiry, situation, ranking, why, reason, (product_id,))

    def together(self, product_ids: Sequence[str], question: Question, deadline: float) -> Computed:
        """List products that go into one basket with these.

        Args:
            product_ids: which; those that the catalogue does not know are ignored.
            question: who asks, and for what. Neither its basket nor the one that the shopper has
                filled of late is on the list, nor are variants, and the list is not about them.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            NotFoundError: the catalogue has none of them (PRODUCT_NOT_FOUND).
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        about = question._replace(basket=tuple(product_ids))
        inquiry = _without(self._open(about, deadline, Surface.TOGETHER), question.basket)
        _known(inquiry.loaded, product_ids)
        situation, reason = self._situation(inquiry)
        ranking = inquiry.loaded.recommender.together(situation.query)
        return self._computed(inquiry, situation, ranking, explain_together, reason)

    def again(self, question: Question, deadline: float) -> Needed:
        """List what a shopper needs again; nothing where nobody knows what they bought.

        Args:
            question: who asks, and for what.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: nobody in particular asks, only new products are asked for, or a
                strict filter names what the catalogue does not know.
        """
        if not question.is_by_somebody:
            raise InvalidRequestError("shopper", "is required, with an id")
        if question.only_new:
            raise InvalidRequestError(
                "filter.exclude_purchased",
                "what is needed again was bought before; leave that condition out",
                reason="FILTER_UNSUPPORTED",
            )
        inquiry = self._open(question, deadline, Surface.AGAIN)
        situation, reason = self._situation(inquiry)
        found = inquiry.loaded.recommender.again(situation.query)
        columns = (found.due_time, found.interval_seconds, found.quantity)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        made = self._computed(inquiry, situation, found.ranking, explain_again, reason)
        return Needed(made.answer, tuple(Need(*row) for row in rows), made.delivery)

    def _open(self, question: Question, deadline: float, surface: Surface) -> Inquiry:
        inquiry = self._inquiries.open(question, deadline, surface=surface)
        note(version_id=inquiry.loaded.reference.version_id)
        return inquiry

    def _situation(self, inquiry: Inquiry) -> tuple[Situation, str]:
        """All that a list is made from, and why that is less than it should be."""
        recent = self._cache.recent(inquiry.asker.shopper, inquiry.deadline)
        situation = self._inquiries.situation(inquiry, recent.live)
        stocked = self._inquiries.stocked(inquiry, situation.store_id)
        reason = degraded(recent, stocked, is_blind=recent.skipped)
        return with_shelf(inquiry, situation, stocked), reason

    def _computed(  # what a list was made from is recorded with it
        self,
        inquiry: Inquiry,
        situation: Situation,
        ranking: Ranking,
        why: Explain,
        reason: str,
        about: tuple[str, ...] = (),
    ) -> Computed:
        question, loaded = inquiry.question, inquiry.loaded
        withdrawn = self._inquiries.withdrawn(loaded)
        made = self._answers.answer(question, loaded, situation, ranking, withdrawn, explained=why)
        note(n_items=len(made.items))
        basis = basis_of(made, situation, withdrawn)._replace(about=about)
        deliver = self._deliveries.delivery
        return Computed(made, deliver(inquiry, ServedFrom.MODEL, basis, degraded_reason=reason))


def _without(inquiry: Inquiry, product_ids: Sequence[str]) -> Inquiry:
    """The same with a list that holds neither these products nor variants of them."""
    question, assortment = inquiry.question, inquiry.loaded.assortment
    items = assortment.catalogue.items
    variants = items.ids.take(assortment.with_variants(items.indices(product_ids)).tolist())
    excluded = (*question.excluded, *variants)
    return inquiry._replace(question=question._replace(excluded=excluded))


def _known(loaded: LoadedModel, product_ids: Sequence[str]) -> NDArray[np.int32]:
    """Indices of those products that the catalogue knows, at least one."""
    items = loaded.assortment.catalogue.items.indices(product_ids)
    if not len(items):
        first = product_ids[0][:80]
        others = f", nor is any other of the {len(product_ids)} named" * (len(product_ids) > 1)
        raise NotFoundError(
            f"product {first!r} is not in the catalogue{others}",
            reason="PRODUCT_NOT_FOUND",
            metadata={"product_id": first},
        )
    return items
