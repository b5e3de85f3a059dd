"""What holds where a question leaves it open."""

import pytest

from recsvc.core.diversity import Diversity
from recsvc.core.recommendation_id import Surface
from recsvc.core.rules import NO_RULES, Rulebook
from recsvc.service.defaults import Defaults
from recsvc.service.questions import Question


def settled(
    question: Question,
    book: Rulebook = NO_RULES,
    surface: Surface = Surface.RECOMMEND,
    diversity: Diversity = Diversity.NONE,
    *,
    buys_again: bool = True,
) -> Question:
    return Defaults(diversity=diversity).settled(question, book, surface, buys_again=buys_again)


@pytest.mark.parametrize(
    ("asked", "rules", "shop", "expected"),
    [
        (None, None, Diversity.LOW, Diversity.LOW),
        (Diversity.NONE, Diversity.HIGH, Diversity.LOW, Diversity.NONE),
        (Diversity.HIGH, None, Diversity.NONE, Diversity.HIGH),
        (None, Diversity.MEDIUM, Diversity.LOW, Diversity.MEDIUM),
        (None, Diversity.NONE, Diversity.LOW, Diversity.NONE),
    ],
)
def test_who_asks_decides_before_the_rules_and_those_before_the_settings(
    asked: Diversity | None, rules: Diversity | None, shop: Diversity, expected: Diversity
) -> None:
    """NONE is asked for as well; only what is not said is left to the next one."""
    question = settled(Question(diversity=asked), Rulebook(diversity=rules), diversity=shop)
    assert question.diversity is expected


@pytest.mark.parametrize("asked", [None, False, True])
@pytest.mark.parametrize("rules", [None, False, True])
def test_stock_and_past_purchases_know_three_states(
    *, asked: bool | None, rules: bool | None
) -> None:
    """Unset is as the rules say, and they allow everything unless they say otherwise."""
    book = Rulebook(in_stock_only=rules, exclude_purchased=rules)
    question = settled(Question(in_stock_only=asked, only_new=asked), book)
    expected = bool(rules) if asked is None else asked
    assert (question.in_stock_only, question.only_new) == (expected, expected)


def test_what_is_needed_again_may_have_been_bought() -> None:
    """Whatever the rules say of other lists."""
    book = Rulebook(exclude_purchased=True)
    assert settled(Question(), book, Surface.AGAIN).only_new is False
    assert settled(Question(), book, Surface.SIMILAR).only_new is True


@pytest.mark.parametrize("asked", [None, False, True])
@pytest.mark.parametrize("rules", [None, False, True])
def test_where_nothing_is_bought_twice_lists_leave_out_what_was_bought(
    *, asked: bool | None, rules: bool | None
) -> None:
    """Unless who asks, or the rules, want it otherwise."""
    book = Rulebook(exclude_purchased=rules)
    question = settled(Question(only_new=asked), book, buys_again=False)
    expected = next(said for said in (asked, rules, True) if said is not None)
    assert question.only_new is expected


def test_what_is_needed_again_is_asked_for_where_nothing_is_bought_twice() -> None:
    """It was bought before, if there is any."""
    assert settled(Question(), surface=Surface.AGAIN, buys_again=False).only_new is False
