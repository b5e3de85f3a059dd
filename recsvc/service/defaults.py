"""What holds where a question leaves it open."""

from dataclasses import dataclass
from typing import Self

from recsvc.core.diversity import Diversity
from recsvc.core.recommendation_id import Surface
from recsvc.core.rules import Rulebook
from recsvc.service.questions import Question
from recsvc.settings.lists import ListSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The shop's settings; its rules go before them.

    Attributes:
        diversity: how varied lists are.
    """

    diversity: Diversity = Diversity.NONE

    @classmethod
    def of(cls, settings: ListSettings) -> Self:
        """As they are set from outside."""
        return cls(diversity=Diversity(settings.diversity))

    def settled_diversity(self, asked: Diversity | None, book: Rulebook) -> Diversity:
        """How varied a list is: as is asked, else as the rules have it, else as the shop has."""
        return asked or book.diversity or self.diversity

    def settled(
        self, question: Question, book: Rulebook, surface: Surface, *, buys_again: bool
    ) -> Question:
        """A question with nothing left open.

        Args:
            question: who asks decides first.
            book: the shop's rules.
            surface: the kind of list.
            buys_again: whether the shop's customers come back for a product.
        """
        in_stock_only, only_new = question.in_stock_only, question.only_new
        return question.settled(
            only_new=book.only_new(surface, buys_again=buys_again)
            if only_new is None
            else only_new,
            in_stock_only=bool(book.in_stock_only if in_stock_only is None else in_stock_only),
            diversity=self.settled_diversity(question.diversity, book),
        )
