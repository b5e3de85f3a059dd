"""Lists about products rather than for a moment: computed for each call, and not cached."""

from recsvc.core.vocabulary import MISSING
from recsvc.errors import NotFoundError
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.answers import answer
from recsvc.service.deliveries import Computed, Deliveries, degraded
from recsvc.service.inquiries import Inquiries, Inquiry, with_shelf
from recsvc.service.questions import Delivery, Question, ServedFrom
from recsvc.service.situations import Situation
from recsvc.telemetry import note


class Related:
    """Answers what goes with a product.

    Args:
        inquiries: prepares questions.
        cache: tells what the shopper did of late.
        deliveries: says what is true of each.
    """

    def __init__(self, inquiries: Inquiries, cache: AnswerCache, deliveries: Deliveries) -> None:
        self._inquiries = inquiries
        self._cache = cache
        self._deliveries = deliveries

    def similar(self, product_id: str, question: Question, deadline: float) -> Computed:
        """List products like one.

        Args:
            product_id: which.
            question: who asks, and for what.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            NotFoundError: the model does not know it (PRODUCT_NOT_FOUND).
            UnavailableError: no model is loaded yet (WARMING_UP).
            InvalidRequestError: a strict filter names what the catalogue does not know.
        """
        inquiry = self._open(question, deadline)
        loaded = inquiry.loaded
        item = loaded.assortment.catalogue.items.index(product_id)
        if item == MISSING:
            raise NotFoundError(
                f"product {product_id[:80]!r} is not in the catalogue",
                reason="PRODUCT_NOT_FOUND",
                metadata={"product_id": product_id[:80]},
            )
        situation, reason = self._situation(inquiry)
        ranking = loaded.recommender.similar(item, situation.query)
        withdrawn = self._inquiries.withdrawn(loaded)
        made = answer(question, loaded, situation, ranking, item, withdrawn)
        return Computed(made, self._delivery(inquiry, reason))

    def _open(self, question: Question, deadline: float) -> Inquiry:
        inquiry = self._inquiries.open(question, deadline)
        note(version_id=inquiry.loaded.reference.version_id)
        return inquiry

    def _situation(self, inquiry: Inquiry) -> tuple[Situation, str]:
        """All that a list is made from, and why that is less than it should be."""
        recent = self._cache.recent(inquiry.asker.shopper, inquiry.deadline)
        situation = self._inquiries.situation(inquiry, recent.live)
        stocked = self._inquiries.stocked(inquiry, situation.store_id)
        reason = degraded(recent, stocked, is_blind=recent.skipped)
        return with_shelf(inquiry, situation, stocked), reason

    def _delivery(self, inquiry: Inquiry, reason: str) -> Delivery:
        return self._deliveries.delivery(inquiry.started, ServedFrom.MODEL, degraded_reason=reason)
