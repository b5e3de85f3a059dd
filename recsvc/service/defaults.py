"""What holds where a question leaves it open."""

from dataclasses import dataclass, replace

from recsvc.core.diversity import Diversity
from recsvc.service.questions import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The shop's choices.

    Attributes:
        diversity: how varied lists are.
    """

    diversity: Diversity = Diversity.NONE

    def settled(self, question: Question) -> Question:
        """A question with nothing left open."""
        if question.diversity is not None:
            return question
        return replace(question, diversity=self.diversity)
